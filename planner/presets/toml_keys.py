"""Keys of preset files: TOML read with the line of an error, and tables converted to fields with known keys of the right type."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from planner.errors import FileError
from planner.files import decode, reader
from planner.plaintext import named, quoted

LONGEST = 10_000  # characters of a text, such as a path given as a source
LISTED = 12  # known keys listed in a message
LARGEST = 2**18  # bytes of a preset; the largest shipped one has about 4,000, the error bands 20,000
REQUIRED = object()  # marks a key without a default


@dataclass(frozen=True)
class Key:
    """A key of a file: the field it sets, its type, and for numbers the value of one unit in base units."""

    field: str
    type: type = float
    scale: float = 1.0
    default: Any = REQUIRED


def spec_keys(spec: type, other: Mapping[str, Key]) -> dict[str, Key]:
    """Keys for every field of a spec under its name, with `other` replacing those that have a unit or a table."""
    types: dict[str, type] = {"int": int, "bool": bool, "str": str, "float": float, "tuple[str, ...]": list, "tuple[int, ...]": list}
    replaced = {key.field for key in other.values()}
    plain = {
        f.name: Key(f.name, types[str(f.type)], 1.0, REQUIRED if f.default is MISSING else f.default)
        for f in fields(spec)
        if f.name not in replaced
    }
    return plain | dict(other)


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file; FileError with the line of an error.

    The file is read each time and parsed once per content: an edit within one tick of the file clock, or under a clock set back, is seen.
    """
    return _parsed(reader.text(path, LARGEST, f"is larger than {LARGEST:,} bytes; a preset is a few thousand"), str(path))


@lru_cache(maxsize=256)
def _parsed(text: str, where: str) -> dict[str, Any]:
    """The tables of a text; cached, so the same object for the same text and file."""
    return decode.toml(text, where)


def fill(table: Mapping[str, Any], keys: Mapping[str, Key], where: str) -> dict[str, Any]:
    """Field values from a table: every key known and of its type, each field set once, none missing; numbers in base units."""
    values: dict[str, Any] = {}
    for name, value in table.items():
        if name not in keys:
            raise FileError(unknown(name, keys), where=where)
        key = keys[name]
        if key.field in values:
            repeated = " and ".join(f"'{other}'" for other in table if other in keys and keys[other].field == key.field)
            raise FileError(f"keys {repeated} set the same field; keep one", where=where)
        values[key.field] = _value(name, value, key, where)
    for name, key in keys.items():
        if key.field not in values and key.default is REQUIRED:
            raise FileError(f"key '{name}' is missing", where=where)
    return {key.field: key.default for key in keys.values()} | values


def unknown(name: str, keys: Iterable[str]) -> str:
    """The sentence on an unknown key, with the closest known key, or a list of known ones."""
    known = list(keys)
    near = difflib.get_close_matches(named(name), known, n=1, cutoff=0.5)
    more = f" and {len(known) - LISTED} more" if len(known) > LISTED + 1 else ""
    hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(known[:LISTED] if more else known)}{more}"
    return f"unknown key '{named(name)}'; {hint}"


def short(name: str, value: Any, where: str = "") -> Any:
    """The value unchanged; FileError for a text that is too long."""
    if isinstance(value, str) and len(value) > LONGEST:
        raise FileError(f"key '{named(name)}' must be a text of at most {LONGEST:,} characters, not of {len(value):,}", where=where)
    return value


def _value(name: str, value: Any, key: Key, where: str) -> Any:
    """A value of the key's type: numbers finite and not negative, lists as tuples of one type."""
    if key.type is float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1e300:
            raise FileError(f"key '{name}' must be a number of at least 0, not {quoted(value)}", where=where)
        return value * key.scale if key.scale >= 1 else value / round(1 / key.scale)  # 200 us is 0.0002, not 0.00019999999999999998
    if key.type is not list and type(value) is key.type:
        return short(name, value, where)
    item_type = int if name == "zero_stages" else str
    if key.type is list and isinstance(value, list) and value and all(type(item) is item_type for item in value):
        return tuple(short(name, item, where) for item in value)
    listed = "a list of whole numbers" if item_type is int else "a list of texts"
    kind = {int: "a whole number", bool: "true or false", str: "text in quotes", list: listed, dict: "a table"}[key.type]
    raise FileError(f"key '{name}' must be {kind}, not {quoted(value)}", where=where)
