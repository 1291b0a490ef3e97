"""The lab's tables: memory of the frameworks' own code on one rank, without kernels' workspaces, with the job and plan of each row.

tests/data/lab/*.csv: versions of the frameworks, fields of the model, the job and the plan as JSON, then what was measured.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from planner.runs.predict import stage_memory
from planner.specs.hardware import GIB
from planner.specs.job import Job
from planner.specs.plan import Plan
from tests.planner.cost.lab_rows import Row, job_of, plan_of, rows


@dataclass(frozen=True)
class Measured:
    """A row of a table: its job and plan, the pipeline rank, and what the lab measured on it; GiB."""

    job: Job
    plan: Plan
    stage: int
    live: float
    reserved: float
    expandable: float
    phase: str
    text: str  # the row's model, job and plan, for messages


def table(name: str) -> list[Measured]:
    """The rows of a table."""
    return [_measured(row) for row in rows(name)]


def _measured(row: Row) -> Measured:
    """One row with its job and plan."""
    live, reserved, expandable = (float(row[key]) for key in ("live_gib", "reserved_gib", "expandable_gib"))
    text = " ".join(row[key] for key in ("model", "job", "plan", "stage"))
    return Measured(job_of(row), plan_of(row), int(row["stage"]), live, reserved, expandable, row["phase"], text)


def predicted(row: Measured, expandable: bool = False) -> tuple[float, float]:
    """Live and reserved memory of the row's pipeline rank by tmplan's formulas; GiB."""
    memory = stage_memory(replace(row.job, expandable_segments=expandable), row.plan.column())
    return float(memory.allocated[row.stage, 0]) / GIB, float(memory.reserved[row.stage, 0]) / GIB


def errors(pairs: list[tuple[float, float]]) -> list[float]:
    """Relative errors of predicted over measured values, without their signs."""
    return [abs(guess / truth - 1.0) for guess, truth in pairs]
