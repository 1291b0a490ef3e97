"""A plan and its numbers in one line."""

from __future__ import annotations

from planner.document.space import exactly, write_bounds
from planner.report.best import EvaluatedPlan
from planner.report.columns import BY_KEY, records
from tui.state.axes import idle


def headline(found: EvaluatedPlan) -> str:
    """The plan and its numbers in one line, as --plan takes it; axes that do not apply to the job are left out."""
    silent = idle(found.job.model.experts > 0, found.job.stack)
    degrees = ",".join(f"{axis}={write_bounds(axis, bounds)}" for axis, bounds in exactly(found.plan).bounds.items() if axis not in silent)
    record = records(found.estimate)[0]
    keys = ("memory_gib", "memory_limit_gib", "step_seconds", "tokens_per_second_per_gpu", "mfu")
    figures = ", ".join(f"{key} {BY_KEY[key].write(record[key])}" for key in keys)
    return f"{degrees}  {figures}{'' if found.fit == 'fits' else f', {found.fit}'}"
