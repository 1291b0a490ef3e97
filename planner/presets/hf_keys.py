"""Typed reading of a Hugging Face config.json: a number, a flag or a list under a key.

A value of another type is a FileError that names file and key. Families differ in their names for one thing, so numbers are read
under the first of several keys that the file has.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from planner.errors import FileError
from planner.plaintext import quoted

Config = Mapping[str, Any]


def size(config: Config, keys: tuple[str, ...], where: str) -> int | None:
    """A whole number of at least 1; None where no key is there, or all are null."""
    for key in keys:
        value = config.get(key)
        if value is not None:
            return _whole(key, value, 1, "of at least 1", where)
    return None


def count(config: Config, keys: tuple[str, ...], default: int, where: str) -> int:
    """A whole number that may be 0, which null is too: told that there is none. The default where no key is there."""
    for key in keys:
        if key in config:
            value = config[key]
            return 0 if value is None else _whole(key, value, 0, "of at least 0, or null", where)
    return default


def flag(config: Config, key: str, default: bool, where: str) -> bool:
    """A yes or no; null and absent are the family's default."""
    value = config.get(key)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise FileError(f"key '{key}' must be true or false, not {quoted(value)}", where=where)
    return value


def text(config: Config, key: str) -> str:
    """A text, empty where the key is absent or null; anything else as a sentence shows it."""
    value = config.get(key)
    return value if isinstance(value, str) else quoted(value) if value else ""


def wholes(config: Config, key: str, where: str) -> frozenset[int] | None:
    """A list of whole numbers as a set; None where it is absent or null."""
    listed = items(config, key, where)
    if listed is None:
        return None
    if odd := [value for value in listed if isinstance(value, bool) or not isinstance(value, int)]:
        raise FileError(f"key '{key}' must be a list of whole numbers, not with {quoted(odd[0])}", where=where)
    return frozenset(listed)


def items(config: Config, key: str, where: str) -> list[Any] | None:
    """A list; None where it is absent or null."""
    value = config.get(key)
    if value is None or isinstance(value, list):
        return value
    raise FileError(f"key '{key}' must be a list, not {quoted(value)}", where=where)


def each(config: Config, key: str, layers: int, where: str) -> list[Any] | None:
    """What a list says of each layer, of those behind the last (multi-token prediction) nothing; None where it says nothing."""
    told = items(config, key, where)
    if told and len(told) < layers:
        raise FileError(f"key '{key}' must tell of each of the {quoted(layers)} layers, not of {len(told)}", where=where)
    return told[:layers] if told else None


def _whole(key: str, value: Any, least: int, what: str, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise FileError(f"key '{key}' must be a whole number {what}, not {quoted(value)}", where=where)
    return value
