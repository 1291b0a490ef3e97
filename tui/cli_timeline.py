"""`tmplan timeline`: the pipeline schedule of a plan as it runs."""

from __future__ import annotations

import json
from typing import Any

from planner.checks import choice
from planner.evaluate import evaluate
from planner.passes import KINDS
from planner.planfile import Document
from planner.timeline import Timeline, timeline
from tui.chart import plain
from tui.cli import NO_PLAN, Answer
from tui.cli_export import named
from tui.pages.step import Time
from tui.pages.timeline import Found, draw

SCHEMA = 1  # of the JSON; docs/json.md


def schedule(document: Document, *, pinned: bool, format: str, width: int) -> Answer:
    """The passes of one plan as a picture of so many cells, or every pass as JSON."""
    choice("format", format, ("text", "json"))
    chosen = named(document, pinned=pinned)
    if chosen is None:
        return Answer(code=NO_PLAN)
    job, plan = chosen.job, chosen.plan
    if format == "json":
        return Answer(json.dumps(as_json(timeline(job, plan), document.version), allow_nan=False) + "\n", chosen.code)
    found = Found(job, plan, timeline(job, plan) if plan.pp > 1 else None, Time(job, plan, evaluate(job, plan)))
    return Answer(plain(draw(found, width)), chosen.code)


def as_json(shown: Timeline, version: str) -> dict[str, Any]:
    """Every pass of every rank, in the order they run."""
    return {
        "schema": SCHEMA, "version": version, "plan": shown.plan.named(), "micro_batches": shown.micro_batches, "drawn": shown.drawn,
        "seconds": shown.seconds, "bubble_seconds": shown.bubble, "model_bubble_seconds": shown.model_bubble,
        "slowest_seconds": shown.slowest,
        "ranks": [
            {
                "rank": number, "in_flight": rank.held(int(shown.plan.vpp)), "kind": [KINDS[kind] for kind in rank.kind],
                "chunk": rank.chunk.tolist(), "micro_batch": rank.micro_batch.tolist(), "start": rank.start.tolist(),
                "end": rank.end.tolist(),
            }
            for number, rank in enumerate(shown.ranks)
        ],
    }  # fmt: skip
