"""The rules that given values of a plan break for every choice of the other axes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from planner.degrees import WORLD
from planner.degrees import text as written
from planner.document.space import Space
from planner.search.axes import divisors
from planner.search.rules import ARGS, RULES
from planner.specs.job import SCHEDULES, Job
from planner.specs.plan import FIELDS, FROM_ZERO, Column, Plan

Columns = dict[str, Column]
MOST = 200  # combinations of the given values to check
FOLLOWING = 3  # values of a derived degree listed at most


@dataclass(frozen=True)
class BrokenRule:
    """A rule that the given values break for every other choice: its sentence, the values that it reads, where it is enforced."""

    sentence: str
    values: str
    source: str

    @property
    def text(self) -> str:
        """The rule as a sentence, with the values that break it."""
        return f"{self.sentence} ({self.values})." if self.values else f"{self.sentence}."


def broken_rules(job: Job, space: Space) -> Iterator[BrokenRule]:
    """The rules that the given values break for every choice of the other axes: rules that read only given axes and the degrees, for which
    all values are checked."""
    named = {axis: bounds.only for axis, bounds in space.bounds.items() if bounds.only is not None}
    rows = list(product(*named.values()))
    if not named or len(rows) > MOST:
        return
    columns = dict(zip(named, np.array(rows, np.int64).T, strict=True))
    if len(job.stack.schedules) == 1:
        columns = {"schedule": np.full(len(rows), SCHEDULES.index(job.stack.schedules[0]))} | columns
    filled = laid_out(job, columns)
    if not len(next(iter(filled.values()))):
        yield unfilled(job, columns)
        filled = columns  # report other broken rules too
    plan = plan_of(filled)
    known = {*filled, *(["dp_shard"] if {"dp", "zero", "dp_replicate"} <= set(filled) else [])}
    seen = {"world"}
    for rule in RULES:
        if rule.key not in seen and known.issuperset(rule.fields) and not np.any(rule.allowed(job, plan)):
            seen.add(rule.key)
            yield BrokenRule(rule.sentence, _values(rule.fields, space, plan), rule.source)


def laid_out(job: Job, columns: Columns) -> Columns:
    """The given values with every choice of the other degrees tp, cp, pp and dp whose product is the number of GPUs."""
    ranks = np.prod([columns[axis] for axis in WORLD if axis in columns] or [np.ones(len(next(iter(columns.values()))), np.int64)], axis=0)
    columns = columns | {"left": np.where(job.cluster.gpus % ranks == 0, job.cluster.gpus // ranks, 0)}
    columns = {name: values[columns["left"] > 0] for name, values in columns.items()}
    sizes = divisors(job.cluster.gpus)
    for axis in WORLD:
        if axis not in columns:
            count = len(columns["left"])
            columns = {name: np.repeat(values, len(sizes)) for name, values in columns.items()} | {axis: np.tile(sizes, count)}
            fits = columns["left"] % columns[axis] == 0
            columns = {name: values[fits] for name, values in columns.items()}
            columns["left"] = columns["left"] // columns[axis]
    whole = columns.pop("left") == 1
    return {name: values[whole] for name, values in columns.items()}


def unfilled(job: Job, columns: Columns) -> BrokenRule:
    """The rule that the product of the degrees divides or equals the number of GPUs."""
    degrees = [axis for axis in WORLD if axis in columns]
    ranks = np.prod([columns[axis] for axis in degrees], axis=0)
    text, word = written(degrees), "be" if len(degrees) == len(WORLD) else "divide"
    values = ", ".join(f"{axis} {','.join(map(str, sorted(set(columns[axis].tolist()))))}" for axis in degrees)
    total = f"; it is {ranks[0]:,}" if len(degrees) > 1 and len(ranks) == 1 else ""
    return BrokenRule(f"{text} must {word} the {job.cluster.gpus:,} GPUs", values + total, f"{ARGS}, world size")


def plan_of(columns: Columns) -> Plan:
    """Columns of plans with these values; the other fields have their least value."""
    size = len(next(iter(columns.values())))
    given = {name: columns.get(name, np.full(size, 0 if name in FROM_ZERO else 1)) for name in FIELDS}
    sharded = np.maximum(given["dp"] // given["dp_replicate"], 1)
    return Plan(**given | {"dp_shard": np.where(given["zero"] > 0, sharded, 1)})


def _values(fields: tuple[str, ...], space: Space, plan: Plan) -> str:
    """The values that a rule reads: the given ones, and a degree derived from them."""
    given = [f"{name} {space.text(name)}" for name in fields if name in space.bounds]
    follows = {name: sorted(set(getattr(plan, name).tolist())) for name in WORLD if name in fields and name not in space.bounds}
    return ", ".join([*given, *(f"so {name} {','.join(map(str, v))}" for name, v in follows.items() if len(v) <= FOLLOWING)])
