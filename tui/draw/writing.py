"""Common elements of pages: sentences, headings, rows of numbers, tables, stacked bars."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING, Any, TypeVar

from planner.report.number_text import write_figure
from tui.draw.aligned import aligned

if TYPE_CHECKING:
    from tui.draw.lines import Line

T = TypeVar("T")
SHADES = "█▒▓░"  # adjacent parts of a bar differ by shade as well as by letter


def heading(text: str) -> Line:
    """A heading line."""
    return [(f" {text}", "title")]


def sentence(text: str, width: int, role: str = "text", indent: int = 1, hang: int = 0) -> list[Line]:
    """A sentence wrapped at spaces, indented by `indent` cells, its later lines by `hang` more."""
    left = " " * indent
    further = left + " " * hang
    lines = textwrap.wrap(text, max(20, width - 1), initial_indent=left, subsequent_indent=further, break_on_hyphens=False)
    return [[(line, role)] for line in lines]


def table(lines: Sequence[Sequence[str]], left: Collection[int] = (), indent: int = 2) -> Iterator[Line]:
    """Columns under their headings, right-aligned except for the column indices in `left`."""
    for i, line in enumerate(aligned(lines, left)):
        yield [(" " * indent + line, "text" if i else "dim")]


def set_in(lines: Iterable[Line]) -> Iterator[Line]:
    """The lines indented by one cell, the margin of pages within their pane."""
    for line in lines:
        yield [(" " + text if i == 0 else text, role) for i, (text, role) in enumerate(line)]


@dataclass(frozen=True)
class Row:
    """A number with its unit, its label, and a note on it."""

    label: str
    value: str
    note: str = ""
    role: str = "figure"


def rows(given: Sequence[Row], width: int, label: int = 17, value: int = 17) -> Iterator[Line]:
    """A line for each row; its note follows on the same line if there is room, on the next lines otherwise."""
    remaining = width - label - value - 6
    for row in given:
        head: list[tuple[str, str]] = [(f"  {row.label:<{label}} ", "text"), (f"{row.value:>{value}}", row.role)]
        below = remaining < 30
        notes = textwrap.wrap(row.note, width - 7 if below else remaining, break_on_hyphens=False)
        first = [] if below or not notes else [(f"  {notes[0]}", "dim")]
        yield [*head, *first]
        yield from ([(" " * (6 if below else label + value + 5) + note, "dim")] for note in notes[len(first) :])


def stacked(parts: Sequence[tuple[str, float]], cells_a_unit: float) -> str:
    """A stacked bar: each part starts with its letter, adjacent parts differ by shade; a part that rounds to zero cells is not drawn.

    A part has the same shade in every bar if the parts are passed in the same order.
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
    """A count with its noun: 1 step, 2,048 GPUs, 0.088 failures."""
    return f"{count:,.0f} {what}{'s' * (count != 1)}" if count >= 10 or count == round(count) else f"{count:.2g} {what}s"


def cut(text: str, width: int) -> str:
    """The text, cut with an ellipsis if longer than `width`."""
    return text if len(text) <= width else text[: width - 1] + "…"


def seconds(value: float) -> str:
    """Seconds as text; a positive value never prints as zero."""
    return "<0.001" if 0 < value < 0.0005 else write_figure(value)


def one(value: Any) -> float:
    """The value of a one-row column, or a plain number."""
    return float(value[0]) if getattr(value, "ndim", 0) else float(value)


def alike_stages(stages: Sequence[T]) -> Iterator[tuple[int, int, T]]:
    """Runs of adjacent stages that are equal: first, last, and their common contents."""
    start = 0
    for i in range(1, len(stages) + 1):
        if i == len(stages) or stages[i] != stages[start]:
            yield start, i - 1, stages[start]
            start = i
