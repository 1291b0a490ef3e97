"""Values that no setting means, and a good file with each of its places replaced by each of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from planner.plaintext import HIDDEN, LONGEST

HUGE = 16**3600  # of more digits than Python writes out: TOML and YAML hold it in hexadecimal
HOSTILE = "\x1b]52;c;ZXZpbA==\x07\u202eevil"
NASTY: tuple[Any, ...] = (
    0, 1, -1, 3, 7, 2**31, 2**63, 10**18, 10**30, 10**400, HUGE, -(10**400), 0.0, -0.0, 0.5, 8.0, -1.5, 5e-324, 1e300,
    float("inf"), float("-inf"), float("nan"), True, False, "", "x", "8", "auto", "$(id)", HOSTILE, "a" * 3000, [], [1], ["x", 2], [[]],
    [1] * 2000, {}, {"a": 1}, {"a": {"a": {"a": {}}}}, {HOSTILE: HOSTILE}, {"b" * 3000: 0},
)  # fmt: skip


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every place within nested tables and lists, but for the whole."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in inside:
        yield (*at, key)
        yield from places(below, (*at, key))


def replaced(value: Any, at: tuple[Any, ...], new: Any) -> Any:
    """A copy with the value at one place replaced."""
    if not at:
        return new
    changed = dict(value) if isinstance(value, dict) else list(value)
    changed[at[0]] = replaced(value[at[0]], at[1:], new)
    return changed


def changed(value: Any, new: Any) -> Iterator[Any]:
    """The tables with each place replaced by one value, and with a key more that nobody knows, here and in each table within."""
    for at in places(value):
        yield replaced(value, at, new)
    for at in [(), *places(value)]:
        inner = value
        for key in at:
            inner = inner[key]
        if isinstance(inner, dict):
            yield replaced(value, at, inner | {"x" if not isinstance(new, str) or not new else new: new})


def readable(sentence: str, most: int = LONGEST) -> bool:
    """Whether a sentence is one line of readable length without control characters."""
    return 0 < len(sentence) <= most and not HIDDEN.search(sentence) and "\n" not in sentence and "\t" not in sentence
