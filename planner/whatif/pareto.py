"""The plans that no other plan beats in both memory and step time: what a little more memory, or a little more time, would buy."""

from __future__ import annotations

from planner.search.ranking import front
from planner.search.search import Result
from planner.specs.plan import Column


def pareto(result: Result) -> Column:
    """The front of a search, rows of its result, those that do not fit with them; the fastest first.

    The search evaluates no plan that certainly cannot fit, so beyond the limit the front is only that of the plans it kept.
    """
    return front(result.memory_bytes, result.step_seconds)
