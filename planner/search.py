"""search(): lattice -> memory -> fits? -> time -> order. The ranking of every allowed plan, and what stands in the way when none fits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from planner import estimate as est
from planner.band import band
from planner.costs import Estimate
from planner.evaluate import evaluate, explain, stages
from planner.lattice import Lattice, grow
from planner.plan import FIELDS, Column, Plan
from planner.rules import SENTENCES
from planner.space import Space
from planner.specs import Job

__all__ = ["Cancelled", "Counts", "Estimate", "Result", "evaluate", "explain", "search", "stages", "why_refused"]

BLOCK = 1 << 16  # plans evaluated at a time: columns that stay in the processor's cache, and a look at `cancelled` between


class Cancelled(Exception):
    """The caller asked for the search to stop."""


@dataclass(frozen=True)
class Counts:
    """What became of the candidates. seen = evaluated + the sum of refused; seconds is the caller's clock, 0 if none."""

    seen: int
    refused: dict[str, int]
    evaluated: int
    fit: int
    seconds: float


@dataclass(frozen=True)
class Result:
    """Every allowed plan of a job, with memory and time; rows in lattice order, `order` ranks those that fit."""

    job: Job
    space: Space
    counts: Counts
    lattice: Lattice
    pipeline_row: Column
    sharding_row: Column
    memory_bytes: Column
    step_seconds: Column
    fits: Column
    sharding_host: Column  # bytes on a node's host, of each sharding row
    order: Column  # rows that fit, fastest first

    def __len__(self) -> int:
        return len(self.memory_bytes)

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
        table, own = (self.lattice.shardings, self.sharding_row) if name in SHARDING_FIELDS else (self.lattice.pipeline, self.pipeline_row)
        return np.asarray(getattr(table, name)[own[rows]])

    def host_bytes(self, rows: Column) -> Column:
        """Bytes on a node's host of some rows."""
        return np.asarray(self.sharding_host[self.sharding_row[rows]])

    def plan(self, row: int) -> Plan:
        """The plan of one row."""
        return self.plans(np.array([row])).one(0)

    def estimate(self, rows: Column) -> Estimate:
        """All numbers of some rows."""
        return evaluate(self.job, self.plans(np.asarray(rows)))

    def find(self, plan: Plan) -> int | None:
        """The row of this very plan, if it is among them."""
        lat = self.lattice
        near = np.ones(len(lat.pipeline), bool)
        for name in FIELDS:
            if name not in SHARDING_FIELDS:
                near &= getattr(lat.pipeline, name) == getattr(plan, name)
        rows = np.flatnonzero(near)
        if not len(rows):
            return None
        i = int(rows[0])
        for j in range(int(lat.first[i]), int(lat.first[i] + lat.count[i])):
            if all(getattr(lat.shardings, f)[j] == getattr(plan, f) for f in SHARDING_FIELDS):
                before = int(lat.count[:i].sum())
                return before + j - int(lat.first[i])
        return None


SHARDING_FIELDS = frozenset({"zero", "dp_shard", "dp_replicate"})


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
    lattice = grow(job, space)
    total = lattice.allowed
    memory, step, fits = np.empty(total), np.empty(total), np.empty(total, bool)
    pipeline_row, sharding_row = np.empty(total, np.int32), np.empty(total, np.int32)
    sharding = est.sharding(job, lattice.shardings) if total else None
    at = 0
    for lo, hi in _blocks(lattice.count):
        if cancelled and cancelled():
            raise Cancelled
        counts = lattice.count[lo:hi]
        rows = np.repeat(np.arange(hi - lo), counts)
        shards = np.arange(len(rows)) + np.repeat(lattice.first[lo:hi] - (np.cumsum(counts) - counts), counts)
        part = lattice.pipeline.take(slice(lo, hi))
        pipeline = est.pipeline(job, part, est.edge_costs(job, part))
        assert sharding is not None
        totals = est.combined(job, est.taken(pipeline, rows), est.taken(sharding, shards))
        end = at + len(rows)
        memory[at:end], step[at:end], fits[at:end] = totals.memory, totals.step, est.fitting(job, totals)
        pipeline_row[at:end], sharding_row[at:end] = rows + lo, shards
        at = end
        if progress:
            progress(at)
    host = sharding.host_bytes if sharding else np.empty(0)
    fitting = np.flatnonzero(fits)
    order = fitting[ascending(step[fitting])]
    refused = lattice.refused
    counted = Counts(total + sum(refused.values()), refused, total, len(fitting), clock() - started if clock else 0.0)
    return Result(job, space, counted, lattice, pipeline_row, sharding_row, memory, step, fits, host, order)


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


def _blocks(count: Column) -> list[tuple[int, int]]:
    """Ranges of pipeline rows whose plans come to about BLOCK."""
    ends = np.cumsum(count)
    if not len(ends) or ends[-1] == 0:
        return []
    cuts = np.searchsorted(ends, np.arange(BLOCK, ends[-1], BLOCK))
    edges = np.unique(np.concatenate([[0], cuts + 1, [len(count)]]))
    return [(int(a), int(b)) for a, b in pairwise(edges)]


def why_refused(counts: Counts) -> list[tuple[str, int]]:
    """The rules that refused plans, as sentences, the most active first."""
    return sorted(((SENTENCES[key], n) for key, n in counts.refused.items()), key=lambda pair: -pair[1])
