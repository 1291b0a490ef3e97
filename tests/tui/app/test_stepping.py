"""Stepping: an axis at the legal values around its present one."""

from __future__ import annotations

import pytest

from planner.document.inputs import EXAMPLE
from planner.document.space import Space
from tests.tui.driving import SMALL, Driver, drive
from tests.tui.fake import fake_search, made_up
from tui.app.stepping import Legal, Place, legal_values
from tui.state import edits

__all__ = ["made_up"]
pytestmark = pytest.mark.usefixtures("made_up")

VALUES = (1, 2, 4, 8)


def test_steps_pressed_meanwhile_are_made_in_their_direction() -> None:
    """Two steps down from 8 are at 2, one up at 4; they are made once, and stop at the last value."""

    async def play(it: Driver) -> None:
        stepping = it.program.stepping
        it.program.editing.edit(lambda document: edits.set_text(document, "tp", "8"), "tp")
        for steps, value in ((-2, 2), (1, 4), (0, 4), (5, 8), (-9, 1)):
            place = stepping.place("tp")
            stepping.pending[place] = steps
            stepping.receive(Legal(place, VALUES))
            assert it.document.space["tp"].only == (value,) and not stepping.pending
        assert "the first legal value" in it.foot.message

    drive(play, search=fake_search)


def test_the_legal_values_of_an_axis_do_not_depend_on_its_bounds() -> None:
    """The place of an axis is the same before and after it is bounded, and another where another axis is."""

    async def play(it: Driver) -> None:
        before = it.program.stepping.place("tp")
        it.program.editing.edit(lambda document: edits.set_text(document, "tp", "8"), "tp")
        assert it.program.stepping.place("tp") == before == Place(SMALL.inputs, Space(), "tp")
        it.program.editing.edit(lambda document: edits.set_text(document, "pp", "2"), "pp")
        assert it.program.stepping.place("tp") != before

    drive(play, search=fake_search)


def test_values_of_another_document_are_not_stepped_through() -> None:
    """Values that arrive after the document changed are remembered, and change nothing."""

    async def play(it: Driver) -> None:
        stepping = it.program.stepping
        late = Place(EXAMPLE, Space(), "tp")
        stepping.pending[late] = 1
        stepping.receive(Legal(late, VALUES))
        assert it.document == SMALL and stepping.values[late] == VALUES
        stepping.receive(Legal(late, fault="no memory"))
        assert (it.foot.message, it.foot.role) == ("no memory", "bad")

    drive(play, search=fake_search)


def test_legal_values_are_computed_or_refused() -> None:
    """A valid job has the values that some plan has; a job that cannot be gives the reason."""
    assert legal_values(Place(SMALL.inputs, Space(), "tp")).values == (1, 2, 4, 8, 16)
    assert "nodes" in legal_values(Place(SMALL.inputs.with_("gpus", 17), Space(), "tp")).fault
