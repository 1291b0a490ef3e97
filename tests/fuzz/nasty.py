"""Values that programs trip over: texts a terminal would act upon, numbers at the edge of every type, nesting; bytes as JSON holds them."""

from __future__ import annotations

from random import Random
from typing import Any

CONTROLS = (
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "\x1b]52;c;ZXZpbA==\x07",
    "\x1b[2J",
    "\x9b31m",
    "\x00",
    "a\x00b",
    "\u202eabc",
    "\u2066x",
    "\r",
)
TEXTS = (
    *CONTROLS, "", " ", "x", "0", "1", "-1", "1e309", "0x10", "1_000", "١٢", "1,5", "-0", "inf", "nan", "5k", "2^40", "true", "null",
    "auto", "*", "..", "<=", "../../nowhere", "/", "~", "~root", "é" * 300, "a" * 5000, "\n", "a\nb", "\ud800", "$(id)", "`id`",
    "'; false; '", "=1+1", "-x", "--", "😀", "\u2028", "llama-3.1-8b", "h100-sxm", "megatron-core", "config.json", "bf16", "full_attention",
)  # fmt: skip
NUMBERS: tuple[int | float, ...] = (
    0, 1, -1, 2, 3, 7, 8, 64, 127, 128, 255, 1000, 4096, 65536, 10**6, 2**31 - 1, 2**31, 2**32, 2**53, 2**63 - 1, 2**63, 2**64, 10**18,
    10**30, 10**100, 10**309, 10**400, -(2**63), -(10**400), 0.0, -0.0, 0.5, 1.0, 1.5, 8.0, -1.5, 1e-9, 5e-324, 1e-300, 1e15, 1e30, 1e300,
    1.7976931348623157e308, float("inf"), float("-inf"), float("nan"),
)  # fmt: skip
KEYS = ("a", "name", "enabled", "layers", "", "x.y", "é", "\x1b[7m")


def value(rng: Random, *, none: bool = True, depth: int = 0) -> Any:
    """A nasty value: a number, a text, a list, a table, or either of the last nested deep. `none`: None may be among them."""
    kind = rng.random()
    if kind < 0.45 or (kind >= 0.8 and depth >= 3):
        return rng.choice(NUMBERS)
    if kind < 0.7:
        return rng.choice(TEXTS)
    if kind < 0.8:
        return rng.choice((True, False, None) if none else (True, False))
    if kind < 0.9:
        return [value(rng, none=none, depth=depth + 1) for _ in range(rng.choice((0, 1, 2, 3, 40)))]
    if kind < 0.98:
        return {rng.choice(KEYS): value(rng, none=none, depth=depth + 1) for _ in range(rng.randrange(4))}
    return nested(rng.choice((10, 60, 120)), tables=rng.random() < 0.5)


def nested(depth: int, *, tables: bool) -> Any:
    """A number nested in `depth` lists or tables."""
    inner: Any = 1
    for _ in range(depth):
        inner = {"a": inner} if tables else [inner]
    return inner


def packed(data: bytes) -> str:
    """Bytes as a text of one character each, which JSON holds."""
    return data.decode("latin-1")


def unpacked(text: str) -> bytes:
    """The bytes that `packed` made a text of."""
    return text.encode("latin-1")


def encoded(text: str) -> str:
    """A text as `packed` UTF-8; unpaired surrogates become bytes that are not valid UTF-8."""
    return packed(text.encode("utf-8", "surrogatepass"))
