"""AXES: every candidate value of every axis, grown one axis at a time; each rule prunes as soon as the fields it reads exist.

The full product is never built. Degrees come first, then what each micro-batch does; the sharding, which depends on the degrees
alone, is grown beside them and joined last, so that a plan is a pair of rows: one of `pipeline`, one of `shardings`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from planner import estimate as est
from planner import layercosts, stagecosts
from planner.costs import Sharding
from planner.memory import device_bytes
from planner.plan import FIELDS, FROM_ZERO, Column, Plan
from planner.rules import RULES, Rule
from planner.space import Space
from planner.specs import RECOMPUTES, SCHEDULES, Job
from planner.split import chunk_layers, largest

FIRST = RECOMPUTES.index("first")
Candidates = Callable[[Job, Plan], tuple[Column, Column | int]]  # values, and how many of them each row has


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


def divisors(number: int) -> Column:
    """All divisors of a number, ascending."""
    small = [d for d in range(1, int(number**0.5) + 1) if number % d == 0]
    return np.array(sorted({*small, *(number // d for d in small)}), np.int64)


def _each(values: Column) -> Candidates:
    """The same candidates below every row."""

    def candidates(job: Job, plan: Plan) -> tuple[Column, int]:
        return np.tile(values, len(plan)), len(values)

    return candidates


def _first_layers(every: bool) -> Candidates:
    """Layers to recompute in each virtual stage under `first`, otherwise none: one, where the search finds the fewest that fit, or every
    number from 1 to one less than the stage holds, where the user bounds it.
    """

    def candidates(job: Job, plan: Plan) -> tuple[Column, Column]:
        held = np.maximum(chunk_layers(job, plan) - 1, 0)
        most = np.where(plan.recompute == FIRST, held if every else np.minimum(held, 1), 1)
        start = np.repeat(np.cumsum(most) - most, most)
        within = np.arange(int(most.sum())) - start
        return np.where(np.repeat(plan.recompute == FIRST, most), within + 1, 0), most

    return candidates


def _replicas(job: Job, plan: Plan) -> tuple[Column, Column]:
    """Replicas of the sharded groups: the divisors of dp below dp; dp itself where nothing is sharded."""
    lists = {int(d): divisors(int(d)) for d in np.unique(plan.dp)}
    lists = {d: v[:-1] if d > 1 else v for d, v in lists.items()}
    rows = [lists[int(d)] if z else np.array([d]) for d, z in zip(plan.dp, plan.zero, strict=True)]
    return np.concatenate(rows) if rows else np.empty(0, np.int64), np.array([len(r) for r in rows], np.int64)


def _expert_tensor(job: Job, plan: Plan) -> tuple[Column, Column | int]:
    """Ranks an expert may lie on: one; tp as well; or any number of them that divides the expert and the ranks."""
    model = job.model
    if not model.experts or job.stack.expert_tensor == "never":
        return np.ones(len(plan), np.int64), 1
    if job.stack.expert_tensor == "tp":
        counts = np.where(plan.tp > 1, 2, 1)
        values = np.repeat(plan.tp, counts)
        values[np.cumsum(counts) - counts] = 1
        return values, counts
    world = divisors(job.cluster.gpus)
    return _each(world[model.expert_ffn % world == 0])(job, plan)


def axes(job: Job, space: Space) -> tuple[tuple[str, Candidates], ...]:
    """The axes in the order they grow, with the candidates of each; `dp` follows from the others once pp is known."""
    world = divisors(job.cluster.gpus)
    return (
        ("tp", _each(world[world <= job.model.heads])),
        ("cp", _each(world[world <= job.sequence])),
        ("pp", _each(world[world <= job.model.layers])),
        ("ep", _each(world[np.isin(world, divisors(job.model.experts))] if job.model.experts else np.ones(1, np.int64))),
        ("etp", _expert_tensor),
        ("schedule", _each(np.array(sorted(SCHEDULES.index(name) for name in job.stack.schedules)))),
        ("vpp", _each(np.arange(1, job.model.layers + 3))),
        ("sequence_parallel", _each(np.arange(2))),
        ("micro_batch", _each(divisors(job.global_batch))),
        ("recompute", _each(np.arange(len(RECOMPUTES)))),
        ("recompute_layers", _first_layers("recompute_layers" in space.bounds)),
    )


SHARDING_AXES: tuple[tuple[str, Candidates], ...] = (("zero", _each(np.arange(4))), ("dp_replicate", _replicas))


class _Growth:
    """One tree of rows as it grows: its plan so far, the fields it has, the row of the degrees each row descends from."""

    def __init__(self, job: Job, space: Space, refused: dict[str, int]) -> None:
        self.job, self.space, self.refused = job, space, refused
        self.plan = Plan(**{name: np.full(1, 0 if name in FROM_ZERO else 1) for name in FIELDS})
        self.known: set[str] = set()
        self.parent = np.zeros(1, np.int64)

    def add(self, name: str, candidates: Candidates) -> None:
        """Grow by one axis, within the user's bounds, then prune."""
        bounds = self.space[name]
        if bounds.only is not None and name not in ("dp_replicate", "recompute_layers"):
            candidates = _each(np.array(bounds.only, np.int64))  # tried even where no divisor, so that a rule says why not
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
    refused: dict[str, int] = {}
    tree = _Growth(job, space, refused)
    sides: _Sides | None = None
    for name, candidates in axes(job, space):
        tree.add(name, candidates)
        if name == "pp":
            tree.derive("dp", job.cluster.gpus // np.maximum(tree.plan.tp * tree.plan.cp * tree.plan.pp, 1))
        if name == "vpp":
            sides = _Sides(tree, hopeless)
        if name == "micro_batch" and sides and not hopeless:
            sides.prune_live(tree)
    assert sides is not None
    return Lattice(tree.plan, sides.plan, sides.cost, sides.first[tree.parent], sides.count[tree.parent], refused)


class _Sides:
    """The shardings of every row of degrees, what they cost, and of each row the first and how many there are."""

    def __init__(self, tree: _Growth, hopeless: bool) -> None:
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
        tree.parent = np.arange(len(self.count))

    def prune_live(self, tree: _Growth) -> None:
        """Refuse micro-batches that need too much beside the smallest states of their degrees."""
        if not len(tree.parent) or not self.cost:
            return
        least = np.minimum.reduceat(self.cost.static_bytes, self.first, axis=1)
        needed = largest(np.take(least, tree.parent, axis=1) + stagecosts.least_live(tree.job, tree.plan))
        tree.keep(device_bytes(tree.job, needed) <= tree.job.memory_limit, "activations")


def _shardings(tree: _Growth) -> _Growth:
    """Every allowed sharding of each row of degrees."""
    side = _Growth(tree.job, tree.space, tree.refused)
    side.plan, side.known, side.parent = tree.plan, set(tree.known), np.arange(len(tree.parent))
    for name, candidates in SHARDING_AXES:
        side.add(name, candidates)
    plan = side.plan
    side.plan = replace(plan, dp_shard=np.where(plan.zero > 0, plan.dp // np.maximum(plan.dp_replicate, 1), 1))
    side.known.add("dp_shard")
    return side
