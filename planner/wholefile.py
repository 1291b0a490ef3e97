"""Files written whole or not at all: plan files, presets, predictions."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from planner.errors import FileError


def write(path: str | Path, text: str) -> None:
    """Write a file whole, or leave what was there untouched: FileError says why it could not be written.

    A pipe or a device (/dev/null, /dev/stdout) is written to; nothing takes its place.
    """
    temporary = ""
    try:
        target = Path(os.path.realpath(path))  # a link keeps pointing where it points
        given = Path(path)
        if given.exists() and not (given.is_file() or given.is_dir()):
            given.write_text(text, encoding="utf-8", newline="\n")
            return
        name = target.parent / f".{target.name[:40]}.{secrets.token_hex(4)}.tmp"
        handle = os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)  # the umask decides, as for any new file
        temporary = str(name)
        with open(handle, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        if target.exists():
            os.chmod(temporary, target.stat().st_mode & 0o777)
        os.replace(temporary, target)
    except (OSError, ValueError) as error:
        raise FileError(f"cannot be written: {reason(error)}; what was there is untouched", where=str(path)) from None
    finally:
        if temporary:
            with contextlib.suppress(OSError):  # gone when it took its place
                os.unlink(temporary)


def content(path: str | Path, largest: int, beyond: str, refusal: type[FileError] = FileError) -> bytes:
    """What a file holds, of `largest` bytes at most; `refusal`, with `beyond` where it is larger, says why it cannot be read."""
    try:
        with open(path, "rb") as stream:
            found = stream.read(largest + 1)
    except (OSError, ValueError) as error:
        raise refusal(f"cannot be read: {reason(error)}", where=str(path)) from None
    if len(found) > largest:
        raise refusal(beyond, where=str(path))
    return found


def reason(error: Exception) -> str:
    """Why the system refused, without its number and its path."""
    return (error.strerror or type(error).__name__).lower() if isinstance(error, OSError) else str(error)
