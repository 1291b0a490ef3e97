"""The page of plans side by side: degrees, memory by purpose and time by part, what differs, and why in a sentence each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from planner.report.best import parts
from planner.report.number_text import write_figure, write_gib, write_percent, write_yes
from planner.report.wording import in_words, recompute, schedule, sharding
from planner.specs.hardware import GIB
from planner.whatif.compare import Entry, difference, entry, why_larger, why_slower
from tui.draw.writing import heading, one, sentence

if TYPE_CHECKING:
    from tui.draw.lines import Line
    from tui.pages.subject import Subject

LABEL, VALUE, APART = 18, 12, 9  # cells of a row's name, of a plan's value, of its difference from the first
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
DEGREES = ("tp", "pp", "vpp", "cp", "dp", "ep", "etp", "micro_batch")


def work(subject: Subject) -> list[Entry]:
    """The pinned plans and the one under the cursor; where none is pinned, the best plan and the one under the cursor."""
    plans = list(subject.pins)
    if not plans and len(subject.result.order):
        plans.append(subject.result.plan(int(subject.result.order[0])))
    plans += [] if subject.plan in plans else [subject.plan]
    return [entry(letter, subject.job, plan) for letter, plan in zip(LETTERS, plans, strict=False)]


def draw(found: Sequence[Entry], width: int) -> list[Line]:
    """What each plan is, why each differs from the first, and the table; as many plans beside the first as the width holds at a time."""
    lines: list[Line] = [heading("plans side by side")]
    for each in found:
        lines += sentence(f"{each.name}  {in_words(each.plan)}", width)
    if len(found) < 2:
        return lines + sentence("Nothing to compare it with: pin a plan, or move to another.", width)
    first, others = found[0], found[1:]
    if differing := differing_jobs(found):
        lines += sentence(f"The jobs differ: {differing}.", width, "strong")
    lines.append([])
    for other in others:
        lines += [*sentence(why_slower(first, other), width), *sentence(why_larger(first, other), width)]
    beside = max(1, (width - LABEL - VALUE - 2) // (VALUE + APART))
    for start in range(0, len(others), beside):
        lines += [[], *table(first, others[start : start + beside])]
    return lines


def differing_jobs(found: Sequence[Entry]) -> str:
    """In what the jobs of several plans differ: GPUs, model, stack, batch; empty where they are one."""
    looks = {
        "GPUs": [f"{each.job.cluster.gpus:,} {each.job.cluster.gpu.name}" for each in found],
        "model": [each.job.model.name for each in found],
        "stack": [each.job.stack.name for each in found],
        "global batch": [f"{each.job.global_batch:,}" for each in found],
        "sequence": [f"{each.job.sequence:,}" for each in found],
    }
    told = [f"{name} {', '.join(values)}" for name, values in looks.items() if len(set(values)) > 1]
    return "; ".join(told) or ("in other inputs" if len({id(each.job) for each in found}) > 1 and not alike(found) else "")


def alike(found: Sequence[Entry]) -> bool:
    """Whether all are of one job."""
    return all(each.job == found[0].job for each in found)


def table(first: Entry, others: Sequence[Entry]) -> Iterator[Line]:
    """Degrees, memory and time of some plans beside the first; a star where a degree differs, an arrow at the part that differs most."""
    yield [
        (
            f" {'':<{LABEL - 1}}{first.name:>{VALUE}}" + "".join(f"{each.name:>{VALUE}}{'- ' + first.name:>{APART}}" for each in others),
            "dim",
        )
    ]
    for label, values in choices([first, *others]):
        if len(set(values)) > 1 or values[0] not in ("1", "-"):
            told = "".join(f"{value:>{VALUE}}{'*' if value != values[0] else '':>{APART}}" for value in values[1:])
            yield [(f" {label:<{LABEL - 1}}{values[0]:>{VALUE}}{told}".rstrip(), "text")]
    for kind, unit, scale in (("memory", "GiB", GIB), ("time", "s", 1.0), ("hidden", "s", 1.0)):
        yield []
        yield from part_rows(first, others, kind, unit, scale)
    yield []
    for label, key, write in (("MFU", "mfu", write_percent), ("tokens/s a GPU", "tokens_per_second_per_gpu", write_figure)):
        values = [write(one(getattr(each.estimate, key))) for each in (first, *others)]
        yield [(f" {label:<{LABEL - 1}}{values[0]:>{VALUE}}" + "".join(f"{v:>{VALUE}}{'':>{APART}}" for v in values[1:]).rstrip(), "text")]


def choices(found: Sequence[Entry]) -> Iterator[tuple[str, list[str]]]:
    """What each plan chose, a row each."""
    plans = [each.plan for each in found]
    for axis in DEGREES:
        yield axis.replace("_", "-"), [str(getattr(plan, axis)) for plan in plans]
    yield "schedule", [schedule(plan) if plan.pp > 1 else "-" for plan in plans]
    yield "sharding", [sharding(plan) if plan.zero else "-" for plan in plans]
    yield "sequence parallel", [write_yes(plan.sequence_parallel) for plan in plans]
    yield "recompute", [recompute(plan) if plan.recompute else "-" for plan in plans]


def part_rows(first: Entry, others: Sequence[Entry], kind: str, unit: str, scale: float) -> Iterator[Line]:
    """The whole of a kind and its parts, those that are nothing in every plan left out."""
    write = write_gib if kind == "memory" else write_figure
    held = [parts(each.estimate, kind) for each in (first, *others)]
    names = [name for name in held[0] | held[-1] if any(part.get(name, 0.0) for part in held)]
    heads = {"memory": "memory, GiB", "time": "step, s", "hidden": "hidden, s"}
    wholes = [sum(part.values()) / scale for part in held]
    if not names:
        return
    yield [(row(heads[kind], wholes, [], write), "strong" if kind != "hidden" else "title")]
    if kind == "memory":
        fits = [each.fit if each.fits else "too much" for each in (first, *others)]
        told = "".join(f"{fit:>{VALUE}}{'':>{APART}}" for fit in fits[1:]).rstrip()
        yield [(f"   {'':<{LABEL - 3}}{fits[0]:>{VALUE}}{told}", _role(fits))]
    most = [largest(first, other, kind) for other in others]
    for name in names:
        values = [part.get(name, 0.0) / scale for part in held]
        yield [(row("  " + name, values, [name == part for part in most], write), "text")]


def _role(fits: Sequence[str]) -> str:
    """The colour of a line that says which plans fit: that of the worst of them."""
    return "bad" if "too much" in fits else "text" if "at risk" in fits else "good"


def row(label: str, values: Sequence[float], marked: Sequence[bool], write: Callable[[float], str]) -> str:
    """A row of values, the difference from the first behind each of the others."""
    told = f" {label:<{LABEL - 1}}{write(values[0]):>{VALUE}}"
    for i, value in enumerate(values[1:]):
        apart = write(abs(value - values[0]))
        sign = "" if not float(apart) else "+" if value > values[0] else "-"
        mark = "◂" if marked and marked[i] and sign else " "
        told += f"{write(value):>{VALUE}}{(sign + apart if sign else '=') + mark:>{APART}}"
    return told.rstrip()


def largest(first: Entry, other: Entry, kind: str) -> str:
    """The part that differs most."""
    apart = difference(first, other, kind)
    return max(apart, key=lambda name: abs(apart[name]), default="")
