"""`tmplan sensitivity`: the gain from each input of a job, for one plan and for the best."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from planner.document.planfile import Document
from planner.errors import UnknownName
from planner.report.best import EvaluatedPlan
from planner.report.columns import records
from planner.specs.validate import choice
from planner.whatif.sensitivity import FACTORS, Change, Sensitivity, explain, sensitivity
from planner.whatif.sensitivity_inputs import INPUTS
from tui.cli.answer import NO_PLAN, Answer
from tui.cli.chosen_plan import Lacking, choose, code, misfit, report_misfit
from tui.cli.output import as_csv, as_json, as_steps, printed
from tui.cli.plan import job_values, reporting
from tui.draw.step_tree import printed_trees
from tui.pages.sensitivity import SensitivityPage, draw

HEADS = (  # keys of a change
    *("input", "factor", "before", "after", "unit", "this_gain", "this_step_seconds", "this_fits", "this_at_risk"),
    *("best_gain", "best_step_seconds", "this_why", "best_why"),
)


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
    """The ranked charts, JSON or CSV of one plan, or the trees of one input. `named` bounds the plan; the best is that of `document`."""
    choice("format", format, ("table", "json", "csv"))
    if of is not None and of not in (keys := [one.key for one in INPUTS]):
        raise UnknownName("input", of, keys)  # refused before the search
    chosen = choose(named, pinned=pinned, nearest=True)
    factors = tuple(by) if by else FACTORS
    if isinstance(chosen, Lacking):
        return lacking(document, chosen, of, factors[0], format)
    result = sensitivity(document.inputs, document.space, chosen.plan, factors=factors, progress=reporting("changes evaluated"))
    report_misfit(chosen)
    if of:
        return explained(result, of, factors[0], format, depth, chosen)
    if format == "json":
        return as_json(contract(result, document) | {"advice": misfit(chosen)}, code(chosen))
    return Answer(table(result) if format == "csv" else printed(draw(SensitivityPage(result), width)), code(chosen))


def lacking(document: Document, none: Lacking, of: str | None, factor: float, format: str) -> Answer:
    """The answer if there is no plan."""
    if of:
        return none.answer(format, {"input": of, "factor": factor, "steps": {}})
    if format == "csv":
        return Answer(as_csv(HEADS, ()), NO_PLAN)
    return none.answer(format, {"job": job_values(document.inputs), "plan": None, "best": None, "changes": [], "verdicts": []})


def explained(result: Sensitivity, key: str, factor: float, format: str, depth: int | None, chosen: EvaluatedPlan) -> Answer:
    """The derivation of the gains from one input."""
    trees = explain(result, key, factor)
    if format == "json":
        data = {"input": key, "factor": factor, "steps": as_steps(trees, depth), "advice": misfit(chosen)}
        return as_json(data, code(chosen))
    return Answer(printed_trees(trees, depth, named=True), code(chosen))


def record(result: Sensitivity, change: Change) -> dict[str, Any]:
    """One change as plain values; null if there is no plan."""
    this_gain, best_gain = result.gains(change)
    this, best = change.this, change.best
    values = (
        *(change.input.key, change.factor, change.before, change.after, change.unit),
        *(this_gain, this.step if this else None, this.fits if this else None, this.at_risk if this else None),
        *(best_gain, best.step if best else None),
        *(change.this_why, change.best_why),
    )
    return dict(zip(HEADS, values, strict=True))


def contract(result: Sensitivity, document: Document) -> dict[str, Any]:
    """The JSON; docs/json.md documents the keys."""
    changes = [
        record(result, change) | {"best_plan": records(change.best.estimate)[0] if change.best else None}
        for factor in result.factors()
        for change in result.of(factor)
    ]
    return {
        "job": job_values(document.inputs), "plan": records(result.this.estimate)[0],
        "best": records(result.best.estimate)[0] if result.best else None, "changes": changes,
        "verdicts": [{"factor": factor, "verdict": result.verdict(factor)} for factor in result.factors()],
    }  # fmt: skip


def table(result: Sensitivity) -> str:
    """A line per change, ranked within its factor, as CSV."""
    rows = [record(result, change) for factor in result.factors() for change in result.of(factor)]
    return as_csv(HEADS, [list(row.values()) for row in rows])
