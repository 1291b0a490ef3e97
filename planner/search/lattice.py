"""The lattice of all allowed plans, in parts.

The degrees grow first, then the axes of a micro-batch. The sharding depends on the degrees only and is grown separately: a plan is a pair
of a row of `pipeline` and a row of `shardings`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from planner.cost import stage_cost as stagecosts
from planner.cost import step_cost as est
from planner.cost.pipeline_split import largest
from planner.cost.records import Sharding
from planner.cost.reserved import least_device
from planner.degrees import MODEL_PARALLEL, product
from planner.document.space import Space
from planner.search.axes import SHARDING_AXES, batch_axes, rank_axes, runs, stage_axes
from planner.search.growth import Growth, grown, joined, pieces
from planner.specs.job import Job
from planner.specs.plan import Column, Plan

SHARDING_FIELDS = frozenset({"zero", "dp_shard", "dp_replicate"})


@dataclass(frozen=True)
class Lattice:
    """Allowed plans: pairs of a pipeline row and a sharding row with the same degrees."""

    pipeline: Plan
    shardings: Plan
    sharding: Sharding | None  # cost of the sharding rows; None without rows
    first: Column  # first sharding row of each pipeline row
    count: Column  # number of sharding rows of each pipeline row

    @property
    def allowed(self) -> int:
        """The number of plans."""
        return int(self.count.sum())

    def plan(self, pipeline_row: int, sharding_row: int, recompute_layers: int) -> Plan:
        """One plan by its rows, with its recomputed layers per virtual stage."""
        sharding = self.shardings.one(sharding_row)
        fields = {name: getattr(sharding, name) for name in SHARDING_FIELDS}
        return self.pipeline.one(pipeline_row).with_(recompute_layers=recompute_layers, **fields)


def lattices(job: Job, space: Space, refused: dict[str, int], *, hopeless: bool = False) -> Iterator[Lattice]:
    """Every allowed plan of a job within a space, in parts of bounded size; the order of plans does not depend on the parts.

    `refused` counts the rows that each rule refused, a refused prefix once. Plans that cannot fit for any further choice are refused
    early: their states are too large, or the least memory of a micro-batch is too much on top of the smallest states. `hopeless`
    includes them, for a job without a plan that fits.
    """
    for tree, sides in degrees(ranks(job, space, refused), hopeless=hopeless):
        then = {} if hopeless else {"micro_batch": sides.prune_live}
        for part in grown(tree, batch_axes(job, space), then):
            yield sides.lattice(part)


def ranks(job: Job, space: Space, refused: dict[str, int] | None = None) -> Growth:
    """Every allowed combination of degrees, before schedules and virtual stages."""

    def derive(tree: Growth) -> None:
        tree.derive("dp", job.cluster.gpus // np.maximum(product(tree.plan, MODEL_PARALLEL), 1))

    start = Growth(job, space, {} if refused is None else refused)
    tree = joined(list(grown(start, rank_axes(job), {"pp": derive})))
    tree.parent = np.arange(len(tree))
    return tree


def degrees(tree: Growth, *, hopeless: bool = False) -> Iterator[tuple[Growth, Sides]]:
    """The tree of `ranks`, or some of its rows, grown by schedule and virtual stages, in parts; each part with its shardings.

    Degrees with states that cannot fit are refused unless `hopeless`.
    """
    for staged in grown(tree, stage_axes(tree.job)):
        for part in pieces(staged, _shardings_at_most(staged)):
            yield part, Sides(part, hopeless)


def _shardings_at_most(tree: Growth) -> Column:
    """The number of shardings of each row of degrees before pruning."""
    replicas = SHARDING_AXES[1][1].counts(tree.job, tree.plan.with_(zero=np.ones(len(tree), np.int64)))
    return 1 + 3 * np.asarray(replicas)


class Sides:
    """The shardings of all rows of degrees with their cost; for each row its first sharding and their number."""

    def __init__(self, tree: Growth, hopeless: bool) -> None:
        side = _shardings(tree)
        if len(side.parent) and not hopeless:
            side.keep(least_device(tree.job, largest(est.least_states(tree.job, side.plan))) <= tree.job.memory_limit, "states")
        self.cost = est.sharding(tree.job, side.plan) if len(side.parent) else None
        count = np.bincount(side.parent, minlength=max(len(tree.parent), 1))
        self.plan = side.plan
        tree.keep(count[: len(tree.parent)] > 0, None)
        self.count = count[count > 0]
        self.first = np.cumsum(self.count) - self.count
        self.rank = tree.parent  # parent of each row of degrees, a row of `ranks`
        tree.parent = np.arange(len(self.count))

    def lattice(self, tree: Growth) -> Lattice:
        """The plans of a tree grown from the degrees, with their shardings."""
        return Lattice(tree.plan, self.plan, self.cost, self.first[tree.parent], self.count[tree.parent])

    def used(self, tree: Growth) -> Plan:
        """The shardings of a tree grown from the degrees."""
        parents = np.unique(tree.parent)
        return self.plan.take(runs(self.first[parents], self.count[parents]))

    def prune_live(self, tree: Growth) -> None:
        """Refuse micro-batches that do not fit with the smallest states of their degrees."""
        if not len(tree.parent) or not self.cost:
            return
        least = np.minimum.reduceat(self.cost.static_bytes, self.first, axis=1)
        needed = largest(np.take(least, tree.parent, axis=1) + stagecosts.least_live(tree.job, tree.plan))
        tree.keep(least_device(tree.job, needed) <= tree.job.memory_limit, "activations")


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
