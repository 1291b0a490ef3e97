"""Residuals of measured runs, from which the error bands of estimates are computed."""

from __future__ import annotations

from collections.abc import Sequence
from math import log

from planner.calibration.fit import step_of
from planner.cost.error_band import Residual, family, size
from planner.errors import TmplanError
from planner.runs.configure import Row, cell, configured, number
from planner.runs.options_of_row import DOUBTED
from planner.runs.predict import predict
from planner.runs.score import at_rank

LEAST_GIB = 1e-6
STAGES = {"allocated": "stage_allocated_gib", "reserved": "stage_reserved_gib", "device": "stage_device_gib"}


def residuals(rows: Sequence[Row]) -> list[Residual]:
    """ln(measured / predicted) of the step time and, if its kind is given, the memory of each row that can be modelled.

    Rows whose settings may not be those of the run are left out.
    """
    out = []
    for row, prediction in zip(rows, predict(rows), strict=True):
        try:
            run = configured(row)
        except TmplanError:
            continue
        if DOUBTED in run.assumed:
            continue
        job = run.job
        arch, job_size, sweep = job.cluster.gpu.arch, size(job), cell(row, "sweep") if cell(row, "quality_speed") != "C" else ""
        if cell(row, "step_s"):
            error = log(step_of(row) / prediction["step_seconds"])
            out.append(Residual("step", family(job), arch, job_size, error, sweep, job.model.name))
        if cell(row, "peak_mem_gib") and cell(row, "mem_kind") in STAGES:
            stages = prediction[STAGES[cell(row, "mem_kind")]]
            error = log(number(row, "peak_mem_gib", least=LEAST_GIB) / at_rank(stages, cell(row, "mem_rank")))
            out.append(Residual("memory", family(job), arch, job_size, error, sweep, job.model.name))
    return out
