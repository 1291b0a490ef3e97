"""Which one plan a command is about: that of the pins, of the plan file, or the best; and the plan in one line."""

from __future__ import annotations

from dataclasses import replace

from planner.best import Found
from planner.columns import BY_KEY, records
from planner.inputs import resolve
from planner.planfile import Document
from planner.search import Estimate, Result
from planner.space import exactly, write_bounds
from planner.specs import GIB
from tui.axes import idle
from tui.cli import DONE, NO_PLAN, narrate
from tui.cli_plan import advised, searched


def code(found: Found) -> int:
    """The exit code of a command that has done what was asked with a plan."""
    return DONE if found.fits else NO_PLAN


def choose(document: Document, *, pinned: bool, nearest: bool = False) -> Found | None:
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
    return Found(job, estimate.plan.one(0), estimate)


def first(result: Result) -> Estimate | None:
    """The first plan of a search: the fastest that fits, else the nearest to fitting; None where none is valid."""
    rows = result.order if len(result.order) else result.rejected_order
    return result.estimate(rows[:1]) if len(rows) else None


def tell_misfit(found: Found) -> None:
    """On stderr, that a plan does not fit, if so."""
    if not found.fits:
        narrate(f"this plan does not fit: it needs {found.memory / GIB:.2f} GiB of {found.estimate.memory_limit / GIB:.2f} GiB")


def named(document: Document, *, pinned: bool) -> Found | None:
    """The plan to write or to draw; which one it is, where no plan file says so, on stderr, and whether it does not fit."""
    found = choose(document, pinned=pinned)
    if found is None:
        return None
    if document.plan is None or pinned:
        said = "the best plan within the bounds" if pinned else "no plan was given, so the best"
        narrate(f"{said}: {headline(found)}")
    tell_misfit(found)
    return found


def headline(found: Found) -> str:
    """The plan and its numbers in one line, as --plan takes it; axes that say nothing of the job are left out."""
    silent = idle(found.job.model.experts > 0, found.job.stack)
    degrees = ",".join(f"{axis}={write_bounds(axis, bounds)}" for axis, bounds in exactly(found.plan).bounds.items() if axis not in silent)
    record = records(found.estimate)[0]
    figures = ("memory_gib", "memory_limit_gib", "step_seconds", "tokens_per_second_per_gpu", "mfu")
    return f"{degrees}  " + ", ".join(f"{key} {BY_KEY[key].write(record[key])}" for key in figures)
