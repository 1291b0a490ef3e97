"""Which one plan a command is about: that of the pins, of the plan file, or the best; and the plan in one line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from planner.columns import BY_KEY, records
from planner.inputs import resolve
from planner.plan import Plan
from planner.planfile import Document
from planner.search import Estimate, Result
from planner.space import exactly, write_bounds
from planner.specs import Job
from tui.axes import idle
from tui.cli import DONE, NO_PLAN, narrate
from tui.cli_plan import advised, searched


@dataclass(frozen=True)
class Chosen:
    """One plan of a job, and its numbers."""

    job: Job
    plan: Plan
    record: Mapping[str, Any]  # its numbers, as records() gives them

    @property
    def code(self) -> int:
        """The exit code of a command that has done what was asked with it."""
        return DONE if self.record["fits"] else NO_PLAN


def choose(document: Document, *, pinned: bool, nearest: bool = False) -> Chosen | None:
    """The best plan within the pins, else the plan file's own, else the best of the job; None, and why on stderr, where there is none.

    A plan that someone named is taken even where it does not fit; where nobody named one, only if `nearest` is asked for.
    """
    job = resolve(document.inputs)
    if document.plan is not None and not pinned:
        document, pinned = replace(document, space=exactly(document.plan)), True
    result = searched(job, document)
    estimate = first(result) if pinned or nearest or len(result.order) else None
    if estimate is None:
        for sentence in advised(result):
            narrate(sentence)
        return None
    record = records(estimate)[0]
    return Chosen(job, estimate.plan.one(0), record)


def first(result: Result) -> Estimate | None:
    """The first plan of a search: the fastest that fits, else the nearest to fitting; None where none is valid."""
    rows = result.order if len(result.order) else result.rejected_order
    return result.estimate(rows[:1]) if len(rows) else None


def tell_misfit(chosen: Chosen) -> None:
    """On stderr, that a plan does not fit, if so."""
    record = chosen.record
    if not record["fits"]:
        narrate(f"this plan does not fit: it needs {record['memory_gib']:.2f} GiB of {record['memory_limit_gib']:.2f} GiB")


def headline(job: Job, plan: Plan, record: Mapping[str, Any]) -> str:
    """The plan and its numbers in one line, as --plan takes it; axes that say nothing of the job are left out."""
    silent = idle(job.model.experts > 0, job.stack)
    degrees = ",".join(f"{axis}={write_bounds(axis, bounds)}" for axis, bounds in exactly(plan).bounds.items() if axis not in silent)
    figures = ("memory_gib", "memory_limit_gib", "step_seconds", "tokens_per_second_per_gpu", "mfu")
    return f"{degrees}  " + ", ".join(f"{key} {BY_KEY[key].write(record[key])}" for key in figures)
