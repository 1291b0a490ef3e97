"""The cells of one row of a runs file as text, numbers and flags, and a record of the values assumed for blanks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from planner.errors import FieldError
from planner.plaintext import named, quoted

Row = Mapping[str, str]
LONGEST = 4000  # characters of a cell; regular expressions may take time quadratic in its length
YES, NO = ("1", "yes", "true"), ("0", "no", "false")


def cell(row: Row, key: str) -> str:
    """The stripped text of a column; empty if it is blank or absent. FieldError above LONGEST characters."""
    text = (row.get(key) or "").strip()
    if len(text) > LONGEST:
        raise FieldError(key, f"column '{key}' must be a text of at most {LONGEST:,} characters, not of {len(text):,}")
    return text


def number(row: Row, key: str, default: float | None = None, least: float = 0.0) -> float:
    """The number in a column, the default if blank. FieldError if it is not a number, below `least`, or blank without a default."""
    text = cell(row, key)
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
    """The whole number in a column, the default if blank. FieldError as for `number`, and for a fraction."""
    value = number(row, key, default, least)
    if value != int(value):
        raise FieldError(key, f"column '{key}' must be a whole number, not {quoted(value)}")
    return int(value)


def flag(row: Row, key: str) -> bool | None:
    """The flag in a column; None if blank. FieldError for other texts than yes and no."""
    text = cell(row, key).lower()
    if text and text not in YES + NO:
        raise FieldError(key, f"column '{key}' must be 1 or 0, not {quoted(text)}")
    return text in YES if text else None


def assume(assumed: dict[str, str], key: str, value: Any) -> Any:
    """Record the value assumed for a blank, and return it."""
    assumed[key] = str(value)
    return value
