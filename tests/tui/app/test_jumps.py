"""Jumps: a letter at each field and plan in view, and the way there."""

from __future__ import annotations

import pytest

from tests.tui.driving import Driver, drive
from tests.tui.fake import fake_search, made_up

__all__ = ["made_up"]
pytestmark = pytest.mark.usefixtures("made_up")


def letter(it: Driver, pane: str, place: str) -> str:
    """The letter of a place."""
    return next(letter for letter, target in it.program.jumps.targets.items() if target == (pane, place))


def test_a_letter_goes_to_its_plan_or_field() -> None:
    """From any row to any other; the detail follows; no letter is left on the screen."""

    async def play(it: Driver) -> None:
        for row in (5, 2, 7):
            await it.press("4", "f")
            await it.press(letter(it, "plans", str(row)))
            assert it.table.at == row and it.detail.plan == it.table.plan
            assert not it.table.labels and not it.program.jumps.targets and it.foot.message == ""
        await it.press("f")
        await it.press(letter(it, "cluster", "gpus"))
        assert (it.pane, it.active_form.entry.key) == ("cluster", "gpus")
        assert not any(form.labels for form in it.forms.values())

    drive(play, search=fake_search)


def test_only_what_is_in_view_has_a_letter() -> None:
    """The plans have letters where they are shown; the run is folded to its title and has none; a form alone on the screen has all."""

    async def play(it: Driver) -> None:
        await it.press("f")
        assert {pane for pane, _ in it.program.jumps.targets.values()} == {"cluster", "model", "batch", "plans"}
        await it.press("escape")
        assert it.table.at == 0 and it.pane == "plans"
        await it.press("3", "z", "f")
        assert {pane for pane, _ in it.program.jumps.targets.values()} == {"batch"}

    drive(play, search=fake_search, size=(120, 50))
