"""The rules that values named of a plan break, whatever the axes left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from planner.document.space import Space
from planner.search.axes import divisors
from planner.search.rules import ARGS, RULES
from planner.specs.job import SCHEDULES, Job
from planner.specs.plan import FIELDS, FROM_ZERO, Column, Plan

Columns = dict[str, Column]
DEGREES = ("tp", "cp", "pp", "dp")
MOST = 200  # combinations of the values named that rules are tried on
FOLLOWING = 3  # values of a degree left out that are told, where no more can stand beside the named ones


@dataclass(frozen=True)
class Broken:
    """A rule that what was named breaks whatever else is chosen: its sentence, the values it reads, where it is enforced."""

    sentence: str
    values: str
    source: str

    @property
    def told(self) -> str:
        """The rule as a sentence, with the values that break it."""
        return f"{self.sentence} ({self.values})." if self.values else f"{self.sentence}."


def broken_rules(job: Job, asked: Space) -> Iterator[Broken]:
    """Every rule that the values named break, whatever the axes left out: rules that read no others than named ones, and the degrees,
    each of which is tried."""
    named = {axis: bounds.only for axis, bounds in asked.bounds.items() if bounds.only is not None}
    rows = list(product(*named.values()))
    if not named or len(rows) > MOST:
        return
    columns = dict(zip(named, np.array(rows, np.int64).T, strict=True))
    if len(job.stack.schedules) == 1:
        columns = {"schedule": np.full(len(rows), SCHEDULES.index(job.stack.schedules[0]))} | columns
    filled = laid_out(job, columns)
    if not len(next(iter(filled.values()))):
        yield unfilled(job, columns)
        filled = columns  # what else is wrong with them
    plan = plan_of(filled)
    known = {*filled, *(["dp_shard"] if {"dp", "zero", "dp_replicate"} <= set(filled) else [])}
    seen = {"world"}
    for rule in RULES:
        if rule.key not in seen and known.issuperset(rule.fields) and not np.any(rule.allowed(job, plan)):
            seen.add(rule.key)
            yield Broken(rule.sentence, _values(rule.fields, asked, plan), rule.source)


def laid_out(job: Job, columns: Columns) -> Columns:
    """The values named with every choice of tp, cp, pp and dp beside them that fills the GPUs."""
    ranks = np.prod(
        [columns[axis] for axis in DEGREES if axis in columns] or [np.ones(len(next(iter(columns.values()))), np.int64)], axis=0
    )
    columns = columns | {"left": np.where(job.cluster.gpus % ranks == 0, job.cluster.gpus // ranks, 0)}
    columns = {name: values[columns["left"] > 0] for name, values in columns.items()}
    sizes = divisors(job.cluster.gpus)
    for axis in DEGREES:
        if axis not in columns:
            count = len(columns["left"])
            columns = {name: np.repeat(values, len(sizes)) for name, values in columns.items()} | {axis: np.tile(sizes, count)}
            fits = columns["left"] % columns[axis] == 0
            columns = {name: values[fits] for name, values in columns.items()}
            columns["left"] = columns["left"] // columns[axis]
    whole = columns.pop("left") == 1
    return {name: values[whole] for name, values in columns.items()}


def unfilled(job: Job, columns: Columns) -> Broken:
    """That the degrees named leave no room for the others, or do not come to the GPUs there are."""
    degrees = [axis for axis in DEGREES if axis in columns]
    ranks = np.prod([columns[axis] for axis in degrees], axis=0)
    text, word = " x ".join(degrees), "be" if len(degrees) == len(DEGREES) else "divide"
    values = ", ".join(f"{axis} {','.join(map(str, sorted(set(columns[axis].tolist()))))}" for axis in degrees)
    comes = f"; it is {ranks[0]:,}" if len(degrees) > 1 and len(ranks) == 1 else ""
    return Broken(f"{text} must {word} the {job.cluster.gpus:,} GPUs", values + comes, f"{ARGS}, world size")


def plan_of(columns: Columns) -> Plan:
    """Columns of plans with these values; fields that are not known stand at their least."""
    size = len(next(iter(columns.values())))
    given = {name: columns.get(name, np.full(size, 0 if name in FROM_ZERO else 1)) for name in FIELDS}
    sharded = np.maximum(given["dp"] // given["dp_replicate"], 1)
    return Plan(**given | {"dp_shard": np.where(given["zero"] > 0, sharded, 1)})


def _values(fields: tuple[str, ...], asked: Space, plan: Plan) -> str:
    """The values that a rule read: those named, and the degree that follows from them."""
    told = [f"{name} {asked.text(name)}" for name in fields if name in asked.bounds]
    follows = {name: sorted(set(getattr(plan, name).tolist())) for name in DEGREES if name in fields and name not in asked.bounds}
    return ", ".join([*told, *(f"so {name} {','.join(map(str, v))}" for name, v in follows.items() if len(v) <= FOLLOWING)])
