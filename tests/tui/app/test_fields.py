"""Fields: the field under the cursor, edited, freed, locked."""

from __future__ import annotations

import pytest

from tests.tui.driving import SMALL, Driver, drive
from tests.tui.fake import fake_search, made_up

__all__ = ["made_up"]
pytestmark = pytest.mark.usefixtures("made_up")


def test_a_preset_is_chosen_from_a_list_unless_a_text_was_refused() -> None:
    """Enter opens the list; where a path was refused, the editor opens on it, to be corrected."""

    async def play(it: Driver) -> None:
        await it.press("2", "g", "enter")
        assert it.picker.open and it.active_form.edit is None
        await it.type("/no/such.toml")
        assert "model" in it.active_form.refused
        await it.press("enter")
        assert not it.picker.open and it.active_form.edit is not None and it.active_form.edit.text == "/no/such.toml"

    drive(play, search=fake_search)


def test_the_present_value_takes_the_place_of_a_refused_text() -> None:
    """A refused text that is entered again is refused again; the present value typed over it is accepted."""

    async def play(it: Driver) -> None:
        await it.field("global_batch", "many")
        await it.press("enter", "enter")
        assert it.active_form.refused["global_batch"][0] == "many" and it.active_form.edit is None
        await it.press("enter", "ctrl+u")
        await it.type("64")
        assert not it.active_form.refused and it.document == SMALL

    drive(play, search=fake_search)


def test_an_editor_left_unchanged_is_no_edit() -> None:
    """The value entered unchanged leaves the history alone."""

    async def play(it: Driver) -> None:
        await it.press("3")
        it.active_form.go("global_batch")
        await it.press("enter", "enter")
        assert len(it.program.history.moments) == 1 and it.active_form.edit is None

    drive(play, search=fake_search)


def test_an_adopted_plan_is_the_one_chosen() -> None:
    """The cursor follows the plan on the first row once it is adopted."""

    async def play(it: Driver) -> None:
        plan = it.table.plan
        assert it.table.chosen is None and plan is not None
        await it.press("a")
        assert it.table.chosen == plan and it.document.space.text("tp") == str(plan.tp)

    drive(play, search=fake_search)


def test_a_degree_is_locked_to_the_plan_under_the_cursor() -> None:
    """The field has the value of that plan and no other is bounded; fields of the job cannot be locked."""

    async def play(it: Driver) -> None:
        await it.press("down", "down")
        plan = it.table.plan
        await it.press("3")
        it.active_form.go("pp")
        await it.press("equals_sign")
        assert plan is not None and list(it.document.space.bounds) == ["pp"] and it.document.space.text("pp") == str(plan.pp)
        it.active_form.go("sequence")
        await it.press("equals_sign")
        assert "only what the search tries" in it.foot.message

    drive(play, search=fake_search)
