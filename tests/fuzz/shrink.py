"""A shorter input that shows the same fault: parts of texts, lists and tables are left out as long as it still does."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tests.fuzz.campaign import Case

Place = tuple[Any, ...]  # the keys and positions that lead to a value within a case


def shrunk(case: Case, keys: Sequence[str], shows: Callable[[Case], bool], tries: int) -> Case:
    """The shortest case found in a limited number of tries of `shows`; only values under `keys` are shortened."""
    result = True
    while result:
        result = False
        for candidate in shorter(case, keys):
            if not tries:
                return case
            tries -= 1
            if shows(candidate):
                case, result = candidate, True
                break
    return case


def shorter(case: Case, keys: Sequence[str]) -> Iterator[Case]:
    """Cases with one part left out, the largest parts first."""
    cuts = [cut for key in keys if key in case for cut in _cuts(case[key], (key,))]
    for _, place, value in sorted(cuts, key=lambda cut: -cut[0]):
        yield _with(case, place, value)


def _cuts(value: Any, place: Place) -> Iterator[tuple[int, Place, Any]]:
    """What may take the place of a value, or of a value within it, and how much shorter that is."""
    if isinstance(value, str):
        lines = value.splitlines(keepends=True)
        parts: Sequence[str] = lines if len(lines) > 4 else value
        for left in _without(parts):
            text = "".join(left)
            yield len(value) - len(text), place, text
    elif isinstance(value, list):
        for left in _without(value):
            yield 2 * (len(value) - len(left)), place, list(left)
        for number, item in enumerate(value):
            yield from _cuts(item, (*place, number))
    elif isinstance(value, dict):
        for name, item in value.items():
            yield len(str(item)), place, {key: stored for key, stored in value.items() if key != name}
            yield from _cuts(item, (*place, name))


def _without(parts: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """A sequence without a half, a quarter, an eighth ... of it."""
    size = len(parts)
    while size > 1:
        size = (size + 1) // 2
        for start in range(0, len(parts), size):
            yield [*parts[:start], *parts[start + size :]]
    if len(parts) == 1:
        yield parts[:0]


def _with(case: Case, place: Place, value: Any) -> Case:
    """A copy of a case with another value at a place."""
    out = copy.deepcopy(case)
    inner: Any = out
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    return out
