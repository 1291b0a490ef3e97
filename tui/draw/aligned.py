"""Lines of cells as columns of text."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from planner.plaintext import flat


def aligned(lines: Sequence[Sequence[str]], left: Collection[int] = ()) -> list[str]:
    """A line of text for each line of cells: columns two spaces apart, to the right but those named by their index in `left`."""
    return spread(lines, widths(lines), left)


def widths(lines: Sequence[Sequence[str]]) -> list[int]:
    """How wide each column of cells is."""
    return [max(len(flat(cell)) for cell in column) for column in zip(*lines, strict=True)]


def spread(lines: Sequence[Sequence[str]], width: Sequence[int], left: Collection[int] = ()) -> list[str]:
    """The lines of `aligned` in columns of given widths; a name from a file makes no lines of its own."""
    sides = [str.ljust if i in left else str.rjust for i in range(len(width))]
    return ["  ".join(side(flat(cell), w) for side, cell, w in zip(sides, line, width, strict=True)).rstrip() for line in lines]
