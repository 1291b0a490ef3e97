"""Aligned columns: the width of each, and the side of its cells."""

from __future__ import annotations

from tui.draw.aligned import aligned, widths

LINES = [("name", "1", "note"), ("n", "1,000", "x")]


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    """Cells are right-aligned, those of the given columns left-aligned, two spaces apart, without spaces at the end."""
    assert widths(LINES) == [4, 5, 4]
    assert aligned(LINES) == ["name      1  note", "   n  1,000     x"]
    assert aligned(LINES, left=(0, 2)) == ["name      1  note", "n     1,000  x"]


def test_a_cell_is_one_line() -> None:
    """A line break in a cell, such as a name from a file, does not break the row."""
    (line,) = aligned([("a\nb", "c")])
    assert "\n" not in line and line.endswith("  c")
