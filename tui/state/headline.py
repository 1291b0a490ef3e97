"""A plan and its numbers in one line."""

from __future__ import annotations

from planner.document.space import exactly, write_bounds
from planner.report.best import EvaluatedPlan
from planner.report.columns import BY_KEY, records
from tui.state.axes import idle


def headline(plan: EvaluatedPlan) -> str:
    """The plan in the syntax of --plan and its numbers, in one line; axes that do not apply to the job are omitted."""
    silent = idle(plan.job.model.experts > 0, plan.job.stack)
    degrees = ",".join(f"{axis}={write_bounds(axis, bounds)}" for axis, bounds in exactly(plan.plan).bounds.items() if axis not in silent)
    record = records(plan.estimate)[0]
    keys = ("memory_gib", "memory_limit_gib", "step_seconds", "tokens_per_second_per_gpu", "mfu")
    figures = ", ".join(f"{key} {BY_KEY[key].write(record[key])}" for key in keys)
    return f"{degrees}  {figures}{'' if plan.fit == 'fits' else f', {plan.fit}'}"
