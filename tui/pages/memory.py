"""The page of memory: every pipeline stage as a stacked bar by purpose, against what the device lets a plan use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from planner.cost.evaluate import evaluate, stages
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

PURPOSES = {  # in the order of the bar: the letter, and what it is
    "parameters": ("P", "weights"),
    "gradients": ("G", "gradients"),
    "optimizer": ("O", "master weights and optimizer states"),
    "experts": ("E", "weights, gradients and states of routed experts"),
    "gathered": ("F", "layers that FSDP has gathered"),
    "activations": ("A", "activations of micro-batches in flight"),
    "working": ("W", "the layer at hand, beyond the logits"),
    "logits": ("L", "logits and loss"),
    "buffers": ("B", "gathered inputs of tensor parallelism"),
    "workspace": ("K", "workspaces of kernels"),
    "slack": ("S", "what the allocator holds beyond"),
    "context": ("C", "CUDA context and communicators"),
}
HEAD = 30  # cells before the bar


@dataclass(frozen=True)
class Memory:
    """What the page shows: of each stage its layers, micro-batches in flight, bytes by purpose and `device`, and the limit in bytes."""

    job: Job
    plan: Plan
    stages: Sequence[dict[str, Any]]
    limit: float
    risk: str  # what makes the plan at risk; empty where it is not


def work(subject: Subject) -> Memory:
    """Every stage of the plan under the cursor."""
    job, plan = subject.job, subject.plan
    return Memory(job, plan, stages(job, plan), job.memory_limit, EvaluatedPlan(job, plan, evaluate(job, plan)).risk)


def draw(found: Memory, width: int) -> list[Line]:
    """A bar for each stage, stages that are alike as one, then every purpose by its letter, in the fullest stage."""
    fullest = max(found.stages, key=lambda stage: stage["device"])
    most = max(fullest["device"], found.limit)
    room = max(10, width - HEAD - 2)
    unit = (room - 1) / most
    lines: list[Line] = [
        heading("memory by purpose and stage, against the device"),
        *sentence(in_words(found.plan), width, "dim"),
        [],
    ]
    held = [(part, letter) for part, (letter, _) in PURPOSES.items() if any(stage.get(part) for stage in found.stages)]
    lines.append([(f" {'stage':>9} {'layers':>6} {'flight':>6} {'GiB':>5}", "dim")])
    for first, last, stage in alike_stages(found.stages):
        lines.append(bar(first, last, stage, held, found.limit, unit))
    lines.append([(" " * (HEAD + round(found.limit * unit)) + "│", "dim")])
    lines.append(limit_line(found, round(found.limit * unit), width))
    over = [stage["stage"] for stage in found.stages if stage["device"] > found.limit]
    lines += verdict(found, fullest, len(over), width)
    lines += [
        [],
        heading(f"stage {fullest['stage']}, the fullest" if len(found.stages) > 1 else "by purpose"),
        *purposes(found, fullest, width),
    ]
    return lines


def bar(first: int, last: int, stage: dict[str, Any], held: Sequence[tuple[str, str]], limit: float, unit: float) -> Line:
    """One stage, or neighbours that are alike: its numbers, and its bar, the limit marked by a stroke where the bar leaves room for it."""
    name = f"{first}" if first == last else f"{first}-{last}"
    over = stage["device"] > limit
    head = f" {name:>9} {stage['layers']:>6} {stage['in_flight']:>6.1f} {write_gib(stage['device'] / GIB):>5}{'!' if over else ' '}"
    drawn = stacked([(letter, stage.get(part, 0.0)) for part, letter in held], unit)
    at = round(limit * unit)
    drawn = f"{drawn[:at]}┃{drawn[at + 1 :]}" if over else f"{drawn:<{at}}│"
    return [(head, "bad" if over else "text"), (drawn, "bad" if over else "memory")]


def limit_line(found: Memory, at: int, width: int) -> Line:
    """The limit in words, their end under the stroke."""
    told = f"limit {write_gib(found.limit / GIB)} GiB"
    return [(f"{told:>{min(max(HEAD + at + 1, len(told) + 1), width - 1)}}", "dim")]


def verdict(found: Memory, fullest: dict[str, Any], over: int, width: int) -> list[Line]:
    """Whether the plan fits, in a sentence."""
    count = len(found.stages)
    if over:
        told = f"! too much on {over} of {count} stages" if count > 1 else "! too much"
        excess = write_gib((fullest["device"] - found.limit) / GIB)
        return sentence(
            f"{told}: the fullest needs {write_gib(fullest['device'] / GIB)} GiB, {excess} GiB more than the limit.", width, "bad"
        )
    if found.risk:
        return sentence(f"{found.risk[0].upper()}{found.risk[1:]}.", width, "strong")
    free = write_gib((found.limit - fullest["device"]) / GIB)
    return sentence(f"It fits: the fullest stage leaves {free} GiB of {write_gib(found.limit / GIB)} free.", width, "good")


def purposes(found: Memory, stage: dict[str, Any], width: int) -> Iterator[Line]:
    """A line for each purpose that takes anything: letter, name, GiB, share of the limit, what it is."""
    for part, (letter, what) in PURPOSES.items():
        value = stage.get(part, 0.0)
        if value:
            told = f" {letter} {part:<12}{write_gib(value / GIB):>7} GiB {write_percent(value / found.limit):>6}  {what}"
            yield [(cut(told, width - 1), "text")]
    yield [(f"   {'device':<12}{write_gib(stage['device'] / GIB):>7} GiB {write_percent(stage['device'] / found.limit):>6}", "strong")]
