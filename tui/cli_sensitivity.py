"""`tmplan sensitivity`: what each input of a job would bring, to one plan and to the best."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from planner.checks import choice
from planner.columns import records
from planner.planfile import Document
from planner.sensitivity import FACTORS, Change, Sensitivity, explain, sensitivity
from tui.chart import plain
from tui.choosing import choose, tell_misfit
from tui.cli import NO_PLAN, Answer
from tui.cli_explain import drawn, pruned
from tui.cli_plan import job_values, reporting
from tui.pages.sensitivity import draw

SCHEMA = 1  # of the JSON; docs/json.md


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
    chosen = choose(named, pinned=pinned, nearest=True)
    if chosen is None:
        return Answer(code=NO_PLAN)
    factors = tuple(by) if by else FACTORS
    found = sensitivity(document.inputs, document.space, chosen.plan, factors=factors, progress=reporting("changes evaluated"))
    tell_misfit(chosen)
    if of:
        return explained(found, of, factors[0], format, depth, chosen.code)
    if format == "json":
        return Answer(json.dumps(as_json(found, document), indent=2, allow_nan=False) + "\n", chosen.code)
    return Answer(as_csv(found) if format == "csv" else plain(draw(found, width)), chosen.code)


def explained(found: Sensitivity, key: str, factor: float, format: str, depth: int | None, code: int) -> Answer:
    """Where the gains of one input come from."""
    trees = explain(found, key, factor)
    if format == "json":
        steps = {name: pruned(step.as_dict(), depth) for name, step in trees.items()}
        return Answer(
            json.dumps({"schema": SCHEMA, "input": key, "factor": factor, "steps": steps}, indent=2, allow_nan=False) + "\n", code
        )
    lines = [line for name, step in trees.items() for line in ("", name.replace("_", " "), *drawn(step, depth))]
    return Answer("\n".join(lines[1:]) + "\n", code)


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


def as_json(found: Sensitivity, document: Document) -> dict[str, Any]:
    """The JSON contract; docs/json.md says what each key means."""
    changes = [
        record(found, change) | {"best_plan": records(change.best.estimate)[0] if change.best else None}
        for factor in found.factors()
        for change in found.of(factor)
    ]
    return {
        "schema": SCHEMA, "version": document.version, "job": job_values(document.inputs), "plan": records(found.this.estimate)[0],
        "best": records(found.best.estimate)[0] if found.best else None, "changes": changes,
        "verdicts": [{"factor": factor, "verdict": found.verdict(factor)} for factor in found.factors()],
    }  # fmt: skip


def as_csv(found: Sensitivity) -> str:
    """A line a change, ranked within its factor."""
    rows = [record(found, change) for factor in found.factors() for change in found.of(factor)]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(rows[0])
    writer.writerows([[_cell(value) for value in row.values()] for row in rows])
    return out.getvalue()


def _cell(value: Any) -> Any:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else value
