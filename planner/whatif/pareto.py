"""The Pareto front of memory and step time: the trade-off between the two."""

from __future__ import annotations

from planner.search.ranking import front
from planner.search.search import Result
from planner.specs.plan import Column


def pareto(result: Result) -> Column:
    """The front of a search as rows of its result, plans that do not fit included; in ascending order of step time.

    The search evaluates no plan that certainly cannot fit, so beyond the memory limit the front covers only the plans that were retained.
    """
    return front(result.memory_bytes, result.step_seconds)
