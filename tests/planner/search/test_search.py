"""The search as its callers use it."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner import presets
from planner.cost.evaluate import evaluate
from planner.document.space import Space
from planner.report.advice import nearest
from planner.search import blocks
from planner.search.ranking import ascending
from planner.search.rules import SENTENCES
from planner.search.search import Cancelled, search, why_refused
from planner.specs.hardware import GIB
from planner.specs.plan import Plan
from tests.planner.jobs import example, small


def test_plans_are_ranked_by_step_time_and_those_that_do_not_fit_by_what_they_miss() -> None:
    """Fitting plans come fastest first, the others least over first, of several blocks."""
    with patch.object(blocks, "BLOCK", 1 << 14):
        result = search(example())
    assert (np.diff(result.step_seconds[result.order]) >= 0).all()
    assert (np.diff(result.memory_bytes[result.rejected_order]) >= 0).all()
    assert result.counts.evaluated > 1 << 15


@given(st.lists(st.integers(0, 5), max_size=60))
def test_equal_plans_keep_the_order_of_the_lattice(values: list[int]) -> None:
    """ascending() sorts as a stable sort does, however many values are equal."""
    column = np.array(values, np.float64)
    assert ascending(column).tolist() == np.argsort(column, kind="stable").tolist()


def test_a_search_is_the_same_every_time() -> None:
    """Two searches of one job give the same rows in the same order, ties included."""
    one, two = search(small()), search(small())
    assert (one.order == two.order).all()
    assert (one.step_seconds == two.step_seconds).all()


def test_a_search_can_be_stopped_and_reports_its_progress() -> None:
    """cancelled() is called between blocks; progress receives the plans done, growing to all of them."""
    reported: list[int] = []
    result = search(example(), progress=reported.append)
    assert reported == sorted(reported) and reported[-1] == len(result)
    with pytest.raises(Cancelled):
        search(example(), cancelled=lambda: True)


def test_find_gives_the_row_of_a_plan() -> None:
    """find() gives the row of a plan among the results, and nothing for a plan that is not there."""
    result = search(small())
    for row in (0, len(result) // 2, len(result) - 1):
        assert result.find(result.plan(row)) == row
    assert result.find(Plan(tp=3)) is None


def test_the_clock_is_the_callers() -> None:
    """Without a clock a search takes no time; with one it takes what the clock says."""
    ticks = iter([10.0, 12.5])
    assert search(small()).counts.seconds == 0
    assert search(small(), clock=lambda: next(ticks)).counts.seconds == 2.5


def test_when_nothing_is_valid_the_rules_say_why() -> None:
    """Every refusal has a sentence and a count, most active first."""
    result = search(small(), Space().with_("tp", "5"))
    assert len(result) == 0
    assert why_refused(result.counts) == [(SENTENCES["world"], 1)]


def test_when_nothing_fits_the_nearest_is_named_and_what_would_help() -> None:
    """The nearest plan misses by what it says; each piece of advice is a search that really found plans."""
    job = example(gpus=64, global_batch=512)
    result = search(job)
    report = nearest(result)
    assert report is not None
    assert report.over_bytes == pytest.approx(result.memory_bytes.min() - job.memory_limit)
    assert f"{report.over_bytes / GIB:.1f} GiB too much" in report.sentence
    assert len(report.advice) > 1
    assert report.advice == tuple(sorted(report.advice, key=lambda a: a.step_seconds))
    free = nearest(search(small(), Space().with_("tp", "1").with_("micro_batch", "64")))
    assert free is None or any(a.change.startswith("Free") for a in free.advice)


def test_nothing_is_advised_where_plans_fit() -> None:
    """nearest() has nothing to say about a job with plans that fit."""
    assert nearest(search(small())) is None


def test_headroom_is_left_free() -> None:
    """With headroom a plan must leave that share of the device's memory free."""
    tight = search(small(headroom=50))
    assert tight.memory_bytes[tight.order].max() <= 0.5 * tight.job.cluster.gpu.memory_bytes
    assert tight.counts.fit < search(small()).counts.fit


@pytest.mark.parametrize("stack", presets.names("stacks"))
def test_every_stack_is_searched(stack: str) -> None:
    """Each shipped stack has plans for Llama 3.1 8B on 16 H100 that fit, and each of them keeps the stack's rules."""
    result = search(small(stack=stack))
    assert result.counts.fit > 0
    best = result.plan(int(result.order[0]))
    assert best.tp * best.pp * best.cp * best.dp == 16
    assert best.zero in (*result.job.stack.zero_stages, 0)


def test_a_row_of_an_estimate_is_the_estimate_of_its_plan() -> None:
    """The numbers of one of many plans are those it has alone, parts included."""
    result = search(small())
    many = result.estimate(result.order[:20])
    for at in (0, 7, 19):
        row, alone = many.row(at), evaluate(result.job, many.plan.one(at))
        assert row.plan.one(0) == alone.plan.one(0)
        for group in ("memory_parts", "time_parts", "hidden"):
            ours, theirs = (getattr(numbers, group).named() for numbers in (row, alone))
            assert {k: float(np.ravel(v)[0]) for k, v in ours.items()} == {k: float(np.ravel(v)[0]) for k, v in theirs.items()}
        assert (float(row.step[0]), float(row.memory[0]), bool(row.fits[0])) == (
            float(alone.step[0]), float(alone.memory[0]), bool(alone.fits[0])
        )  # fmt: skip
