"""Overwriting by commands: an existing file is left unchanged unless --force is given."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from planner.errors import FileError
from planner.files import atomic, writer
from planner.plaintext import PATH, named


class Exists(FileError):
    """Files exist already; only --force, or a confirmation, overwrites them."""

    def __init__(self, paths: list[str]) -> None:
        self.paths = paths
        super().__init__(f"{' and '.join(paths)} {'exists' if len(paths) == 1 else 'exist'}; --force overwrites")


def vacant(path: str, *, force: bool) -> None:
    """Refuse a path of an existing file, or in a missing folder, before any work is done: Exists, FileError."""
    if not force and writer.replaces(path):
        raise Exists([path])
    folder = Path(path).parent
    if not os.path.isdir(folder):
        raise FileError(f"cannot be written: there is no folder {named(str(folder), PATH)}", where=path)


def put(path: str | Path, text: str | Iterable[str], *, force: bool) -> None:
    """Write a file atomically from a text or its pieces; Exists if a file appears in the meantime and `force` is not set; FileError."""
    try:
        writer.write(path, text, over=None if force else atomic.ABSENT)
    except atomic.Changed:
        raise Exists([str(path)]) from None
