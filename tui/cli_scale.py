"""`tmplan scale`: the best plan at each of a ladder of sizes."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any

from planner.checks import choice
from planner.columns import records
from planner.errors import FieldError
from planner.fields import quoted
from planner.inputs import resolve, run_of
from planner.planfile import Document
from planner.scale import Ladder, Rung, explain, ladder, sizes
from tui.chart import plain
from tui.cli import DONE, NO_PLAN, Answer, narrate
from tui.cli_explain import drawn, pruned
from tui.cli_plan import job_values, reporting
from tui.pages.scale import draw

SCHEMA = 1  # of the JSON; docs/json.md


def scale(
    document: Document, *, least: int | None, most: int | None, chosen: str | None, weak: bool, format: str, width: int, of: int | None,
    depth: int | None,
) -> Answer:  # fmt: skip
    """The ladder as a table with a chart, CSV or JSON; or the trees of the numbers of one size."""
    choice("format", format, ("table", "csv", "json"))
    run_of(document.inputs, resolve(document.inputs))  # what cannot be read of the run is refused before the first search
    wanted = listed(chosen) if chosen is not None else sizes(document.inputs, least, most)
    found = ladder(document.inputs, document.space, [*wanted, *([of] if of else [])], weak=weak, progress=reporting("sizes planned"))
    if of:
        return explained(found, of, format, depth, document)
    code = DONE if found.fitted else NO_PLAN
    if format == "json":
        return Answer(json.dumps(as_json(found, document), indent=2, allow_nan=False) + "\n", code)
    return Answer(as_csv(found) if format == "csv" else plain(draw(found, width)), code)


def listed(text: str) -> list[int]:
    """The sizes a person lists: 8,16,24."""
    parts = [part.strip() for part in text.split(",")]
    if not all(re.fullmatch("[1-9][0-9]{0,7}", part) for part in parts):
        raise FieldError("sizes", f"sizes takes numbers of GPUs such as 8,16,24, not {quoted(text)}")
    return [int(part) for part in parts]


def explained(found: Ladder, gpus: int, format: str, depth: int | None, document: Document) -> Answer:
    """Where every number of one size comes from."""
    rung = next(rung for rung in found.rungs if rung.gpus == gpus)
    if rung.found is None:
        narrate(f"{gpus:,} GPUs: {rung.why}")
        return Answer(code=NO_PLAN)
    trees = explain(found, document.inputs, rung)
    if format == "json":
        steps = {name: pruned(step.as_dict(), depth) for name, step in trees.items()}
        data = {"schema": SCHEMA, "version": document.version, "job": job_values(document.inputs), **record(found, rung), "steps": steps}
        return Answer(json.dumps(data, indent=2, allow_nan=False) + "\n")
    lines = [line for step in trees.values() for line in ("", *drawn(step, depth))]
    return Answer("\n".join(lines[1:]) + "\n")


def record(found: Ladder, rung: Rung) -> dict[str, Any]:
    """One size as plain values; null where no plan fits, or failures leave it no time to train."""
    best, budget = rung.found, rung.budget
    return {
        "gpus": rung.gpus,
        "global_batch": rung.global_batch,
        "tokens_per_second": best and best.tokens_per_second,
        "efficiency": best and found.efficiency(best),
        "elapsed_seconds": budget and budget.elapsed_seconds,
        "goodput": budget and budget.goodput.goodput,
        "gpu_hours": budget and budget.gpu_hours,
        "cost": budget and budget.cost,
        "why": rung.why,
        "plan": records(best.estimate)[0] if best else None,
    }


def as_json(found: Ladder, document: Document) -> dict[str, Any]:
    """The JSON contract; docs/json.md says what each key means."""
    return {
        "schema": SCHEMA, "version": document.version, "job": job_values(document.inputs),
        "space": {axis: document.space.text(axis) for axis in document.space.bounds},
        "scaling": "weak" if found.weak else "strong", "tokens": found.trained[0].budget.tokens if found.trained else None,
        "sizes": [record(found, rung) for rung in found.rungs],
        "changes": [{"gpus": after, "before": before, "changes": told} for before, after, told in found.changes()],
        "slower": found.slower(), "verdict": found.verdict(),
    }  # fmt: skip


def as_csv(found: Ladder) -> str:
    """A line a size, its numbers and those of its plan; empty where there are none."""
    rows = [record(found, rung) for rung in found.rungs]
    flat = [{key: value for key, value in row.items() if key != "plan"} | plain_values(row["plan"] or {}) for row in rows]
    heads = list(dict.fromkeys(key for row in flat for key in row))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(heads)
    writer.writerows([["" if row.get(head) is None else row[head] for head in heads] for row in flat])
    return out.getvalue()


def plain_values(plan: dict[str, Any]) -> dict[str, Any]:
    """The values of a plan that a cell holds: its parts are left to `tmplan plan`."""
    return {key: str(value).lower() if isinstance(value, bool) else value for key, value in plan.items() if not isinstance(value, dict)}
