"""What pages write alike: sentences, headings, rows of numbers, tables, a bar of several parts."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING, Any

from planner.report.number_text import write_figure
from tui.draw.aligned import aligned

if TYPE_CHECKING:
    from tui.draw.lines import Line

SHADES = "█▒▓░"  # neighbours in a bar differ by shade as well as by letter


def heading(text: str) -> Line:
    """A line that names what follows."""
    return [(f" {text}", "title")]


def sentence(text: str, width: int, role: str = "text", indent: int = 1, hang: int = 0) -> list[Line]:
    """A sentence broken at spaces, set in by so many cells, its further lines by `hang` more."""
    left = " " * indent
    further = left + " " * hang
    lines = textwrap.wrap(text, max(20, width - 1), initial_indent=left, subsequent_indent=further, break_on_hyphens=False)
    return [[(line, role)] for line in lines]


def table(lines: Sequence[Sequence[str]], left: Collection[int] = (), indent: int = 2) -> Iterator[Line]:
    """Columns under their headings, to the right but those named in `left`."""
    for i, line in enumerate(aligned(lines, left)):
        yield [(" " * indent + line, "text" if i else "dim")]


def set_in(lines: Iterable[Line]) -> Iterator[Line]:
    """The same lines one cell further right, as pages keep off the edge of their pane."""
    for line in lines:
        yield [(" " + text if i == 0 else text, role) for i, (text, role) in enumerate(line)]


@dataclass(frozen=True)
class Row:
    """A number with its unit, what it is, and a note on it."""

    label: str
    value: str
    note: str = ""
    role: str = "figure"


def rows(given: Sequence[Row], width: int, label: int = 17, value: int = 17) -> Iterator[Line]:
    """A line for each row; its note stands beside it where there is room for one, below it otherwise."""
    beside = width - label - value - 6
    for row in given:
        head: list[tuple[str, str]] = [(f"  {row.label:<{label}} ", "text"), (f"{row.value:>{value}}", row.role)]
        below = beside < 30
        notes = textwrap.wrap(row.note, width - 7 if below else beside, break_on_hyphens=False)
        first = [] if below or not notes else [(f"  {notes[0]}", "dim")]
        yield [*head, *first]
        yield from ([(" " * (6 if below else label + value + 5) + note, "dim")] for note in notes[len(first) :])


def stacked(parts: Sequence[tuple[str, float]], cells_a_unit: float) -> str:
    """Parts one behind the other as a bar: each begins with its letter, neighbours differ by shade; what rounds to no cell is not drawn.

    A part keeps its shade from bar to bar where the same parts are given in the same order.
    """
    drawn, end, total = "", 0, 0.0
    for (letter, value), shade in zip(parts, cycle(SHADES), strict=False):
        total += max(0.0, value)
        cells = round(total * cells_a_unit) - end
        if cells > 0:
            drawn += letter + shade * (cells - 1)
            end += cells
    return drawn


def counted(count: float, what: str) -> str:
    """A number of things: 1 step, 2,048 GPUs, 0.088 failures."""
    return f"{count:,.0f} {what}{'s' * (count != 1)}" if count >= 10 or count == round(count) else f"{count:.2g} {what}s"


def cut(text: str, width: int) -> str:
    """The text, an ellipsis at its end where it is longer than its room."""
    return text if len(text) <= width else text[: width - 1] + "…"


def seconds(value: float) -> str:
    """Seconds as a figure; what is something never reads as nothing."""
    return "<0.001" if 0 < value < 0.0005 else write_figure(value)


def one(value: Any) -> float:
    """The number of a column of one row, or a plain number."""
    return float(value[0]) if getattr(value, "ndim", 0) else float(value)


def alike_stages(stages: Sequence[dict[str, Any]]) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """Neighbouring stages that differ in nothing but their number, as one: first, last, and what they hold."""
    start = 0
    for i in range(1, len(stages) + 1):
        if i == len(stages) or {**stages[i], "stage": 0} != {**stages[start], "stage": 0}:
            yield start, i - 1, stages[start]
            start = i
