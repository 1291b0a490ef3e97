"""Sensitivity of the step time to each input of a job, for a fixed plan and for the best plan of the changed job.

Nothing is extrapolated: a job with one input changed is evaluated and searched like any other. Inputs that are counts take the next valid
value. A larger memory changes which plans fit but not the step of a plan, so it affects only the best plan.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from planner.document.inputs import Inputs, resolve
from planner.document.space import Space, exactly
from planner.errors import FieldError, TmplanError, UnknownName
from planner.formula.trace import Step, formula, tracing
from planner.report.best import Cancel, EvaluatedPlan, NoPlan, best
from planner.report.explain import headlines
from planner.report.wording import changed
from planner.search.rules import SENTENCES
from planner.search.search import search
from planner.specs.job import Job
from planner.specs.plan import Plan
from planner.whatif.sensitivity_inputs import INPUTS, Input, candidates, made, values_of

FACTORS = (2.0, 1.1)
SLIGHT = 0.01  # change of the tokens per second below which an input is reported as having no effect


@formula("tok", "tmplan", "with the input changed")
def changed_rate(tokens_per_second_per_gpu: Any) -> Any:
    """Tokens per second per GPU with one input changed."""
    return tokens_per_second_per_gpu * 1.0


@formula("tok_c / tok - 1", "tmplan", "both evaluated in full, without extrapolation")
def rate_gain(changed_rate: Any, tokens_per_second_per_gpu: Any) -> Any:
    """Relative change of the tokens per second with one input changed; ratio."""
    return changed_rate / tokens_per_second_per_gpu - 1.0


@dataclass(frozen=True)
class Change:
    """One input changed: its value before and after, in the unit of its field, and the plans of the changed job.

    `this` is the same plan, None if a rule refuses it in the changed job; `best` is the best plan, None if none fits. `this_why` and
    `best_why` are the reasons as sentences, else empty.
    """

    input: Input
    factor: float
    before: float
    after: float
    this: EvaluatedPlan | None
    best: EvaluatedPlan | None
    this_why: str = ""
    best_why: str = ""

    @property
    def unit(self) -> str:
        """The unit of the values."""
        return self.input.unit


@dataclass(frozen=True)
class Sensitivity:
    """A plan, the best plan of its unchanged job, and all changes."""

    this: EvaluatedPlan
    best: EvaluatedPlan | None
    changes: tuple[Change, ...]

    def gains(self, change: Change) -> tuple[float | None, float | None]:
        """Relative gains of a change in tokens per second, of this plan and of the best plan of the job; None where there is no plan."""
        this = float(rate_gain(change.this.rate, self.this.rate)) if change.this else None
        best = float(rate_gain(change.best.rate, self.best.rate)) if change.best and self.best else None
        return this, best

    def matters(self, change: Change) -> float:
        """The gain by which a change is ranked: of the best plan, else of this plan; 0 if there is neither."""
        this, best = self.gains(change)
        return best if best is not None else this if this is not None else 0.0

    def of(self, factor: float) -> list[Change]:
        """The changes by one factor, in descending order of their effect."""
        return sorted((c for c in self.changes if c.factor == factor), key=lambda c: (not self.opens(c), -abs(self.matters(c))))

    def opens(self, change: Change) -> bool:
        """Whether a plan fits the changed job although none fits the unchanged one."""
        return self.best is None and change.best is not None

    def factors(self) -> list[float]:
        """The factors, in the order of the request."""
        return list(dict.fromkeys(change.factor for change in self.changes))

    def verdict(self, factor: float) -> str:
        """The input with the largest gain (loss, for a factor below 1) as sentences.

        The sequence is excluded, since a model trained at another sequence length is another training.
        """
        ranked, sign = [change for change in self.of(factor) if change.input.kind != "sequence"], 1 if factor > 1 else -1
        if opened := [f"{change.input.label} {span(change)}" for change in ranked if self.opens(change)]:
            return f"Nothing fits now; a plan fits with {' or '.join(opened)}."
        idle = [change.input.label for change in ranked if abs(self.matters(change)) < SLIGHT]
        nothing = f" Less than {SLIGHT:.0%}: {', '.join(idle)}." if idle else ""
        relevant = sorted((c for c in ranked if sign * self.matters(c) >= SLIGHT), key=lambda c: -sign * self.matters(c))
        verb = "help" if sign > 0 else "cost"
        if not relevant:
            return f"No input would {verb} {SLIGHT:.0%} or more.{nothing}"
        top, *rest = relevant
        then = f" Next: {rest[0].input.label}, {self.matters(rest[0]):+.1%}." if rest else ""
        return f"What would {verb} most: {top.input.label} {span(top)}, {self._effect(top)}.{then}{nothing}"

    def _effect(self, change: Change) -> str:
        """The gains of one change, this plan first, and how the best plan changes."""
        this, best = self.gains(change)
        if change.best and change.this and change.best.plan == change.this.plan:
            return f"{this:+.1%} tokens/s with this plan, which is the best plan then"
        gains = [f"{this:+.1%} tokens/s with this plan"] if this is not None else []
        if best is not None and self.best and change.best:
            layout = changed(self.best.plan, change.best.plan)
            gains.append(f"{best:+.1%} with the best plan then" + (f" ({', '.join(layout)})" if layout else ""))
        return ", ".join(gains)


def span(change: Change) -> str:
    """The values before and after with their unit: 989 -> 1,978 TFLOP/s."""
    return f"{change.before:,.5g} -> {change.after:,.5g} {change.unit}".rstrip()


def sensitivity(
    inputs: Inputs,
    space: Space,
    plan: Plan,
    *,
    factors: Sequence[float] = FACTORS,
    now: EvaluatedPlan | None = None,
    progress: Callable[[int], None] | None = None,
    cancelled: Cancel = None,
) -> Sensitivity:
    """Every input changed by every factor. `now` is the best plan of the unchanged job if it is known already.

    progress is called with the number of changes done. Raises Cancelled as search does, FieldError for a factor out of range or equal to 1.
    """
    for factor in factors:
        if not (math.isfinite(factor) and 0.01 <= factor <= 100 and factor != 1):
            raise FieldError("by", f"by must be a factor from 0.01 to 100 other than 1, such as 2 or 1.1, not {factor:g}")
    job = resolve(inputs)
    known = now or best(job, space, cancelled)
    this, why = unchanged(job, plan)
    if this is None:
        raise FieldError("plan", f"the plan is not valid for this job: {why}")
    changes: list[Change] = []
    for factor in dict.fromkeys(factors):
        for one in INPUTS:
            if (change := _change(inputs, space, plan, one, factor, cancelled)) is not None:
                changes.append(change)
            if progress:
                progress(len(changes))
    return Sensitivity(this, known if isinstance(known, EvaluatedPlan) else None, tuple(changes))


def unchanged(job: Job, plan: Plan) -> tuple[EvaluatedPlan | None, str]:
    """A plan evaluated in a job, whether it fits or not; None and the rule that refuses it if it is not valid there."""
    result = search(job, exactly(plan))
    if not len(result):
        rules = [key for key in result.counts.refused if key != "bounds"]  # without the bounds of the space, which is this plan
        return None, SENTENCES[rules[0]] if rules else SENTENCES["bounds"]
    estimate = result.estimate(result.order[:1] if len(result.order) else result.rejected_order[:1])
    return EvaluatedPlan(job, estimate.plan.one(0), estimate), ""


def _change(inputs: Inputs, space: Space, plan: Plan, one: Input, factor: float, cancelled: Cancel) -> Change | None:
    """One input changed by a factor; None if the job does not have the input or does not change."""
    job, values = resolve(inputs), values_of(inputs, one)
    if not values or (one.offload and not job.offload_optimizer):
        return None
    before = values[one.fields[0]]
    valid: tuple[float, Job] | None = None  # the first value that gives a valid job
    refused = ""
    for after in candidates(one, before, factor, plan):
        try:
            there = made(inputs, one, values, after / before)
        except TmplanError as error:
            refused = refused or str(error)
            continue
        if there == job:
            return None
        this, why = unchanged(there, plan)
        if this is not None:
            return _with_best(Change(one, factor, before, after, this, None), there, space, cancelled)
        valid, refused = valid or (after, there), refused or why
    after = valid[0] if valid else next(candidates(one, before, factor, plan))
    change = Change(one, factor, before, after, None, None, f"not valid then: {refused}", "" if valid else refused)
    return _with_best(change, valid[1], space, cancelled) if valid else change


def _with_best(change: Change, job: Job, space: Space, cancelled: Cancel) -> Change:
    """The change with the best plan of the changed job."""
    fastest = best(job, space, cancelled)
    return replace(change, best_why=fastest.why) if isinstance(fastest, NoPlan) else replace(change, best=fastest)


def explain(result: Sensitivity, key: str, factor: float) -> dict[str, Step]:
    """The derivations of the gains of one change, of this plan and of the best. Raises UnknownName for an input that was not changed."""
    change = next((c for c in result.of(factor) if c.input.key == key), None)
    if change is None:
        raise UnknownName("input", key, [c.input.key for c in result.of(factor)])
    trees = {}
    for name, before, after in (("this_plan", result.this, change.this), ("best_plan", result.best, change.best)):
        if before and after:
            old, new = (headlines(f.job, f.plan)["tokens_per_second_per_gpu"] for f in (before, after))
            with tracing() as trace:
                trees[name] = trace.of(rate_gain(changed_rate(trace.held(new)), trace.held(old)))
    return trees
