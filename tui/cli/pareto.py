"""`tmplan pareto`: the plans that no other plan beats in both memory and step time."""

from __future__ import annotations

from planner.document.inputs import resolve
from planner.document.planfile import Document
from planner.report.columns import records
from planner.specs.validate import choice
from planner.whatif.pareto import pareto
from tui.cli.answer import DONE, NO_PLAN, Answer, narrate
from tui.cli.output import as_json, printed
from tui.cli.plan import advised, job_values, searched
from tui.pages.pareto import draw, front_of


def front(document: Document, *, format: str, width: int) -> Answer:
    """The front of a search within the bounds as a chart and a list, or as JSON."""
    choice("format", format, ("text", "json"))
    result = searched(resolve(document.inputs), document)
    advice = [] if result.counts.fit else advised(result)
    for sentence in advice:
        narrate(sentence)
    code = DONE if result.counts.fit else NO_PLAN
    if format == "json":
        plans = records(result.estimate(pareto(result))) if len(result) else []
        data = {"job": job_values(document.inputs), "evaluated": result.counts.evaluated, "advice": advice, "plans": plans}
        return as_json(data, code)
    return Answer(printed(draw(front_of(result, None), width)), code)
