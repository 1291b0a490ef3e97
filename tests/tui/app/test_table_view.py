"""TableView: sorting, filters and columns of the table."""

from __future__ import annotations

import pytest

from tests.tui.driving import Driver, drive
from tests.tui.fake import fake_search, made_up
from tui.state.view import View

__all__ = ["made_up"]
pytestmark = pytest.mark.usefixtures("made_up")


def test_another_column_sorts_with_its_best_value_first() -> None:
    """The reversed order of the last column does not apply to the next one; the filter does."""

    async def play(it: Driver) -> None:
        ranking = it.program.ranking
        ranking.look_at(View(filter="tp<=8"))
        await it.press("S")
        assert ranking.view == View(reverse=True, filter="tp<=8")
        await it.press("s")
        await it.type("mfu")
        assert ranking.view == View("mfu", filter="tp<=8")

    drive(play, search=fake_search)


def test_plans_that_do_not_fit_are_shown_under_the_same_filter() -> None:
    """The key switches between both sets of plans; the filter stays, the order is the natural one."""

    async def play(it: Driver) -> None:
        ranking = it.program.ranking
        ranking.look_at(View("mfu", True, "tp<=8"))
        await it.press("exclamation_mark")
        assert ranking.view == View(filter="tp<=8", unfit=True)
        await it.press("exclamation_mark")
        assert ranking.view == View(filter="tp<=8")

    drive(play, search=fake_search)


def test_the_prompt_for_a_filter_offers_the_present_one() -> None:
    """It can be edited further; spaces around its terms are not part of it; a wrong one is refused and the plans stay."""

    async def play(it: Driver) -> None:
        await it.press("slash")
        await it.type("tp=2   pp>1 ")
        assert it.program.ranking.view.filter == "tp=2 pp>1"
        await it.press("slash")
        assert it.foot.prompt is not None and it.foot.prompt.edit.text == "tp=2 pp>1"
        await it.type(" q")
        assert it.foot.prompt is not None and it.program.ranking.view.filter == "tp=2 pp>1"
        await it.press("escape", "slash", "ctrl+u", "enter")
        assert it.program.ranking.view == View()

    drive(play, search=fake_search)


def test_a_column_is_added_after_the_others_and_removed_again() -> None:
    """The first choice adds to the default columns; the same choice removes; the default columns come back by the entry for them."""

    async def play(it: Driver) -> None:
        view, table = it.program.view, it.table
        default = view._shown()
        view._toggle("host_gib")
        assert table.chosen_columns == (*default, "host_gib")
        view._toggle("tp")
        assert table.chosen_columns == (*default[1:], "host_gib")
        choices = dict(view._toggle("host_gib"))
        assert table.chosen_columns == default[1:] and choices["pp"].startswith("✓") and not choices["tp"].startswith("✓")
        view._toggle("default")
        assert table.chosen_columns == ()

    drive(play, search=fake_search)
