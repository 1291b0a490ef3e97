"""Sensitivity: each input of a job changed in turn, and the step worked out anew, for a plan as it is and for the best plan then.

Nothing is extrapolated: an input changed is a job of its own, evaluated and searched like any other. Inputs that are counts take the next
value that is allowed. A larger memory changes what fits and no plan's step, so it shows in the best plan alone.
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
SLIGHT = 0.01  # of the tokens a second: less is said to be nothing


@formula("tok", "tmplan", "with the input changed")
def changed_rate(tokens_per_second_per_gpu: Any) -> Any:
    """Tokens a second and GPU with one input changed."""
    return tokens_per_second_per_gpu * 1.0


@formula("tok_c / tok - 1", "tmplan", "both worked out in full, nothing extrapolated")
def rate_gain(changed_rate: Any, tokens_per_second_per_gpu: Any) -> Any:
    """What a change of one input brings, in tokens a second; ratio."""
    return changed_rate / tokens_per_second_per_gpu - 1.0


@dataclass(frozen=True)
class Change:
    """One input changed: its value before and after, in the unit of its field, and what the step comes to then.

    `this` is the plan as it is, None where a rule refuses it then; `best` the best plan of the changed job, None where none fits. Whys
    are sentences, empty where there is nothing to say.
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
    """A plan and the best plan of its job now, and every change, factor by factor, those that matter most first."""

    this: EvaluatedPlan
    best: EvaluatedPlan | None
    changes: tuple[Change, ...]

    def gains(self, change: Change) -> tuple[float | None, float | None]:
        """What a change brings in tokens a second: this plan over itself now, the best plan then over the best now; None where none is."""
        this = float(rate_gain(change.this.rate, self.this.rate)) if change.this else None
        best = float(rate_gain(change.best.rate, self.best.rate)) if change.best and self.best else None
        return this, best

    def matters(self, change: Change) -> float:
        """The gain it is ranked by: of the best plan then, else of this plan; 0 where there is neither."""
        this, best = self.gains(change)
        return best if best is not None else this if this is not None else 0.0

    def of(self, factor: float) -> list[Change]:
        """The changes by one factor, ranked."""
        return sorted((c for c in self.changes if c.factor == factor), key=lambda c: (not self.opens(c), -abs(self.matters(c))))

    def opens(self, change: Change) -> bool:
        """Whether a plan fits then where none does now."""
        return self.best is None and change.best is not None

    def factors(self) -> list[float]:
        """The factors, in the order they were asked for."""
        return list(dict.fromkeys(change.factor for change in self.changes))

    def verdict(self, factor: float) -> str:
        """What would help most (cost most, where the factor is below 1). The sequence is left out: another one is another training."""
        ranked, sign = [change for change in self.of(factor) if change.input.kind != "sequence"], 1 if factor > 1 else -1
        if opened := [f"{change.input.label} {span(change)}" for change in ranked if self.opens(change)]:
            return f"Nothing fits as it is; a plan fits with {' or '.join(opened)}."
        idle = [change.input.label for change in ranked if abs(self.matters(change)) < SLIGHT]
        nothing = f" Less than {SLIGHT:.0%}: {', '.join(idle)}." if idle else ""
        telling = sorted((c for c in ranked if sign * self.matters(c) >= SLIGHT), key=lambda c: -sign * self.matters(c))
        verb = "help" if sign > 0 else "cost"
        if not telling:
            return f"None of them would {verb} {SLIGHT:.0%} or more.{nothing}"
        top, *rest = telling
        then = f" Next: {rest[0].input.label}, {self.matters(rest[0]):+.1%}." if rest else ""
        return f"What would {verb} most: {top.input.label} {span(top)}, {self._told(top)}.{then}{nothing}"

    def _told(self, change: Change) -> str:
        """What one change brings, this plan first, and how the best plan differs then."""
        this, best = self.gains(change)
        if change.best and change.this and change.best.plan == change.this.plan:
            return f"{this:+.1%} tokens/s with this plan, the best then too"
        told = [f"{this:+.1%} tokens/s with this plan"] if this is not None else []
        if best is not None and self.best and change.best:
            layout = changed(self.best.plan, change.best.plan)
            told.append(f"{best:+.1%} with the best plan then" + (f" ({', '.join(layout)})" if layout else ""))
        return ", ".join(told)


def span(change: Change) -> str:
    """The value before and after, with its unit: 989 -> 1,978 TFLOP/s."""
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
    """Every input changed by every factor. `now` is the best plan of the job as it is, where it is known already.

    progress is called with the number of changes done; Cancelled as search. FieldError for a factor that changes nothing.
    """
    for factor in factors:
        if not (math.isfinite(factor) and 0.01 <= factor <= 100 and factor != 1):
            raise FieldError("by", f"by must be a factor from 0.01 to 100 other than 1, such as 2 or 1.1, not {factor:g}")
    job = resolve(inputs)
    known = now or best(job, space, cancelled)
    this, why = as_is(job, plan)
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


def as_is(job: Job, plan: Plan) -> tuple[EvaluatedPlan | None, str]:
    """A plan in a job, whether it fits or not; None, and the rule that refuses it, where it is not valid there."""
    result = search(job, exactly(plan))
    if not len(result):
        told = [key for key in result.counts.refused if key != "bounds"]  # of what led to no plan, what is not this space itself
        return None, SENTENCES[told[0]] if told else SENTENCES["bounds"]
    estimate = result.estimate(result.order[:1] if len(result.order) else result.rejected_order[:1])
    return EvaluatedPlan(job, estimate.plan.one(0), estimate), ""


def _change(inputs: Inputs, space: Space, plan: Plan, one: Input, factor: float, cancelled: Cancel) -> Change | None:
    """One input changed by a factor; None where the job has none of it, or nothing changes."""
    job, values = resolve(inputs), values_of(inputs, one)
    if not values or (one.offload and not job.offload_optimizer):
        return None
    before = values[one.fields[0]]
    valid: tuple[float, Job] | None = None  # the first value that makes a job
    refused = ""
    for after in candidates(one, before, factor, plan):
        try:
            there = made(inputs, one, values, after / before)
        except TmplanError as error:
            refused = refused or str(error)
            continue
        if there == job:
            return None
        this, why = as_is(there, plan)
        if this is not None:
            return _with_best(Change(one, factor, before, after, this, None), there, space, cancelled)
        valid, refused = valid or (after, there), refused or why
    after = valid[0] if valid else next(candidates(one, before, factor, plan))
    change = Change(one, factor, before, after, None, None, f"not valid then: {refused}", "" if valid else refused)
    return _with_best(change, valid[1], space, cancelled) if valid else change


def _with_best(change: Change, job: Job, space: Space, cancelled: Cancel) -> Change:
    """The same with the best plan of the changed job."""
    found = best(job, space, cancelled)
    return replace(change, best_why=found.why) if isinstance(found, NoPlan) else replace(change, best=found)


def explain(found: Sensitivity, key: str, factor: float) -> dict[str, Step]:
    """The trees of what one change brings, to this plan and to the best; UnknownName for an input that was not changed."""
    change = next((c for c in found.of(factor) if c.input.key == key), None)
    if change is None:
        raise UnknownName("input", key, [c.input.key for c in found.of(factor)])
    trees = {}
    for name, before, after in (("this_plan", found.this, change.this), ("best_plan", found.best, change.best)):
        if before and after:
            old, new = (headlines(f.job, f.plan)["tokens_per_second_per_gpu"] for f in (before, after))
            with tracing() as trace:
                trees[name] = trace.of(rate_gain(changed_rate(trace.held(new)), trace.held(old)))
    return trees
