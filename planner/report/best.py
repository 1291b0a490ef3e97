"""A plan of a job with its numbers; the best plan of a job, or the reason why there is none; the part of the step that grew most."""

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
    """A plan of a job with its Estimate, which has one row."""

    job: Job
    plan: Plan
    estimate: Estimate

    def number(self, key: str) -> float:
        """The number of a column, in its unit."""
        return float(BY_KEY[key].values(self.estimate)[0])

    @property
    def step(self) -> float:
        """Step time; seconds."""
        return float(self.estimate.step[0])

    @property
    def memory(self) -> float:
        """Memory of the fullest device; bytes."""
        return float(self.estimate.memory[0])

    @property
    def rate(self) -> float:
        """Tokens per second per GPU."""
        return self.number("tokens_per_second_per_gpu")

    @property
    def tokens_per_second(self) -> float:
        """Tokens per second of all GPUs."""
        return self.rate * self.job.cluster.gpus

    @property
    def mfu(self) -> float:
        """Model FLOPs utilization; ratio."""
        return self.number("mfu")

    @property
    def fits(self) -> bool:
        """Whether it fits the device memory, and the host memory with offload."""
        return bool(self.estimate.fits[0])

    @property
    def at_risk(self) -> bool:
        """Whether it fits and the 80 % band of its memory crosses the limit."""
        return bool(at_risk(self.estimate)[0])

    @property
    def fit(self) -> str:
        """Its fit as text: fits, at risk, does not fit."""
        column = BY_KEY["fit"]
        return column.write(column.values(self.estimate)[0])

    @property
    def risk(self) -> str:
        """The reason for the risk as a clause; empty for a plan that is not at risk."""
        high, limit = self.memory * self.estimate.memory_band.high / GIB, self.estimate.memory_limit / GIB
        return f"at risk: the 80 % band of its memory reaches {high:.1f} GiB, the limit is {limit:.1f} GiB" if self.at_risk else ""

    @property
    def parts(self) -> dict[str, float]:
        """Seconds of the parts of the step; their sum is the step."""
        return parts(self.estimate, "time")

    def gpu_seconds_per_token(self) -> dict[str, float]:
        """GPU-seconds per token of each part: comparable between numbers of GPUs and batches."""
        per_token = self.job.cluster.gpus / (float(self.job.global_batch) * self.job.sequence)
        return {name: seconds * per_token for name, seconds in self.parts.items()}


def parts(estimate: Estimate, kind: str) -> dict[str, float]:
    """The parts by name: of `time` in seconds, of `memory` at the fullest stage in bytes, of `hidden` communication in seconds."""
    named: Mapping[str, Callable[[], Mapping[str, Column]]]
    named = {"time": estimate.time_parts.named, "memory": estimate.memory_parts.named, "hidden": estimate.hidden.named}
    return {name: float(np.max(value)) for name, value in named[kind]().items()}


@dataclass(frozen=True)
class NoPlan:
    """The reason why there is no plan, as a sentence."""

    why: str


def best(job: Job, space: Space, cancelled: Cancel = None) -> EvaluatedPlan | NoPlan:
    """The fastest plan that fits, or the reason why there is none. Raises Cancelled as search does."""
    return best_fitting(job, space, cancelled) or NoPlan(why_none(search(job, space, cancelled=cancelled), cancelled))


def best_fitting(job: Job, space: Space, cancelled: Cancel = None, within: float = math.inf) -> EvaluatedPlan | None:
    """The fastest plan that fits, None if none does in a step of `within` seconds. Raises Cancelled as search does."""
    plan = fastest(job, space, within=within, cancelled=cancelled)
    return None if plan is None else EvaluatedPlan(job, plan, evaluate(job, plan))


def first(result: Result) -> EvaluatedPlan | None:
    """The fastest plan of a result that fits; None if none does."""
    if not len(result.order):
        return None
    estimate = result.estimate(result.order[:1])
    return EvaluatedPlan(result.job, estimate.plan.one(0), estimate)


def why_none(result: Result, cancelled: Cancel = None) -> str:
    """The reason why no plan fits: the excess of the nearest, a bound that excludes all, or the rule that refused most plans."""
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


def largest_growth(before: EvaluatedPlan, after: EvaluatedPlan) -> str:
    """The part of the step whose GPU time per token grew most, as a clause; empty if none grew."""
    old, new = before.gpu_seconds_per_token(), after.gpu_seconds_per_token()
    growth = {name: cost - old.get(name, 0.0) for name, cost in new.items()}
    name = max(growth, key=lambda key: growth[key])
    if growth[name] <= 0:
        return ""
    was, now = before.parts.get(name, 0.0) / before.step, after.parts[name] / after.step
    if now > was:
        return f"{STEP[name]} grew from {was:.1%} to {now:.1%} of the step"
    return f"{STEP[name]} takes {new[name] / old[name]:.2f} times the GPU time per token"
