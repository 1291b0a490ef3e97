"""Plan: one plan, or columns of plans of equal length."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from planner.dimensions import Array, Choice, Count, Rows, Stage
from planner.errors import FieldError
from planner.plaintext import named, quoted
from planner.specs.hardware import LARGEST_GPUS
from planner.specs.job import RANGE, RECOMPUTES, SCHEDULES

Column = Array


@dataclass(frozen=True)
class Plan:
    """Degrees and choices of one plan (whole numbers) or of many (columns of equal length).

    dp = `dp_shard` x `dp_replicate`. Experts are placed on `ep` x `etp` of the tp x cp x dp ranks of a stage. `recompute` is an index into
    RECOMPUTES, `recompute_layers` the recomputed layers per virtual stage of recompute first; `schedule` is an index into SCHEDULES.
    """

    tp: Choice = Choice(1)
    pp: Choice = Choice(1)
    vpp: Choice = Choice(1)
    cp: Choice = Choice(1)
    dp: Choice = Choice(1)
    ep: Choice = Choice(1)
    etp: Choice = Choice(1)
    dp_shard: Choice = Choice(1)
    dp_replicate: Choice = Choice(1)
    zero: Choice = Choice(0)
    sequence_parallel: Choice = Choice(0)
    micro_batch: Choice = Choice(1)
    recompute: Choice = Choice(0)
    recompute_layers: Choice = Choice(0)
    schedule: Choice = Choice(0)

    def __len__(self) -> int:
        return len(self.tp)

    def __repr__(self) -> str:
        """The fields that are not at their defaults; of columns, the number of plans."""
        if hasattr(self.tp, "__len__"):
            return f"Plan({len(self)} plans)"
        return f"Plan({', '.join(f'{f.name}={getattr(self, f.name)}' for f in fields(self) if getattr(self, f.name) != f.default)})"

    def take(self, rows: int | Rows) -> Plan:
        """The plans at these rows, as columns (or one plan for one row)."""
        return Plan(**{k: v[rows] for k, v in columns_of(self).items()})

    def every_stage(self) -> Stage:
        """The pipeline ranks of one plan; shape (pp, 1), which broadcasts against columns of plans."""
        return Stage(np.arange(int(self.pp))[:, None])

    def one(self, row: int) -> Plan:
        """One row as a plan of plain whole numbers."""
        return Plan(**{k: int(v[row]) for k, v in columns_of(self).items()})

    def rows(self) -> Iterator[Plan]:
        """Each row as one plan."""
        return (self.one(i) for i in range(len(self)))

    def column(self) -> Plan:
        """One plan as columns of length one."""
        return Plan(**{k: np.array([v]) for k, v in columns_of(self).items()})

    def with_(self, **changes: int | Array) -> Plan:
        """The plan with some fields replaced."""
        return replace(self, **changes)

    def named(self) -> dict[str, int | str]:
        """One plan as plain values, recompute and schedule by name."""
        values = {k: int(v) for k, v in columns_of(self).items()}
        names = {axis: choices[values[axis]] for axis, choices in NAMED.items()}
        return values | names | {"sequence_parallel": bool(values["sequence_parallel"])}


FIELDS = tuple(f.name for f in fields(Plan))
NAMED = {"recompute": RECOMPUTES, "schedule": SCHEDULES}  # axes of named choices, stored as an index
FROM_ZERO = tuple(name for name, (least, _) in RANGE.items() if not least)  # the other fields start at 1


def columns_of(plan: Plan) -> dict[str, Count]:
    """The fields of a plan by name."""
    return {name: getattr(plan, name) for name in FIELDS}


def from_named(values: Mapping[str, object], where: str = "plan") -> Plan:
    """The plan of a mapping as `named` returns it; FieldError for an unknown field or an invalid value."""
    values = dict(values)
    unknown = sorted(set(values) - set(FIELDS))
    if unknown:
        raise FieldError(unknown[0], f"a plan has no field '{named(unknown[0])}'; its fields are {', '.join(FIELDS)}", where=where)
    for axis, choices in NAMED.items():
        name = values.get(axis, choices[0])
        if name not in choices:
            raise FieldError(axis, f"{axis} must be one of {', '.join(choices)}, not {quoted(name)}", where=where)
        values[axis] = choices.index(name)
    return Plan(**{key: whole(key, value, where) for key, value in values.items()})


def whole(key: str, value: object, where: str = "plan") -> int:
    """The value of one field of one plan; FieldError where no plan can have it."""
    least, most = RANGE.get(key, (1, LARGEST_GPUS))
    yes_no = key == "sequence_parallel"
    if not isinstance(value, int) or (isinstance(value, bool) and not yes_no) or not least <= value <= most:
        expected = "true or false" if yes_no else f"a whole number from {least} to {most:,}"
        raise FieldError(key, f"{key} must be {expected}, not {quoted(value)}", where=where)
    return int(value)


TABLE = 1 << 20  # codes up to this size are renumbered with a table, larger ones by sorting


def distinct(plan: Plan, names: Sequence[str]) -> tuple[Plan, Column]:
    """The distinct combinations of some fields, and the index of its combination for each row.

    Terms that depend on a few axes are computed once per combination and gathered. Other fields of the returned plan have their
    defaults. For whole numbers from 0; linear in the rows while there are few distinct combinations.
    """
    code: Column = np.zeros(len(plan), np.int64)
    size = 1
    first: Column = np.zeros(1, np.int64)  # a row with each combination
    for name in names:
        values, count = _compact(getattr(plan, name))[:2]
        if size * count > TABLE:
            code, size, first = _compact(code)
        code = code * count + values
        size *= count
    code, size, first = _compact(code)
    return Plan(**{name: getattr(plan, name)[first] for name in names}), code


def _compact(values: Column) -> tuple[Column, int, Column]:
    """Whole numbers renumbered from 0 without gaps, in order; the count of distinct ones; and a row with each."""
    size = int(values.max()) + 1 if len(values) else 0
    if size > TABLE:
        _, rows, inverse = np.unique(values, return_index=True, return_inverse=True)
        return inverse, len(rows), rows
    row = np.full(size, -1, np.int64)
    row[values] = np.arange(len(values))
    present = np.flatnonzero(row >= 0)
    number = np.empty(size, np.int64)
    number[present] = np.arange(len(present))
    return number[values], len(present), row[present]
