"""The page of memory: every pipeline stage as a stacked bar by purpose, against what the device lets a plan use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from planner.cost.evaluate import StageMemory, evaluate, stages
from planner.cost.parts import MEMORY
from planner.report.best import EvaluatedPlan
from planner.report.number_text import write_gib, write_percent
from planner.report.wording import in_words
from planner.specs.hardware import GIB
from tui.draw.writing import alike_stages, cut, heading, sentence, stacked

if TYPE_CHECKING:
    from planner.specs.job import Job
    from planner.specs.plan import Plan
    from tui.draw.lines import Line
    from tui.pages.subject import Subject

HEAD = 30  # cells before the bar


@dataclass(frozen=True)
class Memory:
    """What the page shows: of each stage its layers, micro-batches in flight, bytes by purpose and `device`, and the limit in bytes."""

    job: Job
    plan: Plan
    stages: Sequence[StageMemory]
    limit: float
    risk: str  # what makes the plan at risk; empty where it is not


def work(subject: Subject) -> Memory:
    """Every stage of the plan under the cursor."""
    job, plan = subject.job, subject.plan
    return Memory(job, plan, stages(job, plan), job.memory_limit, EvaluatedPlan(job, plan, evaluate(job, plan)).risk)


def draw(found: Memory, width: int) -> list[Line]:
    """A bar for each stage, stages that are alike as one, then every purpose by its letter, in the fullest stage."""
    fullest = max(found.stages, key=lambda stage: stage.device)
    most = max(fullest.device, found.limit)
    room = max(10, width - HEAD - 2)
    unit = (room - 1) / most
    lines: list[Line] = [
        heading("memory by purpose and stage, against the device"),
        *sentence(in_words(found.plan), width, "dim"),
        [],
    ]
    held = [(name, part.letter) for name, part in MEMORY.items() if any(stage.parts.named().get(name) for stage in found.stages)]
    lines.append([(f" {'stage':>9} {'layers':>6} {'flight':>6} {'GiB':>5}", "dim")])
    for first, last, stage in alike_stages(found.stages):
        lines.append(bar(first, last, stage, held, found.limit, unit))
    lines.append([(" " * (HEAD + round(found.limit * unit)) + "│", "dim")])
    lines.append(limit_line(found, round(found.limit * unit), width))
    over = sum(stage.device > found.limit for stage in found.stages)
    lines += verdict(found, fullest, over, width)
    lines += [
        [],
        heading(f"stage {found.stages.index(fullest)}, the fullest" if len(found.stages) > 1 else "by purpose"),
        *purposes(found, fullest, width),
    ]
    return lines


def bar(first: int, last: int, stage: StageMemory, held: Sequence[tuple[str, str]], limit: float, unit: float) -> Line:
    """One stage, or neighbours that are alike: its numbers, and its bar, the limit marked by a stroke where the bar leaves room for it."""
    name = f"{first}" if first == last else f"{first}-{last}"
    over = stage.device > limit
    head = f" {name:>9} {stage.layers:>6} {stage.in_flight:>6.1f} {write_gib(stage.device / GIB):>5}{'!' if over else ' '}"
    parts = stage.parts.named()
    drawn = stacked([(letter, float(parts.get(part, 0.0))) for part, letter in held], unit)
    at = round(limit * unit)
    drawn = f"{drawn[:at]}┃{drawn[at + 1 :]}" if over else f"{drawn:<{at}}│"
    return [(head, "bad" if over else "text"), (drawn, "bad" if over else "memory")]


def limit_line(found: Memory, at: int, width: int) -> Line:
    """The limit in words, their end under the stroke."""
    told = f"limit {write_gib(found.limit / GIB)} GiB"
    return [(f"{told:>{min(max(HEAD + at + 1, len(told) + 1), width - 1)}}", "dim")]


def verdict(found: Memory, fullest: StageMemory, over: int, width: int) -> list[Line]:
    """Whether the plan fits, in a sentence."""
    count = len(found.stages)
    if over:
        told = f"! too much on {over} of {count} stages" if count > 1 else "! too much"
        excess = write_gib((fullest.device - found.limit) / GIB)
        return sentence(f"{told}: the fullest needs {write_gib(fullest.device / GIB)} GiB, {excess} GiB more than the limit.", width, "bad")
    if found.risk:
        return sentence(f"{found.risk[0].upper()}{found.risk[1:]}.", width, "strong")
    free = write_gib((found.limit - fullest.device) / GIB)
    return sentence(f"It fits: the fullest stage leaves {free} GiB of {write_gib(found.limit / GIB)} free.", width, "good")


def purposes(found: Memory, stage: StageMemory, width: int) -> Iterator[Line]:
    """A line for each purpose that takes anything: letter, name, GiB, share of the limit, what it is."""
    held = stage.parts.named()
    for name, part in MEMORY.items():
        value = float(held.get(name, 0.0))
        if value:
            told = f" {part.letter} {name:<12}{write_gib(value / GIB):>7} GiB {write_percent(value / found.limit):>6}  {part.meaning}"
            yield [(cut(told, width - 1), "text")]
    yield [(f"   {'device':<12}{write_gib(stage.device / GIB):>7} GiB {write_percent(stage.device / found.limit):>6}", "strong")]
