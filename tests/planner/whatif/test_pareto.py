"""The Pareto front of memory and step time: exactly the plans that no other plan dominates."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from planner.search.ranking import front
from planner.search.search import search
from planner.whatif.pareto import pareto
from tests.planner.jobs import small

PAIRS = st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), min_size=1, max_size=30)


@given(PAIRS)
def test_the_front_agrees_with_a_comparison_of_all_pairs(pairs: list[tuple[int, int]]) -> None:
    """A row is on the front if no other is as good in both and better in one; of equal rows only the first is."""
    memory, step = (np.array(values, float) for values in zip(*pairs, strict=True))
    expected = [
        i
        for i, (m, t) in enumerate(pairs)
        if not any((a <= m and b <= t) and ((a, b) != (m, t) or j < i) for j, (a, b) in enumerate(pairs) if j != i)
    ]
    rows = front(memory, step).tolist()
    assert sorted(rows) == sorted(expected)
    assert all(step[a] < step[b] and memory[a] > memory[b] for a, b in pairwise(rows))


def test_no_rows_have_an_empty_front() -> None:
    """The front of no rows is empty."""
    assert len(front(np.empty(0), np.empty(0))) == 0


def test_the_fastest_and_the_smallest_plan_are_on_the_front_of_a_search() -> None:
    """The ends of the front are the fastest plan and the one of least memory."""
    result = search(small())
    rows = pareto(result)
    assert result.step_seconds[rows[0]] == result.step_seconds.min()
    assert result.memory_bytes[rows[-1]] == result.memory_bytes.min()
    fits = rows[result.fits[rows]]
    assert result.step_seconds[fits[0]] == result.step_seconds[result.order[0]]
