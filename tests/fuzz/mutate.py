"""Mutations: nested data with values swapped, keys missing, misspelt and doubled; bytes flipped, cut, doubled and put in."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from tests.fuzz import nasty

RATES = (0.003, 0.01, 0.03, 0.08, 0.25)
LARGEST = 10**308
MISSPELT = ("x", "_", " ", "\x00", "é", "\x1b[2J")
PUT_IN = (
    b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\xc3\x28", b"\xed\xa0\x80", b"\x1b[2J", b"[" * 50, b"{" * 50, b'"', b"'''", b"\\u0000",
    b"9" * 5000, b"0x" + b"f" * 6000, b"1e999", b"-", b"\r", b"#", b"=", b"nan", b"inf", b"true", b"1979-05-27T07:32:00Z", b"\xe2\x80\xae",
    b"\n\n",
)  # fmt: skip


def mutated(rng: Random, data: Any, *, none: bool = True, rate: float | None = None) -> Any:
    """A copy of nested data with some of it changed; `none`: None may be put in, which TOML cannot write."""
    rate = rng.choice(RATES) if rate is None else rate
    if isinstance(data, dict):
        return _table(rng, data, none, rate)
    if isinstance(data, list):
        return _list(rng, data, none, rate)
    return tweaked(rng, data, none=none) if rng.random() < rate else data


def _table(rng: Random, table: dict[str, Any], none: bool, rate: float) -> dict[str, Any]:
    out: dict[str, Any] = {}
    keys = list(table)
    for key in keys:
        chance = rng.random() / rate
        if chance < 0.4:  # missing
            continue
        if chance < 0.55:
            out[key + rng.choice(MISSPELT)] = table[key]
        elif chance < 0.7:
            out[key] = table[rng.choice(keys)]
        elif chance < 1.4:
            out[key] = tweaked(rng, table[key], none=none)
        else:
            out[key] = mutated(rng, table[key], none=none, rate=rate)
    if rng.random() < rate / 2:
        out[rng.choice(nasty.TEXTS)] = nasty.value(rng, none=none)
    return out


def _list(rng: Random, items: list[Any], none: bool, rate: float) -> list[Any]:
    out = [mutated(rng, item, none=none, rate=rate) for item in items if rng.random() > 0.3 * rate]
    if rng.random() < rate:
        out.append(nasty.value(rng, none=none))
    flat = len(out) < 60 and not any(isinstance(item, list | dict) for item in out)
    return out * rng.choice((0, 2, 100)) if flat and rng.random() < 0.3 * rate else out


def tweaked(rng: Random, value: Any, *, none: bool = True) -> Any:
    """Another value in the place of one: near it, of another type, or nasty."""
    if isinstance(value, bool) or rng.random() < 0.5:
        return nasty.value(rng, none=none)
    if isinstance(value, int):
        near: tuple[Callable[[int], Any], ...] = (
            lambda v: v + 1, lambda v: v - 1, lambda v: -v, lambda v: 2 * v, lambda v: 1000 * v, lambda v: v // 2, _real, str,
            lambda v: v * 10**20, lambda v: 0,
        )  # fmt: skip
        return rng.choice(near)(value)
    if isinstance(value, float):
        return rng.choice((-value, value * 1e10, value * 1e-10, str(value), 0.0))
    if isinstance(value, str):
        others = (
            value.upper(),
            f"{value}x",
            value[:-1],
            value * 200,
            f" {value} ",
            f"{value}\x1b[2J",
            value.replace("-", "_"),
            f"{value}\n",
        )
        return rng.choice((*others, rng.choice(nasty.TEXTS)))
    return nasty.value(rng, none=none)


def _real(value: int) -> float:
    """A whole number as a float, or the largest there is."""
    return float(min(max(value, -LARGEST), LARGEST))


def shaken(rng: Random, data: bytes) -> bytes:
    """Bytes with a few changed, cut, doubled or put in, or cut off."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 5, 20))):
        if not out:
            break
        at, way = rng.randrange(len(out)), rng.random()
        if way < 0.3:
            out[at] = rng.randrange(256)
        elif way < 0.45:
            del out[at : at + rng.choice((1, 2, 10, 100))]
        elif way < 0.6:
            start = rng.randrange(len(out))
            out[at:at] = out[start : start + rng.choice((1, 5, 50, 300))]
        elif way < 0.7:
            out[at:at] = rng.choice(PUT_IN)
        elif way < 0.75:
            del out[at:]
        else:
            word = rng.choice(nasty.TEXTS).encode("utf-8", "surrogatepass")
            out[at : at + len(word)] = word
    return bytes(out)
