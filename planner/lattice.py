"""AXES: every candidate value of every axis, grown one axis at a time; each rule prunes as soon as the fields it reads exist.

The full product is never built. Degrees come first, then what each micro-batch does; the sharding, which depends on the degrees
alone, is grown beside them and joined last, so that a plan is a pair of rows: one of `pipeline`, one of `shardings`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from planner.plan import FIELDS, Column, Plan
from planner.rules import RULES, Rule
from planner.shard import chunk_layers
from planner.space import Space
from planner.specs import RECOMPUTES, Job

Candidates = Callable[[Job, Plan], tuple[Column, Column]]


@dataclass(frozen=True)
class Lattice:
    """All allowed plans: pairs of a pipeline row and one of the sharding rows of its degrees; and how many each rule refused."""

    pipeline: Plan
    shardings: Plan
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

    def candidates(job: Job, plan: Plan) -> tuple[Column, Column]:
        rows = len(plan)
        return np.tile(values, rows), np.full(rows, len(values))

    return candidates


def _first_layers(job: Job, plan: Plan) -> tuple[Column, Column]:
    """Layers to recompute in each virtual stage: 1 to one less than it holds under `first`, otherwise none."""
    most = np.where(plan.recompute == 3, np.maximum(chunk_layers(job, plan) - 1, 0), 1)
    start = np.repeat(np.cumsum(most) - most, most)
    within = np.arange(int(most.sum())) - start
    return np.where(np.repeat(plan.recompute == 3, most), within + 1, 0), most


def _replicas(job: Job, plan: Plan) -> tuple[Column, Column]:
    """Replicas of the sharded groups: the divisors of dp below dp; dp itself where nothing is sharded."""
    lists = {int(d): divisors(int(d)) for d in np.unique(plan.dp)}
    lists = {d: v[:-1] if d > 1 else v for d, v in lists.items()}
    rows = [lists[int(d)] if z else np.array([d]) for d, z in zip(plan.dp, plan.zero, strict=True)]
    return np.concatenate(rows) if rows else np.empty(0, np.int64), np.array([len(r) for r in rows], np.int64)


def axes(job: Job) -> tuple[tuple[str, Candidates], ...]:
    """The axes in the order they grow, with the candidates of each; `dp` follows from the others once pp is known."""
    world = divisors(job.cluster.gpus)
    return (
        ("tp", _each(world[world <= job.model.heads])),
        ("cp", _each(world[world <= job.sequence])),
        ("pp", _each(world[world <= job.model.layers])),
        ("vpp", _each(np.arange(1, job.model.layers + 3))),
        ("micro_batch", _each(divisors(job.global_batch))),
        ("sequence_parallel", _each(np.arange(2))),
        ("recompute", _each(np.arange(len(RECOMPUTES)))),
        ("recompute_layers", _first_layers),
    )


SHARDING_AXES: tuple[tuple[str, Candidates], ...] = (("zero", _each(np.arange(4))), ("dp_replicate", _replicas))


class _Growth:
    """One tree of rows as it grows: its plan so far, the fields it has, the row of the degrees each row descends from."""

    def __init__(self, job: Job, space: Space, refused: dict[str, int]) -> None:
        self.job, self.space, self.refused = job, space, refused
        self.plan = Plan(
            **{name: np.full(1, 0 if name in ("zero", "sequence_parallel", "recompute", "recompute_layers") else 1) for name in FIELDS}
        )
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
            self._keep(inside, "bounds")
        elif not inside.all():
            self._keep(inside, None)
        self.prune(name)

    def _inside(self, name: str) -> Column:
        """Which rows the user's bounds ask for. Bounds on N speak of `first` alone, those on replicas of sharded plans alone."""
        inside: Column = np.broadcast_to(self.space.allows(name, getattr(self.plan, name)), self.parent.shape)
        if name == "recompute_layers" and name in self.space.bounds:
            return np.asarray(inside | (self.plan.recompute != RECOMPUTES.index("first")))
        if name == "dp_replicate" and name in self.space.bounds:
            return np.where(self.plan.zero > 0, inside, self.space.allows(name, 1))
        return inside

    def derive(self, name: str, values: Column) -> None:
        """Add a field that follows from the others; bounds on it refuse, since it is not tried."""
        self._set({f: getattr(self.plan, f) for f in self.known} | {name: values})
        self.known.add(name)
        self._keep(np.broadcast_to(self.space.allows(name, values), values.shape), "bounds")
        self.prune(name)

    def prune(self, newest: str) -> None:
        """Apply every rule whose last field is the newest."""
        for rule in RULES:
            if newest in rule.fields and self.known.issuperset(rule.fields):
                self._apply(rule)

    def _apply(self, rule: Rule) -> None:
        if len(self.parent):
            self._keep(np.broadcast_to(rule.allowed(self.job, self.plan), self.parent.shape), rule.key)

    def _keep(self, mask: Column, key: str | None) -> None:
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


def grow(job: Job, space: Space) -> Lattice:
    """Every allowed plan of a job within a space; counts are of rows refused as the lattice grew, a refused prefix once."""
    refused: dict[str, int] = {}
    tree = _Growth(job, space, refused)
    sharding: _Growth | None = None
    for name, candidates in axes(job):
        tree.add(name, candidates)
        if name == "pp":
            tree.derive("dp", job.cluster.gpus // np.maximum(tree.plan.tp * tree.plan.cp * tree.plan.pp, 1))
        if name == "vpp":
            sharding = _shardings(tree)
            tree.parent = np.arange(len(tree.parent))
            degrees = len(tree.parent)
    assert sharding is not None
    count = np.bincount(sharding.parent, minlength=max(degrees, 1))
    first = np.cumsum(count) - count
    return Lattice(tree.plan, sharding.plan, first[tree.parent], count[tree.parent], refused)


def _shardings(tree: _Growth) -> _Growth:
    """Every allowed sharding of each row of degrees."""
    side = _Growth(tree.job, tree.space, tree.refused)
    side.plan, side.known, side.parent = tree.plan, set(tree.known), np.arange(len(tree.parent))
    for name, candidates in SHARDING_AXES:
        side.add(name, candidates)
    plan = side.plan
    side.plan = replace(plan, dp_shard=np.where(plan.zero > 0, plan.dp // np.maximum(plan.dp_replicate, 1), 1))
    return side
