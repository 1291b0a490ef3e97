"""`tmplan scale`: the best plan at each of a ladder of sizes."""

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
from planner.whatif.scaling import Ladder, Rung, explain, ladder, sizes
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
    """The ladder as a table with a chart, CSV or JSON; or the trees of the numbers of one size."""
    choice("format", format, ("table", "csv", "json"))
    run_of(document.inputs, resolve(document.inputs))  # what cannot be read of the run is refused before the first search
    wanted = listed(chosen) if chosen is not None else sizes(document.inputs, least, most)
    found = ladder(document.inputs, document.space, [*wanted, *([of] if of else [])], weak=weak, progress=reporting("sizes planned"))
    if of:
        return explained(found, of, format, depth, document)
    code = DONE if found.fitted else NO_PLAN
    if format == "json":
        return as_json(contract(found, document), code)
    return Answer(table(found) if format == "csv" else printed(draw(found, width)), code)


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
        narrate(why := f"{some_gpus(gpus)}: {rung.why}")
        return Lacking((why,)).answer(format, {"job": job_values(document.inputs), **record(found, rung), "steps": {}})
    trees = explain(found, document.inputs, rung)
    if format == "json":
        return as_json({"job": job_values(document.inputs), **record(found, rung), "steps": as_steps(trees, depth), "advice": []})
    return Answer(printed_trees(trees, depth))


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


def contract(found: Ladder, document: Document) -> dict[str, Any]:
    """The JSON contract; docs/json.md says what each key means."""
    return {
        "job": job_values(document.inputs),
        "space": {axis: document.space.text(axis) for axis in document.space.bounds},
        "scaling": "weak" if found.weak else "strong", "tokens": found.trained[0].budget.tokens if found.trained else None,
        "sizes": [record(found, rung) for rung in found.rungs],
        "changes": [{"gpus": after, "before": before, "changes": told} for before, after, told in found.changes()],
        "slower": found.slower(), "verdict": found.verdict(),
        "advice": [] if found.fitted else [found.verdict()],
    }  # fmt: skip


def table(found: Ladder) -> str:
    """A line a size as CSV, its numbers and those of its plan; the parts are left to `tmplan plan`."""
    rows = []
    for rung in found.rungs:
        numbers = record(found, rung)
        plan = numbers.pop("plan") or {}
        rows.append(numbers | {key: value for key, value in plan.items() if not isinstance(value, dict)})
    own = [key for key in record(found, found.rungs[0]) if key != "plan"]
    heads = [*own, *(column.key for column in COLUMNS if column.key not in own)]  # the same where no plan fits at any size
    return as_csv(heads, [[row.get(head) for head in heads] for row in rows])
