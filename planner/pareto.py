"""The plans that no other plan beats in both memory and step time: what a little more memory, or a little more time, would buy."""

from __future__ import annotations

import numpy as np

from planner.plan import Column
from planner.search import Result, ascending


def front(memory: Column, step: Column) -> Column:
    """Rows that no other row equals or beats in both bytes and seconds, the fastest (and fullest) first; of equals the first.

    Linear but for one sort: a million rows take a tenth of a second.
    """
    rows = ascending(step)
    held = memory[rows]
    least = np.empty(len(rows), bool)  # whether a row needs less memory than every faster one
    least[:1] = True
    np.less(held[1:], np.minimum.accumulate(held)[:-1], out=least[1:])
    found = rows[least]
    beaten = np.zeros(len(found), bool)
    beaten[:-1] = step[found[1:]] == step[found[:-1]]  # as fast as the next, which needs less
    return found[~beaten]


def pareto(result: Result) -> Column:
    """The front of a search, rows of its result, those that do not fit with them; the fastest first.

    The search evaluates no plan that certainly cannot fit, so beyond the limit the front is only that of the plans it kept.
    """
    return front(result.memory_bytes, result.step_seconds)
