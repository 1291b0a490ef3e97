"""Residuals of measured runs: what the bands of estimates are made of."""

from __future__ import annotations

from collections.abc import Sequence
from math import log

from planner.calibration.fit import step_of
from planner.cost.error_band import Residual, family, size
from planner.errors import TmplanError
from planner.runs.configure import Row, configured, number, told
from planner.runs.predict import predict
from planner.runs.score import at_rank

LEAST_GIB = 1e-6
STAGES = {"allocated": "stage_allocated_gib", "reserved": "stage_reserved_gib", "device": "stage_device_gib"}


def residuals(rows: Sequence[Row]) -> list[Residual]:
    """The logarithm of measured over predicted of every row: of its step, and of its memory where the kind is told."""
    out = []
    for row, found in zip(rows, predict(rows), strict=True):
        try:
            job = configured(row).job
        except TmplanError:
            continue
        arch, own, sweep = job.cluster.gpu.arch, size(job), told(row, "sweep") if told(row, "quality_speed") != "C" else ""
        if told(row, "step_s"):
            error = log(step_of(row) / found["step_seconds"])
            out.append(Residual("step", family(job), arch, own, error, sweep, job.model.name))
        if told(row, "peak_mem_gib") and told(row, "mem_kind") in STAGES:
            stages = found[STAGES[told(row, "mem_kind")]]
            error = log(number(row, "peak_mem_gib", least=LEAST_GIB) / at_rank(stages, told(row, "mem_rank")))
            out.append(Residual("memory", family(job), arch, own, error, sweep, job.model.name))
    return out
