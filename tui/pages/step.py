"""The page of a step's time: its parts one behind the other as one bar, each with its number, and what compute hides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from planner.cost.evaluate import evaluate
from planner.cost.parts import STEP
from planner.report.number_text import write_figure, write_percent
from planner.report.wording import TRAFFIC, in_words
from tui.draw.writing import SHADES, cut, heading, one, seconds, sentence, stacked

if TYPE_CHECKING:
    from planner.cost.records import Estimate
    from planner.specs.job import Job
    from planner.specs.plan import Plan
    from tui.draw.lines import Line
    from tui.pages.subject import Subject

ORDER = ("compute", "recompute", "host", "tp", "cp", "ep", "pp", "dp", "bubble", "optimizer", "straggler")  # of the bar
HEAD = 32  # cells before the bars of the parts
WHAT, TOLD = 120, 62  # cells from which there is room for what a part is, and what that takes


@dataclass(frozen=True)
class Time:
    """What the page shows: the numbers of one plan."""

    job: Job
    plan: Plan
    estimate: Estimate


def work(subject: Subject) -> Time:
    """The plan under the cursor in full."""
    return Time(subject.job, subject.plan, evaluate(subject.job, subject.plan))


def draw(found: Time, width: int) -> list[Line]:
    """The step as one bar, its parts where they stand in it, and hidden communication beside them."""
    estimate = found.estimate
    step, held = one(estimate.step), estimate.time_parts.named()
    parts = {name: one(held.get(name, 0.0)) for name in ORDER}
    low, high = (write_figure(step * edge) for edge in (estimate.step_band.low, estimate.step_band.high))
    lines: list[Line] = [heading("the step by part"), *sentence(in_words(found.plan), width, "dim"), []]
    lines += sentence(f"A step takes {write_figure(step)} s (80 % band {low} to {high}).", width, "strong")
    lines.append([(" " + stacked([(STEP[name].letter, value) for name, value in parts.items()], (width - 3) / step), "figure")])
    lines += [[], *placed(parts, step, width), []]
    hidden = {name: one(value) for name, value in estimate.hidden.named().items() if one(value) > 0}
    exposed = sum(parts[name] for name in TRAFFIC)
    lines += sentence(f"Communication that nothing hides is {write_figure(exposed)} s, {write_percent(exposed / step)} of the step.", width)
    if hidden:
        lines.append(heading("hidden behind compute, no part of the step"))
        room = (width - HEAD - 2) / max(step, *hidden.values())
        for name, value in hidden.items():
            whole = value + parts.get(name, 0.0)
            told = f"   {name:<10}{seconds(value):>8} s {write_percent(value / whole):>7}  "
            lines.append([(told, "dim"), ("░" * round(value * room) or "▏", "dim")])
        lines += sentence("The share is of that dimension's traffic, hidden and not.", width, "dim", 3)
    return lines


def placed(parts: dict[str, float], step: float, width: int) -> list[Line]:
    """A line for each part that takes time: letter, name, seconds, share, and its bar where it stands in the step."""
    lines: list[Line] = []
    explained = TOLD if width >= WHAT else 0
    room, before, shade = width - HEAD - explained - 3, 0.0, 0
    for name, value in parts.items():
        part = STEP[name]
        if value <= 0:
            continue
        start, end = round(before / step * room), round((before + value) / step * room)
        bar = " " * start + (SHADES[shade % len(SHADES)] * (end - start) if end > start else "▏")
        head = f" {part.letter} {name:<10}{seconds(value):>8} s {write_percent(value / step):>7}  "
        tail = [(cut(part.meaning, TOLD - 2), "dim")] if explained else []
        lines.append([(head, "text"), (bar.ljust(room + 2) if tail else bar, "figure"), *tail])
        before, shade = before + value, shade + (end > start)
    return lines
