"""Which plans a view shows, and in which order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from planner.document.inputs import resolve
from planner.document.space import Space
from planner.errors import FieldError
from planner.report.columns import BY_KEY
from planner.report.sort import RowFigures
from tests.tui.driving import SMALL
from tests.tui.fake import FakeResult
from tui.state.view import View, ranked

RESULT: Any = FakeResult(resolve(SMALL.inputs), Space())


def test_the_natural_order_is_that_of_the_search() -> None:
    """Fastest first; of the plans that do not fit the one with the least memory first; reversed, the last comes first."""
    for unfit, order in ((False, RESULT.order), (True, RESULT.rejected_order)):
        assert ranked(RESULT, View(unfit=unfit)).tolist() == order.tolist()
        assert ranked(RESULT, View(unfit=unfit, reverse=True)).tolist() == order.tolist()[::-1]


@pytest.mark.parametrize("unfit", [False, True])
@pytest.mark.parametrize("key", ["mfu", "memory_gib", "tp", "step_seconds"])
def test_a_sorted_column_has_its_best_value_first(key: str, unfit: bool) -> None:
    """Smallest first where less is better, largest first where more is, and the other way round when reversed; no plan is lost."""
    for reverse in (False, True):
        rows = ranked(RESULT, View(sort=key, reverse=reverse, unfit=unfit))
        values = np.asarray(BY_KEY[key].values(RowFigures(RESULT, rows)), dtype=float)
        ahead = 1 if BY_KEY[key].ascending != reverse else -1
        assert (ahead * np.diff(values) >= 0).all() and values[0] != values[-1]
        assert sorted(rows.tolist()) == sorted((RESULT.rejected_order if unfit else RESULT.order).tolist())


def test_every_term_of_a_filter_must_hold() -> None:
    """The order of the rest is that of the view; a plan passes all terms, and all that pass are there."""
    plans = RESULT.plans(RESULT.order)
    passing = RESULT.order[(plans.tp >= 8) & (plans.pp == 4)]
    assert len(passing) and ranked(RESULT, View(filter="pp=4 tp>=8")).tolist() == passing.tolist()
    assert ranked(RESULT, View(filter="tp>=8 pp=4")).tolist() == passing.tolist()
    with pytest.raises(FieldError):
        ranked(RESULT, View(filter="pp=4 tq=1"))


@pytest.mark.parametrize(("text", "fit"), [("fits", True), ("!fits", False), ("fits=no", False), ("fits!=yes", False), ("fits!=no", True)])
@pytest.mark.parametrize("unfit", [False, True])
def test_a_filter_on_fits_decides_which_plans_are_searched(text: str, fit: bool, unfit: bool) -> None:
    """Whatever the view shows, the filter shows the plans that fit, or those that do not."""
    rows = ranked(RESULT, View(filter=text, unfit=unfit))
    assert sorted(rows.tolist()) == sorted((RESULT.order if fit else RESULT.rejected_order).tolist())


def test_a_cancelled_question_is_not_filtered_further() -> None:
    """Once a newer question is there, no more terms are applied."""
    assert len(ranked(RESULT, View(filter="tp=1"), lambda: True)) == len(RESULT.order)


def test_a_number_that_the_job_does_not_have_leaves_the_natural_order() -> None:
    """Sorted by tokens per joule, plans on a GPU without board power are shown fastest first."""
    inputs = SMALL.inputs.with_all({"gpu": "a10"})
    result: Any = FakeResult(resolve(inputs), Space())
    assert not BY_KEY["tokens_per_joule"].known(RowFigures(result, result.order))
    assert ranked(result, View(sort="tokens_per_joule")).tolist() == result.order.tolist()
