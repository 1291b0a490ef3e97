"""Undo: edits taken back and done again, with what is being typed, and past what cannot be read."""

from __future__ import annotations

import pytest

from tests.tui.driving import SMALL, Driver, drive
from tests.tui.fake import fake_search, made_up
from tui.state.history import History, Moment, StoredDocument
from tui.state.session import State

__all__ = ["made_up"]
pytestmark = pytest.mark.usefixtures("made_up")


def test_the_message_names_the_edit_that_was_undone() -> None:
    """Undo names the last edit, then the one before it; redo names them in their order."""

    async def play(it: Driver) -> None:
        await it.edit("sequence", "8192")
        await it.edit("global_batch", "128")
        messages = []
        for act in (it.program.undo.undo, it.program.undo.undo, it.program.undo.redo, it.program.undo.redo):
            act()
            messages.append(it.foot.message)
        named = [[label for label in ("Global batch", "Sequence") if label in message] for message in messages]
        assert named == [["Global batch"], ["Sequence"], ["Sequence"], ["Global batch"]]

    drive(play, search=fake_search)


def test_text_in_an_open_editor_is_entered_before_it_is_undone() -> None:
    """What is being typed becomes an edit, so that redo has it; the editor is closed."""

    async def play(it: Driver) -> None:
        before = it.document
        await it.press("3")
        it.active_form.go("global_batch")
        await it.press("enter", "9", "6")
        it.program.undo.undo()
        assert it.active_form.edit is None and it.document == before
        it.program.undo.redo()
        assert it.document.inputs.values["global_batch"] == 96

    drive(play, search=fake_search)


def test_an_edit_that_cannot_be_read_is_not_gone_to() -> None:
    """Where the document before cannot be read, a message says why and the present one stays."""

    async def play(it: Driver) -> None:
        it.program.undo.undo()
        assert it.foot.role == "bad" and it.foot.message
        assert it.program.history.at == 1 and it.document == SMALL

    drive(play, search=fake_search, state=State(History([Moment(StoredDocument(text="no plan file")), Moment.of(SMALL)])))
