"""What is sent of a frame: no cell that the terminal shows already, and every cell that it does not."""

from __future__ import annotations

import pyte
from hypothesis import given
from hypothesis import strategies as st
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style

from tui.terminal.encode import by_style, encode
from tui.terminal.shown import Shown

WIDTH = 12
STYLES = (Style.parse("#dadada on #121212"), Style.parse("bold #5fafff on #121212"), Style.parse("#01fe02 on #121212"))
RUN = st.tuples(st.text("ab 語é", min_size=1, max_size=4), st.sampled_from(STYLES))
LINES = st.lists(st.lists(RUN, max_size=5), min_size=1, max_size=4)


def segments(line: list[tuple[str, Style]]) -> list[Segment]:
    """A line as segments of exactly the width."""
    return list(Segment.adjust_line_length([Segment(text, style) for text, style in line], WIDTH, STYLES[0]))


@given(LINES)
def test_the_terminal_ends_up_showing_the_frame(frames: list[list[tuple[str, Style]]]) -> None:
    """Whatever stood there, after each frame the terminal shows it, wide characters included, and a frame shown again costs nothing."""
    shown = Shown()
    shown.fit(WIDTH, 1)
    screen = pyte.Screen(WIDTH, 1)
    stream = pyte.Stream(screen)
    for frame in frames:
        line = segments(frame)
        stream.feed(encode(by_style(shown.differing(0, 0, line)), ColorSystem.TRUECOLOR, WIDTH))
        expected = "".join(segment.text for segment in line)
        assert "".join(screen.buffer[0][x].data for x in range(WIDTH)) == expected
        assert shown.differing(0, 0, line) == []


def test_a_screen_of_another_size_or_written_over_is_sent_whole() -> None:
    """Nothing is believed to be shown after a resize, or after something else wrote to the terminal."""
    line = segments([("abc", STYLES[0])])
    shown = Shown()
    shown.fit(WIDTH, 1)
    shown.differing(0, 0, line)
    shown.fit(WIDTH, 1)
    assert shown.differing(0, 0, line) == []
    shown.forget()
    assert "".join(text for _, _, text, _ in shown.differing(0, 0, line)) == "abc".ljust(WIDTH)
    shown.fit(WIDTH, 2)
    assert "".join(text for _, _, text, _ in shown.differing(1, 0, line)) == "abc".ljust(WIDTH)


def test_colours_that_the_256_hold_go_by_number() -> None:
    """A colour of xterm's cube or greys is sent as its number, which every such terminal shows alike; others in full."""
    sent = encode([(0, 0, "a", STYLES[0]), (0, 1, "b", STYLES[2])], ColorSystem.TRUECOLOR, WIDTH)
    assert "38;5;253" in sent
    assert "48;5;233" in sent
    assert "38;2;1;254;2" in sent


def test_a_change_in_the_middle_of_a_line_is_sent_at_its_column() -> None:
    """The piece is the cells that differ, at the column where they are on the screen."""
    shown = Shown()
    shown.fit(WIDTH, 1)
    shown.differing(0, 0, segments([("abcdefghijkl", STYLES[0])]))
    assert shown.differing(0, 4, [Segment("eXgh", STYLES[0])]) == [(0, 5, "X", STYLES[0])]
