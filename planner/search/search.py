"""search(): lattice -> memory -> fits? -> time -> order. The ranking of every allowed plan, and what stands in the way when none fits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from planner.cost import step_cost as est
from planner.cost.error_band import band
from planner.cost.evaluate import evaluate, stages
from planner.cost.records import Estimate
from planner.document.space import Space
from planner.search import row_store as rowstore
from planner.search.axes import FIRST
from planner.search.blocks import Blocks
from planner.search.lattice import SHARDING_FIELDS, lattices
from planner.search.ranking import ascending
from planner.search.row_store import PIPELINE_FIELDS, Rows, RowStore
from planner.search.rules import SENTENCES
from planner.specs.job import Job
from planner.specs.plan import FIELDS, Column, Plan

__all__ = ["Cancelled", "Counts", "Estimate", "Result", "evaluate", "search", "stages", "why_refused"]


class Cancelled(Exception):
    """The caller asked for the search to stop."""


@dataclass(frozen=True)
class Counts:
    """What became of the candidates. seen = evaluated + the sum of refused; seconds is the caller's clock, 0 if none.

    covered: plans that were decided: those evaluated, and of "recompute the first N" each N that the fewest that fit stands for.
    unkept: plans that were evaluated and counted, and are not among the rows of the result: slower, or further from fitting, than all
    that are.
    """

    seen: int
    refused: dict[str, int]
    evaluated: int
    fit: int
    seconds: float
    covered: int
    unkept: int = 0


@dataclass(frozen=True)
class Result:
    """Every allowed plan of a job, with memory and time, or of more than `rowstore.ROWS` those that matter (`counts.unkept` are left out).

    Rows are in lattice order; `order` ranks those that fit, the fastest first.
    """

    job: Job
    space: Space
    counts: Counts
    rows: Rows
    order: Column

    @property
    def memory_bytes(self) -> Column:
        """Bytes on the fullest device, of each row."""
        return self.rows.memory

    @property
    def step_seconds(self) -> Column:
        """Seconds a step, of each row."""
        return self.rows.step

    @property
    def fits(self) -> Column:
        """Whether each row fits its device, and its host where it offloads."""
        return self.rows.fits

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
        held = self.rows
        if name == "recompute_layers":
            return held.recompute_layers[rows].astype(np.int64)
        table, own = (held.shardings, held.sharding_row) if name in SHARDING_FIELDS else (held.pipeline, held.pipeline_row)
        return np.asarray(getattr(table, name)[own[rows]], np.int64)

    def host_bytes(self, rows: Column) -> Column:
        """Bytes on a node's host of some rows."""
        return np.asarray(self.rows.host[self.rows.sharding_row[rows]])

    def plan(self, row: int) -> Plan:
        """The plan of one row."""
        return self.plans(np.array([row])).one(0)

    def estimate(self, rows: Column) -> Estimate:
        """All numbers of some rows."""
        return evaluate(self.job, self.plans(np.asarray(rows)))

    def find(self, plan: Plan) -> int | None:
        """The row of this very plan, if it is among them; of one that recomputes the first few layers, with as many as the search found."""
        held, solved = self.rows, plan.recompute == FIRST and "recompute_layers" not in self.space.bounds
        near = np.ones(len(held.pipeline), bool)
        for name in PIPELINE_FIELDS:
            near &= getattr(held.pipeline, name) == getattr(plan, name)
        for own in np.flatnonzero(near):
            low, high = np.searchsorted(held.pipeline_row, [own, own + 1])  # rows of one pipeline stand together, in order
            same = np.ones(high - low, bool)
            for name in SHARDING_FIELDS:
                same &= getattr(held.shardings, name)[held.sharding_row[low:high]] == getattr(plan, name)
            same &= solved | (held.recompute_layers[low:high] == plan.recompute_layers)
            if same.any():
                return int(low + np.argmax(same))
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
    result = _evaluated(job, space, False, progress, cancelled)
    if not len(result.order):  # what cannot fit is kept then, to say which plan comes nearest
        result = _evaluated(job, space, True, progress, cancelled)
    return replace(result, counts=replace(result.counts, seconds=clock() - started if clock else 0.0))


def _evaluated(
    job: Job, space: Space, hopeless: bool, progress: Callable[[int], None] | None, cancelled: Callable[[], bool] | None
) -> Result:
    """Every plan of a job, evaluated part by part and ranked."""
    store, refused = RowStore(job, rowstore.ROWS), dict[str, int]()
    evaluated = fit = unlisted = 0
    for lattice in lattices(job, space, refused, hopeless=hopeless):
        if cancelled and cancelled():
            raise Cancelled
        blocks = Blocks(job, lattice, "recompute_layers" not in space.bounds)
        for lo, hi in blocks.ranges:
            if cancelled and cancelled():
                raise Cancelled
            pairs = blocks.pairs(lo, hi)
            fits = np.asarray(est.fitting(job, pairs.totals))
            store.add(lattice, pairs, fits)
            evaluated, fit = evaluated + len(fits), fit + int(np.count_nonzero(fits))
            if progress:
                progress(evaluated)
        unlisted += blocks.unlisted
    rows = store.rows()
    fitting = np.flatnonzero(rows.fits).astype(np.int32)
    order = fitting[ascending(rows.step[fitting])]
    counts = Counts(evaluated + sum(refused.values()), refused, evaluated, fit, 0.0, evaluated + unlisted, store.unkept)
    return Result(job, space, counts, rows, order)


def why_refused(counts: Counts) -> list[tuple[str, int]]:
    """The rules that refused plans, as sentences, the most active first."""
    return sorted(((SENTENCES[key], n) for key, n in counts.refused.items()), key=lambda pair: -pair[1])
