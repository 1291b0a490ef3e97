"""`tmplan explain`: where every number of one plan comes from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from planner import search
from planner.checks import choice
from planner.columns import BY_KEY, records
from planner.errors import UnknownName
from planner.formula import Step
from planner.inputs import resolve
from planner.plan import Plan
from planner.planfile import Document
from planner.space import AXES, Bounds, Space, write_bounds
from planner.specs import Job
from tui.axes import idle
from tui.cli import DONE, NO_PLAN, Answer, narrate
from tui.cli_plan import SCHEMA, advised, job_values, searched


def tree(document: Document, *, pinned: bool, of: Sequence[str], format: str, depth: int | None) -> Answer:
    """The trees of one plan: the best within the pins, else the plan file's own, else the best of all."""
    choice("format", format, ("text", "json"))
    job = resolve(document.inputs)
    if document.plan is not None and not pinned:
        document = replace(document, space=exactly(document.plan))
    result = searched(job, document)
    if not result.counts.evaluated:
        for sentence in advised(result):
            narrate(sentence)
        return Answer(code=NO_PLAN)
    rows = result.order if len(result.order) else result.rejected_order
    estimate = result.estimate(rows[:1])
    plan, record = estimate.plan.one(0), records(estimate)[0]
    trees = chosen(search.explain(job, plan), of)
    code = DONE if record["fits"] else NO_PLAN
    if not record["fits"]:
        narrate(f"this plan does not fit: it needs {record['memory_gib']:.2f} GiB of {record['memory_limit_gib']:.2f} GiB")
    if format == "json":
        found = {"schema": SCHEMA, "version": document.version, "job": job_values(document.inputs), "plan": record}
        found["steps"] = {name: pruned(step.as_dict(), depth) for name, step in trees.items()}
        return Answer(json.dumps(found, indent=2, allow_nan=False) + "\n", code)
    lines = [headline(job, plan, record)]
    for step in trees.values():
        lines += ["", *drawn(step, depth)]
    return Answer("\n".join(lines) + "\n", code)


def exactly(plan: Plan) -> Space:
    """The space of one plan alone."""
    return Space({axis: Bounds((int(getattr(plan, axis)),)) for axis in AXES})


def chosen(trees: Mapping[str, Step], of: Sequence[str]) -> dict[str, Step]:
    """The trees asked for by name; all of them where none is."""
    for name in of:
        if name not in trees:
            raise UnknownName("number", name, trees)
    return {name: step for name, step in trees.items() if not of or name in of}


def headline(job: Job, plan: Plan, record: Mapping[str, Any]) -> str:
    """The plan and its numbers in one line, as --plan takes it; axes that say nothing of the job are left out."""
    silent = idle(job.model.experts > 0, job.stack)
    degrees = ",".join(f"{axis}={write_bounds(axis, bounds)}" for axis, bounds in exactly(plan).bounds.items() if axis not in silent)
    figures = ("memory_gib", "memory_limit_gib", "step_seconds", "tokens_per_second_per_gpu", "mfu")
    return f"{degrees}  " + ", ".join(f"{key} {BY_KEY[key].write(record[key])}" for key in figures)


def drawn(step: Step, depth: int | None, lead: str = "", branch: str = "") -> Iterator[str]:
    """The lines of a tree: value and meaning, below it the notation, the notation with numbers put in, and the source."""
    yield f"{lead}{branch}{step.symbol} = {step.text}  {step.meaning}"
    inner = lead + {"": "", "├─ ": "│  ", "└─ ": "   "}[branch]
    children = step.children if depth is None or depth > 1 else ()
    bar = "│  " if children else "   "
    yield f"{inner}{bar}= {step.notation}"
    if step.substituted != step.notation:
        yield f"{inner}{bar}= {step.substituted}"
    if step.source:
        yield f"{inner}{bar}[{step.source}]"
    for i, child in enumerate(children):
        yield from drawn(child, None if depth is None else depth - 1, inner, "└─ " if i == len(children) - 1 else "├─ ")


def pruned(step: dict[str, Any], depth: int | None) -> dict[str, Any]:
    """A tree as data, cut at a depth."""
    if depth is None:
        return step
    children = [pruned(child, depth - 1) for child in step["children"]] if depth > 1 else []
    return step | {"children": children}
