"""ExternalEditor: the plan file opened in the editor that the environment names."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from textual.app import SuspendNotSupported

from planner.document import planfile
from planner.errors import FileError, TmplanError
from planner.files import reader, writer
from planner.plaintext import named
from tui.app import terminal_modes
from tui.app.actions import action
from tui.app.dialogs import Dialogs
from tui.app.editing import Editing
from tui.app.fields import Fields
from tui.app.plan_file_writer import PlanFileWriter
from tui.app.private_folder import PrivateFolder
from tui.app.session_keeper import SessionKeeper
from tui.settings.bindings import key_of
from tui.settings.state_folder import aside
from tui.state.prompt_texts import PendingTexts
from tui.widgets.table import Table

EDITED = "edited.toml"  # in the private folder
LABEL = "editor"  # what the session keeps a text under that could not be read
Suspend = Callable[[], AbstractContextManager[None]]


class ExternalEditor:
    """Opens the editor and reads the edited plan file. `suspend` hands over the terminal, `repaint` repaints the screen."""

    def __init__(
        self,
        editing: Editing,
        fields: Fields,
        table: Table,
        plan_file: PlanFileWriter,
        dialogs: Dialogs,
        folder: PrivateFolder,
        keeper: SessionKeeper,
        suspend: Suspend,
        repaint: Callable[[], None],
    ) -> None:
        self._editing, self._fields, self._table, self._plan_file, self._dialogs = editing, fields, table, plan_file, dialogs
        self._folder, self._keeper, self._suspend, self._repaint = folder, keeper, suspend, repaint
        self.process: subprocess.Popen[bytes] | None = None  # the editor that has the terminal

    @property
    def _unread(self) -> PendingTexts:
        """Holds edited text that could not be read: it is corrected in the next edit."""
        return self._dialogs.unentered

    @action
    def open(self) -> None:
        """Open the plan file in $EDITOR and read it again."""
        self._fields.close()
        path = self._folder.path(EDITED)
        unread = self._unread.get(LABEL)
        try:
            words = editor_words()
            before = unread or planfile.dumps(self._plan_file.document())
            writer.write(path, before, private=True)
            self._keeper.write()  # no key arrives while the editor is open
            code = self.run([*words, str(path)])
            text = edited(path)
        except TmplanError as error:
            self._dialogs.say(str(error), "bad")
            return
        self.read(text, "" if unread else before, code, str(path))

    def run(self, command: list[str]) -> int:
        """Hand the terminal to a program until it ends; its exit code. TmplanError if it cannot run."""
        broken: Exception | None = None
        code = 0
        try:
            with self._suspend():  # which takes the terminal back only where nothing is raised within
                try:
                    code = self._run(command)
                except Exception as error:
                    broken = error
        except SuspendNotSupported:
            raise TmplanError("this terminal cannot be lent to an editor") from None
        finally:
            self._repaint()
        if isinstance(broken, OSError | ValueError):
            reason = reader.reason(broken)
            raise TmplanError(f"{named(command[0])} cannot be run: {reason}; set EDITOR to an editor that is there")
        if broken is not None:
            raise broken
        return code

    def _run(self, command: list[str]) -> int:
        """Run a program on the terminal until it ends, and restore the modes of the terminal."""
        before = terminal_modes.modes()
        with subprocess.Popen(command) as self.process:
            try:
                return self.process.wait()
            finally:
                code, self.process = self.process.poll(), None
                terminal_modes.set_modes(before)
                if code is None or code < 0:
                    terminal_modes.send(terminal_modes.AFTER_OTHERS)

    def read(self, text: str, before: str, code: int, path: str) -> None:
        """Read the edited text: a document, or text that is stored until it is corrected."""
        self._unread.take(LABEL)
        ended = f"; the editor {ended_with(code)}" if code else ""
        if text == before:
            self._dialogs.say(f"nothing was changed{ended}")
            return
        try:
            document = planfile.loads(text, where="what you edited")
        except TmplanError as error:
            self._unread.put(LABEL, text)
            self._dialogs.say(f"{error}; {key_of('editor')} opens it again, it lies in {path}{ended}", "bad")
            return
        self._table.chosen = document.plan
        self._editing.replace(document, "edited in the editor")
        if ended:
            self._dialogs.say(f"the edited plan file was read{ended}; {key_of('undo')} goes back")

    def clean_up(self) -> None:
        """Remove what was edited and read back, with the folder that was made for it."""
        self._folder.remove(*(() if self._unread.get(LABEL) else (EDITED,)))


def edited(path: Path) -> str:
    """The text that an editor wrote. FileError if it cannot be read; the file is renamed then, since the next edit would replace it."""
    try:
        return reader.text(path, planfile.LARGEST_FILE, "is too large for a plan file")
    except FileError as error:
        if not reader.exists(path):
            raise
        raise FileError(f"{error}; it is now {aside(path, 'unread')}") from None


def editor_words() -> list[str]:
    """The command of the editor that the environment names, else vi; TmplanError where it cannot be read or is not there."""
    for name in ("VISUAL", "EDITOR"):
        try:
            words = shlex.split(os.environ.get(name, ""))
        except ValueError as error:
            raise TmplanError(f"{name} cannot be read: {error}; set it to the command of an editor") from None
        if words and not runs(words[0]):
            raise TmplanError(
                f"{named(words[0])}, which {name} names, cannot be run: no such program; set {name} to the command of an editor"
            )
        if words:
            return words
    if not runs("vi"):
        raise TmplanError("no editor is set, and vi cannot be run: no such program; set EDITOR to the command of an editor")
    return ["vi"]


def runs(program: str) -> bool:
    """Whether a program of this name can be run."""
    try:
        return bool(program) and shutil.which(program) is not None
    except (OSError, ValueError):  # no path can be so long, or hold a zero
        return False


def ended_with(code: int) -> str:
    """How a program ended that failed."""
    return f"was ended by signal {-code}" if code < 0 else f"ended with {code}"
