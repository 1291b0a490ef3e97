"""Why not this plan: the rules it breaks, all of them; or that it does not fit, and by what; or where it ranks, and which term costs it.

Axes that are not named are free: what is told is of the best plan with those that are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from planner.document.space import Space, write_bounds
from planner.report.best import parts
from planner.report.number_text import write_figure, write_gib
from planner.report.wording import MEMORY
from planner.search.broken_rules import BrokenRule, broken_rules
from planner.search.rules import RULES, SENTENCES
from planner.search.search import Result, search
from planner.specs.hardware import GIB
from planner.whatif.compare import Entry, entry, why_larger, why_slower

REFUSING = 3  # rules named where no one rule alone refuses every plan


@dataclass(frozen=True)
class WhyNot:
    """What stands against a plan. `plan` is the best that was named, None where none is valid; `place` of `among` plans that fit."""

    asked: Space
    broken: tuple[BrokenRule, ...]
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


def _sentences(found: WhyNot) -> Iterator[str]:
    yield from (rule.text for rule in found.broken)
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
        if own.at_risk:
            yield f"It is {own.risk}."
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
