"""`tmplan scale`: the best plan at each of several sizes."""

from __future__ import annotations

import re
from typing import Any

from planner.document.inputs import resolve, run_of
from planner.document.planfile import Document
from planner.errors import FieldError
from planner.plaintext import quoted
from planner.report.columns import COLUMNS, records
from planner.report.wording import some_gpus
from planner.specs.validate import choice
from planner.whatif.scaling import ScalingCurve, ScalingPoint, explain, scaling_curve, sizes
from tui.cli.answer import DONE, NO_PLAN, Answer, narrate
from tui.cli.chosen_plan import Lacking
from tui.cli.output import as_csv, as_json, as_steps, printed
from tui.cli.plan import job_values, reporting
from tui.draw.step_tree import printed_trees
from tui.pages.scale import draw


def scale(
    document: Document, *, least: int | None, most: int | None, chosen: str | None, weak: bool, format: str, width: int, of: int | None,
    depth: int | None,
) -> Answer:  # fmt: skip
    """The sizes as a table with a chart, CSV or JSON; or the derivation trees of one size."""
    choice("format", format, ("table", "csv", "json"))
    run_of(document.inputs, resolve(document.inputs))  # errors in the inputs of the run are reported before the first search
    gpu_counts = listed(chosen) if chosen is not None else sizes(document.inputs, least, most)
    result = scaling_curve(
        document.inputs, document.space, [*gpu_counts, *([of] if of else [])], weak=weak, progress=reporting("sizes planned")
    )
    if of:
        return explained(result, of, format, depth, document)
    code = DONE if result.fitted else NO_PLAN
    if format == "json":
        return as_json(contract(result, document), code)
    return Answer(table(result) if format == "csv" else printed(draw(result, width)), code)


def listed(text: str) -> list[int]:
    """Parse a list of sizes: 8,16,24."""
    parts = [part.strip() for part in text.split(",")]
    if not all(re.fullmatch("[1-9][0-9]{0,7}", part) for part in parts):
        raise FieldError("sizes", f"sizes takes numbers of GPUs such as 8,16,24, not {quoted(text)}")
    return [int(part) for part in parts]


def explained(result: ScalingCurve, gpus: int, format: str, depth: int | None, document: Document) -> Answer:
    """The derivation of every number of one size."""
    point = next(point for point in result.points if point.gpus == gpus)
    if point.best is None:
        narrate(why := f"{some_gpus(gpus)}: {point.why}")
        return Lacking((why,)).answer(format, {"job": job_values(document.inputs), **record(result, point), "steps": {}})
    trees = explain(result, document.inputs, point)
    if format == "json":
        return as_json({"job": job_values(document.inputs), **record(result, point), "steps": as_steps(trees, depth), "advice": []})
    return Answer(printed_trees(trees, depth))


def record(result: ScalingCurve, point: ScalingPoint) -> dict[str, Any]:
    """One size as plain values; null if no plan fits, or if failures leave no time to train."""
    best, budget = point.best, point.budget
    return {
        "gpus": point.gpus,
        "global_batch": point.global_batch,
        "tokens_per_second": best and best.tokens_per_second,
        "efficiency": best and result.efficiency(best),
        "elapsed_seconds": budget and budget.elapsed_seconds,
        "goodput": budget and budget.goodput.goodput,
        "gpu_hours": budget and budget.gpu_hours,
        "cost": budget and budget.cost,
        "why": point.why,
        "plan": records(best.estimate)[0] if best else None,
    }


def contract(result: ScalingCurve, document: Document) -> dict[str, Any]:
    """The JSON; docs/json.md documents the keys."""
    return {
        "job": job_values(document.inputs),
        "space": {axis: document.space.text(axis) for axis in document.space.bounds},
        "scaling": "weak" if result.weak else "strong", "tokens": result.trained[0].budget.tokens if result.trained else None,
        "sizes": [record(result, point) for point in result.points],
        "changes": [{"gpus": after, "before": before, "changes": texts} for before, after, texts in result.changes()],
        "slower": result.slower(), "verdict": result.verdict(),
        "advice": [] if result.fitted else [result.verdict()],
    }  # fmt: skip


def table(result: ScalingCurve) -> str:
    """A line per size as CSV, its numbers and those of its plan, without the parts, which `tmplan plan` has."""
    rows = []
    for point in result.points:
        numbers = record(result, point)
        plan = numbers.pop("plan") or {}
        rows.append(numbers | {key: value for key, value in plan.items() if not isinstance(value, dict)})
    specific = [key for key in record(result, result.points[0]) if key != "plan"]
    heads = [*specific, *(column.key for column in COLUMNS if column.key not in specific)]  # the same header if no plan fits at any size
    return as_csv(heads, [[row.get(head) for head in heads] for row in rows])
