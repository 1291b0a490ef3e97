"""Rows of cells as aligned columns of text."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from planner.plaintext import flat


def aligned(lines: Sequence[Sequence[str]], left: Collection[int] = ()) -> list[str]:
    """A line of text for each row of cells: columns two spaces apart, right-aligned except for the column indices in `left`."""
    return spread(lines, widths(lines), left)


def widths(lines: Sequence[Sequence[str]]) -> list[int]:
    """The width of each column."""
    return [max(len(flat(cell)) for cell in column) for column in zip(*lines, strict=True)]


def spread(lines: Sequence[Sequence[str]], width: Sequence[int], left: Collection[int] = ()) -> list[str]:
    """The lines of `aligned` in columns of given widths; line breaks in a cell (names read from files) are removed."""
    sides = [str.ljust if i in left else str.rjust for i in range(len(width))]
    return ["  ".join(side(flat(cell), w) for side, cell, w in zip(sides, line, width, strict=True)).rstrip() for line in lines]
