"""Why not this plan: the rules it breaks, all of them; or that it does not fit, and by what; or where it ranks, and which term costs it.

Axes that are not named are free: what is told is of the best plan with those that are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from planner.best import parts
from planner.columns import write_figure, write_gib
from planner.compare import Entry, entry, why_larger, why_slower
from planner.lattice import divisors
from planner.plan import FIELDS, FROM_ZERO, Column, Plan
from planner.rules import ARGS, RULES, SENTENCES
from planner.search import Result, search
from planner.space import Space, write_bounds
from planner.specs import GIB, SCHEDULES, Job
from planner.words import MEMORY

Columns = dict[str, Column]
DEGREES = ("tp", "cp", "pp", "dp")
MOST = 200  # combinations of the values named that rules are tried on
FOLLOWING = 3  # values of a degree left out that are told, where no more can stand beside the named ones
REFUSING = 3  # rules named where no one rule alone refuses every plan


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


@dataclass(frozen=True)
class WhyNot:
    """What stands against a plan. `plan` is the best that was named, None where none is valid; `place` of `among` plans that fit."""

    asked: Space
    broken: tuple[Broken, ...]
    refusing: tuple[tuple[str, int], ...]  # where no plan is valid for no one rule: sentences, and how many plans each refused
    outside: tuple[str, ...]  # the search's own bounds that it lies outside of
    plans: int  # valid plans with the axes named
    fit: int  # of these, such as fit
    plan: Entry | None
    best: Entry | None  # of all plans within the bounds of the search
    place: int
    among: int

    @property
    def valid(self) -> bool:
        """Whether there is such a plan."""
        return self.plan is not None

    @property
    def sentences(self) -> tuple[str, ...]:
        """All that is to be said, a sentence each."""
        return tuple(_sentences(self))


def why_not(result: Result, asked: Space, *, cancelled: Callable[[], bool] | None = None) -> WhyNot:
    """What stands against the plans with these values, beside those of a search; Cancelled as search."""
    job = result.job
    broken = tuple(broken_rules(job, asked))
    own = None if broken else search(job, asked, cancelled=cancelled)
    outside = tuple(f"{axis} {write_bounds(axis, bounds)}" for axis, bounds in result.space.bounds.items() if beyond(asked, axis, result))
    best = entry("the best plan", job, result.plan(int(result.order[0]))) if len(result.order) else None
    if own is None or not len(own):
        refusing = () if own is None else tuple(together(own))
        return WhyNot(asked, broken, refusing, outside, 0, 0, None, best, 0, len(result.order))
    row = int(own.order[0] if len(own.order) else own.rejected_order[0])
    name = "this plan" if len(own) == 1 else "the best of these"
    steps = result.step_seconds[result.order]
    place = int(np.searchsorted(steps, own.step_seconds[row] * (1 - 1e-12), side="left")) + 1
    return WhyNot(asked, (), (), outside, len(own), len(own.order), entry(name, job, own.plan(row)), best, place, len(steps))


def together(own: Result) -> list[tuple[str, int]]:
    """The rules that between them refused every plan with some values: those that read most fields first, since they decided last."""
    reads = {rule.key: len(rule.fields) for rule in RULES}
    refused = sorted(own.counts.refused.items(), key=lambda pair: (-reads.get(pair[0], 0), -pair[1]))
    kept = [pair for pair in refused if pair[0] not in ("world", "bounds")] or refused  # those that only say which sizes there are
    return [(SENTENCES[key], count) for key, count in kept[:REFUSING]]


def beyond(asked: Space, axis: str, result: Result) -> bool:
    """Whether what was named of an axis lies outside the bounds of a search."""
    only = asked[axis].only
    return only is not None and not any(result.space.allows(axis, value) for value in only)


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


def _sentences(found: WhyNot) -> Iterator[str]:
    yield from (rule.told for rule in found.broken)
    if found.refusing:
        yield "No one rule stands in the way, but no choice of the other axes satisfies all of them. Those that decided:"
        yield from (f"{sentence} ({count:,} refused)." for sentence, count in found.refusing)
    if found.outside:
        yield f"It lies outside the bounds you set: {', '.join(found.outside)}."
    if found.plan is None:
        return
    yield from _memory(found, found.plan)
    if found.plan.fits or found.plans == 1:  # the nearest to fitting of many is slow as a matter of course
        yield from _rank(found, found.plan)


def _memory(found: WhyNot, own: Entry) -> Iterator[str]:
    """Whether it fits, and of what it needs too much."""
    e, limit = own.estimate, own.estimate.memory_limit
    valid = "The plan is valid" if found.plans == 1 else f"{found.plans:,} plans with these are valid"
    which = "it" if found.plans == 1 else f"{found.fit:,} fit, and the best of them"
    if own.fits:
        yield f"{valid}; {which} needs {write_gib(own.memory / GIB)} GiB of {write_gib(limit / GIB)} GiB."
        return
    none = "but does not fit" if found.plans == 1 else "but none fits; the nearest is told"
    if own.memory <= limit:
        taken, room = (write_gib(value / GIB) for value in (float(e.host[0]), own.job.cluster.host_memory_bytes))
        yield f"{valid}, {none}: offload takes {taken} GiB of a node's host memory, which has {room} GiB."
        return
    purposes = parts(e, "memory")
    most = max(purposes, key=lambda name: purposes[name])
    yield (
        f"{valid}, {none}: pipeline stage {int(e.stage[0])} needs {write_gib(own.memory / GIB)} GiB, "
        f"{write_gib((own.memory - limit) / GIB)} GiB more than the limit of {write_gib(limit / GIB)} GiB, "
        f"{write_gib(purposes[most] / GIB)} GiB of it {MEMORY[most]}."
    )
    if found.best:
        told = why_larger(found.best, own)
        yield told[0].upper() + told[1:]


def _rank(found: WhyNot, own: Entry) -> Iterator[str]:
    """Where its step stands among the plans that fit, and what costs it."""
    if found.best is None:
        yield f"Its step would take {write_figure(own.step)} s; no plan fits that it could be ranked among."
        return
    if own.plan == found.best.plan:
        yield f"It is the best of the {found.among:,} plans that fit, {write_figure(own.step)} s a step."
        return
    would = "ranks" if own.fits else "would rank"
    yield f"Its step of {write_figure(own.step)} s {would} number {found.place:,} of the {found.among:,} plans that fit."
    told = why_slower(found.best, own)
    yield told[0].upper() + told[1:]
