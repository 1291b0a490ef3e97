"""Navigation: the cursor goes to the line, field or pane that its key names."""

from __future__ import annotations

import pytest

from tests.tui.driving import Driver, drive
from tests.tui.fake import fake_search, made_up
from tui.terminal.layout import FORMS, PANES

__all__ = ["made_up"]
pytestmark = pytest.mark.usefixtures("made_up")


def test_tab_goes_through_the_panes_in_their_order() -> None:
    """From the plans tab goes to the detail, shift and tab back and on to the form before them."""

    async def play(it: Driver) -> None:
        panes = []
        for key in ("tab", "shift+tab", "shift+tab"):
            await it.press(key)
            panes.append(it.pane)
        assert panes == ["detail", "plans", "batch"]
        for number, pane in enumerate(PANES, 1):
            await it.press(str(number))
            assert it.pane == pane

    drive(play, search=fake_search)


def test_tab_goes_over_the_edge_of_a_form() -> None:
    """After its last field comes the first of the next form; before its first field the last of the form before."""

    async def play(it: Driver) -> None:
        await it.press("2", "g", "shift+tab")
        assert (it.pane, it.active_form.at) == ("cluster", len(it.active_form.entries) - 1)
        await it.press("tab")
        assert (it.pane, it.active_form.at) == ("model", 0)
        await it.press("tab", "shift+tab")
        assert (it.pane, it.active_form.at) == ("model", 0)

    drive(play, search=fake_search)


def test_the_detail_follows_the_cursor() -> None:
    """After each move of the cursor the detail is of the plan under it."""

    async def play(it: Driver) -> None:
        for key in ("down", "down", "up", "pagedown", "G", "g"):
            await it.press(key)
            assert it.detail.plan == it.table.plan

    drive(play, search=fake_search)


def test_a_page_is_the_rows_of_the_pane_but_one() -> None:
    """A page down leaves one row of the last page in view, in the plans, in the detail and in a form; a page up goes back."""

    async def play(it: Driver) -> None:
        await it.press("pagedown")
        assert it.table.at == it.table.body - 1
        await it.press("pageup", "5", "pagedown")
        assert it.table.at == 0 and it.detail.top == it.detail.body - 1 != it.table.body - 1
        await it.press("pageup")
        assert it.detail.top == 0
        await it.press("3", "g", "pagedown")
        assert it.active_form.at == min(it.active_form.size.height, len(it.active_form.entries)) - 1
        assert it.pane in FORMS

    drive(play, search=fake_search, size=(120, 30))
