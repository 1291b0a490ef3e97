"""What a page is about: the document, the plan under the cursor, and the search it comes from."""

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
    """Handed to a page's `work`. `argument` is what was asked for where a page needs it, such as the plan typed or a number's name."""

    document: Document
    job: Job
    plan: Plan  # under the cursor, or the nearest to fitting
    result: Result
    pins: tuple[Plan, ...] = ()
    argument: str = ""
    cancelled: Callable[[], bool] = lambda: False
