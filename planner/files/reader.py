"""The one reader of files: bounded in size, regular files only, every refusal one sentence."""

from __future__ import annotations

import errno
import os
import stat
import zlib
from itertools import islice
from pathlib import Path

from planner.errors import FileError

READING = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)  # absent on some platforms
CHUNK = 2**20  # bytes per read
MOST_NAMES = 20_000  # entries of a folder that is listed
SAVED = "save its output to a file and name that file"
KINDS = (
    (stat.S_ISDIR, "a folder, not a file"),
    (stat.S_ISFIFO, f"a pipe, not a file; {SAVED}"),
    (stat.S_ISSOCK, f"a socket, not a file; {SAVED}"),
    (stat.S_ISCHR, f"a device, not a file; {SAVED}"),
    (stat.S_ISBLK, "a device, not a file"),
)


class NotRegular(ValueError):
    """A path that is not a regular file; the message names its type."""


def content(path: str | Path, largest: int, beyond: str, refusal: type[FileError] = FileError) -> bytes:
    """The bytes of a regular file of at most `largest` bytes; the only function of tmplan that reads a file.

    Raises `refusal` with the reason, `beyond` for a larger file. A pipe, device, socket or folder is refused without waiting: the type
    is checked before opening, because opening a device may have effects, and again afterwards, because the path may have been replaced.
    """
    try:
        _regular(os.stat(path).st_mode)
        handle = os.open(path, READING)
        try:
            _regular(os.fstat(handle).st_mode)
            data = _bytes(handle, largest + 1)
        finally:
            os.close(handle)
    except (OSError, ValueError, MemoryError) as error:
        raise refusal(f"cannot be read: {_read_failure(path, error)}", where=str(path)) from None
    if len(data) > largest:
        raise refusal(beyond, where=str(path))
    return data


def text(path: str | Path, largest: int, beyond: str, refusal: type[FileError] = FileError) -> str:
    """The UTF-8 text of a regular file, as `content`; `refusal` gives the offset of the first invalid byte."""
    try:
        return content(path, largest, beyond, refusal).decode("utf-8")
    except UnicodeDecodeError as error:
        raise refusal(f"is not UTF-8 text (byte {error.start})", where=str(path)) from None


GZIP = b"\x1f\x8b"  # the first bytes of a gzip file


def unpacked_text(path: str | Path, largest: int, beyond: str) -> str:
    """The UTF-8 text of a regular file that may be packed with gzip; `largest` and `beyond` apply to the file and to its contents.

    FileError as `text`, and for a gzip file that is cut short, damaged, or has a second part.
    """
    data = content(path, largest, beyond)
    if data.startswith(GZIP):
        stream = zlib.decompressobj(wbits=31)
        try:
            data = stream.decompress(data, largest + 1)
        except zlib.error:
            raise FileError("is a damaged gzip file", where=str(path)) from None
        if len(data) > largest:
            raise FileError(beyond, where=str(path))
        if not stream.eof or stream.unused_data:
            raise FileError("is a gzip file that is cut short or has several parts", where=str(path))
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FileError(f"is not UTF-8 text (byte {error.start})", where=str(path)) from None


def _bytes(handle: int, most: int) -> bytes:
    """The first `most` bytes of an open file. The size reported by the system is not used: the file may grow, and /proc reports 0."""
    parts: list[bytes] = []
    while most and (part := os.read(handle, min(most, CHUNK))):
        parts.append(part)
        most -= len(part)
    return b"".join(parts)


def _regular(mode: int) -> None:
    """Raise NotRegular for the mode of anything but a regular file."""
    for is_kind, what in KINDS:
        if is_kind(mode):
            raise NotRegular(f"it is {what}")


def _read_failure(path: str | Path, error: Exception) -> str:
    """The reason why a file could not be read."""
    if isinstance(error, NotRegular):
        return str(error)
    if isinstance(error, MemoryError):
        return "not enough memory"
    if isinstance(error, UnicodeError):
        return "its path has characters that no file name can have"
    if isinstance(error, FileNotFoundError) and os.path.islink(path):
        return "it is a symbolic link to a file that does not exist"
    if isinstance(error, OSError) and error.errno == errno.ELOOP:
        return "it is a symbolic link in a cycle of links"
    return reason(error)


def exists(path: str | Path) -> bool:
    """Whether anything exists at a path, a dangling link included; True where that cannot be determined, so that reading reports why."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError):
        return True
    return True


def names_in(folder: str | Path, ending: str) -> list[str]:
    """The sorted names of the entries of a folder that have an ending, hidden ones excluded; empty where the folder does not exist.

    FileError for a path that is not a folder, cannot be listed, or has more than `MOST_NAMES` entries.
    """
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in islice(entries, MOST_NAMES + 1)]
    except (FileNotFoundError, NotADirectoryError):
        if not exists(folder):
            return []
        problem = "it is a symbolic link to a folder that does not exist" if os.path.islink(folder) else "it is not a folder"
        raise FileError(f"cannot be listed: {problem}", where=str(folder)) from None
    except (OSError, ValueError) as error:
        raise FileError(f"cannot be listed: {_read_failure(folder, error)}", where=str(folder)) from None
    if len(names) > MOST_NAMES:
        raise FileError(f"cannot be listed: it has more than {MOST_NAMES:,} files", where=str(folder))
    return sorted(name for name in names if name.endswith(ending) and not name.startswith("."))


def expand_home(path: str | Path) -> str:
    """A path with ~ replaced by the home folder; unchanged where the home folder is unknown, so that reading reports why."""
    try:
        return os.path.expanduser(path)
    except ValueError:  # the user name has a null byte or is not text
        return str(path)


def reason(error: Exception) -> str:
    """The system's reason for an error, without its number and path."""
    return (error.strerror or type(error).__name__).lower() if isinstance(error, OSError) else str(error)
