"""Undo: edits taken back, and done again."""

from __future__ import annotations

from planner.errors import TmplanError
from tui.app.actions import action
from tui.app.dialogs import Dialogs
from tui.app.editing import Editing
from tui.app.fields import Fields
from tui.settings.bindings import key_of
from tui.state.history import History


class Undo:
    """Moves in the history. An open editor is entered first."""

    def __init__(self, history: History, editing: Editing, fields: Fields, dialogs: Dialogs) -> None:
        self._history, self._editing, self._fields, self._dialogs = history, editing, fields, dialogs

    @action
    def undo(self) -> None:
        """Take the last edit back."""
        self._fields.close()
        at, undone = self._history.at, self._history.undo()
        if undone is None:
            self._dialogs.say("there is no edit to take back")
            return
        self._moved(at, f"took back: {undone.label}; {key_of('redo')} does it again")

    @action
    def redo(self) -> None:
        """Do an edit again that was taken back."""
        self._fields.close()
        at, done = self._history.at, self._history.redo()
        if done is None:
            self._dialogs.say("there is no edit to do again")
            return
        self._moved(at, f"did again: {done.label}")

    def _moved(self, before: int, message: str) -> None:
        """The history is at another document; where that cannot be read, at the one before again."""
        try:
            self._history.now.document  # noqa: B018  (one of an old session is read now)
        except TmplanError as error:
            self._dialogs.say(str(error), "bad")
            self._history.at = before
            return
        self._editing.plan(back=0)
        self._editing.show()
        self._dialogs.say(message)
