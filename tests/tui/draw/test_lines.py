"""Drawing: what is sent after a change makes the terminal show just what a whole paint would."""

from __future__ import annotations

import pyte
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.color import ColorSystem
from rich.style import Style
from textual.geometry import Region

from tests.tui.widgets.unmounted import Resize, resize
from tui.draw.lines import Line, LinePane, changes, fit, rule, wrap
from tui.terminal.encode import Piece, by_style, encode

__all__ = ["resize"]
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


def test_a_cut_line_ends_with_an_ellipsis_in_its_last_cell() -> None:
    """Of a text too long the last cell is the ellipsis; a text that just fits is whole; equal roles are one run."""
    assert fit([("abcdef", "a")], 4) == [("abc…", "a")] and fit([("abcd", "a")], 4) == [("abcd", "a")]
    assert fit([("ab", "a"), ("c", "a"), ("d", "b")], 6) == [("abc", "a"), ("d", "b"), ("  ", "text")]


def test_a_sentence_is_wrapped_where_the_next_word_has_no_room() -> None:
    """A line takes a word whose last character is in the last cell, and no more."""
    assert wrap("ab cd ef", 5) == ["ab cd", "ef"] and wrap("ab cd ef", 4) == ["ab", "cd", "ef"] and wrap("ab cd ef", 8) == ["ab cd ef"]


def test_the_spans_of_a_change_are_its_cells() -> None:
    """Runs that did not change are counted; changes far apart are two spans, changes near one another are one."""
    old, new = [("abc", "a"), ("d" * 20, "b")], [("abc", "a"), ("x" + "d" * 18 + "y", "b")]
    assert changes(old, new) == [(3, 4), (22, 23)]
    assert changes([("abcde", "a")], [("xbcdy", "a")]) == [(0, 5)]


def test_a_note_on_a_rule_is_left_out_where_it_has_no_room() -> None:
    """The note ends one cell before the edge; where it would touch the title it is gone, and the line still fills the pane."""
    lines = {width: "".join(text for text, _ in fit(rule("4", "plans", "1-22 of 90", False, width), width)) for width in (23, 24, 40)}
    assert lines[40].endswith(" 1-22 of 90 ─") and lines[24].endswith("─ 1-22 of 90 ─") and "of" not in lines[23]
    assert all(len(line) == width for width, line in lines.items())


class Pane(LinePane):
    """Lines of text."""

    shown: tuple[str, ...] = ("first line", "second line", "third line")

    def draw(self, width: int, height: int) -> list[Line]:
        return [[(text, "title-on" if self.current else "text")] for text in self.shown]


@pytest.fixture
def repainted(resize: Resize, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Region, ...]]:
    """The regions of each repaint of a pane; none: all of it."""
    calls: list[tuple[Region, ...]] = []
    monkeypatch.setattr(LinePane, "refresh", lambda self, *regions: calls.append(regions))
    resize(30, 3)
    return calls


def test_only_the_cells_that_changed_are_painted(repainted: list[tuple[Region, ...]]) -> None:
    """The first drawing paints the pane, a later one the cells that differ, none where nothing does."""
    pane = Pane()
    pane.redraw()
    pane.redraw()
    assert repainted == [()]
    pane.shown = ("first line", "second LINE", "third line")
    pane.redraw()
    assert repainted[1:] == [(Region(7, 1, 4, 1),)] and pane.lines()[1].rstrip() == "second LINE"


def test_a_pane_of_another_size_is_painted_whole(repainted: list[tuple[Region, ...]], resize: Resize) -> None:
    """After a change of the height or the width every cell is painted."""
    pane = Pane()
    for size in ((30, 3), (30, 2), (20, 2)):
        resize(*size)
        pane.redraw()
    assert repainted == [(), (), ()]


def test_a_pane_that_gets_the_keyboard_is_drawn_again(repainted: list[tuple[Region, ...]]) -> None:
    """The marks of the pane with the keyboard are painted once it has it, and only once."""
    pane = Pane()
    pane.redraw()
    pane.focus_on(True)
    pane.focus_on(True)
    assert pane.current and len(repainted) == 2
