"""The bytes of a screen update: cursor moves, style changes, and what a terminal makes of them."""

from __future__ import annotations

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.color import ColorSystem
from rich.style import Style

from tui.terminal.encode import _change, _move, by_style, cells, encode

WIDTH, HEIGHT = 12, 3
PLAIN, BOLD = Style.parse("#dadada on #121212"), Style.parse("bold #dadada on #121212")
TEXTS = st.text("abc", min_size=1, max_size=4)
PIECES = st.lists(st.tuples(st.integers(0, HEIGHT - 1), st.integers(0, WIDTH - 4), TEXTS, st.sampled_from([PLAIN, BOLD])), max_size=6)


def shown(sent: str) -> list[list[tuple[str, bool]]]:
    """The cells of a terminal after an update: characters, and whether they are bold."""
    screen = pyte.Screen(WIDTH, HEIGHT)
    screen.reset_mode(7)
    pyte.Stream(screen).feed(sent)
    return [[(screen.buffer[y][x].data, screen.buffer[y][x].bold) for x in range(WIDTH)] for y in range(HEIGHT)]


@given(PIECES)
def test_every_piece_is_drawn_at_its_place(pieces: list[tuple[int, int, str, Style]]) -> None:
    """In order, later pieces over earlier ones; no other cell changes."""
    expected = [[(" ", False)] * WIDTH for _ in range(HEIGHT)]
    for y, x, text, style in pieces:
        expected[y][x : x + len(text)] = [(char, bool(style.bold)) for char in text]
    assert shown(encode(list(pieces), ColorSystem.TRUECOLOR, WIDTH)) == expected


def test_after_the_last_column_the_cursor_is_moved_by_its_place() -> None:
    """Terminals differ in where the cursor is after the last column, so the next piece is placed by row and column."""
    sent = encode([(0, WIDTH - 1, "a", PLAIN), (1, 2, "b", PLAIN)], ColorSystem.TRUECOLOR, WIDTH)
    assert "\x1b[2;3H" in sent and "\x1b[B" not in sent


@pytest.mark.parametrize(
    ("at", "to", "sent"),
    [
        (None, (0, 0), "\x1b[1;1H"), (None, (2, 7), "\x1b[3;8H"), ((2, 3), (2, 4), "\x1b[C"), ((2, 3), (2, 8), "\x1b[5C"),
        ((2, 3), (3, 3), "\x1b[B"), ((2, 3), (2, 1), "\b\b"), ((2, 9), (2, 1), "\x1b[8D"), ((2, 3), (1, 3), "\x1b[2;4H"),
    ],
)  # fmt: skip
def test_the_cursor_takes_the_shortest_way(at: tuple[int, int] | None, to: tuple[int, int], sent: str) -> None:
    """Relative to where it is, or by its place where that is shorter or unknown."""
    assert _move(at, *to) == sent


def test_a_change_of_style_sends_what_differs() -> None:
    """Bold on and off, a colour that changes, and a reset where a colour is dropped."""
    plain, bold, other, none = ("", "38;5;1", "48;5;2"), ("1", "38;5;1", "48;5;2"), ("", "38;5;3", "48;5;2"), ("", "", "")
    assert [_change(*pair) for pair in ((plain, bold), (bold, plain), (plain, other))] == ["\x1b[1m", "\x1b[22m", "\x1b[38;5;3m"]
    assert _change(plain, none) == "\x1b[0m" and _change(None, bold) == "\x1b[0;1;38;5;1;48;5;2m"


def test_a_wide_character_has_two_cells() -> None:
    """The second is empty, so that columns are counted as the terminal counts them."""
    assert cells([("a語b", 1), ("c", 2)]) == [("a", 1), ("語", 1), ("", 1), ("b", 1), ("c", 2)]


def test_pieces_of_a_style_are_grouped_in_their_order() -> None:
    """Styles in the order in which they first occur, and within each the order given."""
    pieces = [(0, 0, "a", PLAIN), (0, 1, "b", BOLD), (1, 0, "c", PLAIN)]
    assert [text for _, _, text, _ in by_style(list(pieces))] == ["a", "c", "b"]
