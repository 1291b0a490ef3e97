"""Why a plan is not the best: all rules that it violates, or the memory that it lacks, or its rank and the part of the step that costs it.

Axes that are not given are free: the reasons are those of the best plan with the given values.
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

LISTED_RULES = 3  # rules named if no single rule refuses every plan


@dataclass(frozen=True)
class WhyNot:
    """The reasons against the plans of a requested space. `plan` is the best of them, None if none is valid."""

    requested: Space
    broken: tuple[BrokenRule, ...]
    refusing: tuple[tuple[str, int], ...]  # if no plan is valid and no single rule is the cause: rules, and the plans each refused
    outside: tuple[str, ...]  # bounds of the search that exclude the requested values
    plans: int  # valid plans with the requested values
    fit: int  # those of them that fit
    plan: Entry | None
    best: Entry | None  # of all plans within the bounds of the search
    place: int  # rank of `plan` by step time, from 1
    among: int  # plans of the search that fit

    @property
    def valid(self) -> bool:
        """Whether a plan with the requested values is valid."""
        return self.plan is not None

    @property
    def sentences(self) -> tuple[str, ...]:
        """All reasons, one sentence each."""
        return tuple(_sentences(self))


def why_not(result: Result, requested: Space, *, cancelled: Callable[[], bool] | None = None) -> WhyNot:
    """The reasons against the plans with the requested values, given a search of the job. Raises Cancelled as search does."""
    job = result.job
    broken = tuple(broken_rules(job, requested))
    plans = None if broken else search(job, requested, cancelled=cancelled)
    bounds = result.space.bounds
    outside = tuple(f"{axis} {write_bounds(axis, bound)}" for axis, bound in bounds.items() if excluded(requested, axis, result))
    best = entry("the best plan", job, result.plan(int(result.order[0]))) if len(result.order) else None
    if plans is None or not len(plans):
        refusing = () if plans is None else tuple(refusing_rules(plans))
        return WhyNot(requested, broken, refusing, outside, 0, 0, None, best, 0, len(result.order))
    row = int(plans.order[0] if len(plans.order) else plans.rejected_order[0])
    name = "this plan" if len(plans) == 1 else "the best of these"
    steps = result.step_seconds[result.order]
    place = int(np.searchsorted(steps, plans.step_seconds[row] * (1 - 1e-12), side="left")) + 1
    plan = entry(name, job, plans.plan(row))
    return WhyNot(requested, (), (), outside, len(plans), len(plans.order), plan, best, place, len(steps))


def refusing_rules(result: Result) -> list[tuple[str, int]]:
    """The rules that together refused every plan: those that depend on most fields first, since they are applied last."""
    reads = {rule.key: len(rule.fields) for rule in RULES}
    refused = sorted(result.counts.refused.items(), key=lambda pair: (-reads.get(pair[0], 0), -pair[1]))
    rules = [pair for pair in refused if pair[0] not in ("world", "bounds")] or refused  # these two only define the possible sizes
    return [(SENTENCES[key], count) for key, count in rules[:LISTED_RULES]]


def excluded(requested: Space, axis: str, result: Result) -> bool:
    """Whether the bounds of a search exclude every requested value of an axis."""
    only = requested[axis].only
    return only is not None and not any(result.space.allows(axis, value) for value in only)


def _sentences(reply: WhyNot) -> Iterator[str]:
    yield from (rule.text for rule in reply.broken)
    if reply.refusing:
        yield "No single rule excludes it, but no choice of the other axes satisfies all of them. The rules that refused the last plans:"
        yield from (f"{sentence} ({count:,} refused)." for sentence, count in reply.refusing)
    if reply.outside:
        yield f"It is outside the bounds you set: {', '.join(reply.outside)}."
    if reply.plan is None:
        return
    yield from _memory(reply, reply.plan)
    if reply.plan.fits or reply.plans == 1:  # of many plans, the one nearest to fitting is slow by its nature
        yield from _rank(reply, reply.plan)


def _memory(reply: WhyNot, plan: Entry) -> Iterator[str]:
    """Whether the plan fits, and the excess with its largest purpose if it does not."""
    e, limit = plan.estimate, plan.estimate.memory_limit
    valid = "The plan is valid" if reply.plans == 1 else f"{reply.plans:,} plans with these values are valid"
    which = "it" if reply.plans == 1 else f"{reply.fit:,} fit, and the best of them"
    if plan.fits:
        yield f"{valid}; {which} needs {write_gib(plan.memory / GIB)} GiB of {write_gib(limit / GIB)} GiB."
        if plan.at_risk:
            yield f"It is {plan.risk}."
        return
    none = "but does not fit" if reply.plans == 1 else "but none fits; the nearest plan"
    if plan.memory <= limit:
        taken, room = (write_gib(value / GIB) for value in (float(e.host[0]), plan.job.cluster.host_memory_bytes))
        yield f"{valid}, {none}: offload takes {taken} GiB of a node's host memory, which has {room} GiB."
        return
    purposes = parts(e, "memory")
    most = max(purposes, key=lambda name: purposes[name])
    yield (
        f"{valid}, {none}: pipeline stage {int(e.stage[0])} needs {write_gib(plan.memory / GIB)} GiB, "
        f"{write_gib((plan.memory - limit) / GIB)} GiB more than the limit of {write_gib(limit / GIB)} GiB, "
        f"{write_gib(purposes[most] / GIB)} GiB of it {MEMORY[most]}."
    )
    if reply.best:
        sentence = why_larger(reply.best, plan)
        yield sentence[0].upper() + sentence[1:]


def _rank(reply: WhyNot, plan: Entry) -> Iterator[str]:
    """The rank of the plan by step time among the plans that fit, and the part of the step that costs it."""
    if reply.best is None:
        yield f"Its step would take {write_figure(plan.step)} s; it has no rank, since no plan fits."
        return
    if plan.plan == reply.best.plan:
        yield f"It is the best of the {reply.among:,} plans that fit, {write_figure(plan.step)} s per step."
        return
    would = "ranks" if plan.fits else "would rank"
    yield f"Its step of {write_figure(plan.step)} s {would} number {reply.place:,} of the {reply.among:,} plans that fit."
    sentence = why_slower(reply.best, plan)
    yield sentence[0].upper() + sentence[1:]
