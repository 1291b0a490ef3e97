"""Typed access to another framework's configuration: a table, a count, a flag or a text under a key; errors name the key."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from planner.errors import FileError
from planner.plaintext import named, quoted

MOST = 2**34  # the largest count, as of a job's fields


def table(config: Mapping[str, Any], name: str, where: str) -> dict[str, Any]:
    """A table in a configuration, empty where it is absent or null; FileError for any other value."""
    value = config.get(name)
    if value is not None and not isinstance(value, dict):
        raise FileError(f"key '{name}' must be a table, not {quoted(value)}", where=where)
    return value or {}


def count(values: Mapping[str, Any], key: str, where: str, default: int = 1) -> int:
    """A count, the default where it is absent or null; FileError for any other value, such as "auto"."""
    value = values.get(key)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise FileError(f"key '{key}' must be a whole number of at least 1, not {quoted(value)}", where=where)
    if value > MOST:
        raise FileError(f"key '{key}' must be at most {MOST:,}, not {quoted(value)}", where=where)
    return value


def flag(values: Mapping[str, Any], key: str, where: str, default: bool = False) -> bool:
    """A boolean, the default where it is absent, null or "auto" (set in another file)."""
    value = values.get(key)
    if value is None or value == "auto":
        return default
    if not isinstance(value, bool):
        raise FileError(f"key '{key}' must be true or false, not {quoted(value)}", where=where)
    return value


def choice(values: Mapping[str, Any], key: str, where: str, default: str = "", among: Collection[str] = ()) -> str:
    """A text, the default where it is absent or null; FileError for any other value, or a text that is not `among` the given ones."""
    value = values.get(key)
    if value is None:
        return default
    known = f"one of {', '.join(among)}" if among else "a text"
    if not isinstance(value, str) or (among and value not in among):
        raise FileError(f"key '{key}' must be {known}, not {quoted(value)}", where=where)
    return value


def unknown_keys(keys: Iterable[Any], known: Collection[str], within: str = "") -> list[str]:
    """The keys that are not known, as shown in messages; YAML has keys of any type."""
    return [within + (named(key) if isinstance(key, str) else quoted(key)) for key in keys if not isinstance(key, str) or key not in known]
