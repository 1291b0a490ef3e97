"""The pipeline page: the schedule over time, a row per rank, as an overview and as close-ups with legible micro-batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from planner.cost.evaluate import evaluate
from planner.cost.pipeline_split import ZB_H2
from planner.layout.pipeline_passes import BACKWARD, FORWARD, INPUTS, KINDS, WEIGHTS
from planner.layout.timeline import Rank, Timeline, timeline
from planner.report.number_text import write_figure, write_percent
from planner.report.wording import in_words, schedule
from tui.draw.writing import heading, one, seconds, sentence
from tui.pages import step

if TYPE_CHECKING:
    from planner.specs.job import Job
    from planner.specs.plan import Plan
    from tui.draw.lines import Line
    from tui.pages.subject import Subject

FILL = {FORWARD: "░", BACKWARD: "█", INPUTS: "▓", WEIGHTS: "▒"}
IDLE = "·"
NAMES = {FORWARD: "forward", BACKWARD: "backward", INPUTS: "gradients of inputs", WEIGHTS: "gradients of weights"}
FIRST, LAST = 3, 2  # close-ups at the start and at the end; one more in the middle if any lie between
SAMPLES = 8  # samples per cell of the overview
APART = 0.05  # relative difference of two bubbles above which the reason is given


@dataclass(frozen=True)
class Pipeline:
    """Contents of the page: the passes, or the parts of the step for a plan without a pipeline."""

    job: Job
    plan: Plan
    timeline: Timeline | None
    time: step.Time


def work(subject: Subject) -> Pipeline:
    """The passes of the plan under the cursor."""
    job, plan = subject.job, subject.plan
    time = step.Time(job, plan, evaluate(job, plan))
    return Pipeline(job, plan, timeline(job, plan, cancelled=subject.cancelled) if plan.pp > 1 else None, time)


def draw(pipeline: Pipeline, width: int) -> list[Line]:
    """Sentences on the bubble, an overview of the step, and close-ups of its start and end."""
    shown = pipeline.timeline
    if shown is None:
        text = "This plan has no pipeline (pp is 1): every rank runs its micro-batches in sequence, without waiting for other stages."
        return [heading("the pipeline"), *sentence(text, width), [], *step.draw(pipeline.time, width)]
    ranks = sorted({int(kind) for rank in shown.ranks for kind in np.unique(rank.kind)})
    lines: list[Line] = [
        *sentence(f"the pipeline: {title(shown)}", width, "title"),
        *sentence(in_words(pipeline.plan), width, "dim"),
        [],
    ]
    lines += bubbles(pipeline, shown, width)
    lines += sentence("  ".join(f"{FILL[kind]} {NAMES[kind]}" for kind in ranks) + f"  {IDLE} idle", width)
    lines += sentence(legend(shown), width, "dim")
    room = width - margin(shown) - 1
    cell = readable(shown)
    panels = max(1, int(np.ceil(shown.seconds / (room * cell) - 1e-9)))
    cell = shown.seconds / (panels * room)
    if panels > 1:
        lines += [[], heading("overview"), *overview(shown, room)]
    before = -1
    for panel in [at for at in range(panels) if at < FIRST or at >= panels - LAST or at == panels // 2]:
        if panel > before + 1:
            left_out = f" ~~ cut: {write_figure((before + 1) * room * cell)} to {write_figure(panel * room * cell)} s repeats the pattern "
            lines += [[], [(left_out.ljust(width - 1, "~"), "rule")]]
        lines += [[], *close_up(shown, panel * room * cell, cell, room)]
        before = panel
    return lines


def title(shown: Timeline) -> str:
    """The schedule, the number of ranks and of micro-batches."""
    plan, name = shown.plan, schedule(shown.plan)
    chunks = f", {plan.vpp} virtual stages each" if plan.vpp > 1 else ""
    return f"{name}, {plan.pp} ranks{chunks}, {shown.micro_batches:,} micro-batch{'es' * (shown.micro_batches > 1)}"


def bubbles(pipeline: Pipeline, shown: Timeline, width: int) -> list[Line]:
    """The bubble drawn and the bubble of the time model, with the reason if they differ."""
    step_seconds = one(pipeline.time.estimate.step)
    drawn, model = shown.bubble, shown.model_bubble
    text = (
        f"Passes in the order the framework issues them, without send times. The bubble drawn is {seconds(drawn)} s "
        f"({write_percent(drawn / step_seconds)} of a step), that of the time model {seconds(model)} s."
    )
    if shown.drawn < shown.micro_batches:
        text += f" {shown.drawn:,} of {shown.micro_batches:,} micro-batches are drawn; the others repeat the pattern."
    if abs(drawn - model) > APART * max(drawn, model):
        text += f" {why_apart(shown)}"
    return sentence(text, width)


def why_apart(shown: Timeline) -> str:
    """The reason why the bubble drawn differs from the time model's."""
    busy = [float((rank.end - rank.start).sum()) for rank in shown.ranks]
    reasons = []
    if max(busy) > 1.001 * min(busy):
        idle = max(busy) / min(busy) - 1
        reasons.append(
            f"ranks differ (the busiest works {write_percent(idle)} longer than the least busy), so some wait less than it assumes"
        )
    if shown.plan.schedule and WEIGHTS in shown.ranks[0].kind:
        automatic = "; for ZB-H2 it assumes the automatically found schedule" if shown.plan.schedule == ZB_H2 else ""
        reasons.append(f"its formula, from the papers, assumes passes of matching lengths{automatic}")
    return f"The time model sums over the stages: {'; and '.join(reasons)}." if reasons else "The time model sums over the stages."


def legend(shown: Timeline) -> str:
    """The meaning of the label of a pass."""
    number = "the number of its micro-batch" + ("(last digits)" if shown.drawn > 1000 else "")
    chunk = "a letter for the virtual stage (a: the rank's first) and " if shown.plan.vpp > 1 else ""
    return f"A pass starts with {chunk}{number}."


def margin(shown: Timeline) -> int:
    """Width of the rank number before a row."""
    return len(str(len(shown.ranks) - 1)) + 2


def digits(shown: Timeline) -> int:
    """Digits drawn of a micro-batch's number."""
    return min(3, len(str(shown.drawn - 1)))


def readable(shown: Timeline) -> float:
    """Seconds per cell at which a forward pass has room for its label and one cell of shade."""
    first = shown.ranks[len(shown.ranks) // 2]
    took = (first.end - first.start)[first.kind == FORWARD]
    needed = digits(shown) + (shown.plan.vpp > 1) + 1
    return float(max(np.median(took) / needed, shown.seconds / 1e6))


def overview(shown: Timeline, room: int) -> Iterator[Line]:
    """A row for each rank over the whole step; each cell shows the kind that takes most of it."""
    at = (np.arange(room * SAMPLES) + 0.5) * (shown.seconds / (room * SAMPLES))
    marks = np.array([*(FILL[kind] for kind in range(len(KINDS))), IDLE])
    for number, rank in enumerate(shown.ranks):
        index = np.searchsorted(rank.start, at, side="right") - 1
        running = (index >= 0) & (at < rank.end[np.maximum(index, 0)])
        kinds = np.where(running, rank.kind[np.maximum(index, 0)], len(KINDS)).reshape(room, SAMPLES)
        most = np.stack([(kinds == kind).sum(axis=1) for kind in range(len(KINDS) + 1)]).argmax(axis=0)
        yield [(f"{number:>{margin(shown) - 1}} ", "dim"), ("".join(marks[most]), "figure")]
    yield scale(shown, 0.0, shown.seconds, room)


def close_up(shown: Timeline, start: float, cell: float, room: int) -> Iterator[Line]:
    """A row for each rank over a part of the time, each pass with its label."""
    end = min(start + room * cell, shown.seconds)
    yield heading(f"{write_figure(start)} to {write_figure(end)} s")
    for number, rank in enumerate(shown.ranks):
        yield [(f"{number:>{margin(shown) - 1}} ", "dim"), (row(shown, rank, start, cell, round((end - start) / cell)), "figure")]
    yield scale(shown, start, end, round((end - start) / cell))


def row(shown: Timeline, rank: Rank, start: float, cell: float, cells: int) -> str:
    """The passes of one rank in a window of `cells` cells, with their ends rounded to cells."""
    drawn = [IDLE] * cells
    first = int(np.searchsorted(rank.end, start, side="right"))
    last = int(np.searchsorted(rank.start, start + cells * cell, side="left"))
    lefts = np.rint((rank.start[first:last] - start) / cell).astype(int).tolist()
    rights = np.rint((rank.end[first:last] - start) / cell).astype(int).tolist()
    for i, (left, right) in enumerate(zip(lefts, rights, strict=True), first):
        text = mark(shown, rank, i, right - left)
        drawn[max(left, 0) : min(right, cells)] = text[max(0, -left) : max(0, min(right, cells) - left)]
    return "".join(drawn)


def mark(shown: Timeline, rank: Rank, i: int, cells: int) -> str:
    """A pass drawn in `cells` cells: its label and shade, or only the shade if there is no room for both."""
    fill, wide = FILL[int(rank.kind[i])], digits(shown)
    name = f"{int(rank.micro_batch[i]) % 10**wide}"
    if shown.plan.vpp > 1:
        name = chr(ord("a") + int(rank.chunk[i]) % 26) + name
    return name + fill * (cells - len(name)) if cells > len(name) else fill * cells


def scale(shown: Timeline, start: float, end: float, cells: int) -> Line:
    """The axis: the time at both ends of a row."""
    left, right = write_figure(start), f"{write_figure(end)} s"
    return [(" " * margin(shown) + left + f"{right:>{max(len(right) + 1, cells - len(left))}}", "rule")]
