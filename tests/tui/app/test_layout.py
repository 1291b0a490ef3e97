"""PaneLayout: the pane with the keyboard, and the room of each pane."""

from __future__ import annotations

import pytest

from tests.tui.driving import Driver, drive
from tests.tui.fake import fake_search, made_up
from tui.settings.bindings import DETAIL, FORM, PLANS
from tui.terminal.layout import FORMS

__all__ = ["made_up"]
pytestmark = pytest.mark.usefixtures("made_up")


def test_keys_are_looked_up_for_the_pane_with_the_keyboard() -> None:
    """Forms, plans and detail have each their keys and hints; one pane has the marks of the keyboard."""

    async def play(it: Driver) -> None:
        for key, context in (("1", FORM), ("5", DETAIL), ("4", PLANS), ("6", FORM)):
            await it.press(key)
            assert it.program.layout.context == context == it.foot.context
            assert [pane.id for pane in it.program.panes.main if pane.current] == [it.pane]
        await it.press("5", "slash")
        assert it.foot.prompt is not None and it.foot.prompt.label.startswith("find")

    drive(play, search=fake_search)


def test_the_form_used_last_is_the_active_one() -> None:
    """A form is active from when it gets the keyboard until another form does."""

    async def play(it: Driver) -> None:
        for key, form in (("2", "model"), ("4", "model"), ("1", "cluster"), ("5", "cluster")):
            await it.press(key)
            assert it.active_form.id == form

    drive(play, search=fake_search)


def test_each_form_has_a_row_for_its_title_and_each_field() -> None:
    """On a tall screen every field of the first forms is in view, below the title."""

    async def play(it: Driver) -> None:
        for name in FORMS[:-1]:
            assert it.program.layout.regions[name].height == len(it.forms[name].entries) + 1
            assert it.forms[name].in_view() == [entry.key for entry in it.forms[name].entries]

    drive(play, search=fake_search, size=(120, 100))
