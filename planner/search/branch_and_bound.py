"""The fastest plan that fits, without the ranking of the others: what `search` puts first, found several times faster.

Plans that cannot be as fast as one already found are left out, first by what the layers of a micro-batch take whatever the pipeline,
then by their pipeline with nothing recomputed. Both are lower bounds of the step: the rest of it only adds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from planner.cost import layer_cost as layercosts
from planner.cost import schedule
from planner.cost import stage_cost as stagecosts
from planner.cost import step_cost as est
from planner.cost.pipeline_split import DUALPIPE_V
from planner.cost.records import Tail
from planner.dimensions import Seconds, Stage
from planner.document.space import Space
from planner.search.axes import Candidates, batch_axes, divisors
from planner.search.blocks import Blocks
from planner.search.growth import PART, Growth, grown, pieces
from planner.search.lattice import Sides, degrees, ranks
from planner.search.search import Cancelled
from planner.specs.job import Job
from planner.specs.plan import Column, Plan, distinct

MANY = 50_000  # degrees times sizes of a micro-batch from which a search takes half a second or more
FEW = 64  # degrees looked at first, for a plan to hold the others against; each time twice as many
BOUNDS = 4  # parts of a tree whose bounds are worked out together: the same layers come again in few of them
ROUNDED = 1 + 1e-12  # sums in another order
LONGEST = 1e300  # seconds; beyond it is what does not exist


class Fastest(NamedTuple):
    """A plan, its step in seconds, and its row of `ranks`, by which plans that take alike are told apart; infinite where none fits."""

    step: float
    rank: int
    plan: Plan | None


NONE = Fastest(np.inf, -1, None)


def fastest(job: Job, space: Space | None = None, *, within: float = np.inf, cancelled: Callable[[], bool] | None = None) -> Plan | None:
    """The plan that `search` ranks first; None where nothing fits, or nothing whose step takes no longer than `within` seconds.

    Cancelled if asked to stop.
    """
    space = space or Space()
    tree = ranks(job, space)
    sizes = np.array(space["micro_batch"].only or divisors(job.global_batch), np.int64)
    widest = max(FEW, PART // (2 * len(sizes)))  # rows of which the bounds of all sizes are held at once
    parts = pieces(tree, 2 * len(sizes), BOUNDS)
    nearest = np.concatenate([least_of_layers(part, sizes).min(axis=(1, 2), initial=np.inf) for part in parts])
    order, best, at, width = np.argsort(nearest), NONE, 0, FEW
    while at < len(order) and nearest[order[at]] <= (reach := min(best.step, within, LONGEST) * ROUNDED):
        rows = np.sort(order[at : at + width])  # as the lattice has them, which breaks ties
        branch = tree.taken(rows)
        branch.parent = np.arange(len(rows))
        worth = least_of_layers(branch, sizes) <= reach
        for found in _of(branch, worth, sizes, reach, cancelled):
            best = min(best, found._replace(rank=int(rows[found.rank])), key=lambda found: found[:2])
        at, width = at + width, min(2 * width, widest)
    return best.plan if best.step <= within else None


def large(job: Job, space: Space) -> bool:
    """Whether ranking every plan takes so long that the best is worth knowing before: a guess by the degrees there are, in milliseconds."""
    return len(ranks(job, space).parent) * len(divisors(job.global_batch)) >= MANY


def least_of_layers(tree: Growth, sizes: Column) -> Column:
    """Seconds that a step does not go below by its layers; rows of a tree x with sequence parallelism or without x sizes."""
    layers = tree.taken(slice(None), {})
    layers.parent = np.arange(len(tree))
    layers.add(*batch_axes(tree.job, tree.space)[0])
    least = np.full((len(tree), 2, len(sizes)), np.inf)
    least[layers.parent, layers.plan.sequence_parallel] = least_steady(tree.job, layers.plan, sizes)
    return least


def _of(tree: Growth, worth: Column, sizes: Column, reach: float, cancelled: Callable[[], bool] | None) -> Iterator[Fastest]:
    """The fastest plans below some rows of `ranks`, part by part, of those that may take no longer than `reach`; rank: the row of `tree`.

    worth: which sizes of a micro-batch are worth a look, rows of the tree x with sequence parallelism or without x sizes. Cancelled if
    asked to stop.
    """
    sequence, (micro_batch, _), *rest = batch_axes(tree.job, tree.space)
    for part, sides in degrees(tree):
        if sides.cost is None:
            continue
        optimizer = np.minimum.reduceat(sides.cost.optimizer_seconds, sides.first)
        part.add(*sequence)
        for piece in pieces(part, _worth(part, sides, worth).sum(axis=1)):
            piece.add(micro_batch, _sizes(sizes, _worth(piece, sides, worth)))
            piece.keep(least_step(tree.job, piece.plan, optimizer[piece.parent]) <= reach, None)
            for leaf in grown(piece, rest):
                if cancelled and cancelled():
                    raise Cancelled
                if (found := _first(leaf, sides)).plan is not None:
                    yield found


def _worth(tree: Growth, sides: Sides, worth: Column) -> Column:
    """Which sizes of a micro-batch are worth a look below each row of degrees with sequence parallelism or without; rows x sizes."""
    return np.asarray(worth[sides.rank[tree.parent], tree.plan.sequence_parallel])


def _sizes(sizes: Column, worth: Column) -> Candidates:
    """Of the sizes of a micro-batch those that are worth a look, row by row."""
    return Candidates(lambda job, plan: worth.sum(axis=1), lambda job, plan, counts: np.broadcast_to(sizes, worth.shape)[worth])


def _first(tree: Growth, sides: Sides) -> Fastest:
    """The fastest plan that fits of a tree that has grown whole; of those alike the first."""
    lattice, found = sides.lattice(tree), NONE
    blocks = Blocks(tree.job, lattice, "recompute_layers" not in tree.space.bounds)
    for lo, hi in blocks.ranges:
        pairs = blocks.pairs(lo, hi)
        steps = np.where(est.fitting(tree.job, pairs.totals), pairs.totals.step, np.inf)
        row = int(np.argmin(steps))
        if steps[row] < found.step:
            pipeline, sharding, layers = (int(c[row]) for c in (pairs.pipeline_row, pairs.sharding_row, pairs.recompute_layers))
            found = Fastest(float(steps[row]), int(sides.rank[tree.parent[pipeline]]), lattice.plan(pipeline, sharding, layers))
    return found


def least_steady(job: Job, plan: Plan, sizes: Column) -> Column:
    """Seconds that the steady state of a step does not go below, plans x sizes of a micro-batch; infinite where the batch does not divide.

    No rank of a pipeline is slower than all of them on the mean, and together they do the work of one that holds every layer, whose
    all-to-all is hidden wherever any schedule hides it.
    """
    least = np.full((len(plan), len(sizes)), np.inf)
    plans, size = np.nonzero(job.global_batch % (plan.dp[:, None] * sizes) == 0)
    every = plan.take(plans).with_(micro_batch=sizes[size])
    few, row = distinct(every, layercosts.LAYER_AXES)
    stage = Stage(np.zeros((1, 1), np.int64))
    parts = stagecosts.work_parts(
        job, few.with_(schedule=DUALPIPE_V), stage, stagecosts.stage_kinds(job, few, stage), layercosts.kinds(job, few)
    )
    work = sum(np.broadcast_to(part, (1, len(few)))[0] for part in parts.named().values())
    least[plans, size] = job.global_batch / (every.dp * every.micro_batch) * work[row] / every.pp
    return least


def least_step(job: Job, plan: Plan, optimizer_seconds: Column) -> Column:
    """Seconds that a step does not go below, whatever is recomputed and sharded: its pipeline with nothing recomputed, no data-parallel
    traffic, and what the optimizer takes at least.
    """
    pipeline = stagecosts.pipeline(job, plan, stagecosts.edge_cost(job, plan))
    tail = Tail(pipeline.bubble_seconds, pipeline.pp_seconds, Seconds(0.0), Seconds(optimizer_seconds), schedule.fixed_seconds(job))
    return np.asarray(est.step_of(job, pipeline, tail)[0])
