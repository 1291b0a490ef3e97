"""Shown: a buffer of the cells that the terminal shows, so that only changed cells are sent, whatever was arranged again.

A pane repaints only what changes in it (tui.draw.lines); but when panes move, open or close, Textual repaints whole regions, most of
which are unchanged. This buffer has the final decision: a cell that it already holds is not sent.
"""

from __future__ import annotations

from collections.abc import Iterable

from rich.segment import Segment
from rich.style import Style

from tui.terminal.encode import NEAR, Piece, cells

Cell = tuple[str, Style | None]  # a character and its style; the second cell of a wide character is empty


class Shown:
    """The screen's cells, row by row; None where unknown."""

    def __init__(self) -> None:
        self.width, self.height = 0, 0
        self.rows: list[list[Cell | None]] = []

    def fit(self, width: int, height: int) -> None:
        """Set the size; a change of size makes every cell unknown."""
        if (width, height) != (self.width, self.height):
            self.width, self.height = width, height
            self.forget()

    def forget(self) -> None:
        """Mark every cell unknown, because another program may have written to the terminal."""
        self.rows = [[None] * self.width for _ in range(self.height)]

    def differing(self, y: int, x: int, segments: Iterable[Segment]) -> list[Piece]:
        """The pieces of a line, from column `x` on, that differ from what is shown; records them as shown."""
        new = _cells(segments)
        if y >= len(self.rows):
            return []
        row = self.rows[y]
        old = row[x : x + len(new)]
        if old == new:
            return []
        row[x : x + len(new)] = new
        pieces: list[Piece] = []
        for start, end in _spans(old, new):
            pieces += _pieces(y, x, new, start, end)
        return pieces


def _cells(segments: Iterable[Segment]) -> list[Cell]:
    """The cells of segments; control segments have none."""
    return cells((text, style) for text, style, control in segments if not control)


def _spans(old: list[Cell | None], new: list[Cell]) -> list[tuple[int, int]]:
    """Half-open spans of cells that differ; spans of one style less than NEAR apart are joined.

    The second cell of a wide character differs whenever its first does.
    """
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
    """The cells from `start` to `end` as runs of one style, with their positions."""
    pieces: list[Piece] = []
    while start < end:
        stop, style = start, line[start][1]
        while stop < end and (line[stop][1] is style or line[stop][1] == style):
            stop += 1
        pieces.append((y, x + start, "".join(char for char, _ in line[start:stop]), style))
        start = stop
    return pieces
