"""Putting a file in its place: whole, in one step, and only over what was meant to be overwritten."""

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

NOTHING = ""  # what `held` tells of a path with nothing there
LARGEST_READ = 2**26  # bytes of a file that is compared by what it holds
STALL = 2.0  # seconds that a pipe may take nothing


class Changed(FileError):
    """Something else stands at a path than was to be overwritten. `found` is what stands there now, as `held` tells it."""

    def __init__(self, path: str | Path, found: str, over: str) -> None:
        self.found = found
        told = "is not there any more" if not found else "is there already" if not over else "was changed by another program"
        super().__init__(f"{told}; nothing was written", where=str(path))


def digest(content: bytes) -> str:
    """What a file of these bytes is told by."""
    import hashlib  # for those that read or write a plan file alone: it loads OpenSSL

    return hashlib.sha256(content).hexdigest()


def held(path: str | Path) -> str:
    """What stands at a path: NOTHING, the digest of a file, or what tells anything else apart."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return NOTHING
    if stat.S_ISREG(found.st_mode) and found.st_size <= LARGEST_READ:
        with contextlib.suppress(OSError), open(path, "rb", opener=_quiet) as stream:
            return digest(stream.read(LARGEST_READ + 1))
    return f"{found.st_dev} {found.st_ino} {found.st_mode} {found.st_size} {found.st_mtime_ns}"


def _quiet(path: str, flags: int) -> int:
    """Open what was a file a moment ago, without following a link and without waiting for the other end of a pipe."""
    return os.open(path, flags | _flags("O_NOFOLLOW", "O_NONBLOCK"))


def _flags(*names: str) -> int:
    """Flags of os.open, those that the platform has."""
    return sum(getattr(os, name, 0) for name in names)


def kind(place: str) -> int:
    """Of what kind a thing is (stat.S_IFREG and its like); 0: nothing is there. An open file of this process counts as a pipe."""
    if descriptor(place) is not None:
        return stat.S_IFIFO
    try:
        return stat.S_IFMT(os.lstat(place).st_mode)
    except FileNotFoundError:
        return 0


def put(path: str | Path, place: str, content: Iterable[bytes], over: str | None, private: bool) -> None:
    """Write a file beside the place, piece by piece, then put it there; the mode and the owner of the file that was there are kept."""
    folder, name = os.path.split(place)
    former = os.stat(place) if not private and os.path.exists(place) else None
    if former and not os.access(place, os.W_OK):
        raise PermissionError(errno.EACCES, "the file is read-only")
    temporary = os.path.join(folder, f".{name[:40]}.{os.urandom(4).hex()}.tmp")
    mode = 0o600 if private else 0o666 if former is None else former.st_mode & 0o777  # the umask decides, as for any new file
    handle = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | _flags("O_BINARY"), mode)
    try:
        with open(handle, "wb") as stream:
            stream.writelines(content)
            stream.flush()
            os.fsync(stream.fileno())
        if former is not None:
            mine = os.stat(temporary)
            if (mine.st_uid, mine.st_gid) != (former.st_uid, former.st_gid):
                with contextlib.suppress(OSError):  # only root gives files away
                    os.chown(temporary, former.st_uid, former.st_gid)
            os.chmod(temporary, former.st_mode & 0o777)
        _place(path, temporary, place, over)
    finally:
        with contextlib.suppress(OSError):  # gone when it took its place
            os.unlink(temporary)


def _place(path: str | Path, temporary: str, place: str, over: str | None) -> None:
    """Give a file that is written its place, if what stands there is what may be overwritten: Changed. What holds the same stays."""
    if over is not None and (over != NOTHING or os.path.lexists(place)):
        found = held(place)
        if found == held(temporary):
            return
        if found != over:
            raise Changed(path, found, over)
    if over != NOTHING:
        os.replace(temporary, place)
        return
    try:
        _claim(temporary, place)
    except FileExistsError:
        raise Changed(path, held(place), over) from None


def _claim(temporary: str, place: str) -> None:
    """Give a file a place where nothing is, in one step; FileExistsError where something has come."""
    try:
        os.link(temporary, place)
    except FileExistsError:
        raise
    except OSError:  # a file system without links: an empty file of our own is replaced
        os.close(os.open(place, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        try:
            os.replace(temporary, place)
        except OSError:
            os.unlink(place)
            raise


def send(place: str, content: Iterable[bytes]) -> None:
    """Write to a pipe or a device, never waiting long for whoever reads it."""
    own = descriptor(place)
    try:
        handle = os.open(place, os.O_WRONLY | _flags("O_NONBLOCK", "O_NOCTTY", "O_NOFOLLOW")) if own is None else os.dup(own)
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise OSError(errno.ENXIO, "nobody reads this pipe") from None
        raise
    try:
        for piece in content:
            left = memoryview(piece)
            while left:
                try:
                    left = left[os.write(handle, left) :]
                except BlockingIOError:
                    _await(handle)
    finally:
        os.close(handle)


def _await(handle: int) -> None:
    """Wait until a pipe takes more."""
    with selectors.DefaultSelector() as selector:
        selector.register(handle, selectors.EVENT_WRITE)
        if not selector.select(STALL):
            raise OSError(errno.ETIMEDOUT, "whoever reads this pipe takes no more")
