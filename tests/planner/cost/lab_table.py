"""The lab's tables: memory of the frameworks' own code on one rank, without kernels' workspaces, with the job and plan of each row.

tests/data/lab/*.csv: versions of the frameworks, fields of the model, the job and the plan as JSON, then what was measured.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, replace
from pathlib import Path

from planner import presets
from planner.runs.predict import stage_memory
from planner.specs.hardware import GIB, Cluster
from planner.specs.job import Job
from planner.specs.model import Model
from planner.specs.plan import Plan

FOLDER = Path(__file__).parents[2] / "data" / "lab"


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
    with (FOLDER / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return [_measured(row) for row in csv.DictReader(file)]


def _measured(row: dict[str, str]) -> Measured:
    """One row; its stack has no workspaces of kernels, which the lab does not see."""
    gpus, gpu = int(row["gpus"]), presets.gpu("h100-sxm")
    stack = replace(presets.stack(row["stack"]), workspace_bytes=0.0, expert_workspace_bytes=0.0)
    node = min(8, gpus)
    cluster = Cluster("lab", gpu, gpus, node, node, gpu.link_bytes_s, gpu.nic_bytes_s)
    job = Job(Model("lab", **json.loads(row["model"])), cluster, stack, **json.loads(row["job"]))
    live, reserved, expandable = (float(row[key]) for key in ("live_gib", "reserved_gib", "expandable_gib"))
    text = " ".join(row[key] for key in ("model", "job", "plan", "stage"))
    return Measured(job, Plan(**json.loads(row["plan"])), int(row["stage"]), live, reserved, expandable, row["phase"], text)


def predicted(row: Measured, expandable: bool = False) -> tuple[float, float]:
    """Live and reserved memory of the row's pipeline rank by tmplan's formulas; GiB."""
    memory = stage_memory(replace(row.job, expandable_segments=expandable), row.plan.column())
    return float(memory.allocated[row.stage, 0]) / GIB, float(memory.reserved[row.stage, 0]) / GIB


def errors(pairs: list[tuple[float, float]]) -> list[float]:
    """Relative errors of predicted over measured values, without their signs."""
    return [abs(guess / truth - 1.0) for guess, truth in pairs]
