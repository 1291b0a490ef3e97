"""Writing: plan files written and copied. What somebody else wrote is asked about first; what is private lies where nobody else looks."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from textual.events import Key

from planner.document import planfile
from planner.document.planfile import Document
from planner.errors import FileError, TmplanError
from planner.files import atomic, reader, writer
from planner.plaintext import named
from planner.report.columns import predictions
from tui.app.reaching import Reaching
from tui.draw.lines import Line
from tui.state.history import StoredDocument, same
from tui.widgets.line_edit import LineEdit
from tui.widgets.prompt import Prompt, Question

EDITED, COPIED = "edited.toml", "copied.toml"  # the program's own files, beside its session


@dataclass
class Overwrite(Question):
    """Whether a file is overwritten, or another path taken. The name of the file gives way to what is said of it."""

    told: str = ""
    elsewhere: Callable[[], None] = lambda: None
    help: str = "y: overwrite it, w: write elsewhere, any other key: leave it as it is"

    def take(self, event: Key) -> bool:
        if event.key == "w":
            self.elsewhere()
        return super().take(event)

    def draw(self, width: int) -> list[Line]:
        room = max(12, width - len(self.told) - 4)
        return [[(f" {named(self.label, room)} {self.told}", "bad")], [(f" {self.help}", "dim")]]


class Writing(Reaching):
    """The program with writing."""

    _private: Path | None = None  # a folder of this program's own, where no session has one

    def action_write(self) -> None:
        """Ask for a path and write the plan file there; what others wrote is overwritten only after a yes."""
        self.close_editor()
        self.ask_path(str(self.path) if self.path else f"{self.name_offered()}.toml")

    def ask_path(self, offered: str) -> None:
        """Ask where to write the plan file."""

        def done(text: str) -> str | None:
            if not text:
                return "type the path of the plan file"
            path = Path(reader.expand_home(text))
            own = self.path is not None and same(path, self.path)
            return self.write_to(path, self.history.now.digest if own else atomic.ABSENT)

        self.ask(Prompt("write to", done, LineEdit.of(offered)))

    def name_offered(self) -> str:
        """A file name for a plan nobody has named."""
        job = self.answer.job if self.answer else None
        return f"{job.model.name}-{job.cluster.gpus}" if job else "plan"

    def write_to(self, path: Path, over: str) -> str | None:
        """Write the document with the plan under the cursor; a sentence if it cannot be.

        over: what may be overwritten, as atomic.fingerprint tells it. Anything else that stands there is asked about.
        """
        try:
            written = self.document_written()
            digest = planfile.write(path, written, over=over)
            kept = writer.replaces(path)
        except atomic.Changed as changed:
            self.ask(self.overwriting(path, over, changed.current))
            return None
        except TmplanError as error:
            self.foot.say(str(error), "bad")
            return str(error)
        if kept:
            self.wrote(StoredDocument(written), path, digest)
        self.foot.say(f"wrote {path}" if kept else f"wrote to {path}, which keeps nothing", "good")
        return None

    def wrote(self, kept: StoredDocument, path: Path, digest: str) -> None:
        """The document at hand was written to a file, and belongs to it from now on."""
        if self.history.now.stored in self.befores:
            self.befores[kept] = self.befores[self.history.now.stored]
        self.history.wrote(replace(self.history.now, stored=kept, path=path, saved=kept, digest=digest))
        self.show_status()

    def overwriting(self, path: Path, over: str, found: str) -> Overwrite:
        """The question whether what was found at a path may be overwritten: that and nothing that comes later."""
        told = "exists; overwrite it?"
        if over:
            told = "was changed by another program since it was opened; overwrite it?" if found else "is not there any more; write it anew?"
        question = Overwrite(str(path), lambda yes: self.write_to(path, found), told=told, elsewhere=lambda: self.ask_path(str(path)))
        if not found:
            question.help = "y: write it, w: write elsewhere, any other key: leave it"
        return question

    def document_written(self) -> Document:
        """The document as it goes into a file: with the plan under the cursor and what is predicted for it."""
        current = self.current_plan()
        if current is None:
            return replace(self.document, plan=None, predictions=None)
        from planner.cost.evaluate import evaluate

        return replace(self.document, plan=current[1], predictions=predictions(evaluate(*current)))

    def action_copy(self) -> None:
        """Copy the plan file: to the clipboard of your own terminal (OSC 52), and to a file, since not every terminal takes that."""
        if self.plan_to("copy") is None:
            return
        try:
            text = planfile.dumps(self.document_written())
            path = self.beside(COPIED)
            writer.write(path, text, private=True)
        except TmplanError as error:
            self.foot.say(str(error), "bad")
            return
        self.copy_to_clipboard(text)
        self.foot.say(f"copied to the clipboard, where the terminal takes OSC 52, and to {path}", "good")

    def beside(self, name: str) -> Path:
        """A file of this program's own, beside its session; in a folder made for it alone where there is none. FileError."""
        session = self.session
        if session and session.path:
            return session.path.with_name(f"{session.path.stem}-{name}")
        if self._private is None or not closed(self._private):
            try:
                self._private = Path(tempfile.mkdtemp(prefix="tmplan-"))
            except OSError as error:
                raise FileError(f"no folder for temporary files can be made: {reader.reason(error)}") from None
        return self._private / name

    def on_unmount(self) -> None:
        """Remove the folder that was made, and what was edited there and read back: never what was copied, or could not be read."""
        if self._private is None:
            return
        with contextlib.suppress(OSError):
            if not getattr(self, "_unread", ""):
                (self._private / EDITED).unlink(missing_ok=True)
            self._private.rmdir()


def closed(folder: Path) -> bool:
    """Whether a folder is there as it was made: nobody else's, and nobody else may look into it."""
    try:
        found = os.lstat(folder)
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and (os.name != "posix" or (found.st_uid == os.geteuid() and not found.st_mode & 0o077))
