"""Tables of what frameworks' own code allocates on fake tensors: rows as jobs and plans, and what tmplan says of them."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from planner import presets
from planner.cost.evaluate import evaluate
from planner.document.inputs import EXAMPLE, resolve
from planner.specs.hardware import GIB
from planner.specs.job import RECOMPUTES, SCHEDULES, Job
from planner.specs.model import Model
from planner.specs.plan import Plan

FOLDER = Path(__file__).parents[2] / "data" / "lab"
NAMED = {"recompute": RECOMPUTES, "schedule": SCHEDULES}
Row = Mapping[str, str]


def rows(name: str) -> list[Row]:
    """The rows of a table."""
    with (FOLDER / f"{name}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def job_of(row: Row) -> Job:
    """The job of a row, on a stack without workspaces of libraries and context, which fake tensors have not."""
    spec = replace(presets.stack(row["stack"]), workspace_bytes=0.0, expert_workspace_bytes=0.0, context_bytes=0.0)
    usual = resolve(EXAMPLE)
    cluster = replace(usual.cluster, gpus=int(row["gpus"]))
    return Job(Model(**({"name": "lab"} | json.loads(row["model"]))), cluster, spec, **json.loads(row["job"]))


def plan_of(row: Row) -> Plan:
    """The plan of a row."""
    values = json.loads(row["plan"])
    return Plan(**{key: NAMED[key].index(value) if isinstance(value, str) else value for key, value in values.items()})


def live_gib(row: Row) -> float:
    """Live tensors at the peak as tmplan computes them; GiB."""
    parts = evaluate(job_of(row), plan_of(row)).memory_parts
    return float(np.sum(parts.total - parts.slack - parts.context)) / GIB


def errors(table: list[Row]) -> list[float]:
    """Relative errors of live memory."""
    return [live_gib(row) / float(row["live_gib"]) - 1 for row in table]


def reserved_gib(row: Row) -> float:
    """Memory held by the caching allocator as tmplan computes it; GiB."""
    parts = evaluate(job_of(row), plan_of(row)).memory_parts
    return float(np.sum(parts.total - parts.context)) / GIB
