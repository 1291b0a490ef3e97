"""Pipelines of a block that are evaluated alike, and the evaluation of their pairs with a table of shardings."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

import numpy as np

from planner.cost import layer_cost as layercosts
from planner.cost import offload
from planner.cost import pair_memory as pairmemory
from planner.cost import stage_cost as stagecosts
from planner.cost import step_cost as est
from planner.cost.pipeline_split import largest
from planner.cost.records import Sharding, StageCost, Totals
from planner.dimensions import Bytes, Number, Rows
from planner.specs.job import Job
from planner.specs.plan import Column, Plan

MOST = 0.5  # share of the pipelines of all recomputations from which all are evaluated with each
PIECE = 1 << 14  # pairs evaluated together


class Part(NamedTuple):
    """Pipelines with one kind of recomputation, and pairs: of each the row here, the sharding, and the place in the block."""

    plan: Plan
    cost: StageCost
    chunk: Number  # layers of the fullest virtual stage
    rows: Column
    shards: Column
    places: Column


class Shardings:
    """Shardings on some of the edge stages, and the evaluation of pairs with them. foldable: which of them need one phase of memory."""

    def __init__(self, job: Job, sharding: Sharding, foldable: Column) -> None:
        self.job, self.sharding, self.foldable = job, sharding, foldable

    @cached_property
    def right(self) -> pairmemory.Right:
        """The addends to memory of the shardings."""
        return pairmemory.right(self.job, self.sharding, folded=False)

    @cached_property
    def folded(self) -> pairmemory.Right:
        """The same in one phase."""
        return pairmemory.right(self.job, narrowed(est.folded(self.sharding)), folded=True)

    def even(self, part: Part, totals: Totals) -> None:
        """Memory and time of the pairs of a part, each pipeline evaluated once."""
        job, plan, cost = self.job, part.plan, part.cost
        again = stagecosts.recomputed(job, plan, cost)
        pace, host = stagecosts.pace(job, plan, cost, again), stagecosts.host_activations(job, plan, cost, again)
        lefts: dict[bool, pairmemory.Left] = {}
        for lo in range(0, len(part.rows), PIECE):
            some = slice(lo, lo + PIECE)
            rows, shards, places = part.rows[some], part.shards[some], part.places[some]
            totals.step[places] = est.step(job, layercosts.taken(pace, rows), layercosts.taken(self.sharding.exchange, shards))
            totals.host[places] = self._host(host, rows, shards)
            for these, folds in _groups(self.foldable[shards]):
                if folds not in lefts:
                    lefts[folds] = self._left(plan, cost, again, folds)
                memory = pairmemory.device(job, lefts[folds], rows[these], self._right(folds), shards[these])
                totals.memory[places[these]] = largest(memory)

    def _right(self, folds: bool) -> pairmemory.Right:
        """The addends of the shardings."""
        return self.folded if folds else self.right

    def _left(self, plan: Plan, cost: StageCost, again: stagecosts.Recomputed, folds: bool) -> pairmemory.Left:
        """The addends of pipelines."""
        lives = (stagecosts.folded if folds else stagecosts.live)(self.job, plan, cost, again)
        return pairmemory.left(self.job, lives, cost, self._right(folds))

    def solved(self, part: Part, totals: Totals) -> Column:
        """Memory and time of the pairs of a part, each with the fewest recomputed layers with which it fits; returns their number."""
        layers, places = np.empty(len(part.shards), np.int64), part.places
        for rows, folds in _groups(self.foldable[part.shards]):
            shards, of = part.shards[rows], part.rows[rows]
            cost = stagecosts.slim(part.cost) if folds else part.cost
            plan, costs, chunk = part.plan.take(of), layercosts.taken(cost, of), part.chunk[of]
            if folds:
                excess = pairmemory.excess(self.job, pairmemory.start(self.job, part.plan, cost), of, self.folded, shards)
            else:
                excess = stagecosts.excess_activations(self.job, plan, costs, layercosts.taken(self.sharding, shards))
            freed = layercosts.taken(stagecosts.freed(self.job, part.plan, part.cost), of)
            fewest = stagecosts.fewest_recomputed(excess, freed, chunk)
            solution = self._totals(plan.with_(recompute_layers=fewest), costs, shards, folds)
            layers[rows] = self._all_but_one(plan, costs, shards, folds, fewest, chunk, solution)
            for column, values in zip(totals, solution, strict=True):
                column[places[rows]] = values
        return layers

    def _totals(self, plan: Plan, cost: StageCost, shards: Column, folds: bool) -> Totals:
        """Memory and time of pipelines, each with a sharding."""
        job = self.job
        again = stagecosts.recomputed(job, plan, cost)
        memory = pairmemory.device(job, self._left(plan, cost, again, folds), None, self._right(folds), shards)
        pace = stagecosts.pace(job, plan, cost, again)
        step = est.step(job, pace, layercosts.taken(self.sharding.exchange, shards))
        host = self._host(stagecosts.host_activations(job, plan, cost, again), None, shards)
        return Totals(largest(memory), step, Bytes(np.array(np.broadcast_to(host, len(shards)))))

    def _all_but_one(
        self, plan: Plan, cost: StageCost, shards: Column, folds: bool, layers: Column, chunk: Number, totals: Totals
    ) -> Column:
        """The recomputed layers of solved plans: those that do not fit recompute all layers but one of each virtual stage; their totals
        are replaced.
        """
        most = np.maximum(np.asarray(chunk) - 1, 1).astype(np.int64)
        rows = np.flatnonzero((np.asarray(totals.memory) > self.job.memory_limit) & (layers < most))
        if len(rows):
            layers[rows] = most[rows]
            few = plan.take(rows).with_(recompute_layers=most[rows])
            again = self._totals(few, layercosts.taken(cost, rows), shards[rows], folds)
            for column, values in zip(totals, again, strict=True):
                column[rows] = values
        return layers

    def _host(self, activations: Bytes, rows: Column | None, shards: Column) -> Bytes:
        """Host memory of pairs; bytes. activations: of the pipelines."""
        held = pairmemory.at(self.sharding.host_bytes, shards)
        return offload.node_memory(held, pairmemory.at(activations, rows)) if offload.moves_activations(self.job) else held


def narrowed(s: Sharding) -> Sharding:
    """Costs of shardings with the number 0 in place of columns of zeros."""
    memory = {name: pairmemory.nonzero(getattr(s, name)) for name in s._fields if name not in ("static_bytes", "exchange")}
    return s._replace(**memory)  # type: ignore[arg-type]  # bytes all


def _groups(folded: Column) -> Iterator[tuple[Rows, bool]]:
    """The rows of a part whose phases are folded, and the others."""
    for folds in (False, True):
        chosen = folded == folds
        if chosen.any():
            yield (slice(None) if chosen.all() else np.flatnonzero(chosen)), folds
