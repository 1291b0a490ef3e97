"""The page of memory against time: the plans that no other beats in both, drawn and listed, with the limit of the device."""

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

CLOUD = 2000  # plans drawn behind the front, evenly taken from all
HEIGHT = 18
WIDE = 4.0  # a range of so many times is drawn on a logarithmic axis


@dataclass(frozen=True)
class Found:
    """The front, the fastest first; of other plans some (seconds, GiB); the plan under the cursor, if it is to be marked."""

    job: Job
    estimate: Estimate
    cloud: list[tuple[float, float]]
    evaluated: int
    here: tuple[float, float] | None


def work(subject: Subject) -> Found | None:
    """The front of the search; None where no plan is valid."""
    return found(subject.result, subject.plan)


def found(result: Result, plan: Plan | None) -> Found | None:
    """The front of a search, and where a plan lies beside it."""
    if not len(result):
        return None
    own = evaluate(result.job, plan) if plan is not None else None
    here = (one(own.step), one(own.memory) / GIB) if own else None
    some = np.arange(0, len(result), max(1, len(result) // CLOUD))
    cloud = list(zip(result.step_seconds[some].tolist(), (result.memory_bytes[some] / GIB).tolist(), strict=True))
    return Found(result.job, result.estimate(pareto(result)), cloud, len(result), here)


def draw(found: Found | None, width: int) -> list[Line]:
    """The front as a chart and as a list."""
    if found is None:
        return [heading("memory against time"), *sentence("No plan is valid, so there is nothing to draw.", width)]
    over = int((found.estimate.memory > found.estimate.memory_limit).sum())
    count = len(found.estimate.plan)
    told = f"Of {found.evaluated:,} plans {count:,} {'is' if count == 1 else 'are'} beaten by no other in both memory and step time."
    if found.evaluated == 1:
        told = "One plan is valid: there is nothing to weigh it against."
    if over:
        told += f" {over:,} of these {'does' if over == 1 else 'do'} not fit; of such the search keeps only those that might have."
    here = "  @ the plan under the cursor" if found.here else ""
    risk = f"  {RISK} at risk: its 80 % band crosses it" if at_risk(found.estimate).any() else ""
    lines: list[Line] = [heading("memory against time"), *sentence(told, width), *chart(found, width)]
    limit = f"{write_gib(found.estimate.memory_limit / GIB)} GiB"
    lines += sentence(f"o fits  x does not  · other plans  - limit {limit}{risk}{here}", width, "dim")
    return [*lines, [], *listed(found, width)]


def chart(found: Found, width: int) -> list[Line]:
    """The front over time and memory, other plans behind it, the limit across."""
    e = found.estimate
    points = list(zip(e.step.tolist(), (e.memory / GIB).tolist(), strict=True))
    limit = e.memory_limit / GIB
    left, right = min(x for x, _ in points), max(x for x, _ in points)
    right = max(right, left * 1.05)
    low, high = min(y for _, y in points), max(*(y for _, y in points), limit)
    seen = [(x, y) for x, y in found.cloud if x <= right and y <= high * 1.05]
    series = [
        Series(seen, "·", "dim"),
        Series([(left, limit), (right, limit)], "", "rule", "-"),
        Series([(x, y) for x, y in points if y <= limit], "o", "good"),
        Series([(x, y) for x, y in points if y > limit], "x", "bad"),
    ]
    if found.here and found.here[0] <= right and found.here[1] <= high * 1.05:
        series.append(Series([found.here], "@", "strong"))
    across = Axis("step, s", log=2 if right / left > WIDE else 0)
    return [*set_in(plot(series, width - 2, HEIGHT, x=across, y=Axis("GiB", write_gib, log=2 if high / low > WIDE else 0)))]


def listed(found: Found, width: int) -> Iterator[Line]:
    """A line for each plan of the front: its step, how much slower that is than the fastest that fits, memory, the plan in words."""
    e = found.estimate
    fits, memory = np.flatnonzero(e.fits), BY_KEY["memory_gib"].texts(e)
    best = float(e.step[fits[0]]) if len(fits) else float(e.step[0])
    yield [(f" {'step s':>8} {'slower':>7} {'GiB':>6}   plan", "dim")]
    for row in range(len(e.plan)):
        slower = float(e.step[row]) / best - 1
        step, apart = write_figure(float(e.step[row])), write_percent(slower) if slower else "-"
        told, fit = f" {step:>8} {apart:>7} {memory[row]:>6}", bool(e.fits[row])
        yield [(cut(f"{told}{' ' if fit else '!'}  {in_words(e.plan.one(row))}", width - 1), "text" if fit else "bad")]
