"""The page of a run in the lab: the memory of a stage as its framework allocates it, next to the prediction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from planner.lab.comparison import Row, StageComparison
from planner.lab.frameworks import FRAMEWORKS
from planner.lab.record import PHASES
from planner.report.number_text import write_percent
from planner.report.wording import in_words
from planner.specs.hardware import GIB
from tui.draw.writing import heading, sentence, table

if TYPE_CHECKING:
    from tui.draw.lines import Line

TENSORS = 8  # of the largest that are listed


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
    yield from table(
        [("GiB", "lab", "tmplan", "error"), *map(cells, comparison.rows), cells(comparison.live), cells(comparison.reserved)], {0}
    )
    yield from sentence(expandable(comparison), width)
    yield []
    phases = [name for name in PHASES if name in record.phases]
    peaks = [(name, gib(record.phases[name].live), "the peak" if name == record.phase else "") for name in phases]
    yield from table([("phase", "live", ""), *peaks], {0, 2})
    yield []
    held = [(gib(each.bytes), f"{each.count} x", each.kind, each.source) for each in record.largest[:TENSORS]]
    title = (
        f"largest at the peak, of {sum(map(len, comparison.runs[-1][0].rank_layers))} layers"
        if comparison.truncated
        else "largest at the peak"
    )
    yield from table([("GiB", "", "kind", title), *held], {2, 3})


def cells(row: Row) -> tuple[str, str, str, str]:
    """A row as text: bytes in GiB; and the error of the prediction where there is a measure of it."""
    error = write_percent(row.predicted / row.lab - 1) if row.lab > GIB / 100 else ""
    return row.name, gib(row.lab), gib(row.predicted), error


def gib(size: float) -> str:
    """Bytes as GiB."""
    return f"{size / GIB:,.2f}"


def expandable(comparison: StageComparison) -> str:
    """A sentence on expandable segments."""
    saved = comparison.record.reserved - comparison.record.expandable
    if saved < GIB / 100:
        return "Expandable segments save nothing here."
    return f"Expandable segments (PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True) save {gib(saved)} GiB of what is reserved."
