"""Files written whole or not at all, and read within a bound: plan files, presets, predictions, and all others."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from planner.errors import FileError
from planner.files import placing
from planner.files.links import leads

READING = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)  # some are a system's own
CHUNK = 2**20  # bytes read at once
MOST_NAMES = 20_000  # in a folder that is looked into
SAVED = "save what comes out of it to a file, and name that"
KINDS = (
    (stat.S_ISDIR, "a folder, not a file"),
    (stat.S_ISFIFO, f"a pipe, not a file; {SAVED}"),
    (stat.S_ISSOCK, f"a socket, not a file; {SAVED}"),
    (stat.S_ISCHR, f"a device, not a file; {SAVED}"),
    (stat.S_ISBLK, "a device, not a file"),
)


class NotRegular(ValueError):
    """What is no regular file, in words."""


def write(path: str | Path, text: str | Iterable[str], *, over: str | None = None, private: bool = False) -> None:
    """Write a file whole, or leave what was there untouched: FileError says why it could not be written.

    text: all of it, or pieces, which are written as they come; what they raise as they are made leaves the place untouched.
    over: what may be overwritten, as `placing.held` told it (placing.NOTHING: no file may be there); Changed where something else is there.
    private: for the user's eyes alone, in a folder of tmplan's own; a link there is replaced, not followed.
    A pipe or a device (/dev/null, /dev/stdout) is written to; nothing takes its place. A disk is refused.
    """
    untouched = "; what was there is untouched"
    try:
        content = [text.encode("utf-8")] if isinstance(text, str) else (piece.encode("utf-8") for piece in text)
        place = os.path.abspath(path) if private else leads(path)
        kind = placing.kind(place)
        if kind in (0, stat.S_IFREG) or private:
            placing.put(path, place, content, over, private)
            return
        if kind == stat.S_IFDIR:
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        if kind == stat.S_IFBLK:
            raise OSError(errno.EINVAL, "it is a disk")
        untouched = ""
        placing.send(place, content)
    except (OSError, ValueError) as error:
        raise FileError(f"cannot be written: {reason(error)}{untouched}", where=str(path)) from None


def replaces(path: str | Path) -> bool:
    """Whether writing to a path would take the place of a file that is there; FileError where that cannot be seen."""
    try:
        return placing.kind(leads(path)) == stat.S_IFREG
    except (OSError, ValueError) as error:
        raise FileError(f"cannot be written: {reason(error)}", where=str(path)) from None


def content(path: str | Path, largest: int, beyond: str, refusal: type[FileError] = FileError) -> bytes:
    """What a regular file holds, of `largest` bytes at most; the one way by which tmplan reads a file.

    `refusal` says in a sentence why it cannot be read, with `beyond` where it is larger. A pipe, a device, a socket or a folder is
    refused and never waited for: what is at the path is asked before it is opened, for to open a device may set it going, and again
    afterwards, for it may have been replaced.
    """
    try:
        _regular(os.stat(path).st_mode)
        handle = os.open(path, READING)
        try:
            _regular(os.fstat(handle).st_mode)
            found = _bytes(handle, largest + 1)
        finally:
            os.close(handle)
    except (OSError, ValueError, MemoryError) as error:
        raise refusal(f"cannot be read: {_unread(path, error)}", where=str(path)) from None
    if len(found) > largest:
        raise refusal(beyond, where=str(path))
    return found


def text(path: str | Path, largest: int, beyond: str, refusal: type[FileError] = FileError) -> str:
    """The same as text in UTF-8; `refusal` names the byte that is none."""
    try:
        return content(path, largest, beyond, refusal).decode("utf-8")
    except UnicodeDecodeError as error:
        raise refusal(f"is not UTF-8 text (byte {error.start})", where=str(path)) from None


def _bytes(handle: int, most: int) -> bytes:
    """What an open file holds, its first `most` bytes; a file that grows meanwhile, or says it is empty (/proc), is read all the same."""
    parts: list[bytes] = []
    while most and (part := os.read(handle, min(most, CHUNK))):
        parts.append(part)
        most -= len(part)
    return b"".join(parts)


def _regular(mode: int) -> None:
    """Refuse what is no regular file."""
    for is_kind, what in KINDS:
        if is_kind(mode):
            raise NotRegular(f"it is {what}")


def _unread(path: str | Path, error: Exception) -> str:
    """Why a file could not be read."""
    if isinstance(error, NotRegular):
        return str(error)
    if isinstance(error, MemoryError):
        return "there is no memory left for it"
    if isinstance(error, UnicodeError):
        return "its path holds characters that no file name can"
    if isinstance(error, FileNotFoundError) and os.path.islink(path):
        return "it is a link to a file that is not there"
    if isinstance(error, OSError) and error.errno == errno.ELOOP:
        return "it is a link that leads in a circle"
    return reason(error)


def there(path: str | Path) -> bool:
    """Whether anything is at a path, be it a link to nothing; true as well where that cannot be told, so that reading it says why."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError):
        return True
    return True


def names_in(folder: str | Path, ending: str) -> list[str]:
    """The names in a folder that end so, sorted, but for hidden ones; empty where there is no folder.

    FileError where it is none, cannot be looked into, or holds more than `MOST_NAMES`.
    """
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in islice(entries, MOST_NAMES + 1)]
    except (FileNotFoundError, NotADirectoryError):
        if not there(folder):
            return []
        told = "it is a link to a folder that is not there" if os.path.islink(folder) else "it is no folder"
        raise FileError(f"cannot be looked into: {told}", where=str(folder)) from None
    except (OSError, ValueError) as error:
        raise FileError(f"cannot be looked into: {_unread(folder, error)}", where=str(folder)) from None
    if len(names) > MOST_NAMES:
        raise FileError(f"cannot be looked into: it holds more than {MOST_NAMES:,} files", where=str(folder))
    return sorted(name for name in names if name.endswith(ending) and not name.startswith("."))


def expanded(path: str | Path) -> str:
    """A path as a person types it, with ~ as their home folder; as it stands where no home can be told, so that reading it says why."""
    try:
        return os.path.expanduser(path)
    except ValueError:  # no name of a user: it holds a null byte, or what is no text
        return str(path)


def reason(error: Exception) -> str:
    """Why the system refused, without its number and its path."""
    return (error.strerror or type(error).__name__).lower() if isinstance(error, OSError) else str(error)
