"""search(): lattice -> memory -> fits? -> time -> order. The ranking of every allowed plan, and what stands in the way when none fits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from planner import estimate as est
from planner.axes import FIRST
from planner.band import band
from planner.blocks import Blocks
from planner.costs import Estimate
from planner.evaluate import evaluate, stages
from planner.lattice import SHARDING_FIELDS, Lattice, grow
from planner.plan import FIELDS, Column, Plan
from planner.rules import SENTENCES
from planner.space import Space
from planner.specs import Job

__all__ = ["Cancelled", "Counts", "Estimate", "Result", "evaluate", "search", "stages", "why_refused"]


class Cancelled(Exception):
    """The caller asked for the search to stop."""


@dataclass(frozen=True)
class Counts:
    """What became of the candidates. seen = evaluated + the sum of refused; seconds is the caller's clock, 0 if none.

    covered: plans that were decided: those evaluated, and of "recompute the first N" each N that the fewest that fit stands for.
    """

    seen: int
    refused: dict[str, int]
    evaluated: int
    fit: int
    seconds: float
    covered: int


@dataclass(frozen=True)
class Result:
    """Every allowed plan of a job, with memory and time; rows in lattice order, `order` ranks those that fit."""

    job: Job
    space: Space
    counts: Counts
    lattice: Lattice
    pipeline_row: Column
    sharding_row: Column
    recompute_layers: Column
    memory_bytes: Column
    step_seconds: Column
    fits: Column
    sharding_host: Column  # bytes on a node's host, of each sharding row
    order: Column  # rows that fit, fastest first

    def __len__(self) -> int:
        return len(self.memory_bytes)

    def __repr__(self) -> str:
        """The job and how many plans, not the columns: a property that fails prints what it was given."""
        return f"Result({self.job!r}, {self.space!r}, {len(self)} plans, {len(self.order)} fit)"

    @cached_property
    def alike(self) -> int:
        """How many plans, the fastest first, are closer to the fastest than the model can tell apart."""
        if not len(self.order):
            return 0
        steps = self.step_seconds[self.order]
        return int(np.searchsorted(steps, steps[0] * band(self.job).apart, side="right"))

    @cached_property
    def rejected_order(self) -> Column:
        """Rows that do not fit, the least over first."""
        rows = np.flatnonzero(~self.fits)
        return rows[ascending(self.memory_bytes[rows])]

    def plans(self, rows: Column) -> Plan:
        """The plans of some rows, as columns."""
        return Plan(**{name: self.field(name, rows) for name in FIELDS})

    def field(self, name: str, rows: Column) -> Column:
        """One field of the plans of some rows."""
        if name == "recompute_layers":
            return self.recompute_layers[rows].astype(np.int64)
        table, own = (self.lattice.shardings, self.sharding_row) if name in SHARDING_FIELDS else (self.lattice.pipeline, self.pipeline_row)
        return np.asarray(getattr(table, name)[own[rows]])

    def host_bytes(self, rows: Column) -> Column:
        """Bytes on a node's host of some rows."""
        return np.asarray(self.sharding_host[self.sharding_row[rows]])

    def plan(self, row: int) -> Plan:
        """The plan of one row."""
        return self.lattice.plan(int(self.pipeline_row[row]), int(self.sharding_row[row]), int(self.recompute_layers[row]))

    def estimate(self, rows: Column) -> Estimate:
        """All numbers of some rows."""
        return evaluate(self.job, self.plans(np.asarray(rows)))

    def find(self, plan: Plan) -> int | None:
        """The row of this very plan, if it is among them; of one that recomputes the first few layers, with as many as the search found."""
        lat, solved = self.lattice, plan.recompute == FIRST and "recompute_layers" not in self.space.bounds
        near = np.ones(len(lat.pipeline), bool)
        for name in FIELDS:
            if name not in SHARDING_FIELDS and name != "recompute_layers":
                near &= getattr(lat.pipeline, name) == getattr(plan, name)
        for i in np.flatnonzero(near):
            before = int(lat.count[:i].sum())
            for k in range(int(lat.count[i])):
                same = all(getattr(lat.shardings, f)[int(lat.first[i]) + k] == getattr(plan, f) for f in SHARDING_FIELDS)
                if same and (solved or self.recompute_layers[before + k] == plan.recompute_layers):
                    return before + k
        return None


def search(
    job: Job,
    space: Space | None = None,
    *,
    progress: Callable[[int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    clock: Callable[[], float] | None = None,
) -> Result:
    """Evaluate every allowed plan and rank those that fit; Cancelled if asked to stop between blocks.

    progress is called with the number of plans done; clock, where given, times the search. Ties are broken by the order of the
    lattice: the simpler plan first.
    """
    started = clock() if clock else 0.0
    space = space or Space()
    result = _evaluated(job, space, grow(job, space), progress, cancelled)
    if not len(result.order):  # what cannot fit is kept then, to say which plan comes nearest
        result = _evaluated(job, space, grow(job, space, hopeless=True), progress, cancelled)
    return replace(result, counts=replace(result.counts, seconds=clock() - started if clock else 0.0))


def _evaluated(
    job: Job, space: Space, lattice: Lattice, progress: Callable[[int], None] | None, cancelled: Callable[[], bool] | None
) -> Result:
    """Every plan of a lattice, evaluated and ranked."""
    total = lattice.allowed
    memory, step, fits = np.empty(total), np.empty(total), np.empty(total, bool)
    pipeline_row, sharding_row, layers = np.empty(total, np.int32), np.empty(total, np.int32), np.empty(total, np.int16)
    blocks = Blocks(job, lattice, "recompute_layers" not in space.bounds)
    at = 0
    for lo, hi in blocks.ranges:
        if cancelled and cancelled():
            raise Cancelled
        pairs = blocks.pairs(lo, hi)
        end = at + len(pairs.pipeline_row)
        memory[at:end], step[at:end], fits[at:end] = pairs.totals.memory, pairs.totals.step, est.fitting(job, pairs.totals)
        pipeline_row[at:end], sharding_row[at:end], layers[at:end] = pairs.pipeline_row, pairs.sharding_row, pairs.recompute_layers
        at = end
        if progress:
            progress(at)
    host = lattice.sharding.host_bytes if lattice.sharding else np.empty(0)
    fitting = np.flatnonzero(fits)
    order = fitting[ascending(step[fitting])]
    refused = lattice.refused
    counted = Counts(total + sum(refused.values()), refused, total, len(fitting), 0.0, total + blocks.unlisted)
    return Result(job, space, counted, lattice, pipeline_row, sharding_row, layers, memory, step, fits, host, order)


def ascending(values: Column) -> Column:
    """The rows in ascending order, equals in the order they stand: numpy's fast unstable sort, then ties put right."""
    rows = np.argsort(values)
    sorted_ = values[rows]
    new = np.empty(len(rows), bool)  # whether a value differs from the one before it
    new[:1] = True
    np.not_equal(sorted_[1:], sorted_[:-1], out=new[1:])
    tied = ~new
    tied[:-1] |= ~new[1:]
    places = np.flatnonzero(tied)
    if len(places):
        key = np.cumsum(new)[places] * np.int64(len(rows)) + rows[places]
        key.sort()
        rows[places] = key % len(rows)
    return rows


def why_refused(counts: Counts) -> list[tuple[str, int]]:
    """The rules that refused plans, as sentences, the most active first."""
    return sorted(((SENTENCES[key], n) for key, n in counts.refused.items()), key=lambda pair: -pair[1])
