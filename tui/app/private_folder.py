"""PrivateFolder: the folder of the program's files next to its session, readable by their owner alone."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from pathlib import Path

from planner.errors import FileError
from planner.files import reader
from tui.state.session import Session


class PrivateFolder:
    """The session's folder; without a session a temporary folder, removed at the end unless it holds a file of use."""

    def __init__(self, session: Session | None) -> None:
        self._session = session
        self._made: Path | None = None

    def path(self, name: str) -> Path:
        """The path of a file. FileError where no folder can be made."""
        session = self._session
        if session and session.path:
            return session.path.with_name(f"{session.path.stem}-{name}")
        if self._made is None or not is_private(self._made):
            try:
                self._made = Path(tempfile.mkdtemp(prefix="tmplan-"))
            except OSError as error:
                raise FileError(f"no folder for temporary files can be made: {reader.reason(error)}") from None
        return self._made / name

    def remove(self, *names: str) -> None:
        """Remove these files of a folder that was made, and the folder if it is empty then."""
        if self._made is None:
            return
        with contextlib.suppress(OSError):
            for name in names:
                (self._made / name).unlink(missing_ok=True)
            self._made.rmdir()


def is_private(folder: Path) -> bool:
    """Whether a folder belongs to this user and only this user has access to it."""
    try:
        status = os.lstat(folder)
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and (os.name != "posix" or (status.st_uid == os.geteuid() and not status.st_mode & 0o077))
