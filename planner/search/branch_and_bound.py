"""The fastest plan that fits, by branch and bound: the first plan of `search`, several times faster.

Two lower bounds of the step prune plans that cannot be faster than the best known one: the time of the layers for any pipeline, and
the time of the pipeline without recomputation. All other parts of the step only add.
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

MANY = 50_000  # degrees times micro-batch sizes of a search of half a second or more
FEW = 64  # degrees examined first, to get a plan to compare with; doubled each time
BOUNDS = 4  # parts of a tree with bounds computed together, which share most layer costs
ROUNDED = 1 + 1e-12  # tolerance for sums in another order
LONGEST = 1e300  # seconds; longer steps are infinite


class Fastest(NamedTuple):
    """A plan, its step in seconds (infinite if none fits), and its row of `ranks`, which breaks ties."""

    step: float
    rank: int
    plan: Plan | None


NONE = Fastest(np.inf, -1, None)


def fastest(job: Job, space: Space | None = None, *, within: float = np.inf, cancelled: Callable[[], bool] | None = None) -> Plan | None:
    """The plan that `search` ranks first; None if no plan fits with a step of at most `within` seconds.

    Raises Cancelled if `cancelled` returns true.
    """
    space = space or Space()
    tree = ranks(job, space)
    sizes = np.array(space["micro_batch"].only or divisors(job.global_batch), np.int64)
    widest = max(FEW, PART // (2 * len(sizes)))  # rows with the bounds of all sizes in memory at once
    parts = pieces(tree, 2 * len(sizes), BOUNDS)
    nearest = np.concatenate([least_of_layers(part, sizes).min(axis=(1, 2), initial=np.inf) for part in parts])
    order, best, at, width = np.argsort(nearest), NONE, 0, FEW
    while at < len(order) and nearest[order[at]] <= (reach := min(best.step, within, LONGEST) * ROUNDED):
        rows = np.sort(order[at : at + width])  # in lattice order, which breaks ties
        branch = tree.taken(rows)
        branch.parent = np.arange(len(rows))
        worth = least_of_layers(branch, sizes) <= reach
        for candidate in _of(branch, worth, sizes, reach, cancelled):
            best = min(best, candidate._replace(rank=int(rows[candidate.rank])), key=lambda plan: plan[:2])
        at, width = at + width, min(2 * width, widest)
    return best.plan if best.step <= within else None


def large(job: Job, space: Space) -> bool:
    """Whether a search takes long enough to look for the best plan first; estimated from the number of degrees in milliseconds."""
    return len(ranks(job, space).parent) * len(divisors(job.global_batch)) >= MANY


def least_of_layers(tree: Growth, sizes: Column) -> Column:
    """Lower bound of the step from its layers; seconds, rows of a tree x sequence parallelism off or on x sizes."""
    layers = tree.taken(slice(None), {})
    layers.parent = np.arange(len(tree))
    layers.add(*batch_axes(tree.job, tree.space)[0])
    least = np.full((len(tree), 2, len(sizes)), np.inf)
    least[layers.parent, layers.plan.sequence_parallel] = least_steady(tree.job, layers.plan, sizes)
    return least


def _of(tree: Growth, worth: Column, sizes: Column, reach: float, cancelled: Callable[[], bool] | None) -> Iterator[Fastest]:
    """The fastest plan of each part of the subtree of some rows of `ranks` with a step of at most `reach`; rank: the row of `tree`.

    worth: micro-batch sizes to examine, rows of the tree x sequence parallelism off or on x sizes. Raises Cancelled if `cancelled`
    returns true.
    """
    sequence, (micro_batch, _), *rest = batch_axes(tree.job, tree.space)
    for part, sides in degrees(tree):
        if sides.cost is None:
            continue
        optimizer = np.minimum.reduceat(sides.cost.exchange.optimizer_seconds, sides.first)
        part.add(*sequence)
        for piece in pieces(part, _worth(part, sides, worth).sum(axis=1)):
            piece.add(micro_batch, _sizes(sizes, _worth(piece, sides, worth)))
            piece.keep(least_step(tree.job, piece.plan, optimizer[piece.parent]) <= reach, None)
            for leaf in grown(piece, rest):
                if cancelled and cancelled():
                    raise Cancelled
                if (best := _first(leaf, sides)).plan is not None:
                    yield best


def _worth(tree: Growth, sides: Sides, worth: Column) -> Column:
    """Micro-batch sizes to examine for each row of degrees and sequence parallelism; rows x sizes."""
    return np.asarray(worth[sides.rank[tree.parent], tree.plan.sequence_parallel])


def _sizes(sizes: Column, worth: Column) -> Candidates:
    """The micro-batch sizes to examine, by row."""
    return Candidates(lambda job, plan: worth.sum(axis=1), lambda job, plan, counts: np.broadcast_to(sizes, worth.shape)[worth])


def _first(tree: Growth, sides: Sides) -> Fastest:
    """The fastest plan that fits of a fully grown tree; the first of equal ones."""
    lattice, best = sides.lattice(tree), NONE
    blocks = Blocks(tree.job, lattice, "recompute_layers" not in tree.space.bounds)
    for pairs in blocks.every():
        steps = np.where(est.fitting(tree.job, pairs.totals), pairs.totals.step, np.inf)
        row = int(np.argmin(steps))
        if steps[row] < best.step:
            pipeline, sharding, layers = (int(c[row]) for c in (pairs.pipeline_row, pairs.sharding_row, pairs.recompute_layers))
            best = Fastest(float(steps[row]), int(sides.rank[tree.parent[pipeline]]), lattice.plan(pipeline, sharding, layers))
    return best


def least_steady(job: Job, plan: Plan, sizes: Column) -> Column:
    """Lower bound of the steady state of a step; seconds, plans x micro-batch sizes, infinite if a size does not divide the batch.

    The slowest rank of a pipeline is no faster than the mean rank, and all ranks together do the work of one rank with every layer. The
    all-to-all is taken as hidden if any schedule hides it.
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
    """Lower bound of the step for any recomputation and sharding: the pipeline without recomputation and data-parallel communication, plus
    the least optimizer time; seconds.
    """
    pace = stagecosts.pace(job, plan, stagecosts.edge_cost(job, plan))
    tail = Tail(pace.bubble_seconds, pace.pp_seconds, Seconds(0.0), Seconds(optimizer_seconds), schedule.fixed_seconds(job))
    return np.asarray(est.step_of(job, pace, tail)[0])
