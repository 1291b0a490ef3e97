"""The folder of sessions: its path and permissions, the locks of slots, and unique names for files that are set aside."""

from __future__ import annotations

import contextlib
import os
import stat
from itertools import count
from pathlib import Path
from typing import IO

from planner.errors import FileError
from planner.files import reader

PREFIX = "session-"  # of every file name in the folder, after the dot of a temporary file


def folder() -> Path:
    """The folder of sessions: TMPLAN_STATE, else the platform's state folder. ValueError if there is no home folder for it."""
    if given := os.environ.get("TMPLAN_STATE"):
        return Path(os.path.expanduser(given))
    import platformdirs

    path = Path(platformdirs.user_state_dir("tmplan"))
    if not path.is_absolute():
        raise ValueError("no home folder is known; TMPLAN_STATE names one")
    return path


def prepared(where: Path) -> Path:
    """The folder, created if necessary, with permissions for this user only; OSError or ValueError if that is impossible."""
    where = where.absolute()
    where.mkdir(parents=True, exist_ok=True, mode=0o700)
    status = where.stat()
    if _mine(status) and status.st_mode & 0o077 and not status.st_mode & stat.S_ISVTX and _only_sessions(where):
        with contextlib.suppress(OSError):
            where.chmod(0o700)
    return where


def _mine(status: os.stat_result) -> bool:
    """Whether a file belongs to this user; always true on systems without numeric user ids."""
    return os.name != "posix" or status.st_uid == os.geteuid()


def _only_sessions(where: Path) -> bool:
    """Whether a folder contains only sessions: the permissions of a home or shared folder are not changed."""
    return all(name.lstrip(".").startswith(PREFIX) for name in os.listdir(where))


def locked(where: Path, number: int) -> IO[str] | None:
    """The lock of a slot, held while the file is open; None if another program holds it.

    OSError or ValueError if the lock or the session is another user's, or not a regular file; never follows, truncates or waits for it.
    """
    import fcntl

    _check_owners(where, number)
    lock = where / f"{PREFIX}{number}.lock"
    handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    with contextlib.ExitStack() as failing:
        stream = failing.enter_context(os.fdopen(handle, "r+", encoding="utf-8"))  # never written to
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
            raise ValueError(f"{lock.name} is not a lock file of tmplan")
        with contextlib.suppress(OSError):
            os.fchmod(handle, 0o600)
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):  # held by another program; systems differ in the error
            return None
        except OSError:  # a file system without locks: a session that two programs could write is better than none
            pass
        failing.pop_all()
        return stream


def _check_owners(where: Path, number: int) -> None:
    """Refuse files of a slot that another user placed in a folder that is not this user's or is writable by others."""
    status = where.stat()
    if _mine(status) and not status.st_mode & 0o022:
        return
    for name in (f"{PREFIX}{number}.lock", f"{PREFIX}{number}.json"):
        with contextlib.suppress(FileNotFoundError):
            if not _mine(os.lstat(where / name)):
                raise ValueError(f"{name} there belongs to another user")


def sweep(where: Path, number: int) -> None:
    """Remove temporary files that a program killed while writing left in a slot; only the holder of the slot writes there."""
    for left in where.glob(f".{PREFIX}{number}[.-]*.tmp"):
        with contextlib.suppress(OSError):
            left.unlink()


def aside(path: Path, mark: str) -> Path:
    """Move a file to an unused name (session-1.old.json, session-1.old-2.json, ...) and return the new path; FileError."""
    try:
        single = not path.is_dir() or path.is_symlink()
        for number in count(1):
            there = path.with_suffix(f".{mark}{f'-{number}' if number > 1 else ''}{path.suffix}")
            try:
                _claim(there, single)
            except FileExistsError:
                continue
            break
        try:
            os.replace(path, there)
        except OSError:
            there.unlink() if single else there.rmdir()
            raise
        if single and not there.is_symlink():
            there.chmod(0o600)
    except OSError as error:
        raise FileError(f"cannot be set aside: {reader.reason(error)}", where=str(path)) from None
    return there


def _claim(path: Path, single: bool) -> None:
    """Create an empty file or folder that is then replaced, which reserves the name; FileExistsError if the name is in use."""
    if single:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    else:
        os.mkdir(path, 0o700)
