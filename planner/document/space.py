"""The search space: bounds on each axis of a plan, and their text.

    *  free     8  only that     1,2,4  one of these     <=16  at most     >=2  at least     2..8  from 2 to 8

Recompute takes names (none, selective, full, first), schedule too (1f1b, zb-h1, zb-h2, zb-v, dualpipev), sequence_parallel yes or no, zero
0 to 3 (none is 0). numpy is not needed here: `allows` uses operators only, on an integer or on a column.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from planner import degrees
from planner.errors import FieldError, UnknownName
from planner.plaintext import named, quoted
from planner.specs.hardware import LARGEST_GPUS
from planner.specs.job import RANGE, RECOMPUTES, SCHEDULES

if TYPE_CHECKING:
    from planner.specs.plan import Plan

AXES = (
    *degrees.placed_after(degrees.KEYS, "vpp", "schedule"), "dp_replicate", "zero", "sequence_parallel", "micro_batch", "recompute",
    "recompute_layers",
)  # fmt: skip
NAMES: Mapping[str, Mapping[str, int]] = {
    "schedule": {name: code for code, name in enumerate(SCHEDULES)},
    "recompute": {name: code for code, name in enumerate(RECOMPUTES)},
    "sequence_parallel": {"no": 0, "yes": 1},
}
ALIASES: Mapping[str, Mapping[str, int]] = {
    "sequence_parallel": {"off": 0, "on": 1, "false": 0, "true": 1, "0": 0, "1": 1},
    "zero": {"none": 0},
    "schedule": {"interleaved": 0, "zb-1p": 1, "zb-2p": 2},
}
FORMS = "*, 8, 1,2,4, <=16, >=2 or 2..8"


@dataclass(frozen=True)
class Bounds:
    """The values an axis may have: those in `only` (None: any), from `least` to `most` (None: unbounded)."""

    only: tuple[int, ...] | None = None
    least: int = 0
    most: int | None = None

    @property
    def free(self) -> bool:
        """Whether these bounds allow every value."""
        return self.only is None and self.most is None and self.least == 0

    def allows(self, values: Any) -> Any:
        """Which of these values are within the bounds: a bool for an integer, a column of bools for a column."""
        mask = values >= self.least
        if self.most is not None:
            mask = mask & (values <= self.most)
        if self.only is not None:
            among = values == self.only[0]
            for value in self.only[1:]:
                among = among | (values == value)
            mask = mask & among
        return mask

    def meet(self, axis: str, other: Bounds) -> Bounds:
        """The intersection of two bounds; FieldError naming the axis where it is empty."""
        least = max(self.least, other.least)
        most = self.most if other.most is None else other.most if self.most is None else min(self.most, other.most)
        only = self.only if other.only is None else other.only if self.only is None else tuple(v for v in self.only if v in other.only)
        if only is not None:
            only = tuple(v for v in only if least <= v and (most is None or v <= most))
            least, most = 0, None
        if only == () or (most is not None and most < least):
            both = " and ".join(named(write_bounds(axis, bounds)) for bounds in (self, other))
            raise FieldError(axis, f"no {axis} is both {both}; loosen one of them")
        return Bounds(only, least, most)


FREE = Bounds()


@dataclass(frozen=True)
class Space:
    """Bounds by axis; an axis without bounds is free. Hashable; free bounds are not stored, so equal spaces compare equal."""

    bounds: Mapping[str, Bounds] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for axis in self.bounds:
            known(axis)
        object.__setattr__(self, "bounds", {axis: self.bounds[axis] for axis in AXES if not self.bounds.get(axis, FREE).free})

    def __hash__(self) -> int:
        return hash(tuple(self.bounds.items()))

    def __getitem__(self, axis: str) -> Bounds:
        return self.bounds.get(known(axis), FREE)

    def with_(self, axis: str, bounds: Bounds | str | None) -> Space:
        """A copy with the bounds of one axis replaced, from Bounds or their text; None frees it."""
        parsed = parse_bounds(axis, bounds) if isinstance(bounds, str) else bounds or FREE
        return Space({**self.bounds, known(axis): parsed})

    def meet(self, axis: str, bounds: Bounds) -> Space:
        """A copy with one axis bounded further; FieldError where nothing is left."""
        return self.with_(axis, self[axis].meet(axis, bounds))

    def allows(self, axis: str, values: Any) -> Any:
        """Which values of an axis the search may try: a bool for an integer, a column of bools for a column."""
        return self[axis].allows(values)

    def text(self, axis: str) -> str:
        """The bounds of one axis as text that parse_bounds reads."""
        return write_bounds(axis, self[axis])


def exactly(plan: Plan) -> Space:
    """The space that contains one plan only. Without sharding dp_replicate follows from dp, so bounds on it apply to sharded plans."""
    axes = [axis for axis in AXES if axis != "dp_replicate" or int(plan.zero)]
    return Space({axis: Bounds((int(getattr(plan, axis)),)) for axis in axes})


def known(axis: str) -> str:
    """The axis unchanged; UnknownName if there is none of that name."""
    if axis not in AXES:
        raise UnknownName("axis", str(axis), AXES)
    return axis


def parse_bounds(axis: str, text: str) -> Bounds:
    """Bounds from their text; FieldError says what cannot be parsed."""
    text = "".join(text.lower().split())
    if text in ("", "*"):
        known(axis)
        return FREE
    if text.startswith("<="):
        return Bounds(None, 0, value_of(axis, text[2:], ordered=True))
    if text.startswith(">="):
        return Bounds(None, value_of(axis, text[2:], ordered=True), None)
    if ".." in text:
        low, _, high = text.partition("..")
        least, most = value_of(axis, low, ordered=True), value_of(axis, high, ordered=True)
        if most < least:
            raise FieldError(axis, f"the range {text} of {axis} is empty; write {most}..{least}")
        return Bounds(None, least, most)
    return Bounds(tuple(sorted({value_of(axis, part) for part in text.split(",")})))


def value_of(axis: str, text: str, *, ordered: bool = False) -> int:
    """One value of an axis from its text; `ordered` where the axis must have an order."""
    names = NAMES.get(known(axis))
    code = {**(names or {}), **ALIASES.get(axis, {})}.get(text)
    if names and ordered:
        raise FieldError(axis, f"{axis} has no order; list the names it may take: {', '.join(names)}")
    if code is not None:
        return code
    if names:
        raise FieldError(axis, f"{axis} takes {', '.join(names)} or *, not {quoted(text)}")
    least, most = RANGE.get(axis, (1, LARGEST_GPUS))
    if not re.fullmatch(r"[0-9]{1,12}", text):
        raise FieldError(axis, f"{axis} takes {FORMS} with whole numbers of at least {least}, not {quoted(text)}")
    if not least <= int(text) <= most:
        raise FieldError(axis, f"{axis} must lie between {least:,} and {most:,}, not {int(text):,}")
    return int(text)


def write_bounds(axis: str, bounds: Bounds) -> str:
    """The text of bounds, which parse_bounds reads back."""
    if bounds.only is not None:
        names = {code: name for name, code in NAMES.get(axis, {}).items()}
        return ",".join(names.get(v, str(v)) for v in bounds.only)
    if bounds.most is None:
        return f">={bounds.least}" if bounds.least else "*"
    return f"{bounds.least}..{bounds.most}" if bounds.least else f"<={bounds.most}"
