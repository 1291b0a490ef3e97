"""The plans table: its cursor follows the plan, its rows are made only when seen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.tui.driving import Driver, drive
from tests.tui.fake import FakeResult, fake_search
from tui.state.view import View


def test_the_cursor_stays_on_its_plan_when_rows_change() -> None:
    """Another sequence re-ranks the plans; the cursor is still on the plan it was put on."""

    async def play(it: Driver) -> None:
        await it.press(*["down"] * 5)
        plan = it.table.plan
        await it.field("sequence", "2k")
        assert it.table.plan == plan

    drive(play)


def test_a_plan_that_no_longer_fits_is_reported() -> None:
    """When the plan under the cursor leaves the table the cursor goes to the best, and a sentence says why."""

    async def play(it: Driver) -> None:
        await it.press(*["down"] * 5)
        assert it.table.plan is not None
        await it.field("micro_batch", str(2 * it.table.plan.micro_batch))
        assert it.table.at == 0
        assert "the plan the cursor was on" in it.text()

    drive(play)


def test_the_cursor_stays_on_its_plan_when_the_order_changes() -> None:
    """Reversing and sorting move the rows below the cursor, not the cursor off its plan."""

    async def play(it: Driver) -> None:
        await it.press(*["down"] * 3)
        plan = it.table.plan
        for keys in (("S",), ("s", *"mem", "enter"), ("S",)):
            await it.press(*keys)
            assert it.table.plan == plan

    drive(play)


def test_a_cursor_never_moved_keeps_to_the_best_plan() -> None:
    """Who has not chosen a plan sees the first of every new ranking."""

    async def play(it: Driver) -> None:
        await it.field("sequence", "8k")
        assert it.table.at == 0

    drive(play)


def test_a_plan_that_comes_back_gets_the_cursor_back() -> None:
    """A plan that a filter hides has the cursor again when the filter goes."""

    async def play(it: Driver) -> None:
        await it.press(*["down"] * 4)
        plan = it.table.plan
        assert plan is not None
        await it.press("slash")
        await it.type(f"tp!={plan.tp}")
        assert it.table.plan != plan
        await it.press("slash", "ctrl+u", "enter")
        assert it.table.plan == plan

    drive(play)


@pytest.mark.slow
def test_sorting_by_every_column_orders_the_rows() -> None:
    """Whatever column is chosen, its values stand in order, the best first; S turns them round."""
    from planner.report.columns import BY_KEY, COLUMNS

    async def play(it: Driver) -> None:
        for column in COLUMNS:
            for reverse in (False, True):
                it.program.ranking.look_at(View(sort=column.key, reverse=reverse))
                await it.ready()
                result = it.table.result
                assert result is not None
                values = np.asarray(BY_KEY[column.key].values(result.estimate(it.table.rows)), dtype=float)
                steps = np.diff(values) * (1 if column.ascending != reverse else -1)
                assert (steps >= -1e-9 * np.abs(values).max()).all(), (column.key, reverse)

    drive(play)


def test_a_filter_shows_the_plans_that_pass() -> None:
    """Every row passes every term, and no plan that passes is left out."""

    async def play(it: Driver) -> None:
        everything = it.table.rows
        await it.press("slash")
        await it.type("mem<60 tp=2,4 recompute=full")
        result, rows = it.table.result, it.table.rows
        assert result is not None
        estimate = result.estimate(everything)
        passing = (estimate.memory < 60 * 2**30) & np.isin(estimate.plan.tp, (2, 4)) & (estimate.plan.recompute == 2)
        assert sorted(rows.tolist()) == sorted(everything[passing].tolist())
        assert "filter mem<60 tp=2,4 recompute=full" in it.text()

    drive(play)


def test_a_filter_that_cannot_be_read_stays_to_be_mended() -> None:
    """The prompt stays open with the text and a sentence."""

    async def play(it: Driver) -> None:
        await it.press("slash")
        await it.type("memm<60")
        assert "no column is called 'memm'" in it.text()
        assert it.foot.prompt is not None
        await it.press("escape")
        assert it.foot.prompt is None
        assert it.program.ranking.view.filter == ""

    drive(play)


def test_plans_that_do_not_fit_are_shown_with_what_is_too_much() -> None:
    """! shows only plans over the limit, the least over first, in an extra column."""

    async def play(it: Driver) -> None:
        await it.press("exclamation_mark")
        table = it.table
        assert table.result is not None
        assert not table.result.fits[table.rows].any()
        assert (np.diff(table.result.memory_bytes[table.rows]) >= 0).all()
        assert "Over" in it.text()
        assert "+" in it.plans[0]
        await it.press("exclamation_mark")
        assert table.result.fits[table.rows].all()

    drive(play)


def test_only_rows_in_view_are_estimated() -> None:
    """However many plans there are, the table evaluates those it shows."""
    evaluated: list[int] = []

    class Counting(FakeResult):
        def estimate(self, rows: Any) -> Any:
            evaluated.append(len(rows))
            return super().estimate(rows)

    async def play(it: Driver) -> None:
        evaluated.clear()
        await it.press("G", "g", "pagedown")
        assert sum(evaluated) <= 3 * it.table.body

    drive(play, search=lambda job, space, **_: Counting(job, space), size=(120, 24))


def test_moving_repaints_only_the_lines_that_changed() -> None:
    """One step of the cursor paints the line it left and the line it came to, and no other line of the table."""

    async def play(it: Driver) -> None:
        table = it.table
        before = list(table._lines)
        await it.press("down")
        changed = [i for i, (a, b) in enumerate(zip(before, table._lines, strict=True)) if a != b]
        assert changed == [2, 3]

    drive(play, search=fake_search)


def test_every_column_is_reached_on_a_narrow_screen() -> None:
    """Left and right show the columns that have no room."""

    async def play(it: Driver) -> None:
        assert "MFU" not in it.table.lines()[0]
        await it.press(*["right"] * 6)
        assert "MFU" in it.table.lines()[0]
        await it.press(*["left"] * 9)
        assert "TP" in it.table.lines()[0]

    drive(play, size=(60, 20), search=fake_search)
