"""`tmplan why-not`: the rules a plan breaks, or where it ranks and which term costs it."""

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
    """What stands against a plan beside the search within the bounds, in sentences, or as JSON."""
    choice("format", format, ("text", "json"))
    space = parse_axes(typed)
    found = why_not(searched(resolve(document.inputs), document), space)
    code = DONE if found.plan and found.plan.fits else NO_PLAN
    if format == "json":
        return as_json(record(found), code)
    return Answer(printed(draw(Reply(typed, found), width)), code)


def record(found: WhyNot) -> dict[str, Any]:
    """The answer as plain data."""
    return {
        "asked": {axis: found.asked.text(axis) for axis in found.asked.bounds},
        "valid": found.valid,
        "fits": bool(found.plan and found.plan.fits),
        "at_risk": bool(found.plan and found.plan.at_risk),
        "broken": [{"rule": rule.sentence, "values": rule.values, "source": rule.source} for rule in found.broken],
        "refused": dict(found.refusing),
        "outside": list(found.outside),
        "plans": found.plans,
        "fitting": found.fit,
        "rank": found.place or None,
        "ranked": found.among,
        "plan": records(found.plan.estimate)[0] if found.plan else None,
        "best": records(found.best.estimate)[0] if found.best else None,
        "why": list(found.sentences),
        "advice": [] if found.plan and found.plan.fits else list(found.sentences),
    }
