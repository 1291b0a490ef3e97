"""`tmplan why-not`: the rules a plan breaks, or its rank and the parts that make it slower."""

from __future__ import annotations

from typing import Any

from planner.document.inputs import resolve
from planner.document.planfile import Document
from planner.report.columns import records
from planner.specs.validate import choice
from planner.whatif.why_not import WhyNot, why_not
from tui.cli.answer import DONE, NO_PLAN, Answer
from tui.cli.output import as_json, printed
from tui.cli.plan import searched
from tui.pages.whynot import Reply, draw, parse_axes


def answer(document: Document, typed: str, *, format: str, width: int) -> Answer:
    """Compare a plan with the search within the bounds, in sentences or as JSON."""
    choice("format", format, ("text", "json"))
    space = parse_axes(typed)
    reply = why_not(searched(resolve(document.inputs), document), space)
    code = DONE if reply.plan and reply.plan.fits else NO_PLAN
    if format == "json":
        return as_json(record(reply), code)
    return Answer(printed(draw(Reply(typed, reply), width)), code)


def record(reply: WhyNot) -> dict[str, Any]:
    """The answer as plain values."""
    return {
        "asked": {axis: reply.requested.text(axis) for axis in reply.requested.bounds},
        "valid": reply.valid,
        "fits": bool(reply.plan and reply.plan.fits),
        "at_risk": bool(reply.plan and reply.plan.at_risk),
        "fit": reply.plan.fit if reply.plan else None,
        "broken": [{"rule": rule.sentence, "values": rule.values, "source": rule.source} for rule in reply.broken],
        "refused": dict(reply.refusing),
        "outside": list(reply.outside),
        "plans": reply.plans,
        "fitting": reply.fit,
        "rank": reply.place or None,
        "ranked": reply.among,
        "plan": records(reply.plan.estimate)[0] if reply.plan else None,
        "best": records(reply.best.estimate)[0] if reply.best else None,
        "why": list(reply.sentences),
        "advice": [] if reply.plan and reply.plan.fits else list(reply.sentences),
    }
