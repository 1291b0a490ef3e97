"""The subject of a page: the document, the plan under the cursor, and its search result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from planner.document.planfile import Document
    from planner.search.search import Result
    from planner.specs.job import Job
    from planner.specs.plan import Plan


@dataclass(frozen=True)
class Subject:
    """Passed to a page's `work`. `argument` is the page's argument if it has one, such as a plan typed or the name of a number."""

    document: Document
    job: Job
    plan: Plan  # under the cursor, or the plan nearest to fitting
    result: Result
    pins: tuple[Plan, ...] = ()
    argument: str = ""
    cancelled: Callable[[], bool] = lambda: False
