"""Views by keyboard: columns, jumps, zoom, pins, the palette."""

from __future__ import annotations

import numpy as np
import pytest

from planner.report.columns import BY_KEY, COLUMNS
from planner.report.sort import RowFigures
from tests.tui.driving import Driver, drive
from tests.tui.fake import fake_search, made_up
from tui.settings.bindings import BINDINGS
from tui.state.view import View
from tui.terminal.layout import FORMS

__all__ = ["made_up"]
pytestmark = pytest.mark.usefixtures("made_up")


def test_columns_are_added_and_taken_away_by_name() -> None:
    """C lists every column with a mark at those shown; enter toggles and stays; "default" restores the default ones."""

    async def play(it: Driver) -> None:
        usual = it.table.keys(200)
        await it.press("C")
        assert len(it.picker.choices) == len(COLUMNS) + 1
        await it.type("mfu")
        assert it.picker.open and "mfu" not in it.table.chosen_columns
        await it.press("ctrl+u")
        await it.type("host_gib")
        assert "host_gib" in it.table.chosen_columns
        await it.press("escape")
        assert BY_KEY["host_gib"].heading in it.table.lines()[1] and "MFU" not in it.table.lines()[1]
        await it.press("C")
        await it.type("default")
        await it.press("escape")
        assert it.table.keys(200) == usual

    drive(play, size=(200, 60), search=fake_search)


@pytest.mark.slow
def test_every_column_sorts_and_reverses() -> None:
    """By each column the plans stand in its order, best first, and S turns them round."""

    async def play(it: Driver) -> None:
        await it.press("s")
        await it.type("micro_batch")
        assert it.program.ranking.view.column == "micro_batch"
        for column in COLUMNS:
            it.program.ranking.look_at(View(sort=column.key))
            await it.ready()
            assert it.program.ranking.view.column == column.key
            for best_first in (True, False):
                assert it.table.result is not None
                values = column.values(RowFigures(it.table.result, it.table.rows))
                values = np.broadcast_to(values, len(it.table.rows)).tolist()
                assert values == sorted(values, reverse=column.ascending != best_first), column.key
                await it.press("S")

    drive(play, search=fake_search)


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)], ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.slow
def test_a_jump_reaches_every_field_and_plan_in_view(size: tuple[int, int]) -> None:
    """f puts one letter at each place in view; the letter goes there; any other key goes nowhere and does nothing."""

    async def play(it: Driver) -> None:
        for pane in ("4", "3"):
            await it.press(pane, "f")
            targets = list(it.program.jumps.targets.values())
            assert targets and len(set(targets)) == len(targets)
            await it.press("escape")
            assert not it.program.jumps.targets and it.pane == {"4": "plans", "3": "batch"}[pane]
            for target in targets[:: max(1, len(targets) // 7)]:
                await it.press(pane, "f")
                letter = next((letter for letter, place in it.program.jumps.targets.items() if place == target), "escape")
                await it.press(letter)
                if letter != "escape":  # the pane last used takes more room, and another shows less
                    here = str(it.table.at) if it.pane == "plans" else it.active_form.entry.key
                    assert (it.pane, here) == target
                assert not any(form.labels for form in it.forms.values()) and not it.table.labels

    drive(play, size=size, search=fake_search)


def test_zoom_gives_a_pane_the_screen_and_back() -> None:
    """z shows the pane at hand alone, whichever it is; z again, or esc, shows all."""

    async def play(it: Driver) -> None:
        everything = it.text()
        for pane in ("1", "3", "5", "4"):
            await it.press(pane, "z")
            others = [name for name in (*FORMS, "plans", "detail") if it.program.layout.shows(name)]
            assert others == [it.pane]
            assert it.app.screen.query_one(f"#{it.pane}").size.width == 120
            await it.press("z")
        await it.press("z", "escape")
        assert it.text() == everything

    drive(play, search=fake_search)


def test_pinned_plans_are_marked_compared_and_survive_edits() -> None:
    """m marks a plan with ◆ and takes the mark away again; c sets the pinned and the present side by side; an edit keeps pins."""

    async def play(it: Driver) -> None:
        await it.press("down", "m", "down", "down", "m", "down")
        assert len(it.program.pins.plans) == 2 and it.text().count("◆") == 2
        await it.press("c")
        text = "".join(it.detail.lines())
        assert it.detail.page == "compare" and all(f" {name}  " in text for name in "ABC")
        await it.press("escape")
        await it.field("sequence", "8k")
        assert len(it.program.pins.plans) == 2
        await it.press("4", "up", "m")
        assert len(it.program.pins.plans) == 1 and "unpinned" in it.text()

    drive(play, search=fake_search)


def test_the_palette_finds_every_command_by_its_name() -> None:
    """: lists each binding once; choosing one does what its key does, in its own pane."""

    async def play(it: Driver) -> None:
        await it.press("colon")
        listed = {name for name, _ in it.picker.choices}
        assert listed == {b.id for b in BINDINGS if b.action not in ("palette.open", "navigation.move")}
        await it.type("free")
        assert it.pane in FORMS
        await it.press("ctrl+p")
        await it.type("memory")
        assert it.detail.page == "memory" and it.pane == "detail"
        await it.press("colon", "escape")
        assert not it.picker.open

    drive(play, search=fake_search)
