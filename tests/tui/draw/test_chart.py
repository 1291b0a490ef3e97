"""Charts as lines: they keep to their room, put marks where their numbers say, and read without colour."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from tui.draw.chart import Axis, Series, plot, scatter, short
from tui.draw.lines import Line

NUMBERS = st.floats(min_value=-1e12, max_value=1e12) | st.just(math.nan) | st.just(math.inf)


def text(lines: Sequence[Line]) -> list[str]:
    return ["".join(part for part, _ in line).rstrip() for line in lines]


def test_points_stand_where_their_numbers_say() -> None:
    """The lowest is on the lowest row and leftmost, the highest on the top row and rightmost, whatever their order."""
    result = text(scatter([(4, 40), (1, 10), (2, 20)], 40, 10, [("C", "bad"), ("A", "figure"), ("B", "good")], x=Axis("x"), y=Axis("y")))
    assert result[0] == "y by x"
    assert result[1].endswith("C") and len(result[1]) == 40
    assert result[7].strip().lstrip("│") == "A"
    assert sum(line.count("B") for line in result) == 1


def test_a_logarithmic_axis_spaces_doublings_evenly() -> None:
    """On an axis to base 2 each doubling is as far as the last, and the ticks are powers of two."""
    result = text(plot([Series([(8, 1), (16, 1), (32, 1), (64, 1)], "*")], 60, 6, x=Axis("GPUs", lambda v: f"{v:.0f}", 2)))
    row = next(line for line in result if "*" in line)
    at = [i for i, char in enumerate(row) if char == "*"]
    assert len({b - a for a, b in pairwise(at)}) <= 2 and at[-1] - at[0] >= 45
    assert result[-1].split() == ["8", "16", "32", "64"]


def test_a_logarithmic_axis_within_one_power_still_has_numbers() -> None:
    """Values that no power of the base lies between are marked by round numbers."""
    result = text(plot([Series([(1, 70), (2, 100)])], 40, 12, y=Axis("t", log=2)))
    labels = [line.partition("┤")[0].strip() for line in result if "┤" in line]
    assert len(labels) >= 2


def test_what_cannot_be_placed_is_left_out() -> None:
    """Not a number, or nothing positive on a logarithmic axis: no mark, and a sentence where there is no other."""
    assert text(scatter([(1, math.nan)], 40, 10, [("o", "figure")])) == ["nothing to draw"]
    assert text(plot([Series([(0, 1)])], 40, 10, x=Axis(log=2))) == ["nothing to draw"]
    assert text(plot([], 40, 10)) == ["nothing to draw"]


@example([(0.0, 0.0), (2e-309, 2e-309)], 40, 10, 0)
@given(st.lists(st.tuples(NUMBERS, NUMBERS), max_size=6), st.integers(30, 190), st.integers(6, 40), st.sampled_from([0, 2]))
def test_a_plot_keeps_to_its_room(points: list[tuple[float, float]], width: int, height: int, log: int) -> None:
    """Lines fit the requested width, and their number is as requested; a line has few changes of style."""
    lines = plot([Series(points, "o", "good", "·")], width, height, x=Axis("x", log=log), y=Axis("y"))
    assert all(len(line) <= width for line in text(lines))
    assert len(lines) in (1, height)
    assert all(len(line) <= 3 for line in lines)


def test_a_chart_has_its_zero_where_the_axis_starts_at_zero() -> None:
    """An axis from zero has a tick at zero, another starts at its least value."""

    def ticks(axis: Axis) -> list[str]:
        lines = text(plot([Series([(0, 50), (1, 100)])], 40, 12, y=axis))
        return [line.partition("┤")[0].strip() for line in lines if "┤" in line]

    assert ticks(Axis(from_zero=True))[-1] == "0.000" and ticks(Axis())[-1] != "0.000"


def test_the_last_point_is_in_the_last_cell() -> None:
    """The largest value is in the last cell of the plot, in the width given, whatever room the labels take."""
    for write in (str, lambda value: f"{value:.9f}"):
        lines = plot([Series([(0, 10), (1, 20)])], 40, 8, y=Axis(write=write))
        assert max(map(len, text(lines))) == 40 == len(text(lines)[1])


def test_numbers_are_short() -> None:
    """Three digits and a suffix for each power of a thousand."""
    assert [short(value) for value in (8, 512, 21_600, 2.67e6, 1e12)] == ["8", "512", "21.6k", "2.67M", "1T"]
