"""The comparison page: plans side by side with degrees, memory by purpose, time by part, and a sentence on each difference."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from planner import degrees
from planner.report.best import parts
from planner.report.number_text import write_figure, write_gib, write_percent, write_yes
from planner.report.wording import in_words, recompute, schedule, sharding
from planner.specs.hardware import GIB
from planner.whatif.compare import Entry, difference, entry, why_larger, why_slower
from tui.draw.writing import heading, sentence

if TYPE_CHECKING:
    from tui.draw.lines import Line
    from tui.pages.subject import Subject

LABEL, VALUE, APART = 18, 12, 9  # cells of a row's label, of a plan's value, and of its difference from the first
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
CHOICES = (*degrees.KEYS, "micro_batch")


def work(subject: Subject) -> list[Entry]:
    """The pinned plans and the plan under the cursor; without pins, the best plan and the plan under the cursor."""
    plans = list(subject.pins)
    if not plans and len(subject.result.order):
        plans.append(subject.result.plan(int(subject.result.order[0])))
    plans += [] if subject.plan in plans else [subject.plan]
    return [entry(letter, subject.job, plan) for letter, plan in zip(LETTERS, plans, strict=False)]


def draw(entries: Sequence[Entry], width: int) -> list[Line]:
    """The plans, the reasons for their differences from the first, and tables with as many plans as the width allows."""
    lines: list[Line] = [heading("plans side by side")]
    for each in entries:
        lines += sentence(f"{each.name}  {in_words(each.plan)}", width)
    if len(entries) < 2:
        return lines + sentence("There is no other plan to compare with: pin a plan, or select another.", width)
    first, others = entries[0], entries[1:]
    if differing := differing_jobs(entries):
        lines += sentence(f"The jobs differ: {differing}.", width, "strong")
    lines.append([])
    for other in others:
        lines += [*sentence(why_slower(first, other), width), *sentence(why_larger(first, other), width)]
    columns = max(1, (width - LABEL - VALUE - 2) // (VALUE + APART))
    for start in range(0, len(others), columns):
        lines += [[], *table(first, others[start : start + columns])]
    return lines


def differing_jobs(entries: Sequence[Entry]) -> str:
    """The differences between the jobs of several plans: GPUs, model, stack, batch; empty if the jobs are equal."""
    properties = {
        "GPUs": [f"{each.job.cluster.gpus:,} {each.job.cluster.gpu.name}" for each in entries],
        "model": [each.job.model.name for each in entries],
        "stack": [each.job.stack.dated for each in entries],
        "global batch": [f"{each.job.global_batch:,}" for each in entries],
        "sequence": [f"{each.job.sequence:,}" for each in entries],
    }
    differences = [f"{name} {', '.join(values)}" for name, values in properties.items() if len(set(values)) > 1]
    return "; ".join(differences) or ("in other inputs" if len({id(each.job) for each in entries}) > 1 and not alike(entries) else "")


def alike(entries: Sequence[Entry]) -> bool:
    """Whether all entries have the same job."""
    return all(each.job == entries[0].job for each in entries)


def table(first: Entry, others: Sequence[Entry]) -> Iterator[Line]:
    """Degrees, memory and time of plans next to the first; a star marks a different degree, an arrow the part that differs most."""
    yield [
        (
            f" {'':<{LABEL - 1}}{first.name:>{VALUE}}" + "".join(f"{each.name:>{VALUE}}{'- ' + first.name:>{APART}}" for each in others),
            "dim",
        )
    ]
    for label, values in choices([first, *others]):
        if len(set(values)) > 1 or values[0] not in ("1", "-"):
            cells = "".join(f"{value:>{VALUE}}{'*' if value != values[0] else '':>{APART}}" for value in values[1:])
            yield [(f" {label:<{LABEL - 1}}{values[0]:>{VALUE}}{cells}".rstrip(), "text")]
    for kind, unit, scale in (("memory", "GiB", GIB), ("time", "s", 1.0), ("hidden", "s", 1.0)):
        yield []
        yield from part_rows(first, others, kind, unit, scale)
    yield []
    for label, key, write in (("MFU", "mfu", write_percent), ("tokens/s/GPU", "tokens_per_second_per_gpu", write_figure)):
        values = [write(each.number(key)) for each in (first, *others)]
        yield [(f" {label:<{LABEL - 1}}{values[0]:>{VALUE}}" + "".join(f"{v:>{VALUE}}{'':>{APART}}" for v in values[1:]).rstrip(), "text")]


def choices(entries: Sequence[Entry]) -> Iterator[tuple[str, list[str]]]:
    """The choices of each plan, one row per axis."""
    plans = [each.plan for each in entries]
    for axis in CHOICES:
        yield axis.replace("_", "-"), [str(getattr(plan, axis)) for plan in plans]
    yield "schedule", [schedule(plan) if plan.pp > 1 else "-" for plan in plans]
    yield "sharding", [sharding(plan) if plan.zero else "-" for plan in plans]
    yield "sequence parallel", [write_yes(plan.sequence_parallel) for plan in plans]
    yield "recompute", [recompute(plan) if plan.recompute else "-" for plan in plans]


def part_rows(first: Entry, others: Sequence[Entry], kind: str, unit: str, scale: float) -> Iterator[Line]:
    """The total of a kind and its parts, without parts that are zero in every plan."""
    write = write_gib if kind == "memory" else write_figure
    held = [parts(each.estimate, kind) for each in (first, *others)]
    names = [name for name in held[0] | held[-1] if any(part.get(name, 0.0) for part in held)]
    heads = {"memory": "memory, GiB", "time": "step, s", "hidden": "hidden, s"}
    wholes = [sum(part.values()) / scale for part in held]
    if not names:
        return
    yield [(row(heads[kind], wholes, [], write), "strong" if kind != "hidden" else "title")]
    if kind == "memory":
        fits = [each.fit for each in (first, *others)]
        cells = "".join(f"{fit:>{VALUE}}{'':>{APART}}" for fit in fits[1:]).rstrip()
        yield [(f"   {'':<{LABEL - 3}}{fits[0]:>{VALUE}}{cells}", _role(fits))]
    most = [largest(first, other, kind) for other in others]
    for name in names:
        values = [part.get(name, 0.0) / scale for part in held]
        yield [(row("  " + name, values, [name == part for part in most], write), "text")]


def _role(fits: Sequence[str]) -> str:
    """The role of the line that states which plans fit: that of the worst plan."""
    return "bad" if "does not fit" in fits else "text" if "at risk" in fits else "good"


def row(label: str, values: Sequence[float], marked: Sequence[bool], write: Callable[[float], str]) -> str:
    """A row of values; each after the first is followed by its difference from the first."""
    cells = f" {label:<{LABEL - 1}}{write(values[0]):>{VALUE}}"
    for i, value in enumerate(values[1:]):
        apart = write(abs(value - values[0]))
        sign = "" if not float(apart) else "+" if value > values[0] else "-"
        mark = "◂" if marked and marked[i] and sign else " "
        cells += f"{write(value):>{VALUE}}{(sign + apart if sign else '=') + mark:>{APART}}"
    return cells.rstrip()


def largest(first: Entry, other: Entry, kind: str) -> str:
    """The part with the largest difference."""
    apart = difference(first, other, kind)
    return max(apart, key=lambda name: abs(apart[name]), default="")
