"""The errors a user can meet: what is wrong, where, and what would be right, in one sentence."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from planner.plaintext import PATH, named, sentence


class TmplanError(Exception):
    """Any refusal that is the input's fault; its text is the one sentence the user reads."""

    def __init__(self, message: str, *, where: str = "") -> None:
        self.where = named(where, PATH)
        super().__init__(sentence(f"{self.where}: {message}" if where else message))


def fault(error: Exception) -> str:
    """The sentence for an error that is nobody's input: a fault of tmplan."""
    return f"this is a fault of tmplan, please report it: {type(error).__name__}: {error}"


class FieldError(TmplanError):
    """A value that a field cannot take; `key` names the field so that a form can mark it."""

    def __init__(self, key: str, message: str, *, where: str = "") -> None:
        self.key = key
        super().__init__(message, where=where)


class UnknownName(FieldError):
    """A preset, axis or column nobody knows, with the nearest that exist."""

    def __init__(self, key: str, name: str, known: Iterable[str], *, where: str = "") -> None:
        names = sorted(known)
        near = difflib.get_close_matches(name.lower()[:PATH], names, n=3, cutoff=0.4)
        known_ = f"{', '.join(names[:4])} and {len(names) - 4} more" if len(names) > 5 else ", ".join(names)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known: {known_}"
        super().__init__(key, f"no {key} is called '{named(name)}'; {hint}", where=where)


class FileError(TmplanError):
    """A file that cannot be read or written."""


class PlanFileError(FileError):
    """A plan file that is damaged, or newer than this program."""


class Unsupported(TmplanError):
    """Something tmplan knows of and cannot plan yet."""
