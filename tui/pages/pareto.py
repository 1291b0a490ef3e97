"""The Pareto page: the plans that no other plan beats in both memory and step time, drawn and listed, with the device limit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from planner.cost.evaluate import evaluate
from planner.report.columns import BY_KEY, RISK, at_risk
from planner.report.number_text import write_figure, write_gib, write_percent
from planner.report.wording import in_words
from planner.specs.hardware import GIB
from planner.whatif.pareto import pareto
from tui.draw.chart import Axis, Series, plot
from tui.draw.writing import cut, heading, one, sentence, set_in

if TYPE_CHECKING:
    from planner.search.search import Estimate, Result
    from planner.specs.job import Job
    from planner.specs.plan import Plan
    from tui.draw.lines import Line
    from tui.pages.subject import Subject

CLOUD = 2000  # other plans drawn, sampled evenly
HEIGHT = 18
WIDE = 4.0  # ratio of the ends of a range from which the axis is logarithmic


@dataclass(frozen=True)
class Front:
    """The front, fastest first; a sample of other plans (seconds, GiB); and the plan under the cursor, if it is to be marked."""

    job: Job
    estimate: Estimate
    cloud: list[tuple[float, float]]
    evaluated: int
    here: tuple[float, float] | None


def work(subject: Subject) -> Front | None:
    """The front of the search; None if no plan is valid."""
    return front_of(subject.result, subject.plan)


def front_of(result: Result, plan: Plan | None) -> Front | None:
    """The front of a search, with the position of a plan to mark."""
    if not len(result):
        return None
    marked = evaluate(result.job, plan) if plan is not None else None
    here = (one(marked.step), one(marked.memory) / GIB) if marked else None
    some = np.arange(0, len(result), max(1, len(result) // CLOUD))
    cloud = list(zip(result.step_seconds[some].tolist(), (result.memory_bytes[some] / GIB).tolist(), strict=True))
    return Front(result.job, result.estimate(pareto(result)), cloud, len(result), here)


def draw(front: Front | None, width: int) -> list[Line]:
    """The front as a chart and as a list."""
    if front is None:
        return [heading("memory against time"), *sentence("No plan is valid, so the front is empty.", width)]
    over = int((front.estimate.memory > front.estimate.memory_limit).sum())
    count = len(front.estimate.plan)
    text = f"Of {front.evaluated:,} plans {count:,} {'is' if count == 1 else 'are'} not beaten in both memory and step time by any other."
    if front.evaluated == 1:
        text = "Only one plan is valid."
    if over:
        text += f" {over:,} of these {'does' if over == 1 else 'do'} not fit; the search retains only those of them that could have fitted."
    here = "  @ the plan under the cursor" if front.here else ""
    risk = f"  {RISK} at risk: the 80 % band crosses it" if at_risk(front.estimate).any() else ""
    lines: list[Line] = [heading("memory against time"), *sentence(text, width), *chart(front, width)]
    limit = f"{write_gib(front.estimate.memory_limit / GIB)} GiB"
    lines += sentence(f"o fits  x does not  · other plans  - limit {limit}{risk}{here}", width, "dim")
    return [*lines, [], *listed(front, width)]


def chart(front: Front, width: int) -> list[Line]:
    """The front over step time and memory, with other plans and the limit."""
    e = front.estimate
    points = list(zip(e.step.tolist(), (e.memory / GIB).tolist(), strict=True))
    limit = e.memory_limit / GIB
    left, right = min(x for x, _ in points), max(x for x, _ in points)
    right = max(right, left * 1.05)
    low, high = min(y for _, y in points), max(*(y for _, y in points), limit)
    seen = [(x, y) for x, y in front.cloud if x <= right and y <= high * 1.05]
    series = [
        Series(seen, "·", "dim"),
        Series([(left, limit), (right, limit)], "", "rule", "-"),
        Series([(x, y) for x, y in points if y <= limit], "o", "good"),
        Series([(x, y) for x, y in points if y > limit], "x", "bad"),
    ]
    if front.here and front.here[0] <= right and front.here[1] <= high * 1.05:
        series.append(Series([front.here], "@", "strong"))
    across = Axis("step, s", log=2 if right / left > WIDE else 0)
    return [*set_in(plot(series, width - 2, HEIGHT, x=across, y=Axis("GiB", write_gib, log=2 if high / low > WIDE else 0)))]


def listed(front: Front, width: int) -> Iterator[Line]:
    """A line for each plan of the front: step time, slowdown against the fastest that fits, memory, description."""
    e = front.estimate
    fits, memory = np.flatnonzero(e.fits), BY_KEY["memory_gib"].texts(e)
    best = float(e.step[fits[0]]) if len(fits) else float(e.step[0])
    yield [(f" {'step s':>8} {'slower':>7} {'GiB':>6}   plan", "dim")]
    for row in range(len(e.plan)):
        slower = float(e.step[row]) / best - 1
        step, apart = write_figure(float(e.step[row])), write_percent(slower) if slower else "-"
        text, fit = f" {step:>8} {apart:>7} {memory[row]:>6}", bool(e.fits[row])
        yield [(cut(f"{text}{' ' if fit else '!'}  {in_words(e.plan.one(row))}", width - 1), "text" if fit else "bad")]
