"""PlanFileOpener: plan files opened in place of the document."""

from __future__ import annotations

import os
from pathlib import Path

from planner.document import planfile
from planner.errors import TmplanError
from tui.app.actions import action
from tui.app.dialogs import Dialogs
from tui.app.editing import Editing
from tui.app.fields import Fields
from tui.app.unsaved import UnsavedEdits
from tui.settings.bindings import key_of
from tui.widgets.prompt import Prompt


class PlanFileOpener:
    """Opens plan files. What was open before is an undo away."""

    def __init__(self, editing: Editing, fields: Fields, unsaved: UnsavedEdits, dialogs: Dialogs) -> None:
        self._editing, self._fields, self._unsaved, self._dialogs = editing, fields, unsaved, dialogs

    @action
    def ask(self) -> None:
        """Ask for a plan file and open it."""
        self._fields.close()

        def done(text: str) -> str | None:
            return self.open(Path(os.path.expanduser(text))) if text else "type the path of a plan file"

        self._dialogs.ask(Prompt("open", done))

    def open(self, path: Path) -> str | None:
        """Open a plan file; a sentence where it cannot be opened."""
        try:
            document = planfile.read(path)
        except TmplanError as error:
            self._dialogs.say(str(error), "bad")
            return str(error)
        self._unsaved.leave_behind()
        self._editing.open(document, path, f"opened {path.name}")
        self._dialogs.say(f"opened {path}; {key_of('undo')} goes back", "good")
        return None
