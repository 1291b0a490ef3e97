"""Palette: a command by its name, in a pane where it applies."""

from __future__ import annotations

import pytest

from tests.tui.driving import Driver, drive
from tests.tui.fake import fake_search, made_up

__all__ = ["made_up"]
pytestmark = pytest.mark.usefixtures("made_up")


def test_a_command_is_done_in_a_pane_where_it_applies() -> None:
    """A command of the plans chosen in a form goes to the plans; one that applies everywhere stays in its pane."""

    async def play(it: Driver) -> None:
        await it.press("3", "colon")
        await it.type("more-columns")
        assert it.pane == "plans" and it.table.first == 1
        await it.press("colon")
        await it.type("free")
        assert it.pane == "batch"
        await it.press("colon")
        await it.type("reverse")
        assert it.pane == "batch" and it.program.ranking.view.reverse

    drive(play, search=fake_search)
