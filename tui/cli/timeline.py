"""`tmplan timeline`: the pipeline schedule of a plan over time."""

from __future__ import annotations

from typing import Any

from planner.document.planfile import Document
from planner.layout.pipeline_passes import KINDS
from planner.layout.timeline import Rank, Timeline, timeline
from planner.specs.validate import choice
from tui.cli.answer import Answer
from tui.cli.chosen_plan import Lacking, code, misfit, named
from tui.cli.output import Blocks, as_json_in_blocks, printed
from tui.pages.step import Time
from tui.pages.timeline import Pipeline, draw

NUMBERS = ("plan", "micro_batches", "drawn", "seconds", "bubble_seconds", "model_bubble_seconds", "slowest_seconds")
NONE: dict[str, Any] = dict.fromkeys(NUMBERS) | {"ranks": []}  # the record of no plan


def schedule(document: Document, *, pinned: bool, format: str, width: int) -> Answer:
    """The passes of one plan as a drawing of `width` cells, or every pass as JSON."""
    choice("format", format, ("text", "json"))
    chosen = named(document, pinned=pinned)
    if isinstance(chosen, Lacking):
        return chosen.answer(format, NONE, indent=None)
    job, plan = chosen.job, chosen.plan
    if format == "json":
        return as_json_in_blocks(record(timeline(job, plan)) | {"advice": misfit(chosen)}, code(chosen))
    pipeline = Pipeline(job, plan, timeline(job, plan) if plan.pp > 1 else None, Time(job, plan, chosen.estimate))
    return Answer(printed(draw(pipeline, width)), code(chosen))


def record(shown: Timeline) -> dict[str, Any]:
    """Every pass of every rank, in order of execution, written rank by rank."""
    return {
        "plan": shown.plan.named(), "micro_batches": shown.micro_batches, "drawn": shown.drawn,
        "seconds": shown.seconds, "bubble_seconds": shown.bubble, "model_bubble_seconds": shown.model_bubble,
        "slowest_seconds": shown.slowest,
        "ranks": Blocks([as_record(number, rank, int(shown.plan.vpp))] for number, rank in enumerate(shown.ranks)),
    }  # fmt: skip


def as_record(number: int, rank: Rank, chunks: int) -> dict[str, Any]:
    """The passes of one rank as plain values."""
    return {
        "rank": number, "in_flight": rank.peak_micro_batches(chunks), "kind": [KINDS[kind] for kind in rank.kind],
        "chunk": rank.chunk.tolist(), "micro_batch": rank.micro_batch.tolist(), "start": rank.start.tolist(), "end": rank.end.tolist(),
    }  # fmt: skip
