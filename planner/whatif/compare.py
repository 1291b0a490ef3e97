"""Comparison of plans part by part, with a sentence that names the largest part of the difference and the choice that causes it.

The cause is determined by evaluation: every choice in which two plans differ is transferred alone, from one plan to the other and back, and
the one that changes the part most is named. All statements follow from these numbers.
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
    """An evaluated plan with its name in a comparison."""

    name: str


def entry(name: str, job: Job, plan: Plan) -> Entry:
    """A named plan, evaluated."""
    return Entry(job, plan, evaluate(job, plan), name)


def difference(first: Entry, other: Entry, kind: str) -> dict[str, float]:
    """Each part of the other plan minus that of the first; base units."""
    old, new = parts(first.estimate, kind), parts(other.estimate, kind)
    return {name: new.get(name, 0.0) - old.get(name, 0.0) for name in {**old, **new}}


def why_slower(first: Entry, other: Entry) -> str:
    """The difference of the step times as one sentence: its size, its largest part and the choice that causes it."""
    apart, whole = difference(first, other, "time"), other.step - first.step
    if whole == 0:
        return f"{other.name} takes as long as {first.name}."
    words = "slower" if whole > 0 else "faster"
    start = f"{other.name} is {write_figure(abs(whole))} s ({abs(whole) / first.step:.1%}) {words} than {first.name}"
    near = max(first.step, other.step) / min(first.step, other.step) < first.estimate.step_band.apart
    alike = ", closer than the model can distinguish" if near else ""
    return f"{start}{alike}{breakdown(first, other, 'time', apart, EXPOSED)}"


def why_larger(first: Entry, other: Entry) -> str:
    """The difference of the memory as one sentence: its size, its largest part and the choice that causes it."""
    apart, whole = difference(first, other, "memory"), other.memory - first.memory
    fit = "" if other.fit == first.fit else " and is at risk" if other.at_risk else f" and {other.fit}"
    if abs(whole) < 0.05 * GIB:
        return f"{other.name} needs as much memory as {first.name}{fit}."
    words = "more" if whole > 0 else "less"
    start = f"{other.name} needs {write_gib(abs(whole) / GIB)} GiB {words} than {first.name}{fit}"
    return f"{start}{breakdown(first, other, 'memory', apart, MEMORY)}"


def breakdown(first: Entry, other: Entry, kind: str, apart: Mapping[str, float], words: Mapping[str, str]) -> str:
    """The rest of the sentence: the largest part of a difference, the largest of opposite sign, and the choice that causes the former."""
    whole = sum(apart.values())
    way = 1.0 if whole > 0 else -1.0
    part = max(apart, key=lambda name: apart[name] * way)
    against = min(apart, key=lambda name: apart[name] * way)
    clause = f", {'mostly' if 2 * abs(apart[part]) >= abs(whole) else 'most of all'} {words[part]} ({_written(apart[part], kind)})"
    if -apart[against] * way >= 0.5 * abs(whole):
        clause += f", offset by {words[against]} ({_written(apart[against], kind)})"
    choices = causes(first, other, kind, part)
    return f"{clause}: {because(first, other, choices, part)}." if choices else f"{clause}."


def _written(value: float, kind: str) -> str:
    sign = "+" if value > 0 else "-"
    return f"{sign}{write_figure(abs(value))} s" if kind == "time" else f"{sign}{write_gib(abs(value) / GIB)} GiB"


def causes(first: Entry, other: Entry, kind: str, part: str) -> list[str]:
    """The choice that alone changes a part most in the direction of the difference, and the next if its effect is at least half as large.

    "job" stands for the job. Empty if no choice changes the part in that direction.
    """
    apart = difference(first, other, kind)[part]
    moved = {name: apart * effect for name, effect in effects(first, other, kind, part).items()}
    ranked = sorted((name for name in moved if moved[name] > 0), key=lambda name: -moved[name])
    return [name for name in ranked[:2] if 2 * moved[name] >= moved[ranked[0]]]


def effects(first: Entry, other: Entry, kind: str, part: str) -> dict[str, float]:
    """The effect on a part of each choice in which two plans differ: the mean of adding it to the first and removing it from the other.

    In base units, by choice.
    """

    def value(job: Job, plan: Plan) -> float:
        amount = parts(evaluate(job, plan), kind).get(part, 0.0)
        return amount if np.isfinite(amount) else 0.0

    a, b = first, other
    old, new = value(a.job, a.plan), value(b.job, b.plan)
    effect: dict[str, float] = {}
    for name, fields in CHOICES.items():
        if any(getattr(a.plan, f) != getattr(b.plan, f) for f in fields):
            added, taken = value(a.job, with_choice(a.plan, b.plan, name)), value(b.job, with_choice(b.plan, a.plan, name))
            effect[name] = ((added - old) + (new - taken)) / 2
    if a.job != b.job:
        effect["job"] = ((value(b.job, a.plan) - old) + (new - value(a.job, b.plan))) / 2
    return effect


def with_choice(plan: Plan, source: Plan, choice: str) -> Plan:
    """A plan with one choice of another; sharding degrees are adjusted, and expert parallelism is limited to the ranks of a stage."""
    made = plan.with_(**{f: getattr(source, f) for f in CHOICES[choice]})
    replicas = made.dp_replicate if made.dp % made.dp_replicate == 0 else 1
    ranks = int(degrees.stage_ranks(made))
    ep = gcd(made.ep, ranks)
    sharded = {"dp_replicate": replicas, "dp_shard": made.dp // replicas} if made.zero else {"dp_replicate": made.dp, "dp_shard": 1}
    return made.with_(ep=ep, etp=gcd(made.etp, ranks // ep), **sharded)


def because(first: Entry, other: Entry, choices: Sequence[str], part: str) -> str:
    """Choices after and before as text, with the micro-batches per rank and the links of the groups where they affect the part."""
    clause = " and ".join("the jobs differ" if choice == "job" else instead(first.plan, other.plan, choice) for choice in choices)
    old, new = micro_batches(first), micro_batches(other)
    if old != new and {"dp", "micro_batch", "job"} & set(choices):
        clause += f", {new:,} micro-batch{'es' * (new > 1)} per rank instead of {old:,}"
    leaves = [leaves_link_domain(each, part) for each in (first, other)]
    if part in TRAFFIC and leaves[0] != leaves[1]:
        domain = other.job.cluster.link_domain if leaves[1] else first.job.cluster.link_domain
        clause += f", and {part} groups {'now extend' if leaves[1] else 'no longer extend'} beyond the link domain of {domain} GPUs"
    return clause


def micro_batches(one: Entry) -> int:
    """Micro-batches per step on each data-parallel rank."""
    return int(one.job.global_batch // (one.plan.dp * one.plan.micro_batch))


def leaves_link_domain(one: Entry, kind: str) -> bool:
    """Whether groups of a dimension extend beyond the GPUs that share a scale-up link; ranks numbered as in planner.layout.rank_map."""
    plan = one.plan
    return bool(kind in (*WORLD, *EXPERTS) and getattr(plan, kind) > 1 and degrees.span(plan, kind) > one.job.cluster.link_domain)
