"""TOML written from any data, wrong data included, sometimes in the style of a user or another program, or malformed."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from random import Random
from typing import Any

LONG = 10**4000  # beyond it Python writes no decimal digits


def dumps(data: Mapping[str, Any], rng: Random) -> str:
    """The TOML of nested tables. `rng` says where a number is hexadecimal and a table stands twice."""
    return "".join(_tables(data, rng, ()))


def _tables(data: Mapping[str, Any], rng: Random, path: tuple[str, ...]) -> Iterator[str]:
    below = {name: value for name, value in data.items() if isinstance(value, dict)}
    for name, value in data.items():
        if name not in below:
            yield f"{_key(name)} = {_value(value, rng)}\n"
    for name, value in below.items():
        here = (*path, _key(name))
        yield f"[{'.'.join(here)}]\n"
        yield from _tables(value, rng, here)
        if rng.random() < 0.005:
            yield f"[{'.'.join(here)}]\n"


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _text(name)


def _text(text: str) -> str:
    def escaped(char: str) -> str:
        code = ord(char)
        if char in '"\\':
            return "\\" + char
        if code < 32 or code == 127:
            return f"\\u{code:04x}"
        return "?" if 0xD800 <= code < 0xE000 else char

    return f'"{"".join(map(escaped, text))}"'


def _value(value: Any, rng: Random) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return hex(abs(value)) if abs(value) > LONG or (value >= 0 and rng.random() < 0.03) else str(value)
    if isinstance(value, float):
        return "nan" if math.isnan(value) else ("inf" if value > 0 else "-inf") if math.isinf(value) else repr(value)
    if isinstance(value, list):
        return f"[{', '.join(_value(item, rng) for item in value)}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(name)} = {_value(item, rng)}" for name, item in value.items()) + "}"
    return _text(str(value))
