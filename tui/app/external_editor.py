"""Elsewhere: the plan file in an editor of one's own, which has the terminal meanwhile."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

from textual.app import SuspendNotSupported

from planner.document import planfile
from planner.errors import FileError, TmplanError
from planner.files import reader, writer
from planner.plaintext import named
from tui.app import leaving
from tui.app.files import Files
from tui.app.writing import EDITED
from tui.settings.bindings import key_of
from tui.settings.state_folder import aside

EDITOR = "editor"  # what the session keeps a text under that could not be read


class Elsewhere(Files):
    """The program with an editor."""

    _unread = ""  # what came from the editor and could not be read

    def action_editor(self) -> None:
        """Open the plan file in $EDITOR and read it again."""
        self.close_editor()
        path = self.beside(EDITED)
        self._unread = kept = self._unread or self.asked.take(EDITOR)  # what could not be read: to be mended, not lost
        try:
            words = editor_words()
            before = kept or planfile.dumps(self.document_written())
            writer.write(path, before, private=True)
            self.keep()  # while the editor is open nothing else would
            code = self.outside([*words, str(path)])
            text = came_back(path)
        except TmplanError as error:
            self.foot.say(str(error), "bad")
            return
        self.read_edited(text, before if not kept else "", code, str(path))

    def outside(self, command: list[str]) -> int:
        """Run a program of its own on the terminal and come back, whatever becomes of it; its exit code. TmplanError if it cannot run."""
        broken: Exception | None = None
        code = 0
        try:
            with self.suspend():  # which gives the terminal back only where nothing is raised within
                try:
                    code = self._lend(command)
                except Exception as error:
                    broken = error
        except SuspendNotSupported:
            raise TmplanError("this terminal cannot be lent to an editor") from None
        finally:
            self.repaint()
        if isinstance(broken, OSError | ValueError):
            reason = reader.reason(broken)
            raise TmplanError(f"{named(command[0])} cannot be run: {reason}; set EDITOR to an editor that is there")
        if broken is not None:
            raise broken
        return code

    def _lend(self, command: list[str]) -> int:
        """Run a program that has the terminal until it ends; the terminal is then as it was, however it ended."""
        before = leaving.modes()
        with subprocess.Popen(command) as self.guest:
            try:
                return self.guest.wait()
            finally:
                code, self.guest = self.guest.poll(), None
                leaving.set_modes(before)
                if code is None or code < 0:
                    leaving.send(leaving.AFTER_OTHERS)

    def read_edited(self, text: str, before: str, code: int, path: str) -> None:
        """What came back from the editor: a document, or text that is kept until it is one."""
        self._unread = ""
        ended = f"; the editor {ended_with(code)}" if code else ""
        if text == before:
            self.foot.say(f"nothing was changed{ended}")
            return
        try:
            document = planfile.loads(text, where="what you edited")
        except TmplanError as error:
            self._unread = text
            self.foot.say(f"{error}; {key_of('editor')} opens it again, it lies in {path}{ended}", "bad")
            return
        self.table.chosen = document.plan
        self.replace(document, "edited in the editor")
        self.show_document()
        if ended:
            self.foot.say(f"what was written there is taken{ended}; {key_of('undo')} goes back")

    def being_typed(self) -> dict[str, str]:
        return super().being_typed() | ({EDITOR: self._unread} if self._unread else {})


def came_back(path: Path) -> str:
    """What an editor wrote; what cannot be read lies under a name of its own then, for the next edit would take its place. FileError."""
    try:
        return reader.text(path, planfile.LARGEST_FILE, "is too large for a plan file")
    except FileError as error:
        if not reader.exists(path):
            raise
        raise FileError(f"{error}; it lies in {aside(path, 'unread')}") from None


def editor_words() -> list[str]:
    """The command of the editor that the environment names, else vi; TmplanError where it cannot be read or is not there."""
    for name in ("VISUAL", "EDITOR"):
        try:
            words = shlex.split(os.environ.get(name, ""))
        except ValueError as error:
            raise TmplanError(f"{name} cannot be read: {error}; set it to the command of an editor") from None
        if words and not found(words[0]):
            raise TmplanError(
                f"{named(words[0])}, which {name} names, cannot be run: no such program; set {name} to the command of an editor"
            )
        if words:
            return words
    if not found("vi"):
        raise TmplanError("no editor is set, and vi cannot be run: no such program; set EDITOR to the command of an editor")
    return ["vi"]


def found(program: str) -> bool:
    """Whether there is a program to run by this name."""
    try:
        return bool(program) and shutil.which(program) is not None
    except (OSError, ValueError):  # no path can be so long, or hold a zero
        return False


def ended_with(code: int) -> str:
    """How a program ended that did not end well."""
    return f"was ended by signal {-code}" if code < 0 else f"ended with {code}"
