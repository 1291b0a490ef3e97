"""Pins: plans marked, counted and compared."""

from __future__ import annotations

import pytest

from tests.tui.driving import Driver, drive
from tests.tui.fake import fake_search, made_up

__all__ = ["made_up"]
pytestmark = pytest.mark.usefixtures("made_up")


def test_a_plan_is_pinned_and_unpinned_by_the_same_key() -> None:
    """The pin is at its row at once, the message counts the pins, and the second press removes it."""

    async def play(it: Driver) -> None:
        await it.press("down", "m", "down", "m")
        assert it.table.pins == tuple(it.program.pins.plans) and len(it.table.pins) == 2 and "2 plans" in it.foot.message
        assert "".join(it.table.lines()).count("◆") == 1 and "◈" in "".join(it.table.lines())
        await it.press("m")
        assert it.foot.message == "unpinned; 1 plan left" and len(it.table.pins) == 1 and "◈" not in "".join(it.table.lines())
        await it.press("up", "m")
        assert it.foot.message == "unpinned; none is left" and it.table.pins == ()

    drive(play, search=fake_search)


def test_an_open_comparison_follows_the_pins() -> None:
    """A pin changes the plans of the comparison that is open."""

    async def play(it: Driver) -> None:
        await it.press("down", "down", "c")
        assert "pins others" in it.foot.message and "There is no other plan" not in "".join(it.detail.lines())
        await it.press("m")
        assert "There is no other plan" in "".join(it.detail.lines())

    drive(play, search=fake_search)
