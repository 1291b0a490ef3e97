"""The memory page: every pipeline stage as a stacked bar by purpose, against the memory limit of the device."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from planner.cost.evaluate import StageMemory, evaluate, stages
from planner.cost.parts import MEMORY
from planner.cost.phases import PHASES
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
PHASE_HEAD = 44  # cells before the bar of a phase


@dataclass(frozen=True)
class Memory:
    """Contents of the page: for each stage its layers, micro-batches in flight, bytes by purpose and in total; the limit in bytes."""

    job: Job
    plan: Plan
    stages: Sequence[StageMemory]
    limit: float
    risk: str  # why the plan is at risk; empty if it is not


def work(subject: Subject) -> Memory:
    """Every stage of the plan under the cursor."""
    job, plan = subject.job, subject.plan
    return Memory(job, plan, stages(job, plan), job.memory_limit, EvaluatedPlan(job, plan, evaluate(job, plan)).risk)


def draw(memory: Memory, width: int) -> list[Line]:
    """A bar for each stage, equal adjacent stages as one, then the purposes of the fullest stage."""
    fullest = max(memory.stages, key=lambda stage: stage.device)
    most = max(fullest.device, memory.limit)
    room = max(10, width - HEAD - 2)
    unit = (room - 1) / most
    lines: list[Line] = [
        heading("memory by purpose and stage, against the device limit"),
        *sentence(in_words(memory.plan), width, "dim"),
        [],
    ]
    held = [(name, part.letter) for name, part in MEMORY.items() if any(stage.parts.named().get(name) for stage in memory.stages)]
    lines.append([(f" {'stage':>9} {'layers':>6} {'flight':>6} {'GiB':>5}", "dim")])
    for first, last, stage in alike_stages(memory.stages):
        lines.append(bar(first, last, stage, held, memory.limit, unit))
    lines.append([(" " * (HEAD + round(memory.limit * unit)) + "│", "dim")])
    lines.append(limit_line(memory, round(memory.limit * unit), width))
    over = sum(stage.device > memory.limit for stage in memory.stages)
    lines += verdict(memory, fullest, over, width)
    name = f"stage {memory.stages.index(fullest)}, the fullest" if len(memory.stages) > 1 else "by purpose"
    lines += [
        [],
        heading(f"{name}, at {PHASES[fullest.phase]}"),
        *purposes(memory, fullest, width),
        [],
        heading(f"{name}, live tensors by phase of a step"),
        *by_phase(memory, fullest, width),
    ]
    return lines


def bar(first: int, last: int, stage: StageMemory, held: Sequence[tuple[str, str]], limit: float, unit: float) -> Line:
    """One stage, or equal adjacent stages: the numbers, and the bar with a stroke at the limit."""
    name = f"{first}" if first == last else f"{first}-{last}"
    over = stage.device > limit
    head = f" {name:>9} {stage.layers:>6} {stage.in_flight:>6.1f} {write_gib(stage.device / GIB):>5}{'!' if over else ' '}"
    parts = stage.parts.named()
    drawn = stacked([(letter, float(parts.get(part, 0.0))) for part, letter in held], unit)
    at = round(limit * unit)
    drawn = f"{drawn[:at]}┃{drawn[at + 1 :]}" if over else f"{drawn:<{at}}│"
    return [(head, "bad" if over else "text"), (drawn, "bad" if over else "memory")]


def limit_line(memory: Memory, at: int, width: int) -> Line:
    """The label of the limit, ending below the stroke."""
    text = f"limit {write_gib(memory.limit / GIB)} GiB"
    return [(f"{text:>{min(max(HEAD + at + 1, len(text) + 1), width - 1)}}", "dim")]


def verdict(memory: Memory, fullest: StageMemory, over: int, width: int) -> list[Line]:
    """A sentence on whether the plan fits."""
    count = len(memory.stages)
    if over:
        text = f"! over the limit on {over} of {count} stages" if count > 1 else "! over the limit"
        excess = write_gib((fullest.device - memory.limit) / GIB)
        return sentence(f"{text}: the fullest needs {write_gib(fullest.device / GIB)} GiB, {excess} GiB more than available.", width, "bad")
    if memory.risk:
        return sentence(f"{memory.risk[0].upper()}{memory.risk[1:]}.", width, "strong")
    free = write_gib((memory.limit - fullest.device) / GIB)
    return sentence(f"It fits: the fullest stage leaves {free} GiB of {write_gib(memory.limit / GIB)} free.", width, "good")


def purposes(memory: Memory, stage: StageMemory, width: int) -> Iterator[Line]:
    """A line for each purpose that takes memory: letter, name, GiB, share of the limit, description."""
    held = stage.parts.named()
    for name, part in MEMORY.items():
        value = float(held.get(name, 0.0))
        if value:
            text = f" {part.letter} {name:<12}{write_gib(value / GIB):>7} GiB {write_percent(value / memory.limit):>6}  {part.meaning}"
            yield [(cut(text, width - 1), "text")]
    yield [(f"   {'device':<12}{write_gib(stage.device / GIB):>7} GiB {write_percent(stage.device / memory.limit):>6}", "strong")]


def by_phase(memory: Memory, stage: StageMemory, width: int) -> Iterator[Line]:
    """A line for each phase that needs memory: its name, GiB, a bar by purpose to the same scale, and a mark at the peak."""
    totals = {name: float(parts.total) for name, parts in stage.phases.items()}
    unit = max(1, width - PHASE_HEAD - 8) / max(totals.values())
    for name, parts in stage.phases.items():
        drawn = stacked([(MEMORY[part].letter, float(value)) for part, value in parts.named().items()], unit)
        head, mark = f" {PHASES[name]:<30}{write_gib(totals[name] / GIB):>7} GiB  ", "  peak" if name == stage.phase else ""
        yield [(head, "strong" if mark else "text"), (drawn, "memory"), (mark, "strong")]
