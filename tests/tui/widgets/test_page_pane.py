"""A page in a scrolled pane: its lines for a width, its position, its search."""

from __future__ import annotations

import pytest

from tests.tui.widgets.unmounted import Resize, plain, resize
from tui.draw.lines import Line, LinePane
from tui.widgets.page_pane import PagePane

__all__ = ["resize"]
HAYSTACK = [f"line {i}" + (" needle" if i in (2, 7, 15) else "") for i in range(20)]


def drawing(content: list[str], width: int) -> list[Line]:
    """Lines that end with the width they are drawn for."""
    return [[(f" {text}", "text"), (f" w{width}", "dim")] for text in content]


@pytest.fixture
def pane(resize: Resize) -> PagePane:
    """A page of twenty lines in a pane of ten, below a title line."""
    resize(60, 11)
    pane = PagePane("detail")
    pane.turn("step")
    pane.put(drawing, HAYSTACK)
    return pane


def test_a_page_scrolls_up_to_its_last_screenful(pane: PagePane) -> None:
    """The title has the numbers of the first and last lines in view; scrolling stops at both ends."""
    assert "step by part" in pane.lines()[0] and "1-10 of 20" in pane.lines()[0] and "line 0" in pane.lines()[1]
    pane.move(3)
    assert "4-13 of 20" in pane.lines()[0] and "line 3" in pane.lines()[1]
    pane.move(99)
    assert pane.top == 10 and "11-20 of 20" in pane.lines()[0]
    pane.move(-99)
    assert pane.top == 0


def test_a_search_goes_from_match_to_match_and_around(pane: PagePane) -> None:
    """Each search continues after the last match, and after the last of the page with the first."""
    matches = []
    for _ in range(4):
        assert pane.find("NEEDLE")
        matches.append(pane.at_find)
    assert matches == [2, 7, 15, 2] and pane.top == 2
    assert not pane.find("nowhere") and pane.at_find == 2


def test_another_page_starts_at_its_top_and_empty(pane: PagePane) -> None:
    """A turn to another page shows none of the last one, and searches from its start; a turn to the same page changes nothing."""
    pane.move(5)
    pane.find("needle")
    pane.turn("step")
    assert (pane.top, pane.at_find) != (0, -1)
    pane.turn("memory")
    assert (pane.top, pane.at_find) == (0, -1) and not any(plain(line).strip() for line in pane.content(60))


def test_lines_are_drawn_again_for_another_width_and_another_content(pane: PagePane) -> None:
    """The lines shown are those of the present width and of the newest content, never drawn for less than 56 cells."""
    assert plain(pane.content(60)[0]) == " line 0 w60"
    assert plain(pane.content(70)[0]) == " line 0 w70" and plain(pane.content(40)[0]) == " line 0 w56"
    assert len(pane.content(60)) == 20
    pane.put(drawing, ["another"])
    assert [plain(line) for line in pane.content(60)] == [" another w60"]


def test_a_message_takes_the_place_of_the_page(pane: PagePane) -> None:
    """A refusal has a cross; while a page is computed the title says so and the page before stays."""
    pane.wait()
    assert "working …" in pane.lines()[0] and "line 0" in pane.lines()[1]
    pane.show_message("there is none", "bad")
    assert pane.lines()[1].startswith(" ✗ there is none") and "working" not in pane.lines()[0]


def test_without_a_title_the_position_takes_the_last_row(pane: PagePane, resize: Resize, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a narrow screen a page that is too long has its position below; one that fits takes every row."""
    monkeypatch.setattr(LinePane, "titled", False)
    assert pane.body == 10 and [plain(line) for line in pane.draw(60, 11)][-1] == " 1-10 of 20"
    resize(60, 20)
    assert pane.body == 20 and len(list(pane.draw(60, 20))) == 20
