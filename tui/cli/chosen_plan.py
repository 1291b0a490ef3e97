"""Which one plan a command is about: that of the pins, of the plan file, or the best; and the plan in one line."""

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
    """That there is no plan, and why: the sentences that were said on stderr."""

    advice: tuple[str, ...]

    def answer(self, format: str, told: Mapping[str, Any], *, indent: int | None = 2) -> Answer:
        """What a command gives then: its JSON, in which nothing is told of a plan, and why; in any other format nothing."""
        return as_json({**told, "advice": list(self.advice)}, NO_PLAN, indent=indent) if format == "json" else Answer(code=NO_PLAN)


def code(found: EvaluatedPlan) -> int:
    """The exit code of a command that has done what was asked with a plan."""
    return DONE if found.fits else NO_PLAN


def choose(document: Document, *, pinned: bool, nearest: bool = False) -> EvaluatedPlan | Lacking:
    """The best plan within the pins, else the plan file's own, else the best of the job; why, on stderr too, where there is none.

    A plan that someone named is taken even where it does not fit; where nobody named one, only if `nearest` is asked for.
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
    """The first plan of a search: the fastest that fits, else the nearest to fitting; None where none is valid."""
    rows = result.order if len(result.order) else result.rejected_order
    return result.estimate(rows[:1]) if len(rows) else None


def misfit(found: EvaluatedPlan) -> list[str]:
    """That a plan does not fit, in a sentence, if so."""
    if found.fits:
        return []
    return [f"this plan does not fit: it needs {found.memory / GIB:.2f} GiB of {found.estimate.memory_limit / GIB:.2f} GiB"]


def tell_misfit(found: EvaluatedPlan) -> None:
    """On stderr, that a plan does not fit, or is at risk, if so."""
    for sentence in misfit(found):
        narrate(sentence)
    if found.at_risk:
        narrate(f"this plan is {found.risk}")


def named(document: Document, *, pinned: bool) -> EvaluatedPlan | Lacking:
    """The plan to write or to draw; which one it is, where no plan file says so, on stderr, and whether it does not fit."""
    found = choose(document, pinned=pinned)
    if isinstance(found, Lacking):
        return found
    if document.plan is None or pinned:
        said = "the best plan within the bounds" if pinned else "no plan was given, so the best"
        narrate(f"{said}: {headline(found)}")
    tell_misfit(found)
    return found
