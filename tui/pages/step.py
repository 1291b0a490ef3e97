"""The step page: the parts of the step time in one bar and individually, and communication hidden behind compute."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from planner.cost.evaluate import evaluate
from planner.cost.parts import COMMUNICATION, STEP
from planner.report.number_text import write_figure, write_percent
from planner.report.wording import TRAFFIC, band_in_words, in_words
from tui.draw.writing import SHADES, cut, heading, one, seconds, sentence, stacked

if TYPE_CHECKING:
    from planner.cost.records import Estimate
    from planner.specs.job import Job
    from planner.specs.plan import Plan
    from tui.draw.lines import Line
    from tui.pages.subject import Subject

ORDER = ("compute", "recompute", "host", *COMMUNICATION, "bubble", "optimizer", "straggler")  # of the bar
HEAD = 32  # cells before the bars of the parts
WHAT, DESCRIPTION = 120, 62  # least width for descriptions of the parts, and the width of a description


@dataclass(frozen=True)
class Time:
    """Contents of the page: the estimate of one plan."""

    job: Job
    plan: Plan
    estimate: Estimate


def work(subject: Subject) -> Time:
    """The complete estimate of the plan under the cursor."""
    return Time(subject.job, subject.plan, evaluate(subject.job, subject.plan))


def draw(time: Time, width: int) -> list[Line]:
    """The step as one bar, its parts at their positions in it, and hidden communication."""
    estimate = time.estimate
    step, held = one(estimate.step), estimate.time_parts.named()
    parts = {name: one(held.get(name, 0.0)) for name in ORDER}
    low, high = (write_figure(step * edge) for edge in (estimate.step_band.low, estimate.step_band.high))
    lines: list[Line] = [heading("the step by part"), *sentence(in_words(time.plan), width, "dim"), []]
    lines += sentence(f"A step takes {write_figure(step)} s (80 % band {low} to {high}).", width, "strong")
    lines += sentence(f"{band_in_words(estimate.step_band).capitalize()}.", width, "dim")
    lines.append([(" " + stacked([(STEP[name].letter, value) for name, value in parts.items()], (width - 3) / step), "figure")])
    lines += [[], *placed(parts, step, width), []]
    hidden = {name: one(value) for name, value in estimate.hidden.named().items() if one(value) > 0}
    exposed = sum(parts[name] for name in TRAFFIC)
    lines += sentence(f"Exposed communication is {write_figure(exposed)} s, {write_percent(exposed / step)} of the step.", width)
    if hidden:
        lines.append(heading("hidden behind compute, not part of the step"))
        room = (width - HEAD - 2) / max(step, *hidden.values())
        for name, value in hidden.items():
            whole = value + parts.get(name, 0.0)
            figures = f"   {name:<10}{seconds(value):>8} s {write_percent(value / whole):>7}  "
            lines.append([(figures, "dim"), ("░" * round(value * room) or "▏", "dim")])
        lines += sentence("Shares are of all communication of that dimension, hidden and exposed.", width, "dim", 3)
    return lines


def placed(parts: dict[str, float], step: float, width: int) -> list[Line]:
    """A line for each part that takes time: letter, name, seconds, share, and its bar at its position in the step."""
    lines: list[Line] = []
    explained = DESCRIPTION if width >= WHAT else 0
    room, before, shade = width - HEAD - explained - 3, 0.0, 0
    for name, value in parts.items():
        part = STEP[name]
        if value <= 0:
            continue
        start, end = round(before / step * room), round((before + value) / step * room)
        bar = " " * start + (SHADES[shade % len(SHADES)] * (end - start) if end > start else "▏")
        head = f" {part.letter} {name:<10}{seconds(value):>8} s {write_percent(value / step):>7}  "
        tail = [(cut(part.meaning, DESCRIPTION - 2), "dim")] if explained else []
        lines.append([(head, "text"), (bar.ljust(room + 2) if tail else bar, "figure"), *tail])
        before, shade = before + value, shade + (end > start)
    return lines
