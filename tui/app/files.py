"""Files: plan files opened, and pictures of the screen."""

from __future__ import annotations

import os
from pathlib import Path

from planner.document import planfile
from planner.document.planfile import Document
from planner.errors import TmplanError
from planner.files import atomic, writer
from tui.app.writing import Writing
from tui.settings.bindings import key_of
from tui.state.history import Moment
from tui.state.view import View
from tui.widgets.line_edit import LineEdit
from tui.widgets.prompt import Prompt


class Files(Writing):
    """The program with files."""

    def action_export(self) -> None:
        """Choose what to write the plan under the cursor for, then where."""
        self.ask_target()

    def action_open(self) -> None:
        """Ask for a plan file and open it; what was open is an undo away."""
        self.close_editor()

        def done(text: str) -> str | None:
            return self.open_from(Path(os.path.expanduser(text))) if text else "type the path of a plan file"

        self.ask(Prompt("open", done))

    def open_from(self, path: Path) -> str | None:
        """Open a plan file in place of the document; a sentence if it cannot be."""
        try:
            opened = planfile.read(path)
        except TmplanError as error:
            self.foot.say(str(error), "bad")
            return str(error)
        self.take_over(opened, path, f"opened {path.name}")
        self.foot.say(f"opened {path}; {key_of('undo')} goes back", "good")
        return None

    def take_over(self, opened: Document, path: Path | None, label: str) -> None:
        """Another document in place of the present one, as an edit that can be undone."""
        for form in self.forms.values():
            form.refused.clear()
        self.behind |= self.edited
        self.history.opened(Moment.of(opened, path, label))
        self.table.chosen, self.view, self.back = opened.plan, View(), 0
        self.changed()
        self.show_document()

    def action_picture(self) -> None:
        """Ask for a path and write the screen there as SVG, as it was before it was asked."""
        picture = self.export_screenshot(title="tmplan")

        def done(text: str) -> str | None:
            if not text:
                return "type the path of the picture"
            path = Path(os.path.expanduser(text))
            try:
                writer.write(path, picture, over=atomic.ABSENT)
            except atomic.Changed:
                return f"{path} exists; type another path"
            except TmplanError as error:
                return str(error)
            self.foot.say(f"wrote {path}", "good")
            return None

        self.ask(Prompt("picture to", done, LineEdit.of("tmplan.svg")))
