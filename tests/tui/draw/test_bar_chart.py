"""Bar charts as lines: one scale, the sign without colour, and never wider than their room."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hypothesis import example, given
from hypothesis import strategies as st

from tui.draw.bar_chart import Bar, bars
from tui.draw.lines import Line

NUMBERS = st.floats(min_value=-1e12, max_value=1e12) | st.just(math.nan) | st.just(math.inf)


def text(lines: Sequence[Line]) -> list[str]:
    return ["".join(part for part, _ in line).rstrip() for line in lines]


def test_bars_are_to_one_scale_and_name_their_sign_without_colour() -> None:
    """A bar twice the value is twice as long; negative ones are hatched and on the other side of zero."""
    result = text(bars([Bar("rate", 30, "+30 %"), Bar("link", 15, "+15 %"), Bar("batch", -15, "-15 %"), Bar("none", 0, "0 %")], 60))
    lengths = [line.count("█") for line in result]
    assert abs(lengths[0] - 2 * lengths[1]) <= 1 and lengths[2:] == [0, 0]
    assert abs(result[2].count("░") - lengths[1]) <= 1 and result[2].index("░") < result[0].index("│") == result[2].index("│")
    assert result[0].endswith("+30 %")


@given(st.lists(NUMBERS, max_size=8), st.integers(40, 190))
@example([2.2e-309], 40)
@example([-2.2e-309, 1e12], 40)
def test_bars_keep_to_their_room(values: list[float], width: int) -> None:
    """No bar is wider than its room."""
    result = text(bars([Bar(f"input {i}", v, f"{v:+.1e}") for i, v in enumerate(values)], width))
    assert len(result) == len(values) and all(len(line) <= width for line in result)


def test_a_bar_is_drawn_to_an_eighth_of_a_cell() -> None:
    """Of eight cells for the longest, the others end in the block of their eighths; what is positive is visible."""
    lines = text(bars([Bar("a", 8, "8"), Bar("b", 4.25, "4"), Bar("c", 1.875, "2"), Bar("d", 1e-9, "0")], 14))
    assert [line.partition("│")[2].split(" ")[0] for line in lines] == ["█" * 8, "████▎", "█▉", "▏"]


def test_negative_bars_end_at_the_common_zero() -> None:
    """The hatched bar is directly left of the line of zero, with blanks before it."""
    lines = text(bars([Bar("a", -4, "-4"), Bar("b", -2, "-2"), Bar("c", 4, "4")], 40))
    assert len({line.index("│") for line in lines}) == 1
    assert all(line.partition("│")[0].endswith("░") for line in lines[:2]) and lines[0].count("░") == 2 * lines[1].count("░")
