"""Atomic writing of every file: plan files, presets, predictions, exports. A file is written completely or not at all."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from planner.errors import FileError
from planner.files import atomic
from planner.files.links import follow
from planner.files.reader import reason


def write(path: str | Path, text: str | Iterable[str], *, over: str | None = None, private: bool = False) -> None:
    """Write a file atomically; FileError with the reason where that fails, and the path is left unchanged.

    text: the content, or an iterable of its pieces, written one at a time. An exception of the iterable leaves the path
    unchanged.

    over: the `atomic.fingerprint` of the file that may be overwritten (atomic.ABSENT: none may exist); atomic.Changed for any other.
    private: mode 0600 in a folder of tmplan; a symbolic link at the path is replaced, not followed.

    A pipe or a character device (/dev/null, /dev/stdout) is written to and not replaced. A block device is refused.
    """
    unchanged = "; nothing was changed"
    try:
        content = [text.encode("utf-8")] if isinstance(text, str) else (piece.encode("utf-8") for piece in text)
        target = os.path.abspath(path) if private else follow(path)
        kind = atomic.file_type(target)
        if kind in (0, stat.S_IFREG) or private:
            atomic.replace(path, target, content, over, private)
            return
        if kind == stat.S_IFDIR:
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        if kind == stat.S_IFBLK:
            raise OSError(errno.EINVAL, "it is a block device")
        unchanged = ""
        atomic.send(target, content)
    except (OSError, ValueError) as error:
        raise FileError(f"cannot be written: {reason(error)}{unchanged}", where=str(path)) from None


def replaces(path: str | Path) -> bool:
    """Whether writing to a path would replace an existing regular file; FileError where the path cannot be inspected."""
    try:
        return atomic.file_type(follow(path)) == stat.S_IFREG
    except (OSError, ValueError) as error:
        raise FileError(f"cannot be written: {reason(error)}", where=str(path)) from None
