"""Drawing: what is sent after a change makes the terminal show just what a whole paint would."""

from __future__ import annotations

import pyte
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.color import ColorSystem
from rich.style import Style

from tui.draw.lines import changes, fit, rule, wrap
from tui.terminal.encode import Piece, by_style, encode

WIDTH, HEIGHT = 30, 4
ROLES = {
    "a": Style(),
    "b": Style.parse("bold #ff0000 on #101010"),
    "c": Style.parse("#00ff00 on #101010"),
    "d": Style.parse("reverse"),
    "e": Style.parse("blue"),
}
RUNS = st.lists(st.tuples(st.text(alphabet="abc XYZ█·", max_size=12), st.sampled_from(sorted(ROLES))), max_size=6)
SCREENS = st.lists(RUNS, min_size=HEIGHT, max_size=HEIGHT)


def painted(screen: pyte.Screen) -> list[list[tuple[str, str, str, bool, bool]]]:
    """Every cell of a terminal: its character and how it looks."""
    return [[(c.data, c.fg, c.bg, c.bold, c.reverse) for c in (screen.buffer[y][x] for x in range(WIDTH))] for y in range(HEIGHT)]


@settings(max_examples=150, deadline=None)
@given(before=SCREENS, after=SCREENS, grouped=st.booleans())
def test_an_update_makes_the_screen_what_a_whole_paint_would(
    before: list[list[tuple[str, str]]], after: list[list[tuple[str, str]]], grouped: bool
) -> None:
    """Sending the spans that differ, in whatever order, gives the same cells as sending everything."""
    old, new = ([fit(line, WIDTH) for line in lines] for lines in (before, after))
    whole, partly = pyte.Screen(WIDTH, HEIGHT), pyte.Screen(WIDTH, HEIGHT)

    def send(screen: pyte.Screen, lines: list[list[tuple[str, str]]], spans: list[list[tuple[int, int]]]) -> None:
        result: list[Piece] = []
        for y, line in enumerate(lines):
            cells = [(char, ROLES[role]) for text, role in ((t, r if r in ROLES else "a") for t, r in line) for char in text]
            for x1, x2 in spans[y]:
                result += [(y, x, *cells[x]) for x in range(x1, x2)]
        screen.reset_mode(7)  # as Textual does: no wrapping at the edge
        pyte.Stream(screen).feed(encode(by_style(result) if grouped else result, ColorSystem.TRUECOLOR, WIDTH))

    everything = [[(0, WIDTH)] for _ in range(HEIGHT)]
    send(whole, new, everything)
    send(partly, old, everything)
    send(partly, new, [changes(a, b) for a, b in zip(old, new, strict=True)])
    assert painted(partly) == painted(whole)


@given(RUNS, st.integers(1, 60))
def test_a_line_is_cut_or_padded_to_its_width(line: list[tuple[str, str]], width: int) -> None:
    """Whatever is drawn takes the cells there are, no more and no fewer."""
    assert sum(cell_len(text) for text, _ in fit(line, width)) == width


def test_equal_lines_cost_nothing() -> None:
    """What did not change is not sent."""
    line = fit([("some text", "a")], WIDTH)
    assert changes(line, line) == []
    assert encode([], ColorSystem.TRUECOLOR, WIDTH) == ""


def test_neighbours_of_one_style_share_its_sequence() -> None:
    """A style is sent once for all the runs that have it, and a colour that stays is not sent again."""
    style, other = Style.parse("#01fe02 on #101010"), Style.parse("#fe0102 on #101010")
    sent = encode(by_style([(0, 0, "a", style), (1, 0, "b", other), (2, 0, "c", style)]), ColorSystem.TRUECOLOR, WIDTH)
    assert sent.count("38;2;1;254;2") == 1
    assert sent.count("48;2;16;16;16") == 1


@given(st.text(alphabet="ab ", max_size=80), st.integers(5, 40))
def test_wrapping_loses_no_word(text: str, width: int) -> None:
    """A wrapped sentence has the words it had."""
    assert " ".join(wrap(text, width)).split() == text.split()


@given(st.integers(12, 90), st.booleans())
def test_a_rule_is_as_wide_as_its_pane(width: int, current: bool) -> None:
    """The line above a pane fills it, note or no note."""
    assert sum(cell_len(text) for text, _ in fit(rule("4", "plans", "1-22 of 753,959", current, width), width)) == width
