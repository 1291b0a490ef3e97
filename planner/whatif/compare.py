"""Plans side by side, term by term, and in one sentence what most of the difference is and which choice brings it.

The choice is found by trying: each in which two plans differ is carried over alone, from the one to the other and back, and the one that
moves the term most is named. Nothing is told that these numbers do not say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import gcd

import numpy as np

from planner import degrees
from planner.cost.evaluate import evaluate
from planner.degrees import EXPERTS, WORLD
from planner.report.best import EvaluatedPlan, parts
from planner.report.number_text import write_figure, write_gib
from planner.report.wording import CHOICES, EXPOSED, MEMORY, TRAFFIC, instead
from planner.specs.hardware import GIB
from planner.specs.job import Job
from planner.specs.plan import Plan


@dataclass(frozen=True)
class Entry(EvaluatedPlan):
    """One of the plans compared, with its numbers: what it is called."""

    name: str


def entry(name: str, job: Job, plan: Plan) -> Entry:
    """A plan with its numbers."""
    return Entry(job, plan, evaluate(job, plan), name)


def difference(first: Entry, other: Entry, kind: str) -> dict[str, float]:
    """What the other has more of each part, negative where it has less; base units."""
    old, new = parts(first.estimate, kind), parts(other.estimate, kind)
    return {name: new.get(name, 0.0) - old.get(name, 0.0) for name in {**old, **new}}


def why_slower(first: Entry, other: Entry) -> str:
    """In one sentence how much longer the other's step is, in which part, and by which choice."""
    apart, whole = difference(first, other, "time"), other.step - first.step
    if whole == 0:
        return f"{other.name} takes as long as {first.name}."
    words = "slower" if whole > 0 else "faster"
    said = f"{other.name} is {write_figure(abs(whole))} s ({abs(whole) / first.step:.1%}) {words} than {first.name}"
    near = max(first.step, other.step) / min(first.step, other.step) < first.estimate.step_band.apart
    alike = ", closer than the model can tell apart" if near else ""
    return f"{said}{alike}{mostly(first, other, 'time', apart, EXPOSED)}"


def why_larger(first: Entry, other: Entry) -> str:
    """In one sentence how much more memory the other needs, for which purpose, and by which choice."""
    apart, whole = difference(first, other, "memory"), other.memory - first.memory
    fit = "" if other.fit == first.fit else " and is at risk" if other.at_risk else f" and {other.fit}"
    if abs(whole) < 0.05 * GIB:
        return f"{other.name} needs as much memory as {first.name}{fit}."
    words = "more" if whole > 0 else "less"
    said = f"{other.name} needs {write_gib(abs(whole) / GIB)} GiB {words} than {first.name}{fit}"
    return f"{said}{mostly(first, other, 'memory', apart, MEMORY)}"


def mostly(first: Entry, other: Entry, kind: str, apart: Mapping[str, float], words: Mapping[str, str]) -> str:
    """The rest of the sentence: the largest part of a difference, the largest against it, and the choice that brings the former."""
    whole = sum(apart.values())
    way = 1.0 if whole > 0 else -1.0
    part = max(apart, key=lambda name: apart[name] * way)
    against = min(apart, key=lambda name: apart[name] * way)
    said = f", {'mostly' if 2 * abs(apart[part]) >= abs(whole) else 'most of all'} {words[part]} ({_written(apart[part], kind)})"
    if -apart[against] * way >= 0.5 * abs(whole):
        said += f", against it {words[against]} ({_written(apart[against], kind)})"
    choices = causes(first, other, kind, part)
    return f"{said}: {because(first, other, choices, part)}." if choices else f"{said}."


def _written(value: float, kind: str) -> str:
    sign = "+" if value > 0 else "-"
    return f"{sign}{write_figure(abs(value))} s" if kind == "time" else f"{sign}{write_gib(abs(value) / GIB)} GiB"


def causes(first: Entry, other: Entry, kind: str, part: str) -> list[str]:
    """The choice that moves a part most in the direction it differs, carried over alone, and the next where it moves it at least half as
    much; "job" is the job. Empty where none does."""
    apart = difference(first, other, kind)[part]
    moved = {name: apart * effect for name, effect in effects(first, other, kind, part).items()}
    ranked = sorted((name for name in moved if moved[name] > 0), key=lambda name: -moved[name])
    return [name for name in ranked[:2] if 2 * moved[name] >= moved[ranked[0]]]


def effects(first: Entry, other: Entry, kind: str, part: str) -> dict[str, float]:
    """What each choice in which two plans differ does to a part alone: the mean of adding it to the first and of taking it from the
    other; base units."""

    def value(job: Job, plan: Plan) -> float:
        found = parts(evaluate(job, plan), kind).get(part, 0.0)
        return found if np.isfinite(found) else 0.0

    a, b = first, other
    old, new = value(a.job, a.plan), value(b.job, b.plan)
    found: dict[str, float] = {}
    for name, fields in CHOICES.items():
        if any(getattr(a.plan, f) != getattr(b.plan, f) for f in fields):
            added, taken = value(a.job, carried(a.plan, b.plan, name)), value(b.job, carried(b.plan, a.plan, name))
            found[name] = ((added - old) + (new - taken)) / 2
    if a.job != b.job:
        found["job"] = ((value(b.job, a.plan) - old) + (new - value(a.job, b.plan))) / 2
    return found


def carried(plan: Plan, source: Plan, choice: str) -> Plan:
    """A plan with one choice of another; the ranks of a sharded group follow, and experts lie on no more ranks than a stage has."""
    made = plan.with_(**{f: getattr(source, f) for f in CHOICES[choice]})
    replicas = made.dp_replicate if made.dp % made.dp_replicate == 0 else 1
    ranks = int(degrees.stage_ranks(made))
    ep = gcd(made.ep, ranks)
    sharded = {"dp_replicate": replicas, "dp_shard": made.dp // replicas} if made.zero else {"dp_replicate": made.dp, "dp_shard": 1}
    return made.with_(ep=ep, etp=gcd(made.etp, ranks // ep), **sharded)


def because(first: Entry, other: Entry, choices: Sequence[str], part: str) -> str:
    """Choices in words: what they are and were, and what bears on the part: micro-batches on a rank, links that groups reach."""
    said = " and ".join("the jobs differ" if choice == "job" else instead(first.plan, other.plan, choice) for choice in choices)
    old, new = batches(first), batches(other)
    if old != new and {"dp", "micro_batch", "job"} & set(choices):
        said += f", {new:,} micro-batch{'es' * (new > 1)} on a rank instead of {old:,}"
    reaches = [far(each, part) for each in (first, other)]
    if part in TRAFFIC and reaches[0] != reaches[1]:
        domain = other.job.cluster.link_domain if reaches[1] else first.job.cluster.link_domain
        said += f", and {part} groups {'now reach' if reaches[1] else 'no longer reach'} beyond the {domain} GPUs of a fast link"
    return said


def batches(one: Entry) -> int:
    """Micro-batches a step on each data-parallel rank."""
    return int(one.job.global_batch // (one.plan.dp * one.plan.micro_batch))


def far(one: Entry, kind: str) -> bool:
    """Whether groups of a dimension reach beyond the GPUs that share a scale-up link; ranks as planner.layout.rank_map numbers them."""
    plan = one.plan
    return bool(kind in (*WORLD, *EXPERTS) and getattr(plan, kind) > 1 and degrees.span(plan, kind) > one.job.cluster.link_domain)
