"""The detail: what it shows of a plan, and when it draws again."""

from __future__ import annotations

import pytest

from planner.document.inputs import resolve
from planner.document.space import Space
from tests.tui.driving import SMALL
from tests.tui.fake import FakeResult, fake_evaluate, made_up
from tests.tui.widgets.unmounted import Resize, plain, resize
from tui.widgets.detail import COLUMN, Detail, bar

__all__ = ["made_up", "resize"]
pytestmark = pytest.mark.usefixtures("made_up")
JOB = resolve(SMALL.inputs)
RESULT = FakeResult(JOB, Space())
FIRST, SECOND = (RESULT.plan(row) for row in (60, 20))


@pytest.fixture
def detail(resize: Resize) -> Detail:
    """The detail of a plan, with room for all of it."""
    resize(90, 60)
    detail = Detail()
    detail.show(JOB, FIRST)
    return detail


def test_a_bar_has_the_share_of_its_room_and_never_more() -> None:
    """A share of more than all fills the room; a share that rounds to nothing has a thin mark; nothing has none."""
    assert [bar(share, 10) for share in (0.5, 1.0, 1.7, 0.01, 0.0)] == ["█" * 5, "█" * 10, "█" * 10, "▏", ""]


def test_another_plan_of_the_job_is_drawn(detail: Detail) -> None:
    """Everything in the pane is of the plan shown last: degrees, bars, memory by stage."""
    for plan in (SECOND, FIRST):
        detail.show(JOB, plan)
        lines = detail.lines()
        assert f"TP {plan.tp} " in lines[1] and f"PP {plan.pp} " in lines[1]
        total = float(fake_evaluate(JOB, plan).memory[0]) / 2**30
        assert f"memory {total:.1f} of" in "\n".join(lines)
        stages = [line.split() for line in lines if "micro" not in line and line.split()[1:2] == ["8"]]
        assert stages[-1][0].split("-")[-1] == str(plan.pp - 1)


def test_memory_and_time_stand_side_by_side_from_two_columns_on(detail: Detail) -> None:
    """In exactly two columns they share lines; one cell less, and the time follows the memory."""

    def together(width: int) -> bool:
        return any("memory" in plain(line) and "80 %" in plain(line) for line in detail.draw(width, 60))

    assert together(2 * COLUMN) and not together(2 * COLUMN - 1)


def test_stages_over_the_limit_are_marked(detail: Detail, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stage below the limit of the device has no exclamation mark, one above it has."""
    stage = list(detail._by_stage(90))[2]
    assert stage[1][1] == "memory" and not stage[1][0].endswith("!")
    monkeypatch.setattr(type(JOB), "memory_limit", 40 * 2**30)
    stage = list(detail._by_stage(90))[2]
    assert stage[1][1] == "bad" and stage[1][0].endswith("!")


def test_nothing_is_shown_without_a_plan(detail: Detail) -> None:
    """Where there is no plan the pane is empty below its title."""
    detail.show(JOB, None)
    assert not any(line.strip() for line in detail.lines()[1:])
