"""The plans of a result in the order of any column."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from planner.cost.error_band import Band, band
from planner.cost.memory_band import memory_band
from planner.report.columns import Column
from planner.search.search import Result


class PlanFields:
    """The fields of many plans, each gathered when it is read."""

    def __init__(self, result: Result, rows: Any) -> None:
        self._result, self._rows = result, rows

    def __getattr__(self, name: str) -> Any:
        return self._result.field(name, self._rows)


class RowFigures:
    """What columns are computed from, for rows of a result: an Estimate without its parts.

    Each figure is gathered when a column first reads it, so that a million rows cost one gather for each figure read.
    """

    def __init__(self, result: Result, rows: Any) -> None:
        self._result, self._rows = result, rows
        self.job, self.plan, self.derived = result.job, PlanFields(result, rows), dict[str, Any]()
        self.memory_limit = result.job.memory_limit

    @cached_property
    def step(self) -> Any:
        """Seconds per step."""
        return self._result.step_seconds[self._rows]

    @cached_property
    def memory(self) -> Any:
        """Bytes on the fullest device."""
        return self._result.memory_bytes[self._rows]

    @cached_property
    def fits(self) -> Any:
        """Whether each plan fits its device and host."""
        return self._result.fits[self._rows]

    @cached_property
    def host(self) -> Any:
        """Bytes in the host memory of a node."""
        return self._result.host_bytes(self._rows)

    @cached_property
    def step_band(self) -> Band:
        """The error band of the step."""
        return band(self.job)

    @cached_property
    def memory_band(self) -> Band:
        """The error band of memory."""
        return memory_band(self.job)


def ordered(result: Result, rows: Any, column: Column, *, reverse: bool = False) -> Any:
    """Some rows by a column, the best first, or the worst; ties keep their order. FieldError where the number is not known."""
    if not len(rows):
        return rows
    values = np.asarray(column.values(RowFigures(result, rows)), dtype=np.float64)
    return rows[np.argsort(values if column.ascending != reverse else -values, kind="stable")]
