"""Residuals of measured runs, from which the error bands of estimates are computed."""

from __future__ import annotations

from collections.abc import Sequence
from math import log

from planner.calibration.fit import step_of
from planner.cost.error_band import Residual, family, size
from planner.cost.memory_band import Peak
from planner.errors import TmplanError
from planner.runs.configure import Row, cell, configured, number
from planner.runs.options_of_row import DOUBTED
from planner.runs.predict import predict
from planner.runs.score import at_rank
from planner.specs.job import Job

LEAST_GIB = 1e-6
STAGES = {"allocated": "stage_allocated_gib", "reserved": "stage_reserved_gib", "device": "stage_device_gib"}


def residuals(rows: Sequence[Row]) -> tuple[list[Residual], list[Peak]]:
    """ln(measured / predicted) of the step time and, if its kind is given, the memory of each row that can be modelled.

    Rows whose settings may not be those of the run are left out.
    """
    steps, peaks = [], []
    for row, prediction in zip(rows, predict(rows), strict=True):
        try:
            run = configured(row)
        except TmplanError:
            continue
        if DOUBTED in run.assumed:
            continue
        if cell(row, "step_s"):
            steps.append(_of_step(row, run.job, prediction["step_seconds"]))
        if cell(row, "peak_mem_gib") and cell(row, "mem_kind") in STAGES:
            peaks.append(_of_peak(row, run.job, at_rank(prediction[STAGES[cell(row, "mem_kind")]], cell(row, "mem_rank"))))
    return steps, peaks


def _of_step(row: Row, job: Job, seconds: float) -> Residual:
    """The residual of a step time."""
    sweep = cell(row, "sweep") if cell(row, "quality_speed") != "C" else ""
    error = log(step_of(row) / seconds)
    return Residual(family(job), job.cluster.gpu.arch, size(job), error, sweep, job.model.name)


def _of_peak(row: Row, job: Job, gib: float) -> Peak:
    """The residual of a peak of memory."""
    error = log(number(row, "peak_mem_gib", least=LEAST_GIB) / gib)
    return Peak(family(job), cell(row, "group"), job.model.name, job.sequence, job.precision, job.tuning, error)
