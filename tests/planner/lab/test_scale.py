"""Truncated stages: which run, and the line and the plane through their records."""

from __future__ import annotations

from dataclasses import replace

import pytest

from planner.errors import FieldError
from planner.lab.record import Record
from planner.lab.scale import WHOLE, count, depths_of, extrapolated, tasks_of, truncated
from planner.lab.task import Task
from planner.specs.plan import Plan
from tests.planner.lab.tasks import a_record, a_task


def test_a_quick_stage_runs_whole() -> None:
    """32 layers x 2 micro-batches x 2 steps are fewer than WHOLE; 126 layers are more, and run with 2 and 4 layers."""
    assert 32 * 2 * 2 <= WHOLE < 126 * 2 * 2
    assert tasks_of(a_task()) == [a_task()]
    assert [task.layers for task in tasks_of(a_task(model="llama-3.1-405b"))] == [("dd",), ("dddd",)]


def test_given_depths_are_those_of_every_virtual_stage() -> None:
    """--depths 1,2 on two virtual stages of four layers runs two and four layers."""
    task = a_task(0, Plan(pp=4, vpp=2, dp=2, dp_shard=2, zero=1))
    assert [each.rank_layers for each in tasks_of(task, (1, 2))] == [("d", "d"), ("dd", "dd")]
    assert tasks_of(task, (4, 8)) == [task]


def test_dense_and_sparse_layers_make_a_plane() -> None:
    """Three dense layers run as 2 + 2, 3 + 2 and 2 + 4; live bytes are linear in both kinds, fragments are those of the deepest run."""
    task = a_task(model="deepseek-v3-671b")
    tasks = tasks_of(task, (2, 4))
    assert [(count(each, "d"), count(each, "s")) for each in tasks] == [(2, 2), (3, 2), (2, 4)]
    record = extrapolated(task, [(each, record_of(each)) for each in tasks])
    assert record.live == record_of(task).live and record.reserved == record.live + 50
    assert record.peak.kinds == {"activations": record.live} and record.states == 10


def record_of(task: Task) -> Record:
    """100 bytes, 7 per dense layer, 1,000 per sparse one."""
    live = 100 + 7 * count(task, "d") + 1000 * count(task, "s")
    return a_record(live, live + 10 * (count(task, "d") + count(task, "s") - 1))


def test_one_run_is_the_record() -> None:
    """Nothing is extrapolated from one task."""
    assert extrapolated(a_task(), [(a_task(), a_record(5))]) == a_record(5)


def test_truncation_keeps_the_order_of_layers() -> None:
    """A truncated stage of alternating layers alternates."""
    task = replace(a_task(), layers=("dsdsds",))
    assert truncated(task, {"d": 2, "s": 1}).layers == ("dsd",)


@pytest.mark.parametrize("text", ["", "2", "2,2", "4,2", "0,2", "2,4,6", "two,4", "2,4096", "2,65"])
def test_depths_are_two_rising_numbers(text: str) -> None:
    """Anything else is refused with an example."""
    with pytest.raises(FieldError, match=r"such as 2,4"):
        depths_of(text)


def test_depths_are_read() -> None:
    """2,4 is two and four layers."""
    assert depths_of(" 2, 4") == (2, 4)
