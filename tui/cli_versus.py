"""`tmplan versus`: the same job on two clusters, the best plan of each."""

from __future__ import annotations

import json
from typing import Any

from planner.best import Found, Nothing
from planner.checks import choice
from planner.columns import records
from planner.inputs import Inputs
from planner.planfile import Document
from planner.versus import Pair, against, explain, versus
from tui.chart import plain
from tui.cli import DONE, NO_PLAN, Answer
from tui.cli_explain import drawn, pruned
from tui.cli_plan import job_values
from tui.pages.versus import draw

SCHEMA = 1  # of the JSON; docs/json.md


def compared(document: Document, other: str, *, format: str, width: int, trees: bool, depth: int | None) -> Answer:
    """The two side by side, as JSON, or where both steps come from."""
    choice("format", format, ("table", "json"))
    made = against(document.inputs, other)
    pair = versus(document.inputs, document.space, made)
    code = DONE if pair.both else NO_PLAN
    if format == "json":
        data = as_json(pair, document, made)
        if trees:
            data["steps"] = {name: pruned(step.as_dict(), depth) for name, step in explain(pair).items()}
        return Answer(json.dumps(data, indent=2, allow_nan=False) + "\n", code)
    if trees:
        lines = [line for name, step in explain(pair).items() for line in ("", name.replace("_", " "), *drawn(step, depth))]
        return Answer("\n".join(lines[1:]) + "\n", code)
    return Answer(plain(draw(pair, width)), code)


def as_json(pair: Pair, document: Document, other: Inputs) -> dict[str, Any]:
    """The JSON contract; docs/json.md says what each key means."""
    sides = ((document.inputs, pair.names()[0], pair.ours), (other, pair.names()[1], pair.theirs))
    return {
        "schema": SCHEMA, "version": document.version, "clusters": [side(*values) for values in sides],
        "speed_up": pair.gain() if pair.both else None,
        "parts": [{"part": name, "seconds": [ours, theirs]} for name, ours, theirs in pair.parts()],
        "verdict": pair.verdict(),
    }  # fmt: skip


def side(inputs: Inputs, name: str, found: Found | Nothing) -> dict[str, Any]:
    """One of the two as plain values."""
    return {
        "name": name,
        "job": job_values(inputs),
        "plan": records(found.estimate)[0] if isinstance(found, Found) else None,
        "tokens_per_second": found.tokens_per_second if isinstance(found, Found) else None,
        "why": found.why if isinstance(found, Nothing) else "",
    }
