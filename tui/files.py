"""Files: plan files written, opened, edited elsewhere and copied, and pictures of the screen."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

from textual.app import SuspendNotSupported

from planner import planfile, wholefile
from planner.columns import predictions
from planner.errors import TmplanError
from planner.planfile import Document
from tui.bindings import key_of
from tui.editor import LineEdit
from tui.history import Kept, Moment
from tui.prompt import Prompt, Question
from tui.reaching import Reaching
from tui.rows import View


class Files(Reaching):
    """The program with files."""

    def action_write(self) -> None:
        """Ask for a path and write the plan file there; another file is overwritten only after a yes."""
        self.close_editor()
        offered = str(self.path) if self.path else f"{self.name_offered()}.toml"

        def done(text: str) -> str | None:
            if not text:
                return "type the path of the plan file"
            path = Path(os.path.expanduser(text))
            if os.path.exists(path) and (self.path is None or path.absolute() != self.path.absolute()):
                self.ask(Question(f"{path} exists; overwrite it?", lambda yes: self.write_to(path)))
                return None
            return self.write_to(path)

        self.ask(Prompt("write to", done, LineEdit.of(offered)))

    def name_offered(self) -> str:
        """A file name for a plan nobody has named."""
        job = self.answer.job if self.answer else None
        return f"{job.model.name}-{job.cluster.gpus}" if job else "plan"

    def write_to(self, path: Path) -> str | None:
        """Write the document with the plan under the cursor; a sentence if it cannot be."""
        try:
            written = self.document_written()
            planfile.write(path, written)
        except TmplanError as error:
            self.foot.say(str(error), "bad")
            return str(error)
        kept = Kept(written)
        if self.history.now.kept in self.befores:
            self.befores[kept] = self.befores[self.history.now.kept]
        self.history.change(replace(self.history.now, kept=kept, path=path, saved=kept))
        self.show_status()
        self.foot.say(f"wrote {path}", "good")
        return None

    def document_written(self) -> Document:
        """The document as it goes into a file: with the plan under the cursor and what is predicted for it."""
        current = self.current_plan()
        if current is None:
            return replace(self.document, plan=None, predictions=None)
        from planner.evaluate import evaluate

        return replace(self.document, plan=current[1], predictions=predictions(evaluate(*current)))

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
        kept = Kept(opened)
        self.history.push(Moment(kept, path, kept if path else None, label))
        self.table.chosen, self.view, self.back = opened.plan, View(), 0
        self.changed()
        self.show_document()

    def action_copy(self) -> None:
        """Copy the plan file: to the clipboard of your own terminal (OSC 52), and to a file, since not every terminal takes that."""
        current = self.plan_to("copy")
        if current is None:
            return
        try:
            text = planfile.dumps(self.document_written())
            path = self.beside("copied.toml")
            wholefile.write(path, text)
        except TmplanError as error:
            self.foot.say(str(error), "bad")
            return
        self.copy_to_clipboard(text)
        self.foot.say(f"copied to the clipboard, where the terminal takes OSC 52, and to {path}", "good")

    def beside(self, name: str) -> Path:
        """A file of this program's own, beside its session; in the folder for temporary files where there is none."""
        import tempfile

        session = self.session
        if session and session.path:
            return session.path.with_name(f"{session.path.stem}-{name}")
        return Path(tempfile.gettempdir()) / f"tmplan-{os.getpid()}-{name}"

    def action_editor(self) -> None:
        """Open the plan file in $EDITOR and read it again."""
        self.close_editor()
        path = self.beside("edited.toml")
        kept = getattr(self, "_unread", "")  # what was typed there and could not be read: to be mended, not lost
        try:
            words = editor_words()
            before = kept or planfile.dumps(self.document_written())
            wholefile.write(path, before)
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
                if path.exists():
                    return f"{path} exists; type another path"
                wholefile.write(path, picture)
            except (TmplanError, OSError, ValueError) as error:
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
