"""The plans table: its cursor follows the plan, its rows are made only when seen."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from planner.document.inputs import resolve
from planner.document.space import Space
from planner.report.columns import BY_KEY
from tests.tui.driving import SMALL, Driver, drive
from tests.tui.fake import FakeResult, fake_search
from tests.tui.widgets.unmounted import Resize, resize
from tui.state.before import Before
from tui.state.view import View, ranked
from tui.widgets.table import Table

__all__ = ["resize"]


@pytest.fixture
def result() -> Any:
    """Made-up plans."""
    return FakeResult(resolve(SMALL.inputs), Space())


@pytest.fixture
def table(resize: Resize, result: Any) -> Table:
    """A table of made-up plans with room for twelve rows."""
    resize(120, 14)
    table = Table()
    look_at(table, result)
    return table


def look_at(table: Table, result: Any, view: View | None = None) -> None:
    """Show the plans of a result in a view, and draw them."""
    table.show(result, ranked(result, view or View()), view or View())


def test_a_step_over_an_edge_scrolls_by_a_third_of_the_page(table: Table) -> None:
    """Of twelve rows a step below the last scrolls by four, a step above the first by four; a jump scrolls no further than it must."""
    for _ in range(11):
        table.move(1)
    assert (table.at, table.top) == (11, 0)
    table.move(1)
    assert (table.at, table.top) == (12, 4)
    table.move(11)
    assert (table.at, table.top) == (23, 12)
    table.move(-11)
    assert (table.at, table.top) == (12, 12)
    table.move(-1)
    assert (table.at, table.top) == (11, 8)
    table.move(-11)
    assert (table.at, table.top) == (0, 0)


def test_the_cursor_stops_at_both_ends(table: Table) -> None:
    """Beyond the last row and before the first there is nothing to move to."""
    table.move(10_000)
    assert table.at == len(table.rows) - 1 and table.plan is not None
    table.move(-10_000)
    assert table.at == 0


def test_the_title_has_the_rows_in_view_and_letters_go_to_them(table: Table) -> None:
    """The first and last row in view, counted from one, of all; a jump has a place for each of them."""
    assert f"1-12 of {len(table.rows)} " in table.lines()[0] and table.in_view() == list(range(12))
    table.move(12)
    assert f"2-13 of {len(table.rows)} " in table.lines()[0] and table.in_view() == list(range(1, 13))


def test_plans_as_fast_as_the_first_are_named_only_in_their_natural_order(table: Table, result: Any) -> None:
    """The title counts them where all plans stand fastest first; under a filter, reversed or sorted otherwise it does not."""
    assert "the first 3 too close" in table.lines()[0]
    for view in (View(filter="pp=1"), View(reverse=True), View(sort="memory_gib")):
        look_at(table, result, view)
        assert "plans" in table.lines()[0] and "too close" not in table.lines()[0], view


def test_a_plan_is_chosen_by_moving_to_it_but_not_by_the_first_row(table: Table, result: Any) -> None:
    """The cursor follows a plan that the user moved to; on the first row it stays there whatever the order is."""
    table.move(3)
    chosen = table.plan
    look_at(table, result, View(reverse=True))
    assert chosen is not None and table.plan == chosen == table.chosen and table.at == len(table.rows) - 4
    table.move(-10_000)
    assert table.chosen is None
    look_at(table, result)
    assert table.at == 0


def test_the_arrow_at_the_sorted_column_points_the_way_of_its_values(table: Table, result: Any) -> None:
    """Up where values grow downwards from the smallest, down where from the largest, for columns of both kinds."""
    for key, reverse, arrow in (("step_seconds", False, "↑"), ("step_seconds", True, "↓"), ("mfu", False, "↓"), ("mfu", True, "↑")):
        view = View(sort=key, reverse=reverse)
        look_at(table, result, view)
        values = np.asarray(BY_KEY[key].values(result.estimate(table.rows)))
        assert (values[0] < values[-1]) == (arrow == "↑")
        assert f"{BY_KEY[key].heading}{arrow}" in table.lines()[1]


def test_columns_scroll_right_and_back(table: Table) -> None:
    """Each step hides one more column at the left; at both ends it stops."""
    first = table.lines()[1].split()[0]
    table.scroll_columns(1)
    assert table.lines()[1].split()[0] != first
    table.scroll_columns(-5)
    assert table.lines()[1].split()[0] == first
    table.scroll_columns(1000)
    assert len(table.lines()[1].split()) == 1


def test_memory_is_marked_where_it_does_not_fit(table: Table, result: Any) -> None:
    """The memory of plans that fit has its own colour, that of the others the colour of what is wrong."""

    def roles_of_rows() -> set[str]:
        drawn = list(table.draw(120, 14))[2:]
        return {role for line in drawn for _, role in line}

    assert "memory" in roles_of_rows() and "bad" not in roles_of_rows()
    look_at(table, result, View(unfit=True))
    assert "bad" in roles_of_rows() and "memory" not in roles_of_rows()


def test_why_the_chosen_plan_is_not_among_the_rows(table: Table, result: Any) -> None:
    """A plan that does not fit any more, or is not valid, is named with the reason; a filter or view that hides it is not a reason."""
    table.move(3)
    row = result.find(table.plan)
    look_at(table, result, View(filter="tp>100"))
    assert table.lost() == ""
    result.fits[row] = False
    other = FakeResult(result.job, result.space)
    other.fits[row], other.order = False, other.order[other.order != row]
    look_at(table, other)
    assert "does not fit any more" in table.lost()
    other.rejected_order = other.rejected_order[:0]
    look_at(table, other, View(unfit=True))
    assert table.lost() == ""
    other.find = lambda plan: None  # type: ignore[method-assign]
    look_at(table, other)
    assert "not valid any more" in table.lost()


def test_rows_of_another_result_are_written_anew(table: Table, result: Any) -> None:
    """The same rows of another search show its numbers."""

    class Slower(FakeResult):
        def estimate(self, rows: Any) -> Any:
            estimate = super().estimate(rows)
            return dataclasses.replace(estimate, step=estimate.step * 2)

    before = table.lines()[2:]
    look_at(table, Slower(result.job, result.space))
    assert all(a != b for a, b in zip(before, table.lines()[2:], strict=True))


def test_ranks_are_counted_from_one(table: Table, result: Any) -> None:
    """The first rows of a comparison have the ranks 1, 2 and 3."""
    table.before = Before.of(result)
    table.redraw()
    assert [table._then[int(row)][0] for row in table.rows[:3]] == ["new→1", "new→2", "new→3"]


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
