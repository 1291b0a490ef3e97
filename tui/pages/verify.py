"""The page of a run in the lab: the memory of a stage as its framework allocates it, next to the prediction."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from planner.lab.comparison import Row, StageComparison, compared, fullest
from planner.lab.frameworks import FRAMEWORKS
from planner.lab.runner import Runner
from planner.report.wording import in_words
from planner.specs.hardware import GIB
from tui.draw.writing import cut, heading, sentence, table
from tui.settings.lab import cache_folder, interpreter
from tui.state.threads import begin

if TYPE_CHECKING:
    from tui.draw.lines import Line
    from tui.pages.subject import Subject

TENSORS = 8  # of the largest that are listed
POLL = 0.3  # seconds between looks at whether the page is still the one to show


def work(subject: Subject) -> list[StageComparison]:
    """The fullest stage of the plan under the cursor; the run is stopped once the page is about another plan, or closed."""
    runner = Runner(cache_folder(), interpreter())
    over = threading.Event()

    def watch() -> None:
        while not over.wait(POLL):
            if subject.cancelled():
                runner.stop()

    begin(watch)
    try:
        return [compared(subject.job, subject.plan, fullest(subject.job, subject.plan), runner)]
    finally:
        over.set()


def draw(comparisons: Sequence[StageComparison], width: int) -> list[Line]:
    """Every stage that was run."""
    lines: list[Line] = [
        heading(f"memory in {FRAMEWORKS[comparisons[0].task.framework].title} itself, one rank on fake tensors"),
        *sentence(in_words(comparisons[0].plan), width, "dim"),
    ]
    for comparison in comparisons:
        lines += [[], *stage_lines(comparison, width)]
    notes = dict.fromkeys(note for comparison in comparisons for note in comparison.notes)
    for note in notes:
        lines += [[], *sentence(f"{note[0].upper()}{note[1:]}.", width, "dim")]
    return lines


def stage_lines(comparison: StageComparison, width: int) -> Iterator[Line]:
    """One stage: kinds, totals, phases, the largest tensors."""
    task, record = comparison.task, comparison.record
    versions = ", ".join(f"{name} {version}" for name, version in (record.versions or {}).items())
    layers = sum(map(len, task.rank_layers))
    yield heading(f"stage {task.stage} of {task.plan['pp']}: {layers} layers; {versions}")
    if comparison.truncated:
        counts = [str(sum(map(len, each.rank_layers))) for each, _ in comparison.runs]
        ran = f"Run with {', '.join(counts[:-1])} and {counts[-1]} layers, and extrapolated to {layers}."
        yield from sentence(ran, width, "strong")
    rows = [cells(row, record.live) for row in (*comparison.rows, comparison.live, comparison.reserved)]
    yield from table([("GiB", "lab", "tmplan", "error"), *rows], {0})
    yield from sentence(expandable(comparison), width)
    yield []
    marks = ["the peak" if row.name == record.phase else "" for row in comparison.phases]
    phases = [(*cells(row, record.live), mark) for row, mark in zip(comparison.phases, marks, strict=True)]
    yield from table([("live by phase", "lab", "tmplan", "error", ""), *phases], {0, 4})
    yield []
    held = [(gib(each.bytes), f"{each.count} x", each.kind, each.source) for each in record.largest[:TENSORS]]
    deepest = sum(map(len, comparison.runs[-1][0].rank_layers))
    title = "largest at the peak" + (f", of {deepest} layers" if comparison.truncated else "")
    for line in table([("GiB", "", "kind", title), *held], {2, 3}):
        yield [(cut(text, width - 1), role) for text, role in line]


def cells(row: Row, live: float) -> tuple[str, str, str, str]:
    """A row as text: bytes in GiB, and the error of the prediction in rows of at least a hundredth of the live bytes."""
    error = f"{100 * (row.predicted / row.lab - 1):+.1f} %" if row.lab >= live / 100 else ""
    return row.name, gib(row.lab), gib(row.predicted), error.replace("-0.0", "+0.0")


def gib(size: float) -> str:
    """Bytes as GiB."""
    return f"{size / GIB:,.2f}"


def expandable(comparison: StageComparison) -> str:
    """A sentence on expandable segments."""
    saved = comparison.record.reserved - comparison.record.expandable
    if comparison.job.expandable_segments:
        return f"Without expandable segments {gib(comparison.record.reserved)} GiB would be reserved."
    if saved < GIB / 100:
        return "Expandable segments save nothing here."
    return f"Expandable segments (PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True) save {gib(saved)} GiB of what is reserved."
