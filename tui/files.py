"""Files: plan files opened and edited elsewhere, and pictures of the screen."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from pathlib import Path

from textual.app import SuspendNotSupported

from planner import placing, planfile, wholefile
from planner.errors import TmplanError
from planner.planfile import Document
from tui.bindings import key_of
from tui.editor import LineEdit
from tui.history import Moment
from tui.prompt import Prompt
from tui.rows import View
from tui.writing import EDITED, Writing


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

    def action_editor(self) -> None:
        """Open the plan file in $EDITOR and read it again."""
        self.close_editor()
        path = self.beside(EDITED)
        kept = getattr(self, "_unread", "")  # what was typed there and could not be read: to be mended, not lost
        try:
            words = editor_words()
            before = kept or planfile.dumps(self.document_written())
            wholefile.write(path, before, private=True)
            self.keep()  # while the editor is open nothing else would
            code = self.outside([*words, str(path)])
            text = wholefile.content(path, planfile.LARGEST_FILE, "is too large for a plan file").decode("utf-8", "replace")
        except TmplanError as error:
            self.foot.say(str(error), "bad")
            return
        self.read_edited(text, before if not kept else "", code, str(path))

    def outside(self, command: list[str]) -> int:
        """Run a program of its own on the terminal, and come back; its exit code. TmplanError where it cannot be run."""
        interrupt = signal.signal(signal.SIGINT, lambda *_: None)  # ctrl+c there is meant for that program
        try:
            with self.suspend():
                return subprocess.call(command)
        except SuspendNotSupported:
            raise TmplanError("this terminal cannot be lent to an editor") from None
        except (OSError, ValueError) as error:
            reason = wholefile.reason(error)
            raise TmplanError(f"{command[0]} cannot be run: {reason}; set EDITOR to an editor that is there") from None
        finally:
            signal.signal(signal.SIGINT, interrupt)
            self.repaint()

    def read_edited(self, text: str, before: str, code: int, path: str) -> None:
        """What came back from the editor: a document, or text that is kept until it is one."""
        self._unread = ""
        if text == before:
            self.foot.say(f"nothing was changed{f'; the editor ended with {code}' if code else ''}")
            return
        try:
            document = planfile.loads(text, where="what you edited")
        except TmplanError as error:
            self._unread = text
            self.foot.say(f"{error}; {key_of('editor')} opens it again, it lies in {path}", "bad")
            return
        self.table.chosen = document.plan
        self.replace(document, "edited in the editor")
        self.show_document()

    def action_picture(self) -> None:
        """Ask for a path and write the screen there as SVG, as it was before it was asked."""
        picture = self.export_screenshot(title="tmplan")

        def done(text: str) -> str | None:
            if not text:
                return "type the path of the picture"
            path = Path(os.path.expanduser(text))
            try:
                wholefile.write(path, picture, over=placing.NOTHING)
            except placing.Changed:
                return f"{path} exists; type another path"
            except TmplanError as error:
                return str(error)
            self.foot.say(f"wrote {path}", "good")
            return None

        self.ask(Prompt("picture to", done, LineEdit.of("tmplan.svg")))


def editor_words() -> list[str]:
    """The command of the editor that the environment names; TmplanError where that cannot be read."""
    for name in ("VISUAL", "EDITOR"):
        try:
            words = shlex.split(os.environ.get(name, ""))
        except ValueError as error:
            raise TmplanError(f"{name} cannot be read: {error}; set it to the command of an editor") from None
        if words:
            return words
    return ["vi"]
