"""One row of a runs file, column by column: its text, numbers and flags, and a note of what a blank was taken for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from planner.errors import FieldError
from planner.plaintext import named, quoted

Row = Mapping[str, str]
LONGEST = 4000  # characters of a cell: what searches in one may take time that grows with its square
YES, NO = ("1", "yes", "true"), ("0", "no", "false")


def told(row: Row, key: str) -> str:
    """The text of a column, stripped; empty where it is blank or the column is absent. FieldError where it is longer than any note."""
    text = (row.get(key) or "").strip()
    if len(text) > LONGEST:
        raise FieldError(key, f"column '{key}' must be a text of at most {LONGEST:,} characters, not of {len(text):,}")
    return text


def number(row: Row, key: str, default: float | None = None, least: float = 0.0) -> float:
    """A number of a row; FieldError where it is none, too small, or missing without a default."""
    text = told(row, key)
    if not text:
        if default is None:
            raise FieldError(key, f"column '{key}' is blank and has no default")
        return default
    try:
        value = float(text)
    except ValueError:
        raise FieldError(key, f"column '{key}' must be a number, not {quoted(text)}") from None
    if not least <= value < 1e15:
        raise FieldError(key, f"column '{key}' must be at least {least:g} and below 1e15, not {named(text)}")
    return value


def whole(row: Row, key: str, default: int | None = None, least: int = 1) -> int:
    """A whole number of a row."""
    value = number(row, key, default, least)
    if value != int(value):
        raise FieldError(key, f"column '{key}' must be a whole number, not {quoted(value)}")
    return int(value)


def flag(row: Row, key: str) -> bool | None:
    """A yes or a no of a row; None where it is blank."""
    text = told(row, key).lower()
    if text and text not in YES + NO:
        raise FieldError(key, f"column '{key}' must be 1 or 0, not {quoted(text)}")
    return text in YES if text else None


def assume(assumed: dict[str, str], key: str, value: Any) -> Any:
    """Note what a blank was taken for."""
    assumed[key] = str(value)
    return value
