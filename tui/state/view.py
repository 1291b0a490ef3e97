"""Which plans the table shows, and in which order: a View over a Result. Runs in the planning thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from planner.report.columns import BY_KEY
from tui.state.filter import Term, parse_filter

if TYPE_CHECKING:
    from planner.search.search import Result

FASTEST = "step_seconds"  # the order of a Result as it comes


@dataclass(frozen=True)
class View:
    """How the plans are shown. `unfit` shows those that do not fit, the nearest to fitting first unless sorted otherwise."""

    sort: str = ""  # a column's key; empty: fastest first, or least over the limit first
    reverse: bool = False
    filter: str = ""
    unfit: bool = False

    @property
    def column(self) -> str:
        """The key of the column that gives the order."""
        return self.sort or ("over_gib" if self.unfit else FASTEST)


def ranked(result: Result, view: View, cancelled: Callable[[], bool] = lambda: False) -> Any:
    """Row numbers of the result in the order shown (int column). FieldError for a filter that cannot be read."""
    import numpy as np

    from planner.report.sort import figures, ordered

    terms = parse_filter(view.filter)
    unfit = _wants_unfit(terms, view.unfit)
    rows = np.asarray(result.rejected_order if unfit else result.order)
    for term in terms:
        if not len(rows) or cancelled():
            return rows
        rows = rows[np.asarray(term.mask(figures(result, rows)), dtype=bool)]
    natural = "over_gib" if unfit else FASTEST
    column = BY_KEY[view.sort or natural]
    if column.key == natural:
        return rows[::-1] if view.reverse else rows
    return ordered(result, rows, column, reverse=view.reverse)


def _wants_unfit(terms: tuple[Term, ...], unfit: bool) -> bool:
    """A filter that names `fits` says itself which plans it looks through."""
    for term in terms:
        if term.column.key == "fits":
            return (term.values[0] == 0.0) == (term.op == "=")
    return unfit
