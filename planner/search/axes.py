"""The candidate values of each axis of a plan, in the order in which the lattice grows them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from planner.cost.pipeline_split import chunk_layers
from planner.document.space import Space
from planner.specs.job import RECOMPUTES, SCHEDULES, Job
from planner.specs.plan import Column, Plan

FIRST = RECOMPUTES.index("first")


class Candidates(NamedTuple):
    """The candidate values of an axis for each row of a tree: their number (a column, or one number for all rows), and the values."""

    counts: Callable[[Job, Plan], Column | int]
    values: Callable[[Job, Plan, Column | int], Column]


def divisors(number: int) -> Column:
    """All divisors of a number, ascending."""
    small = [d for d in range(1, int(number**0.5) + 1) if number % d == 0]
    return np.array(sorted({*small, *(number // d for d in small)}), np.int64)


def each(values: Column) -> Candidates:
    """The same candidates for every row."""
    return Candidates(lambda job, plan: len(values), lambda job, plan, counts: np.tile(values, len(plan)))


def _first_layers(every: bool) -> Candidates:
    """Recomputed layers per virtual stage with recompute first, otherwise 0: one candidate if the search solves for the fewest that fit
    (every=False), otherwise every number from 1 to one less than the layers of the virtual stage.
    """

    def counts(job: Job, plan: Plan) -> Column:
        held = np.maximum(chunk_layers(job, plan) - 1, 0)
        return np.where(plan.recompute == FIRST, held if every else np.minimum(held, 1), 1)

    def values(job: Job, plan: Plan, most: Column | int) -> Column:
        most = np.asarray(most)
        return np.where(np.repeat(plan.recompute == FIRST, most), runs(np.ones(len(most), np.int64), most), 0)

    return Candidates(counts, values)


def _replica_counts(job: Job, plan: Plan) -> Column:
    """The number of possible replica counts of each plan."""
    degrees, row = np.unique(plan.dp, return_inverse=True)
    length = np.array([len(divisors(int(d))) for d in degrees], np.int64)
    return np.where(plan.zero > 0, np.maximum(length - 1, 1)[row], 1)


def _replicas(job: Job, plan: Plan, counts: Column | int) -> Column:
    """Replicas of the sharded groups: the divisors of dp below dp; dp itself without sharding."""
    degrees, row = np.unique(plan.dp, return_inverse=True)
    lists = [divisors(int(d)) for d in degrees]  # ascending, so dp is the last
    length = np.array([len(v) for v in lists], np.int64)
    end = np.cumsum(length)[row]
    start = np.where(plan.zero > 0, end - length[row], end - 1)
    replicas: Column = np.concatenate(lists or [degrees])[runs(start, np.asarray(counts))]
    return replicas


def runs(start: Column, counts: Column) -> Column:
    """The concatenation of start, start + 1, ... with `counts` values for each row."""
    values: Column = np.arange(int(counts.sum())) + np.repeat(start - (np.cumsum(counts) - counts), counts)
    return values


def _expert_tensor(job: Job) -> Candidates:
    """Expert tensor parallelism: 1; 1 or tp; or any divisor of the GPUs and of the width of an expert."""
    model = job.model
    if not model.experts or job.stack.expert_tensor == "never":
        return each(np.ones(1, np.int64))
    if job.stack.expert_tensor == "tp":
        return Candidates(lambda job, plan: np.where(plan.tp > 1, 2, 1), _one_or_tp)
    world = divisors(job.cluster.gpus)
    return each(world[model.expert_ffn % world == 0])


def _one_or_tp(job: Job, plan: Plan, counts: Column | int) -> Column:
    """1, followed by tp if that is more."""
    values: Column = np.repeat(plan.tp, counts)
    values[np.cumsum(counts) - counts] = 1
    return values


def rank_axes(job: Job) -> tuple[tuple[str, Candidates], ...]:
    """The degrees, in the order in which they grow, with their candidates; `dp` is derived once pp is known."""
    world = divisors(job.cluster.gpus)
    return (
        ("tp", each(world[world <= job.model.heads])),
        ("cp", each(world[world <= job.sequence])),
        ("pp", each(world[world <= job.model.layers])),
        ("ep", each(world[np.isin(world, divisors(job.model.experts))] if job.model.experts else np.ones(1, np.int64))),
        ("etp", _expert_tensor(job)),
    )


def stage_axes(job: Job) -> tuple[tuple[str, Candidates], ...]:
    """The axes of the pipeline schedule, grown after the degrees."""
    most = job.model.layers + 2 if job.layout is None else job.layout.stages
    return (
        ("schedule", each(np.array(sorted(SCHEDULES.index(name) for name in job.stack.schedules)))),
        ("vpp", each(np.arange(1, most + 1))),
    )


def batch_axes(job: Job, space: Space) -> tuple[tuple[str, Candidates], ...]:
    """The axes of a micro-batch, grown after the degrees."""
    return (
        ("sequence_parallel", each(np.arange(2))),
        ("micro_batch", each(divisors(job.global_batch))),
        ("recompute", each(np.arange(len(RECOMPUTES)))),
        ("recompute_layers", _first_layers("recompute_layers" in space.bounds)),
    )


SHARDING_AXES: tuple[tuple[str, Candidates], ...] = (("zero", each(np.arange(4))), ("dp_replicate", Candidates(_replica_counts, _replicas)))
