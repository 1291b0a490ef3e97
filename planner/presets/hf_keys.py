"""Typed access to a Hugging Face config.json: an integer, a flag or a list under a key.

A value of another type is a FileError with file and key. Families name the same quantity differently, so integers are read under the first
of several keys that the file has.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from planner.errors import FileError
from planner.plaintext import quoted

Config = Mapping[str, Any]


def size(config: Config, keys: tuple[str, ...], where: str) -> int | None:
    """An integer of at least 1; None where every key is absent or null."""
    for key in keys:
        value = config.get(key)
        if value is not None:
            return _integer(key, value, 1, "of at least 1", where)
    return None


def count(config: Config, keys: tuple[str, ...], default: int, where: str) -> int:
    """An integer of at least 0; null counts as 0, the default applies where every key is absent."""
    for key in keys:
        if key in config:
            value = config[key]
            return 0 if value is None else _integer(key, value, 0, "of at least 0, or null", where)
    return default


def flag(config: Config, key: str, default: bool, where: str) -> bool:
    """A boolean; the default where the key is absent or null."""
    value = config.get(key)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise FileError(f"key '{key}' must be true or false, not {quoted(value)}", where=where)
    return value


def text(config: Config, key: str) -> str:
    """A text, empty where the key is absent or null; any other value as a sentence shows it."""
    value = config.get(key)
    return value if isinstance(value, str) else quoted(value) if value else ""


def integers(config: Config, key: str, where: str) -> frozenset[int] | None:
    """A list of integers as a set; None where the key is absent or null."""
    listed = items(config, key, where)
    if listed is None:
        return None
    if odd := [value for value in listed if isinstance(value, bool) or not isinstance(value, int)]:
        raise FileError(f"key '{key}' must be a list of whole numbers, not with {quoted(odd[0])}", where=where)
    return frozenset(listed)


def items(config: Config, key: str, where: str) -> list[Any] | None:
    """A list; None where the key is absent or null."""
    value = config.get(key)
    if value is None or isinstance(value, list):
        return value
    raise FileError(f"key '{key}' must be a list, not {quoted(value)}", where=where)


def per_layer(config: Config, key: str, layers: int, where: str) -> list[Any] | None:
    """The list's entry for each layer, without those of multi-token prediction layers; None where it is absent or empty."""
    listed = items(config, key, where)
    if listed and len(listed) < layers:
        raise FileError(f"key '{key}' must have an entry for each of the {quoted(layers)} layers, not {len(listed)}", where=where)
    return listed[:layers] if listed else None


def _integer(key: str, value: Any, least: int, what: str, where: str) -> int:
    """The value if it is an integer of at least `least`; FileError if not."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise FileError(f"key '{key}' must be a whole number {what}, not {quoted(value)}", where=where)
    return value
