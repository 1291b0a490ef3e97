"""Export requests shared by tests."""

from __future__ import annotations

from planner.document.space import Space
from planner.exporters.registry import Request
from planner.search.search import search
from planner.specs.plan import Plan
from tests.planner.jobs import example


def request(plan: Plan | None = None, **changes: object) -> Request:
    """A request for a job (the embedded example with some inputs changed) and a plan of it, by default the fastest."""
    job = example(**changes)
    if plan is None:
        result = search(job, Space())
        plan = result.plan(int(result.order[0]))
    return Request(job, plan, ("a plan of the tests",))
