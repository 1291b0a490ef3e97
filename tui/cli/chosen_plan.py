"""Selection of the one plan a command is about: within the pins, from the plan file, or the best."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from planner.document.inputs import resolve
from planner.document.planfile import Document
from planner.document.space import exactly
from planner.report.best import EvaluatedPlan, best_fitting
from planner.search.search import Estimate, Result
from planner.specs.hardware import GIB
from tui.cli.answer import DONE, NO_PLAN, Answer, narrate
from tui.cli.output import as_json
from tui.cli.plan import advised, searched
from tui.state.headline import headline


@dataclass(frozen=True)
class Lacking:
    """The absence of a plan, with the reasons that were printed on stderr."""

    advice: tuple[str, ...]

    def answer(self, format: str, data: Mapping[str, Any], *, indent: int | None = 2) -> Answer:
        """The answer of a command: its JSON without a plan and with the reasons; no output in other formats."""
        return as_json({**data, "advice": list(self.advice)}, NO_PLAN, indent=indent) if format == "json" else Answer(code=NO_PLAN)


def code(plan: EvaluatedPlan) -> int:
    """The exit code of a command that succeeded with this plan."""
    return DONE if plan.fits else NO_PLAN


def choose(document: Document, *, pinned: bool, nearest: bool = False) -> EvaluatedPlan | Lacking:
    """The best plan within the pins, else that of the plan file, else the best of the job; or the reasons, also printed on stderr.

    A plan named by the user is returned even if it does not fit; an unnamed one that does not fit only with `nearest`.
    """
    job = resolve(document.inputs)
    if document.plan is not None and not pinned:
        document, pinned = replace(document, space=exactly(document.plan)), True
    if (best := best_fitting(job, document.space)) is not None:
        return best
    result = searched(job, document)
    estimate = first(result) if pinned or nearest else None
    if estimate is None:
        lacking = Lacking(tuple(advised(result)))
        for sentence in lacking.advice:
            narrate(sentence)
        return lacking
    return EvaluatedPlan(job, estimate.plan.one(0), estimate)


def first(result: Result) -> Estimate | None:
    """The first plan of a search: the fastest that fits, else the nearest to fitting; None if no plan is valid."""
    rows = result.order if len(result.order) else result.rejected_order
    return result.estimate(rows[:1]) if len(rows) else None


def misfit(plan: EvaluatedPlan) -> list[str]:
    """A sentence if a plan does not fit, else nothing."""
    if plan.fits:
        return []
    return [f"this plan does not fit: it needs {plan.memory / GIB:.2f} GiB of {plan.estimate.memory_limit / GIB:.2f} GiB"]


def report_misfit(plan: EvaluatedPlan) -> None:
    """Report on stderr if a plan does not fit or is at risk."""
    for sentence in misfit(plan):
        narrate(sentence)
    if plan.at_risk:
        narrate(f"this plan is {plan.risk}")


def named(document: Document, *, pinned: bool) -> EvaluatedPlan | Lacking:
    """The plan to write or to draw; stderr names it unless it is that of a plan file, and reports if it does not fit."""
    plan = choose(document, pinned=pinned)
    if isinstance(plan, Lacking):
        return plan
    if document.plan is None or pinned:
        which = "the best plan within the bounds" if pinned else "no plan was given, using the best"
        narrate(f"{which}: {headline(plan)}")
    report_misfit(plan)
    return plan
