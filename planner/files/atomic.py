"""Atomic replacement of a file: a complete temporary file is renamed, and only the file meant to be overwritten is replaced."""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import stat
from collections.abc import Iterable
from pathlib import Path

from planner.errors import FileError
from planner.files.links import descriptor

ABSENT = ""  # the fingerprint of a path at which no file exists
LARGEST_READ = 2**26  # bytes of a file that is compared by its content
STALL = 2.0  # seconds without progress after which a pipe is abandoned


class Changed(FileError):
    """The file at a path is not the one that may be overwritten. `current` is the fingerprint of what is there now."""

    def __init__(self, path: str | Path, current: str, over: str) -> None:
        self.current = current
        problem = "no longer exists" if not current else "already exists" if not over else "was changed by another program"
        super().__init__(f"{problem}; nothing was written", where=str(path))


def digest(content: bytes) -> str:
    """The SHA-256 digest of a file's content, which identifies the file."""
    import hashlib  # imported here because it loads OpenSSL, which only plan files need

    return hashlib.sha256(content).hexdigest()


def fingerprint(path: str | Path) -> str:
    """The fingerprint of what is at a path: ABSENT, the digest of a regular file, or the identity and change time of anything else."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return ABSENT
    if stat.S_ISREG(status.st_mode) and status.st_size <= LARGEST_READ:
        with contextlib.suppress(OSError), open(path, "rb", opener=_quiet) as stream:
            return digest(stream.read(LARGEST_READ + 1))
    return f"{status.st_dev} {status.st_ino} {status.st_mode} {status.st_size} {status.st_mtime_ns}"


def _quiet(path: str, flags: int) -> int:
    """Open a path that was a regular file when checked, without following a link and without waiting for the other end of a pipe."""
    return os.open(path, flags | _flags("O_NOFOLLOW", "O_NONBLOCK"))


def _flags(*names: str) -> int:
    """The bitwise sum of those os.open flags that the platform has."""
    return sum(getattr(os, name, 0) for name in names)


def file_type(path: str) -> int:
    """The type of the file at a path (stat.S_IFREG etc.), 0 where none exists. An open file of this process counts as a pipe."""
    if descriptor(path) is not None:
        return stat.S_IFIFO
    try:
        return stat.S_IFMT(os.lstat(path).st_mode)
    except FileNotFoundError:
        return 0


def replace(path: str | Path, target: str, content: Iterable[bytes], over: str | None, private: bool) -> None:
    """Write a temporary file in the target's folder, then rename it onto the target; mode and owner of the replaced file are retained."""
    folder, name = os.path.split(target)
    former = os.stat(target) if not private and os.path.exists(target) else None
    if former and not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, "the file is read-only")
    temporary = os.path.join(folder, f".{name[:40]}.{os.urandom(4).hex()}.tmp")
    mode = 0o600 if private else 0o666 if former is None else former.st_mode & 0o777  # the umask applies, as for any new file
    handle = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | _flags("O_BINARY"), mode)
    try:
        with open(handle, "wb") as stream:
            stream.writelines(content)
            stream.flush()
            os.fsync(stream.fileno())
        if former is not None:
            created = os.stat(temporary)
            if (created.st_uid, created.st_gid) != (former.st_uid, former.st_gid):
                with contextlib.suppress(OSError):  # only root may change the owner
                    os.chown(temporary, former.st_uid, former.st_gid)
            os.chmod(temporary, former.st_mode & 0o777)
        _rename(path, temporary, target, over)
    finally:
        with contextlib.suppress(OSError):  # already renamed on success
            os.unlink(temporary)


def _rename(path: str | Path, temporary: str, target: str, over: str | None) -> None:
    """Rename a temporary file onto its target if the existing file may be overwritten, else raise Changed; an identical file is left."""
    if over is not None and (over != ABSENT or os.path.lexists(target)):
        current = fingerprint(target)
        if current == fingerprint(temporary):
            return
        if current != over:
            raise Changed(path, current, over)
    if over != ABSENT:
        os.replace(temporary, target)
        return
    try:
        _claim(temporary, target)
    except FileExistsError:
        raise Changed(path, fingerprint(target), over) from None


def _claim(temporary: str, target: str) -> None:
    """Rename a temporary file onto a path at which nothing exists, in one atomic step; FileExistsError where a file has appeared."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links: create an empty file and replace it
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        try:
            os.replace(temporary, target)
        except OSError:
            os.unlink(target)
            raise


def send(target: str, content: Iterable[bytes]) -> None:
    """Write to a pipe or a device. OSError where no process reads it, or its reader takes nothing for STALL seconds."""
    opened = descriptor(target)
    try:
        handle = os.open(target, os.O_WRONLY | _flags("O_NONBLOCK", "O_NOCTTY", "O_NOFOLLOW")) if opened is None else os.dup(opened)
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise OSError(errno.ENXIO, "no process reads this pipe") from None
        raise
    try:
        for piece in content:
            rest = memoryview(piece)
            while rest:
                try:
                    rest = rest[os.write(handle, rest) :]
                except BlockingIOError:
                    _await(handle)
    finally:
        os.close(handle)


def _await(handle: int) -> None:
    """Wait until a pipe accepts data; OSError after STALL seconds."""
    with selectors.DefaultSelector() as selector:
        selector.register(handle, selectors.EVENT_WRITE)
        if not selector.select(STALL):
            raise OSError(errno.ETIMEDOUT, "the process that reads this pipe accepts no more data")
