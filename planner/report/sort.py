"""The plans of a result in the order of any column."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from planner.cost.error_band import band
from planner.cost.schedule import mfu, needed_flops, tokens_per_second_per_gpu
from planner.report.columns import Column
from planner.search.search import Result


class Fields:
    """The fields of many plans, each gathered when it is asked for."""

    def __init__(self, result: Result, rows: Any) -> None:
        self._result, self._rows = result, rows

    def __getattr__(self, name: str) -> Any:
        return self._result.field(name, self._rows)


def figures(result: Result, rows: Any) -> Any:
    """What COLUMNS read of an Estimate, for many rows, from what the search kept: the parts of memory and time are left out.

    A million rows cost one gather for each field that is looked at.
    """
    job, step = result.job, result.step_seconds[rows]
    return SimpleNamespace(
        plan=Fields(result, rows),
        step=step,
        memory=result.memory_bytes[rows],
        memory_limit=job.memory_limit,
        fits=result.fits[rows],
        host=result.host_bytes(rows),
        tokens_per_second_per_gpu=tokens_per_second_per_gpu(job, step),
        mfu=mfu(job, needed_flops(job), step),
        step_band=band(job),
        memory_band=band(job, "memory"),
    )


def ordered(result: Result, rows: Any, column: Column, *, reverse: bool = False) -> Any:
    """Some rows by a column, the best first, or the worst; ties stay as they were."""
    if not len(rows):
        return rows
    values = np.asarray(column.values(figures(result, rows)), dtype=np.float64)
    return rows[np.argsort(values if column.ascending != reverse else -values, kind="stable")]
