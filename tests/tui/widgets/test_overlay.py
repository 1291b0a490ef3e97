"""Scrolled text over the panes, and the help as one."""

from __future__ import annotations

import pytest

from tests.tui.widgets.unmounted import Resize, plain, press, resize
from tui.draw.lines import Line
from tui.widgets.overlay import Overlay

__all__ = ["resize"]


class Lines(Overlay):
    """Thirty lines."""

    def content(self, width: int) -> list[Line]:
        return [[(f"line {i}", "text")] for i in range(30)]


@pytest.fixture
def overlay(resize: Resize) -> Lines:
    """Thirty lines in a frame of ten."""
    resize(60, 12)
    return Lines("help")


def test_keys_scroll_by_lines_pages_and_to_the_ends(overlay: Lines) -> None:
    """Each key moves the first line in view; a page keeps one line of the last; the last line is never above the bottom."""
    tops = []
    for name in ("down", "j", "up", "k", "pagedown", "space", "pageup", "up", "G", "down", "g", "up", "end", "home"):
        assert press(overlay, name) == [False]
        tops.append(overlay.top)
    assert tops == [1, 2, 1, 0, 9, 18, 9, 8, 20, 20, 0, 0, 20, 0]
    press(overlay, "end")
    assert "line 29" in overlay.lines()[-2]


def test_only_the_keys_that_leave_close_it(overlay: Lines) -> None:
    """Escape, q and enter close it, other keys do not."""
    assert press(overlay, "escape", "q", "enter", "x", "left") == [True, True, True, False, False]


def test_every_line_is_as_wide_as_the_frame(overlay: Lines) -> None:
    """The frame is closed at the right on every line, title included."""
    lines = [plain(line) for line in overlay.draw(60, 12)]
    assert {len(line) for line in lines} == {60} and {line[-1] for line in lines} == {"╮", "│", "╯"}
