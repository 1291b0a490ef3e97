"""The fastest plan that fits, without the ranking of the others: what `search` puts first, found several times faster.

Plans that cannot be as fast as one already found are left out, first by what the layers of a micro-batch take whatever the pipeline,
then by their pipeline with nothing recomputed. Both are lower bounds of the step: the rest of it only adds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from planner import estimate as est
from planner import layercosts, schedule, stagecosts
from planner.axes import Candidates, batch_axes, divisors
from planner.blocks import Blocks
from planner.lattice import Growth, Sides, degrees
from planner.plan import Column, Plan, distinct
from planner.search import Cancelled
from planner.space import Space
from planner.specs import Job
from planner.split import DUALPIPE_V

LAYER = tuple(axis for axis in layercosts.LAYER_AXES if axis != "micro_batch")
ORDER = (
    "tp", "cp", "pp", "ep", "etp", "schedule", "vpp", "sequence_parallel", "micro_batch", "recompute", "recompute_layers", "zero",
    "dp_replicate",
)  # fmt: skip
FEW = 64  # degrees looked at first, for a plan to hold the others against; each time twice as many
ROUNDED = 1 + 1e-12  # sums in another order
LONGEST = 1e300  # seconds; beyond it is what does not exist


class Fastest(NamedTuple):
    """A plan and its step in seconds; infinite, and no plan, where none fits."""

    step: float
    plan: Plan | None


def fastest(job: Job, space: Space | None = None, *, cancelled: Callable[[], bool] | None = None) -> Plan | None:
    """The plan that `search` ranks first; None where nothing fits. Cancelled if asked to stop."""
    space = space or Space()
    tree, sides = degrees(job, space)
    sequence, (micro_batch, _), *rest = batch_axes(job, space)
    tree.add(*sequence)
    if sides.cost is None or not len(tree.parent):
        return None
    sizes = np.array(space["micro_batch"].only or divisors(job.global_batch), np.int64)
    least, optimizer = least_steady(job, tree.plan, sizes), np.minimum.reduceat(sides.cost.optimizer_seconds, sides.first)
    nearest = least.min(axis=1)
    order, best, at, width = np.argsort(nearest), Fastest(np.inf, None), 0, FEW
    while at < len(order) and nearest[order[at]] <= (reach := min(best.step * ROUNDED, LONGEST)):
        rows = np.sort(order[at : at + width])  # as the lattice has them, which breaks ties
        branch = tree.taken(rows)
        branch.add(micro_batch, _sizes(sizes, least[rows] <= reach))
        branch.keep(least_step(job, branch.plan, optimizer[branch.parent]) <= reach, None)
        for axis in rest:
            branch.add(*axis)
        best = min(best, _first(job, space, branch, sides, cancelled), key=_ranked)
        at, width = at + width, 2 * width
    return best.plan


def _sizes(sizes: Column, worth: Column) -> Candidates:
    """Of the sizes of a micro-batch those that are worth a look, row by row."""
    return lambda job, plan: (np.broadcast_to(sizes, worth.shape)[worth], worth.sum(axis=1))


def _first(job: Job, space: Space, tree: Growth, sides: Sides, cancelled: Callable[[], bool] | None) -> Fastest:
    """The fastest plan that fits of a tree that has grown whole; of those alike the first."""
    lattice, found = sides.lattice(tree), Fastest(np.inf, None)
    blocks = Blocks(job, lattice, "recompute_layers" not in space.bounds)
    for lo, hi in blocks.ranges:
        if cancelled and cancelled():
            raise Cancelled
        pairs = blocks.pairs(lo, hi)
        steps = np.where(est.fitting(job, pairs.totals), pairs.totals.step, np.inf)
        row = int(np.argmin(steps))
        if steps[row] < found.step:
            found = Fastest(float(steps[row]), pairs.plan(lattice, row))
    return found


def _ranked(found: Fastest) -> tuple[float, ...]:
    """What plans are ordered by: their step, those alike as the lattice has them."""
    return (found.step, *(float(getattr(found.plan, axis)) for axis in ORDER)) if found.plan is not None else (np.inf,)


def least_steady(job: Job, plan: Plan, sizes: Column) -> Column:
    """Seconds that the steady state of a step does not go below, plans x sizes of a micro-batch; infinite where the batch is too small.

    No rank of a pipeline is slower than all of them on the mean, and together they do the work of one that holds every layer, whose
    all-to-all is hidden wherever any schedule hides it.
    """
    few, row = distinct(plan, LAYER)
    stage, work = np.zeros((1, 1), np.int64), np.empty((len(few), len(sizes)))
    for i, size in enumerate(sizes):
        each = few.with_(micro_batch=np.full(len(few), size))
        layers, cost = stagecosts.stage_kinds(job, each, stage), layercosts.kinds(job, each)
        parts = stagecosts.work_parts(job, each.with_(schedule=DUALPIPE_V), stage, layers, cost)
        work[:, i] = sum(np.broadcast_to(part, (1, len(few)))[0] for part in parts.values())
    count = job.global_batch / (plan.dp[:, None] * sizes)
    return np.where(count >= 1, count * work[row] / plan.pp[:, None], np.inf)


def least_step(job: Job, plan: Plan, optimizer_seconds: Column) -> Column:
    """Seconds that a step does not go below, whatever is recomputed and sharded: its pipeline with nothing recomputed, no data-parallel
    traffic, and what the optimizer takes at least.
    """
    pipeline = stagecosts.pipeline(job, plan, stagecosts.edge_cost(job, plan))
    tail = {"bubble": pipeline.bubble_seconds, "pp": pipeline.pp_seconds, "dp": 0.0, "optimizer": optimizer_seconds}
    return np.asarray(est.step_of(job, pipeline, tail | {"fixed": schedule.fixed_seconds(job)})[0])
