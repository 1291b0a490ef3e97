"""Lines of cells as columns of text."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from planner.plaintext import flat


def aligned(lines: Sequence[Sequence[str]], left: Collection[int] = ()) -> list[str]:
    """A line of text for each line of cells: columns two spaces apart, to the right but those named by their index in `left`."""
    cells = [list(map(flat, line)) for line in lines]  # a name from a file makes no lines of its own
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    sides = [str.ljust if i in left else str.rjust for i in range(len(widths))]
    return ["  ".join(side(cell, w) for side, cell, w in zip(sides, line, widths, strict=True)).rstrip() for line in cells]
