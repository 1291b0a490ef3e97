"""Evaluation of the plans of a lattice in blocks; a plan is a pair of a pipeline row and a sharding row.

Terms that depend on few axes are computed once for all blocks: the cost of a layer (degrees, micro-batch), the layers of each stage
(pipeline). A block fits in the cache of the processor.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from planner.cost import layer_cost as layercosts
from planner.cost import stage_cost as stagecosts
from planner.cost import step_cost as est
from planner.cost.records import Pipeline, Sharding, StageCost, Totals
from planner.dimensions import Bytes, Number, Rows, Seconds
from planner.search.axes import FIRST, runs
from planner.search.lattice import Lattice
from planner.specs.job import Job
from planner.specs.plan import Column, Plan

BLOCK = 1 << 16  # plans per block
MOST = 0.5  # share of a block's pipelines from which all are evaluated


class Pairs(NamedTuple):
    """A block of plans: pipeline rows, sharding rows, memory and time, recomputed layers per virtual stage; and the number of plans with
    other numbers of recomputed layers, which the solved ones represent.
    """

    pipeline_row: Column
    sharding_row: Column
    totals: Totals
    recompute_layers: Column
    unlisted: int


class Blocks:
    """The plans of a lattice, evaluated block by block.

    solve: for recompute first, find the fewest recomputed layers that fit with each sharding.
    """

    def __init__(self, job: Job, lattice: Lattice, solve: bool) -> None:
        self.job, self.lattice, self.solve = job, lattice, solve
        if lattice.sharding is not None:
            self.sharding, self.folded = lattice.sharding, est.folded(lattice.sharding)
            self.foldable = est.foldable(job, lattice.sharding)
        self.ranges = _ranges(lattice.count)
        if self.ranges:
            self.layers, self.layer_row = layercosts.once(job, lattice.pipeline, layercosts.LAYER_AXES, layercosts.kinds)
            self.edges, self.edge_row = layercosts.once(job, lattice.pipeline, stagecosts.EDGE_AXES, stagecosts.edge_kinds)

    def pairs(self, lo: int, hi: int) -> Pairs:
        """The plans of a range of pipeline rows."""
        lat = self.lattice
        counts = lat.count[lo:hi]
        rows = np.repeat(np.arange(hi - lo), counts)
        shards = runs(lat.first[lo:hi], counts)
        plan = lat.pipeline.take(slice(lo, hi))
        place = layercosts.taken(self.edges, self.edge_row[lo:hi])
        cost = stagecosts.stage_cost(self.job, plan, place, layercosts.taken(self.layers, self.layer_row[lo:hi]))
        totals, layers, unlisted = self._evaluated(plan, cost, rows, shards, place.chunk)
        return Pairs(rows + lo, shards, totals, layers, unlisted)

    def every(self) -> Iterator[Pairs]:
        """The blocks in order, each evaluated when it is reached."""
        return (self.pairs(lo, hi) for lo, hi in self.ranges)

    def _evaluated(self, plan: Plan, cost: StageCost, rows: Column, shards: Column, chunk: Number) -> tuple[Totals, Column, int]:
        """Memory and time of pairs, their recomputed layers, and the plans they represent. chunk: layers of the fullest virtual stage."""
        layers, unlisted = plan.recompute_layers[rows], 0
        totals = Totals(Bytes(np.empty(len(rows))), Seconds(np.empty(len(rows))), Bytes(np.empty(len(rows))))
        solved, foldable = (plan.recompute[rows] == FIRST) & self.solve, self.foldable[shards]
        slim = stagecosts.slim(cost) if foldable.any() else cost
        for places, solves, folds in _groups(solved, foldable):
            states = layercosts.taken(self.folded if folds else self.sharding, shards[places])
            of_stages = slim if folds else cost
            if solves:
                few, stage_costs = plan.take(rows[places]), layercosts.taken(of_stages, rows[places])
                layers[places] = stagecosts.fewest_recomputed(self.job, few, stage_costs, states, chunk[rows[places]])
                unlisted += int(np.maximum(chunk[rows[places]] - 2, 0).sum())
                costs = stagecosts.pipeline(self.job, few.with_(recompute_layers=layers[places]), stage_costs, folds=folds)
            else:
                costs = self._pipelines(plan, of_stages, rows[places], folds)
            evaluated = est.combined(self.job, costs, states)
            if solves:
                evaluated = self._all_but_one(few, stage_costs, states, evaluated, layers, places, chunk[rows[places]], folds)
            for column, values in zip(totals, evaluated, strict=True):
                column[places] = values
        return totals, layers, unlisted

    def _all_but_one(
        self, plan: Plan, cost: StageCost, states: Sharding, totals: Totals, layers: Column, places: Rows, chunk: Number, folds: bool
    ) -> Totals:
        """The totals of solved plans; those that do not fit recompute all layers but one of each virtual stage, in `layers` too."""
        most = np.maximum(np.asarray(chunk) - 1, 1).astype(np.int64)
        solved = layers[places]
        rows = np.flatnonzero((np.asarray(totals.memory) > self.job.memory_limit) & (solved < most))
        if not len(rows):
            return totals
        solved[rows] = most[rows]
        layers[places] = solved
        few = plan.take(rows).with_(recompute_layers=most[rows])
        costs = stagecosts.pipeline(self.job, few, layercosts.taken(cost, rows), folds=folds)
        again = est.combined(self.job, costs, layercosts.taken(states, rows))
        columns = [np.array(np.broadcast_to(column, len(solved))) for column in totals]
        for column, values in zip(columns, again, strict=True):
            column[rows] = values
        return Totals(Bytes(columns[0]), Seconds(columns[1]), Bytes(columns[2]))

    def _pipelines(self, plan: Plan, cost: StageCost, rows: Column, folds: bool) -> Pipeline:
        """The costs of the pipelines of some pairs, each evaluated once."""
        used = np.zeros(len(plan), bool)
        used[rows] = True
        if used.mean() < MOST:
            number = np.cumsum(used) - 1
            few = np.flatnonzero(used)
            plan, cost, rows = plan.take(few), layercosts.taken(cost, few), number[rows]
        return layercosts.taken(stagecosts.pipeline(self.job, plan, cost, folds=folds), rows)


def _groups(solved: Column, folded: Column) -> Iterator[tuple[Rows, bool, bool]]:
    """The rows of a block that are evaluated alike, whether their recomputed layers are solved for, and whether their phases are folded."""
    for solves in (False, True):
        for folds in (False, True):
            chosen = (solved == solves) & (folded == folds)
            if chosen.any():
                yield (slice(None) if chosen.all() else np.flatnonzero(chosen)), solves, folds


def _ranges(count: Column) -> list[tuple[int, int]]:
    """Ranges of pipeline rows with about BLOCK plans each."""
    ends = np.cumsum(count)
    if not len(ends) or ends[-1] == 0:
        return []
    cuts = np.searchsorted(ends, np.arange(BLOCK, ends[-1], BLOCK))
    edges = np.unique(np.concatenate([[0], cuts + 1, [len(count)]]))
    return [(int(a), int(b)) for a, b in pairwise(edges)]
