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
from planner.cost.records import Kinds, StageCost, Totals
from planner.degrees import EXPERTS, MODEL_PARALLEL
from planner.dimensions import Bytes, Seconds
from planner.search.axes import FIRST, runs
from planner.search.lattice import Lattice
from planner.search.parts import MOST, Part, Shardings, narrowed
from planner.specs.job import Job
from planner.specs.plan import Column, Plan

BLOCK = 1 << 17  # plans per block
AXES = (*MODEL_PARALLEL, *EXPERTS, "schedule", "vpp", "sequence_parallel", "micro_batch")  # of a pipeline, less recomputation
RANKS = 3  # pipeline ranks from which all edge stages may differ


class Pairs(NamedTuple):
    """A block of plans: pipeline rows, sharding rows, memory and time, recomputed layers per virtual stage; and the number of plans with
    other numbers of recomputed layers, which the solved ones represent.
    """

    pipeline_row: Column
    sharding_row: Column
    totals: Totals
    recompute_layers: Column
    unlisted: int


class Held(NamedTuple):
    """The edge stages of pipelines, the costs of their layers, and of their stages for any recomputation."""

    place: stagecosts.Edges
    kinds: Kinds
    cost: StageCost


class Blocks:
    """The plans of a lattice, evaluated block by block.

    solve: for recompute first, find the fewest recomputed layers that fit with each sharding.
    """

    def __init__(self, job: Job, lattice: Lattice, solve: bool) -> None:
        self.job, self.lattice, self.solve = job, lattice, solve
        self.ranges = _ranges(lattice.count)
        self.shardings: dict[int, Shardings] = {}  # by the number of pipeline ranks, at most RANKS
        if self.ranges:
            self.layers, self.layer_row = layercosts.once(job, lattice.pipeline, layercosts.LAYER_AXES, layercosts.kinds)
            self.edges, self.edge_row = layercosts.once(job, lattice.pipeline, stagecosts.EDGE_AXES, stagecosts.edge_kinds)
            self.heads, self.group = _alike(lattice.pipeline)
            assert lattice.sharding is not None
            self.sharding, self.foldable = narrowed(lattice.sharding), est.foldable(job, lattice.sharding)

    def every(self) -> Iterator[Pairs]:
        """The blocks in order, each evaluated when it is reached."""
        return (self.pairs(lo, hi) for lo, hi in self.ranges)

    def pairs(self, lo: int, hi: int) -> Pairs:
        """The plans of a range of pipeline rows."""
        lat = self.lattice
        counts = lat.count[lo:hi]
        pairs = int(counts.sum())
        totals = Totals(Bytes(np.empty(pairs)), Seconds(np.empty(pairs)), Bytes(np.empty(pairs)))
        layers, unlisted = np.repeat(lat.pipeline.recompute_layers[lo:hi], counts), 0
        for ranks, code, part in self._parts(lo, hi):
            if self.solve and code == FIRST:
                layers[part.places] = self._shardings(ranks).solved(part, totals)
                unlisted += int(np.maximum(part.chunk[part.rows] - 2, 0).sum())
            else:
                self._shardings(ranks).even(part, totals)
        return Pairs(np.repeat(np.arange(lo, hi), counts), runs(lat.first[lo:hi], counts), totals, layers, unlisted)

    def _edges(self, ranks: int) -> Column | None:
        """The edge stages that differ in pipelines of a number of ranks: the first of one, the first and the last of two; None: all."""
        return {1: np.array([0]), 2: np.array([0, -1])}.get(ranks)

    def _shardings(self, ranks: int) -> Shardings:
        """The shardings on the edge stages of pipelines of a number of ranks."""
        if ranks not in self.shardings:
            some = self._edges(ranks)
            sharding = self.sharding if some is None else layercosts.at_edges(self.sharding, some)
            self.shardings[ranks] = Shardings(self.job, sharding, self.foldable)
        return self.shardings[ranks]

    def _parts(self, lo: int, hi: int) -> Iterator[tuple[int, int, Part]]:
        """Pipelines by their number of ranks, and by their recomputation, on which only a part of the costs of a stage depends."""
        lat, group = self.lattice, self.group[lo:hi]
        counts, first, recompute = lat.count[lo:hi], lat.first[lo:hi], lat.pipeline.recompute[lo:hi]
        ends = np.cumsum(counts)
        heads = self.heads[group[0] : group[-1] + 1]
        of_heads = np.minimum(lat.pipeline.pp[heads], RANKS)
        for ranks in range(1, RANKS + 1):
            ours = of_heads == ranks
            if not ours.any():
                continue
            number = (np.cumsum(ours) - 1)[group - group[0]]
            kind = np.where(ours[group - group[0]], recompute, -1)
            for codes in stagecosts.recomputes_alike(self.job):
                few, held = self._held(heads[ours], codes[0], self._edges(ranks))
                for code in codes:
                    chosen = np.flatnonzero(kind == code)
                    if not len(chosen):
                        continue
                    plan, costs, of = few.with_(recompute=np.full(len(few), code)), held, number[chosen]
                    if len(chosen) < MOST * len(few) or (code == FIRST and not self.solve):
                        plan, costs, of = lat.pipeline.take(chosen + lo), layercosts.taken(held, of), np.arange(len(chosen))
                    many = counts[chosen]
                    places = runs(ends[chosen] - many, many)
                    cost = stagecosts.with_recompute(self.job, plan, *costs)
                    yield ranks, code, Part(plan, cost, costs.place.chunk, np.repeat(of, many), runs(first[chosen], many), places)

    def _held(self, rows: Column, recompute: int, some: Column | None) -> tuple[Plan, Held]:
        """Pipelines, and the costs of their stages for a recomputation and those alike. some: of the edge stages, None: all."""
        plan = self.lattice.pipeline.take(rows).with_(recompute=np.full(len(rows), recompute))
        place = layercosts.taken(self.edges if some is None else layercosts.at_edges(self.edges, some), self.edge_row[rows])
        kinds = layercosts.taken(self.layers, self.layer_row[rows])
        return plan, Held(place, kinds, stagecosts.without_recompute(self.job, plan, place, kinds))


def _alike(plan: Plan) -> tuple[Column, Column]:
    """The first of neighbouring rows that differ in their recomputation alone, and for each row the number of its group."""
    new = np.zeros(len(plan), bool)
    new[:1] = True
    for name in AXES:
        column = getattr(plan, name)
        new[1:] |= column[1:] != column[:-1]
    return np.flatnonzero(new), np.cumsum(new) - 1


def _ranges(count: Column) -> list[tuple[int, int]]:
    """Ranges of pipeline rows with about BLOCK plans each."""
    ends = np.cumsum(count)
    if not len(ends) or ends[-1] == 0:
        return []
    cuts = np.searchsorted(ends, np.arange(BLOCK, ends[-1], BLOCK))
    edges = np.unique(np.concatenate([[0], cuts + 1, [len(count)]]))
    return [(int(a), int(b)) for a, b in pairwise(edges)]
