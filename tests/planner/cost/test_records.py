"""What an estimate holds, row by row."""

from __future__ import annotations

import numpy as np

from planner.cost.evaluate import evaluate
from planner.specs.plan import Plan, columns_of
from tests.planner.jobs import mixture, small

PLANS = Plan(**{name: np.full(3, value) for name, value in columns_of(Plan()).items()}).with_(
    tp=np.array([1, 2, 4]), dp=np.array([16, 8, 4]), sequence_parallel=np.array([0, 1, 1])
)


def test_a_row_of_an_estimate_is_the_estimate_of_that_plan() -> None:
    """Every number of the second of three plans, in every part, is what it is for that plan alone; columns have length one."""
    rows, alone = evaluate(small(), PLANS).row(1), evaluate(small(), PLANS.one(1))
    assert rows.plan.one(0) == alone.plan.one(0) == PLANS.one(1)
    for name in ("memory", "fits", "step", "stage", "slowest", "host"):
        assert getattr(rows, name).tolist() == getattr(alone, name).tolist(), name
    assert rows.memory_limit == alone.memory_limit and rows.step_band == alone.step_band
    for parts in ("memory_parts", "time_parts", "hidden"):
        values, expected = getattr(rows, parts).named(), getattr(alone, parts).named()
        assert {name: np.ravel(part).tolist() for name, part in values.items()} == {n: np.ravel(p).tolist() for n, p in expected.items()}


def test_parts_sum_to_their_totals() -> None:
    """Parts of memory add up to the memory, parts of time to the step, of dense models and of mixtures."""
    for job in (small(), mixture()):
        numbers = evaluate(job, PLANS)
        assert np.allclose(numbers.memory_parts.total, numbers.memory, rtol=1e-12)
        assert np.allclose(numbers.time_parts.total, numbers.step, rtol=1e-12)
