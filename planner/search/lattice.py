"""The lattice of all allowed plans, part by part.

Degrees come first, then what each micro-batch does; the sharding, which depends on the degrees alone, is grown beside them and joined
last, so that a plan is a pair of rows: one of `pipeline`, one of `shardings`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from planner.cost import layer_cost as layercosts
from planner.cost import stage_cost as stagecosts
from planner.cost import step_cost as est
from planner.cost.memory import device_bytes
from planner.cost.pipeline_split import largest
from planner.cost.records import Sharding
from planner.document.space import Space
from planner.search.axes import SHARDING_AXES, batch_axes, rank_axes, runs, stage_axes
from planner.search.growth import Growth, grown, joined, pieces
from planner.specs.job import Job
from planner.specs.plan import Column, Plan

SHARDING_FIELDS = frozenset({"zero", "dp_shard", "dp_replicate"})


@dataclass(frozen=True)
class Lattice:
    """Allowed plans: pairs of a pipeline row and one of the sharding rows of its degrees."""

    pipeline: Plan
    shardings: Plan
    sharding: Sharding | None  # what the sharding rows cost; None where there are none
    first: Column  # for each pipeline row, its first sharding row
    count: Column  # for each pipeline row, how many sharding rows there are

    @property
    def allowed(self) -> int:
        """How many plans there are."""
        return int(self.count.sum())

    def plan(self, pipeline_row: int, sharding_row: int, recompute_layers: int) -> Plan:
        """One plan, by its rows; of those that recompute the first layers, so many."""
        sharding = self.shardings.one(sharding_row)
        own = {name: getattr(sharding, name) for name in SHARDING_FIELDS}
        return self.pipeline.one(pipeline_row).with_(recompute_layers=recompute_layers, **own)


def lattices(job: Job, space: Space, refused: dict[str, int], *, hopeless: bool = False) -> Iterator[Lattice]:
    """Every allowed plan of a job within a space, in parts that are small enough to work on; the order of plans is that of one whole.

    `refused` counts, while the parts come, the rows that each rule refused, a refused prefix once. Plans that cannot fit, whatever else
    they choose, are refused as soon as that is certain: their states alone are too large, or the least that their micro-batch needs is
    too much beside the smallest states. `hopeless` keeps them, for a job nothing of which fits.
    """
    for tree, sides in degrees(ranks(job, space, refused), hopeless=hopeless):
        then = {} if hopeless else {"micro_batch": sides.prune_live}
        for part in grown(tree, batch_axes(job, space), then):
            yield sides.lattice(part)


def ranks(job: Job, space: Space, refused: dict[str, int] | None = None) -> Growth:
    """Every allowed way to lay a model on the ranks; pipelines are not told apart by schedule and virtual stages yet."""

    def derive(tree: Growth) -> None:
        tree.derive("dp", job.cluster.gpus // np.maximum(tree.plan.tp * tree.plan.cp * tree.plan.pp, 1))

    start = Growth(job, space, {} if refused is None else refused)
    tree = joined(list(grown(start, rank_axes(job), {"pp": derive})))
    tree.parent = np.arange(len(tree))
    return tree


def degrees(tree: Growth, *, hopeless: bool = False) -> Iterator[tuple[Growth, Sides]]:
    """What `ranks` gave, or some of its rows, grown by the stages of their pipelines, in parts; each part with what it may shard.

    Degrees whose states cannot fit are refused but for `hopeless`.
    """
    for staged in grown(tree, stage_axes(tree.job)):
        for part in pieces(staged, _shardings_at_most(staged)):
            yield part, Sides(part, hopeless)


def _shardings_at_most(tree: Growth) -> Column:
    """How many shardings each row of degrees is grown by before they are pruned."""
    replicas = SHARDING_AXES[1][1].counts(tree.job, tree.plan.with_(zero=np.ones(len(tree), np.int64)))
    return 1 + 3 * np.asarray(replicas)


class Sides:
    """The shardings of every row of degrees, what they cost, and of each row the first and how many there are."""

    def __init__(self, tree: Growth, hopeless: bool) -> None:
        side = _shardings(tree)
        self.cost = est.sharding(tree.job, side.plan) if len(side.parent) else None
        if self.cost and not hopeless:
            fits = device_bytes(tree.job, largest(self.cost.static_bytes)) <= tree.job.memory_limit
            side.keep(fits, "states")
            self.cost = layercosts.taken(self.cost, np.flatnonzero(fits))
        count = np.bincount(side.parent, minlength=max(len(tree.parent), 1))
        self.plan = side.plan
        tree.keep(count[: len(tree.parent)] > 0, None)
        self.count = count[count > 0]
        self.first = np.cumsum(self.count) - self.count
        self.rank = tree.parent  # for each row of degrees, the row of `ranks` it descends from
        tree.parent = np.arange(len(self.count))

    def lattice(self, tree: Growth) -> Lattice:
        """The plans of what has grown below the degrees, each with its shardings."""
        return Lattice(tree.plan, self.plan, self.cost, self.first[tree.parent], self.count[tree.parent])

    def used(self, tree: Growth) -> Plan:
        """The shardings of what has grown below the degrees."""
        own = np.unique(tree.parent)
        return self.plan.take(runs(self.first[own], self.count[own]))

    def prune_live(self, tree: Growth) -> None:
        """Refuse micro-batches that need too much beside the smallest states of their degrees."""
        if not len(tree.parent) or not self.cost:
            return
        least = np.minimum.reduceat(self.cost.static_bytes, self.first, axis=1)
        needed = largest(np.take(least, tree.parent, axis=1) + stagecosts.least_live(tree.job, tree.plan))
        tree.keep(device_bytes(tree.job, needed) <= tree.job.memory_limit, "activations")


def _shardings(tree: Growth) -> Growth:
    """Every allowed sharding of each row of degrees."""
    side = tree.taken(slice(None))
    side.parent = np.arange(len(tree.parent))
    for name, candidates in SHARDING_AXES:
        side.add(name, candidates)
    plan = side.plan
    side.plan = replace(plan, dp_shard=np.where(plan.zero > 0, plan.dp // np.maximum(plan.dp_replicate, 1), 1))
    side.known.add("dp_shard")
    return side
