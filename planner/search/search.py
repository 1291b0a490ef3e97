"""search(): the ranking of every allowed plan, and the reasons if none fits. Lattice -> memory -> fits -> time -> order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from planner.cost import step_cost as est
from planner.cost.error_band import band
from planner.cost.evaluate import evaluate, stages
from planner.cost.offload import moves_activations
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
    """The caller cancelled the search."""


@dataclass(frozen=True)
class Counts:
    """Counts of candidates. seen = evaluated + the sum of refused; seconds: by the clock of the caller, 0 without one.

    covered: evaluated plans plus, for recompute first, the numbers of layers represented by the fewest that fit. unkept: evaluated plans
    that are not rows of the result, since they are slower, or further from fitting, than all rows.
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
    """Every allowed plan of a job with memory and time; of more than `row_store.ROWS` the best ones (`counts.unkept` are left out).

    Rows are in lattice order; `order` has the rows that fit, the fastest first.
    """

    job: Job
    space: Space
    counts: Counts
    rows: Rows
    order: Column

    @property
    def memory_bytes(self) -> Column:
        """Memory of the fullest device of each row; bytes."""
        return self.rows.memory

    @property
    def step_seconds(self) -> Column:
        """Step time of each row; seconds."""
        return self.rows.step

    @property
    def fits(self) -> Column:
        """Whether each row fits the device memory, and the host memory with offload."""
        return self.rows.fits

    def __len__(self) -> int:
        return len(self.memory_bytes)

    def __repr__(self) -> str:
        """The job and the number of plans without the columns, for reports of failed tests."""
        return f"Result({self.job!r}, {self.space!r}, {len(self)} plans, {len(self.order)} fit)"

    @cached_property
    def alike(self) -> int:
        """The number of plans, from the fastest on, whose step the model cannot distinguish from the fastest."""
        if not len(self.order):
            return 0
        steps = self.step_seconds[self.order]
        return int(np.searchsorted(steps, steps[0] * band(self.job).apart, side="right"))

    @cached_property
    def rejected_order(self) -> Column:
        """Rows that do not fit, the smallest memory first."""
        rows = np.flatnonzero(~self.fits)
        return rows[ascending(self.memory_bytes[rows])]

    def plans(self, rows: Column) -> Plan:
        """The plans of some rows, as columns."""
        return Plan(**{name: self.field(name, rows) for name in FIELDS})

    def field(self, name: str, rows: Column) -> Column:
        """One field of the plans of some rows."""
        stored = self.rows
        if name == "recompute_layers":
            return stored.recompute_layers[rows].astype(np.int64)
        table, reference = (stored.shardings, stored.sharding_row) if name in SHARDING_FIELDS else (stored.pipeline, stored.pipeline_row)
        return np.asarray(getattr(table, name)[reference[rows]], np.int64)

    def host_bytes(self, rows: Column) -> Column:
        """Host memory per node of some rows; bytes."""
        if moves_activations(self.job):  # those of the pipeline are not stored
            return np.asarray(self.estimate(rows).host)
        return np.asarray(self.rows.host[self.rows.sharding_row[rows]])

    def plan(self, row: int) -> Plan:
        """The plan of one row."""
        return self.plans(np.array([row])).one(0)

    def estimate(self, rows: Column) -> Estimate:
        """All numbers of some rows."""
        return evaluate(self.job, self.plans(np.asarray(rows)))

    def find(self, plan: Plan) -> int | None:
        """The row of a plan, or None; for recompute first with the number of layers that the search found, unless that axis is bounded."""
        held, solved = self.rows, plan.recompute == FIRST and "recompute_layers" not in self.space.bounds
        near = np.ones(len(held.pipeline), bool)
        for name in PIPELINE_FIELDS:
            near &= getattr(held.pipeline, name) == getattr(plan, name)
        for pipeline in np.flatnonzero(near):
            low, high = np.searchsorted(held.pipeline_row, [pipeline, pipeline + 1])  # rows of a pipeline are contiguous
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
    """Evaluate every allowed plan and rank those that fit; raises Cancelled between blocks if `cancelled` returns true.

    progress: called with the number of evaluated plans. clock: times the search. Ties are broken by lattice order: the simpler plan first.
    """
    started = clock() if clock else 0.0
    space = space or Space()
    result = _evaluated(job, space, False, progress, cancelled)
    if not len(result.order):  # include plans that cannot fit, to report the nearest
        result = _evaluated(job, space, True, progress, cancelled)
    return replace(result, counts=replace(result.counts, seconds=clock() - started if clock else 0.0))


def _evaluated(
    job: Job, space: Space, hopeless: bool, progress: Callable[[int], None] | None, cancelled: Callable[[], bool] | None
) -> Result:
    """Every plan of a job, evaluated by part and ranked."""
    store, refused = RowStore(job, rowstore.ROWS), dict[str, int]()
    evaluated = fit = unlisted = 0
    for lattice in lattices(job, space, refused, hopeless=hopeless):
        if cancelled and cancelled():
            raise Cancelled
        blocks = Blocks(job, lattice, "recompute_layers" not in space.bounds)
        for pairs in blocks.every():
            if cancelled and cancelled():
                raise Cancelled
            fits = np.asarray(est.fitting(job, pairs.totals))
            store.add(lattice, pairs, fits)
            evaluated, fit = evaluated + len(fits), fit + int(np.count_nonzero(fits))
            unlisted += pairs.unlisted
            if progress:
                progress(evaluated)
    rows = store.rows()
    fitting = np.flatnonzero(rows.fits).astype(np.int32)
    order = fitting[ascending(rows.step[fitting])]
    counts = Counts(evaluated + sum(refused.values()), refused, evaluated, fit, 0.0, evaluated + unlisted, store.unkept)
    return Result(job, space, counts, rows, order)


def why_refused(counts: Counts) -> list[tuple[str, int]]:
    """The sentences of the rules that refused plans with their counts, the highest first."""
    return sorted(((SENTENCES[key], n) for key, n in counts.refused.items()), key=lambda pair: -pair[1])
