"""Filter expressions: what they mean, and what they say when they mean nothing."""

from __future__ import annotations

import numpy as np
import pytest

from planner.document.planfile import Document
from planner.errors import FieldError
from planner.report.columns import BY_KEY
from planner.search.search import evaluate, search
from tests.tui.driving import SMALL
from tui.state.filter import parse_filter
from tui.state.view import View, ranked

JOB_DOCUMENT: Document = SMALL


@pytest.fixture(scope="module")
def result() -> object:
    """The plans of a small job."""
    from planner.document.inputs import resolve
    from planner.document.space import Space

    return search(resolve(JOB_DOCUMENT.inputs), Space())


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("mem<20", lambda e: e.memory < 20 * 2**30),
        ("memory_gib >= 20", lambda e: e.memory >= 20 * 2**30),
        ("tp=8", lambda e: e.plan.tp == 8),
        ("tp!=8", lambda e: e.plan.tp != 8),
        ("pp=2..4", lambda e: (e.plan.pp >= 2) & (e.plan.pp <= 4)),
        ("mb=1,4", lambda e: (e.plan.micro_batch == 1) | (e.plan.micro_batch == 4)),
        ("recompute=full", lambda e: e.plan.recompute == 2),
        ("recompute=selective,none", lambda e: e.plan.recompute <= 1),
        ("sharding=fsdp", lambda e: (e.plan.zero == 3) & (e.plan.dp_replicate == 1)),
        ("sharding=hsdp", lambda e: (e.plan.zero == 3) & (e.plan.dp_replicate > 1)),
        ("sp", lambda e: e.plan.sequence_parallel == 1),
        ("!sp", lambda e: e.plan.sequence_parallel == 0),
        ("sequence_parallel=yes", lambda e: e.plan.sequence_parallel == 1),
        ("mfu>20%", lambda e: BY_KEY["mfu"].values(e) > 0.2),
        ("mfu>20", lambda e: BY_KEY["mfu"].values(e) > 0.2),
        ("fits", lambda e: e.fits),
        ("fit", lambda e: e.fits),
        ("fit=risk", lambda e: e.memory * e.memory_band.high > e.memory_limit),
        ("fit=fits", lambda e: e.memory * e.memory_band.high <= e.memory_limit),
        ("fit=fits,risk", lambda e: e.fits),
        ("step<2 and tp<=2", lambda e: (e.step < 2) & (e.plan.tp <= 2)),
        ("", lambda e: e.fits | True),
    ],
)
def test_a_filter_keeps_just_the_rows_that_hold(result, text, holds) -> None:  # type: ignore[no-untyped-def]
    """Each form of a term says what the help says it does, over the plans that fit."""
    rows = ranked(result, View(filter=text))
    expected = result.order[np.asarray(holds(evaluate(result.job, result.plans(result.order))), dtype=bool)]
    assert rows.tolist() == expected.tolist()


def test_a_filter_on_fits_looks_through_the_others_too(result) -> None:  # type: ignore[no-untyped-def]
    """!fits shows the plans that do not fit, whatever the table showed before."""
    for text in ("!fits", "fit=no", "fit=does", "fit!=fits,risk"):
        assert ranked(result, View(filter=text)).tolist() == result.rejected_order.tolist(), text
    assert ranked(result, View(filter="fits", unfit=True)).tolist() == result.order.tolist()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mem", "is not a filter"),
        ("<72", "is not a filter"),
        ("mem<many", "compared with a number"),
        ("tq=8", "no column is called 'tq'"),
        ("recompute<full", "has no order"),
        ("tp<2,4", "takes one"),
        ("tp=", "is not a filter"),
        ("=", "is not a filter"),
        ("mem<<3", "is not a filter"),
        ("mem<nan", "compared with a number"),
        ("тп=8", "is not a filter"),
    ],
)
def test_what_is_no_filter_is_refused(text: str, message: str) -> None:
    """A sentence says what is wrong with the term."""
    with pytest.raises(FieldError, match=message):
        parse_filter(text)
