"""Keyboard: each key and each paste goes to what is open, else to its action."""

from __future__ import annotations

import pytest
from textual.events import Paste

from tests.tui.driving import SMALL, Driver, drive
from tests.tui.fake import fake_search, made_up
from tui.widgets.prompt import Prompt

__all__ = ["made_up"]
pytestmark = pytest.mark.usefixtures("made_up")


async def paste(it: Driver, text: str) -> None:
    """Paste a text."""
    it.app.post_message(Paste(text))
    await it.pilot.pause()


def test_a_paste_in_a_list_searches_it() -> None:
    """The pasted text is typed into the search of the list; the cursor is on its first match, and the list shows it."""

    async def play(it: Driver) -> None:
        await it.press("s", "g", "backspace", "down", "down", "down")
        assert it.picker.at > 0
        await paste(it, "mfu")
        assert it.picker.edit.text == "mfu" and it.picker.at == 0 and "mfu" in "".join(it.picker.lines()[1:3])
        await it.press("enter")
        assert it.program.ranking.view.column == "mfu"

    drive(play, search=fake_search)


def test_a_paste_is_shown_in_the_prompt_it_goes_to() -> None:
    """A prompt has the pasted text, drawn at once."""

    async def play(it: Driver) -> None:
        await it.press("slash")
        await paste(it, "tp=2")
        assert "tp=2" in it.foot.lines()[0]

    drive(play, search=fake_search)


def test_a_key_that_leaves_an_editor_also_moves_the_cursor() -> None:
    """Down enters what was typed and goes to the next field; enter stays; escape leaves the value."""

    async def play(it: Driver) -> None:
        await it.press("3")
        it.active_form.go("global_batch")
        place = it.active_form.at
        await it.press("enter", "9", "6", "down")
        assert it.document.inputs.values["global_batch"] == 96 and it.active_form.at == place + 1
        await it.press("up", "enter", "6", "4", "enter")
        assert it.document.inputs.values["global_batch"] == 64 and it.active_form.at == place
        await it.press("enter", "9", "escape")
        assert it.active_form.edit is None and it.document.inputs == SMALL.inputs

    drive(play, search=fake_search)


def test_a_prompt_that_opens_another_leaves_it_open() -> None:
    """What is done with a text may ask again; that prompt gets the next keys."""

    async def play(it: Driver) -> None:
        answers: list[str] = []
        it.program.dialogs.ask(Prompt("first", lambda text: it.program.dialogs.ask(Prompt("second", answers.append))))
        await it.press("enter")
        assert it.foot.prompt is not None and it.foot.prompt.label == "second"
        await it.type("x")
        assert answers == ["x"] and it.foot.prompt is None

    drive(play, search=fake_search)


def test_any_key_closes_the_welcome_and_is_handled() -> None:
    """The first key closes the welcome and moves the cursor."""

    async def play(it: Driver) -> None:
        it.program.panes.welcome.open = True
        it.program.layout.arrange()
        assert it.program.layout.shows("welcome")
        await it.press("down")
        assert not it.program.layout.shows("welcome") and it.table.at == 1

    drive(play, search=fake_search)


def test_a_message_is_shown_until_the_next_key() -> None:
    """The next key of an action takes the message away."""

    async def play(it: Driver) -> None:
        it.program.dialogs.say("a message")
        await it.press("down")
        assert it.foot.message == ""

    drive(play, search=fake_search)
