"""The plans that the table shows, and their order: a View of a Result. Runs in the planning thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from planner.report.choice_text import FITS
from planner.report.columns import BY_KEY
from tui.state.filter import Term, parse_filter

if TYPE_CHECKING:
    from planner.search.search import Result

FASTEST = "step_seconds"  # the natural order of a Result


@dataclass(frozen=True)
class View:
    """Sorting and filtering of plans. `unfit` shows those that do not fit, nearest to fitting first unless sorted otherwise."""

    sort: str = ""  # a column's key; empty: fastest first, or least over the limit first
    reverse: bool = False
    filter: str = ""
    unfit: bool = False

    @property
    def column(self) -> str:
        """The key of the sort column."""
        return self.sort or ("over_gib" if self.unfit else FASTEST)


def ranked(result: Result, view: View, cancelled: Callable[[], bool] = lambda: False) -> Any:
    """Row numbers of the result in display order (int column). FieldError if the filter cannot be parsed."""
    import numpy as np

    from planner.report.sort import RowFigures, ordered

    terms = parse_filter(view.filter)
    unfit = _searches_unfit(terms, view.unfit)
    rows = np.asarray(result.rejected_order if unfit else result.order)
    for term in terms:
        if not len(rows) or cancelled():
            return rows
        rows = rows[np.asarray(term.mask(RowFigures(result, rows)), dtype=bool)]
    natural = "over_gib" if unfit else FASTEST
    column = BY_KEY[view.sort or natural]
    if column.key == natural or (column.requires and len(rows) and not column.known(RowFigures(result, rows))):
        return rows[::-1] if view.reverse else rows  # also where this job has not the number that another one was sorted by
    return ordered(result, rows, column, reverse=view.reverse)


def _searches_unfit(terms: tuple[Term, ...], unfit: bool) -> bool:
    """Whether to search the plans that do not fit: a filter that names `fits` or `fit` decides, else the view."""
    for term in terms:
        if term.column.key == "fits":
            return (term.values[0] == 0.0) == (term.op == "=")
        if term.column.key == "fit":
            return not term.holds(FITS[0]) and not term.holds(FITS[1])
    return unfit
