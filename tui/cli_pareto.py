"""`tmplan pareto`: the plans that no other beats in both memory and step time."""

from __future__ import annotations

import json

from planner.checks import choice
from planner.columns import records
from planner.inputs import resolve
from planner.pareto import pareto
from planner.planfile import Document
from tui.chart import plain
from tui.cli import DONE, NO_PLAN, Answer, narrate
from tui.cli_plan import advised, job_values, searched
from tui.pages.pareto import draw, found

SCHEMA = 1  # of the JSON; docs/json.md


def front(document: Document, *, format: str, width: int) -> Answer:
    """The front of a search within the bounds as a chart and a list, or as JSON."""
    choice("format", format, ("text", "json"))
    result = searched(resolve(document.inputs), document)
    for sentence in [] if result.counts.fit else advised(result):
        narrate(sentence)
    code = DONE if result.counts.fit else NO_PLAN
    if format == "json":
        data = {"schema": SCHEMA, "version": document.version, "job": job_values(document.inputs), "evaluated": result.counts.evaluated}
        plans = records(result.estimate(pareto(result))) if len(result) else []
        return Answer(json.dumps(data | {"plans": plans}, indent=2, allow_nan=False) + "\n", code)
    return Answer(plain(draw(found(result, None), width)), code)
