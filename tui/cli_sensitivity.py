"""`tmplan sensitivity`: what each input of a job would bring, to one plan and to the best."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from planner.changes import INPUTS
from planner.checks import choice
from planner.columns import records
from planner.errors import UnknownName
from planner.planfile import Document
from planner.sensitivity import FACTORS, Change, Sensitivity, explain, sensitivity
from tui.choosing import choose, code, tell_misfit
from tui.cli import NO_PLAN, Answer
from tui.cli_plan import job_values, reporting
from tui.data import as_csv, as_json, as_steps, printed
from tui.pages.sensitivity import Found, draw
from tui.steptree import printed_trees


def sensitivities(
    document: Document,
    named: Document,
    *,
    pinned: bool,
    by: Sequence[float] | None,
    format: str,
    width: int,
    of: str | None,
    depth: int | None,
) -> Answer:
    """The ranked charts, JSON or CSV of one plan, or the trees of one input. `named` bounds which plan; the best is that of `document`."""
    choice("format", format, ("table", "json", "csv"))
    if of is not None and of not in (keys := [one.key for one in INPUTS]):
        raise UnknownName("input", of, keys)  # before the work
    chosen = choose(named, pinned=pinned, nearest=True)
    if chosen is None:
        return Answer(code=NO_PLAN)
    factors = tuple(by) if by else FACTORS
    found = sensitivity(document.inputs, document.space, chosen.plan, factors=factors, progress=reporting("changes evaluated"))
    tell_misfit(chosen)
    if of:
        return explained(found, of, factors[0], format, depth, code(chosen))
    if format == "json":
        return as_json(contract(found, document), code(chosen))
    return Answer(table(found) if format == "csv" else printed(draw(Found(found), width)), code(chosen))


def explained(found: Sensitivity, key: str, factor: float, format: str, depth: int | None, code: int) -> Answer:
    """Where the gains of one input come from."""
    trees = explain(found, key, factor)
    if format == "json":
        return as_json({"input": key, "factor": factor, "steps": as_steps(trees, depth)}, code)
    return Answer(printed_trees(trees, depth, named=True), code)


def record(found: Sensitivity, change: Change) -> dict[str, Any]:
    """One change as plain values; null where there is no plan."""
    this, best = found.gains(change)
    return {
        "input": change.input.key,
        "factor": change.factor,
        "before": change.before,
        "after": change.after,
        "unit": change.unit,
        "this_gain": this,
        "this_step_seconds": change.this.step if change.this else None,
        "this_fits": change.this.fits if change.this else None,
        "best_gain": best,
        "best_step_seconds": change.best.step if change.best else None,
        "this_why": change.this_why,
        "best_why": change.best_why,
    }


def contract(found: Sensitivity, document: Document) -> dict[str, Any]:
    """The JSON contract; docs/json.md says what each key means."""
    changes = [
        record(found, change) | {"best_plan": records(change.best.estimate)[0] if change.best else None}
        for factor in found.factors()
        for change in found.of(factor)
    ]
    return {
        "job": job_values(document.inputs), "plan": records(found.this.estimate)[0],
        "best": records(found.best.estimate)[0] if found.best else None, "changes": changes,
        "verdicts": [{"factor": factor, "verdict": found.verdict(factor)} for factor in found.factors()],
    }  # fmt: skip


def table(found: Sensitivity) -> str:
    """A line a change, ranked within its factor, as CSV."""
    rows = [record(found, change) for factor in found.factors() for change in found.of(factor)]
    return as_csv(list(rows[0]), [list(row.values()) for row in rows])
