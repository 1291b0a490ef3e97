"""`tmplan versus`: the same job on two clusters, with the best plan of each."""

from __future__ import annotations

from typing import Any

from planner.document.inputs import Inputs
from planner.document.other_cluster import against
from planner.document.planfile import Document
from planner.report.best import EvaluatedPlan, NoPlan
from planner.report.columns import records
from planner.specs.validate import choice
from planner.whatif.versus import Pair, explain, versus
from tui.cli.answer import DONE, NO_PLAN, Answer
from tui.cli.output import as_json, as_steps, printed
from tui.cli.plan import job_values
from tui.draw.step_tree import printed_trees
from tui.pages.versus import draw


def compared(document: Document, other: str, *, format: str, width: int, trees: bool, depth: int | None) -> Answer:
    """The two clusters side by side, as JSON, or the derivation of both steps."""
    choice("format", format, ("table", "json"))
    made = against(document.inputs, other)
    pair = versus(document.inputs, document.space, made)
    code = DONE if pair.both else NO_PLAN
    if format == "json":
        return as_json(record(pair, document, made) | ({"steps": as_steps(explain(pair), depth)} if trees else {}), code)
    if trees:
        return Answer(printed_trees(explain(pair), depth, named=True), code)
    return Answer(printed(draw(pair, width)), code)


def record(pair: Pair, document: Document, other: Inputs) -> dict[str, Any]:
    """The pair as plain values; docs/json.md documents the keys."""
    sides = ((document.inputs, pair.names()[0], pair.ours), (other, pair.names()[1], pair.theirs))
    return {
        "clusters": [side(*values) for values in sides],
        "speed_up": pair.gain() if pair.both else None,
        "parts": [{"part": name, "seconds": [ours, theirs]} for name, ours, theirs in pair.parts()],
        "verdict": pair.verdict(),
        "advice": [] if pair.both else [pair.verdict()],
    }  # fmt: skip


def side(inputs: Inputs, name: str, plan: EvaluatedPlan | NoPlan) -> dict[str, Any]:
    """One cluster as plain values."""
    return {
        "name": name,
        "job": job_values(inputs),
        "plan": records(plan.estimate)[0] if isinstance(plan, EvaluatedPlan) else None,
        "tokens_per_second": plan.tokens_per_second if isinstance(plan, EvaluatedPlan) else None,
        "why": plan.why if isinstance(plan, NoPlan) else "",
    }
