"""The lattice of all allowed plans, grown one axis at a time; each rule prunes as soon as the fields it reads exist.

The full product is never built. Degrees come first, then what each micro-batch does; the sharding, which depends on the degrees
alone, is grown beside them and joined last, so that a plan is a pair of rows: one of `pipeline`, one of `shardings`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from planner import estimate as est
from planner import layercosts, stagecosts
from planner.axes import FIRST, SHARDING_AXES, Candidates, batch_axes, each, rank_axes, runs, stage_axes
from planner.costs import Sharding
from planner.memory import device_bytes
from planner.plan import FIELDS, FROM_ZERO, Column, Plan
from planner.rules import RULES, Rule
from planner.space import Space
from planner.specs import Job
from planner.split import largest

SHARDING_FIELDS = frozenset({"zero", "dp_shard", "dp_replicate"})


@dataclass(frozen=True)
class Lattice:
    """All allowed plans: pairs of a pipeline row and one of the sharding rows of its degrees; and how many each rule refused."""

    pipeline: Plan
    shardings: Plan
    sharding: Sharding | None  # what the sharding rows cost; None where there are none
    first: Column  # for each pipeline row, its first sharding row
    count: Column  # for each pipeline row, how many sharding rows there are
    refused: dict[str, int]

    @property
    def allowed(self) -> int:
        """How many plans there are."""
        return int(self.count.sum())

    def plan(self, pipeline_row: int, sharding_row: int, recompute_layers: int) -> Plan:
        """One plan, by its rows; of those that recompute the first layers, so many."""
        sharding = self.shardings.one(sharding_row)
        own = {name: getattr(sharding, name) for name in SHARDING_FIELDS}
        return self.pipeline.one(pipeline_row).with_(recompute_layers=recompute_layers, **own)


class Growth:
    """One tree of rows as it grows: its plan so far, the fields it has, the row each descends from, of `ranks`, then of the degrees."""

    def __init__(self, job: Job, space: Space, refused: dict[str, int]) -> None:
        self.job, self.space, self.refused = job, space, refused
        self.plan = Plan(**{name: np.full(1, 0 if name in FROM_ZERO else 1) for name in FIELDS})
        self.known: set[str] = set()
        self.parent = np.zeros(1, np.int64)

    def taken(self, rows: Column) -> Growth:
        """A tree of some rows, to grow on its own; what it refuses is not counted with the others."""
        own = Growth(self.job, self.space, {})
        own.plan, own.known, own.parent = self.plan.take(rows), set(self.known), self.parent[rows]
        return own

    def add(self, name: str, candidates: Candidates) -> None:
        """Grow by one axis, within the user's bounds, then prune."""
        bounds = self.space[name]
        if bounds.only is not None and name not in ("dp_replicate", "recompute_layers"):
            candidates = each(np.array(bounds.only, np.int64))  # tried even where no divisor, so that a rule says why not
        values, counts = candidates(self.job, self.plan)
        self.parent = np.repeat(self.parent, counts)
        columns = {f: np.repeat(getattr(self.plan, f), counts) for f in FIELDS if f in self.known}
        self._set(columns | {name: values})
        self.known.add(name)
        inside = self._inside(name)
        if name in ("dp_replicate", "recompute_layers"):
            self.keep(inside, "bounds")
        elif not inside.all():
            self.keep(inside, None)
        self.prune(name)

    def _inside(self, name: str) -> Column:
        """Which rows the user's bounds ask for. Bounds on N speak of `first` alone, those on replicas of sharded plans alone."""
        inside: Column = np.broadcast_to(self.space.allows(name, getattr(self.plan, name)), self.parent.shape)
        if name == "recompute_layers" and name in self.space.bounds:
            return np.asarray(inside | (self.plan.recompute != FIRST))
        if name == "dp_replicate" and name in self.space.bounds:
            return np.where(self.plan.zero > 0, inside, self.space.allows(name, 1))
        return inside

    def derive(self, name: str, values: Column) -> None:
        """Add a field that follows from the others; bounds on it refuse, since it is not tried."""
        self._set({f: getattr(self.plan, f) for f in self.known} | {name: values})
        self.known.add(name)
        self.keep(np.broadcast_to(self.space.allows(name, values), values.shape), "bounds")
        self.prune(name)

    def prune(self, newest: str) -> None:
        """Apply every rule whose last field is the newest."""
        for rule in RULES:
            if newest in rule.fields and self.known.issuperset(rule.fields):
                self._apply(rule)

    def _apply(self, rule: Rule) -> None:
        if len(self.parent):
            self.keep(np.broadcast_to(rule.allowed(self.job, self.plan), self.parent.shape), rule.key)

    def keep(self, mask: Column, key: str | None) -> None:
        """Keep some rows; those refused count under a key."""
        gone = int(mask.size - np.count_nonzero(mask))
        if not gone:
            return
        if key:
            self.refused[key] = self.refused.get(key, 0) + gone
        self.parent = self.parent[mask]
        self._set({f: getattr(self.plan, f)[mask] for f in self.known})

    def _set(self, columns: dict[str, Column]) -> None:
        rows = len(next(iter(columns.values())))
        rest = {
            f: np.broadcast_to(getattr(self.plan, f)[:1] if len(self.plan) else np.zeros(1, np.int64), (rows,))
            for f in FIELDS
            if f not in columns
        }
        self.plan = Plan(**rest, **columns)


def grow(job: Job, space: Space, *, hopeless: bool = False) -> Lattice:
    """Every allowed plan of a job within a space; counts are of rows refused as the lattice grew, a refused prefix once.

    Plans that cannot fit, whatever else they choose, are refused as soon as that is certain: their states alone are too large, or the
    least that their micro-batch needs is too much beside the smallest states. `hopeless` keeps them, for a job nothing of which fits.
    """
    tree, sides = degrees(job, space, hopeless=hopeless)
    for name, candidates in batch_axes(job, space):
        tree.add(name, candidates)
        if name == "micro_batch" and not hopeless:
            sides.prune_live(tree)
    return sides.lattice(tree)


def degrees(job: Job, space: Space, *, hopeless: bool = False) -> tuple[Growth, Sides]:
    """Every allowed combination of degrees, and its shardings; those whose states cannot fit are refused but for `hopeless`."""
    tree = ranks(job, space)
    return tree, staged(tree, hopeless=hopeless)


def ranks(job: Job, space: Space) -> Growth:
    """Every allowed way to lay a model on the ranks; pipelines are not told apart by schedule and virtual stages yet."""
    tree = Growth(job, space, {})
    for name, candidates in rank_axes(job):
        tree.add(name, candidates)
        if name == "pp":
            tree.derive("dp", job.cluster.gpus // np.maximum(tree.plan.tp * tree.plan.cp * tree.plan.pp, 1))
    tree.parent = np.arange(len(tree.parent))
    return tree


def staged(tree: Growth, *, hopeless: bool = False) -> Sides:
    """Grow what `ranks` gave, or some of its rows, by the stages of their pipelines; what they may shard."""
    for axis in stage_axes(tree.job):
        tree.add(*axis)
    return Sides(tree, hopeless)


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
        return Lattice(tree.plan, self.plan, self.cost, self.first[tree.parent], self.count[tree.parent], tree.refused)

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
    side = Growth(tree.job, tree.space, tree.refused)
    side.plan, side.known, side.parent = tree.plan, set(tree.known), np.arange(len(tree.parent))
    for name, candidates in SHARDING_AXES:
        side.add(name, candidates)
    plan = side.plan
    side.plan = replace(plan, dp_shard=np.where(plan.zero > 0, plan.dp // np.maximum(plan.dp_replicate, 1), 1))
    side.known.add("dp_shard")
    return side
