"""Shown: the cells that the terminal shows, so that only those which change are sent again, whatever was laid out anew.

A pane sends what changes in it (tui.draw.lines); but when panes move, open or close, whole regions are painted of which much stays as it
was. This buffer is the last word: what it holds already is not sent.
"""

from __future__ import annotations

from collections.abc import Iterable

from rich.segment import Segment
from rich.style import Style

from tui.terminal.encode import NEAR, Piece, cells

Cell = tuple[str, Style | None]  # a character and its style; of a wide character the second cell is empty


class Shown:
    """The screen's cells, row by row; None where nobody knows."""

    def __init__(self) -> None:
        self.width, self.height = 0, 0
        self.rows: list[list[Cell | None]] = []

    def fit(self, width: int, height: int) -> None:
        """Be of this size; of a screen of another size nothing is known."""
        if (width, height) != (self.width, self.height):
            self.width, self.height = width, height
            self.forget()

    def forget(self) -> None:
        """Something else wrote to the terminal."""
        self.rows = [[None] * self.width for _ in range(self.height)]

    def differing(self, y: int, x: int, segments: Iterable[Segment]) -> list[Piece]:
        """The pieces of a line's segments from a column on that differ from what is shown; they are shown from now on."""
        new = _cells(segments)
        if y >= len(self.rows):
            return []
        row = self.rows[y]
        old = row[x : x + len(new)]
        if old == new:
            return []
        row[x : x + len(new)] = new
        found: list[Piece] = []
        for start, end in _spans(old, new):
            found += _pieces(y, x, new, start, end)
        return found


def _cells(segments: Iterable[Segment]) -> list[Cell]:
    """The cells of segments; those that only control the terminal have none."""
    return cells((text, style) for text, style, control in segments if not control)


def _spans(old: list[Cell | None], new: list[Cell]) -> list[tuple[int, int]]:
    """Half-open spans of cells that differ, near ones of one style joined. The second cell of a wide character differs with its first."""
    spans: list[tuple[int, int]] = []
    for i, (a, b) in enumerate(zip(old, new, strict=False)):
        if a == b:
            continue
        start, end = spans[-1] if spans else (-1, -1 - NEAR)
        if i == end or (i - end <= NEAR and all(cell[1] == b[1] for cell in new[end - 1 : i])):
            spans[-1] = (start, i + 1)
        else:
            spans.append((i, i + 1))
    return spans


def _pieces(y: int, x: int, line: list[Cell], start: int, end: int) -> list[Piece]:
    """The runs of one style of some cells, by where they stand."""
    found: list[Piece] = []
    while start < end:
        stop, style = start, line[start][1]
        while stop < end and (line[stop][1] is style or line[stop][1] == style):
            stop += 1
        found.append((y, x + start, "".join(char for char, _ in line[start:stop]), style))
        start = stop
    return found
