"""A plan of a job with its numbers, the best one or why there is none; and which part of a step one plan pays more for than another."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from planner.cost.evaluate import evaluate
from planner.cost.records import Estimate
from planner.document.space import Space
from planner.report.advice import Nearest
from planner.report.columns import BY_KEY, at_risk
from planner.report.wording import STEP, some_gpus
from planner.search.branch_and_bound import fastest
from planner.search.search import Result, search, why_refused
from planner.specs.hardware import GIB
from planner.specs.job import Job
from planner.specs.plan import Column, Plan

Cancel = Callable[[], bool] | None


@dataclass(frozen=True)
class EvaluatedPlan:
    """A plan of a job, and its numbers (an Estimate of one row)."""

    job: Job
    plan: Plan
    estimate: Estimate

    def number(self, key: str) -> float:
        """The number of a column, in its unit."""
        return float(BY_KEY[key].values(self.estimate)[0])

    @property
    def step(self) -> float:
        """Seconds a step."""
        return float(self.estimate.step[0])

    @property
    def memory(self) -> float:
        """Bytes on the fullest device."""
        return float(self.estimate.memory[0])

    @property
    def rate(self) -> float:
        """Tokens a second on each GPU."""
        return self.number("tokens_per_second_per_gpu")

    @property
    def tokens_per_second(self) -> float:
        """Tokens a second on all GPUs."""
        return self.rate * self.job.cluster.gpus

    @property
    def mfu(self) -> float:
        """Model FLOP utilisation, a share."""
        return self.number("mfu")

    @property
    def fits(self) -> bool:
        """Whether it fits the device, and the host where it offloads."""
        return bool(self.estimate.fits[0])

    @property
    def at_risk(self) -> bool:
        """Whether it fits, and the 80 % band of its memory does not."""
        return bool(at_risk(self.estimate)[0])

    @property
    def fit(self) -> str:
        """Whether it fits, in words: fits, at risk, does not fit."""
        return "at risk" if self.at_risk else "fits" if self.fits else "does not fit"

    @property
    def risk(self) -> str:
        """What makes it at risk, in a clause; empty where it is not."""
        high, limit = self.memory * self.estimate.memory_band.high / GIB, self.estimate.memory_limit / GIB
        return f"at risk: the 80 % band of its memory reaches {high:.1f} GiB, the limit is {limit:.1f} GiB" if self.at_risk else ""

    @property
    def parts(self) -> dict[str, float]:
        """Seconds of the step by part; they sum to it."""
        return parts(self.estimate, "time")

    def a_token(self) -> dict[str, float]:
        """GPU-seconds that each part takes a token: what it costs, whatever the number of GPUs and the batch."""
        each = self.job.cluster.gpus / (float(self.job.global_batch) * self.job.sequence)
        return {name: seconds * each for name, seconds in self.parts.items()}


def parts(estimate: Estimate, kind: str) -> dict[str, float]:
    """The parts of `time` in seconds, of `memory` at the fullest stage in bytes, or `hidden` communication in seconds, by name."""
    held: Mapping[str, Callable[[], Mapping[str, Column]]]
    held = {"time": estimate.time_parts.named, "memory": estimate.memory_parts.named, "hidden": estimate.hidden.named}
    return {name: float(np.max(value)) for name, value in held[kind]().items()}


@dataclass(frozen=True)
class NoPlan:
    """Why there is no plan, in a sentence."""

    why: str


def best(job: Job, space: Space, cancelled: Cancel = None) -> EvaluatedPlan | NoPlan:
    """The fastest plan that fits, or why there is none; Cancelled as search."""
    return best_fitting(job, space, cancelled) or NoPlan(why_none(search(job, space, cancelled=cancelled), cancelled))


def best_fitting(job: Job, space: Space, cancelled: Cancel = None, within: float = math.inf) -> EvaluatedPlan | None:
    """The fastest plan that fits, None where nothing does in a step of `within` seconds; Cancelled as search."""
    plan = fastest(job, space, within=within, cancelled=cancelled)
    return None if plan is None else EvaluatedPlan(job, plan, evaluate(job, plan))


def first(result: Result) -> EvaluatedPlan | None:
    """The fastest plan that fits, of a search that has been done; None where nothing does."""
    if not len(result.order):
        return None
    estimate = result.estimate(result.order[:1])
    return EvaluatedPlan(result.job, estimate.plan.one(0), estimate)


def why_none(result: Result, cancelled: Cancel = None) -> str:
    """Why no plan fits: how far the nearest is from it, which bound stands in the way, or which rule refused most."""
    if len(result):
        row = int(result.rejected_order[0])
        needs = float(result.memory_bytes[row])
        return Nearest(result.plan(row), needs, needs - result.job.memory_limit, ()).sentence
    job, space = result.job, result.space
    among = some_gpus(job.cluster.gpus)
    for axis in space.bounds:
        if len(search(job, space.with_(axis, None), cancelled=cancelled)):
            return f"No plan is valid: {axis} cannot be {space.text(axis)} with {among}."
    if space.bounds and len(search(job, cancelled=cancelled)):
        return f"No plan is valid: the bounds on {', '.join(space.bounds)} cannot hold together with {among}."
    refused = why_refused(result.counts)
    return f"No plan is valid. The rule that refused most: {refused[0][0]}." if refused else "No plan is valid."


def grown(before: EvaluatedPlan, after: EvaluatedPlan) -> str:
    """The part of the step that costs more GPU time a token than before, the one that grew most, in a clause; empty where none did."""
    old, new = before.a_token(), after.a_token()
    growth = {name: cost - old.get(name, 0.0) for name, cost in new.items()}
    name = max(growth, key=lambda key: growth[key])
    if growth[name] <= 0:
        return ""
    was, now = before.parts.get(name, 0.0) / before.step, after.parts[name] / after.step
    if now > was:
        return f"{STEP[name]} grew from {was:.1%} to {now:.1%} of the step"
    return f"{STEP[name]} takes {new[name] / old[name]:.2f} times the GPU time a token"
