"""The folder of sessions: where it is, closed to others, its locks, and names of their own for what is set aside."""

from __future__ import annotations

import contextlib
import os
import stat
from itertools import count
from pathlib import Path
from typing import IO

from planner.errors import FileError
from planner.files import reader

OWN = "session-"  # what the name of every file in the folder begins with, behind the dot of one that is being written


def folder() -> Path:
    """Where sessions lie: TMPLAN_STATE, else the platform's state folder. ValueError where there is no home to have one in."""
    if given := os.environ.get("TMPLAN_STATE"):
        return Path(os.path.expanduser(given))
    import platformdirs

    found = Path(platformdirs.user_state_dir("tmplan"))
    if not found.is_absolute():
        raise ValueError("no home folder is known; TMPLAN_STATE names one")
    return found


def prepared(where: Path) -> Path:
    """The folder, made if need be and closed to others; OSError or ValueError where it cannot be."""
    where = where.absolute()
    where.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = where.stat()
    if _mine(found) and found.st_mode & 0o077 and not found.st_mode & stat.S_ISVTX and _all_own(where):
        with contextlib.suppress(OSError):
            where.chmod(0o700)
    return where


def _mine(found: os.stat_result) -> bool:
    """Whether something is this user's; where users have no numbers everything is."""
    return os.name != "posix" or found.st_uid == os.geteuid()


def _all_own(where: Path) -> bool:
    """Whether a folder holds sessions and nothing else: a home, or a folder that others use, stays as open as it is."""
    return all(name.lstrip(".").startswith(OWN) for name in os.listdir(where))


def locked(where: Path, number: int) -> IO[str] | None:
    """The lock of a slot, held as long as it is open; None where another program holds it.

    OSError or ValueError where the lock or the session is another user's, or no file: neither is followed, emptied or waited for.
    """
    import fcntl

    _check_owners(where, number)
    lock = where / f"{OWN}{number}.lock"
    handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    with contextlib.ExitStack() as failing:
        stream = failing.enter_context(os.fdopen(handle, "r+", encoding="utf-8"))  # nothing is ever written to it
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
            raise ValueError(f"{lock.name} is no lock of tmplan's")
        with contextlib.suppress(OSError):
            os.fchmod(handle, 0o600)
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):  # held, as one system or another says it
            return None
        except OSError:  # a file system without locks: better a session that two could write than none
            pass
        failing.pop_all()
        return stream


def _check_owners(where: Path, number: int) -> None:
    """Refuse the files of a slot that others laid into a folder which is theirs, or which they may write."""
    found = where.stat()
    if _mine(found) and not found.st_mode & 0o022:
        return
    for name in (f"{OWN}{number}.lock", f"{OWN}{number}.json"):
        with contextlib.suppress(FileNotFoundError):
            if not _mine(os.lstat(where / name)):
                raise ValueError(f"{name} there is another user's")


def sweep(where: Path, number: int) -> None:
    """Remove what a program killed in the middle of writing left of a slot's files: only who holds the slot writes them."""
    for left in where.glob(f".{OWN}{number}[.-]*.tmp"):
        with contextlib.suppress(OSError):
            left.unlink()


def aside(path: Path, mark: str) -> Path:
    """Move a file to a name that nothing has, session-1.old.json, session-1.old-2.json and so on; where it lies now. FileError."""
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
    """Make an empty file, or folder, that is then replaced: nobody else takes the name. FileExistsError where it is taken."""
    if single:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    else:
        os.mkdir(path, 0o700)
