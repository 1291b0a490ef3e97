"""Residuals of measured runs, from which the error bands of estimates are computed."""

from __future__ import annotations

from collections.abc import Sequence
from math import log
from typing import Any

from planner.calibration.bands import Residual
from planner.calibration.measured_runs import Runs
from planner.cost.error_band import family, like
from planner.cost.memory_band import Peak
from planner.errors import TmplanError
from planner.runs.configure import Row, cell, configured, number
from planner.runs.options_of_row import DOUBTED
from planner.runs.predict import predict
from planner.runs.score import at_rank
from planner.specs.job import Job

LEAST_GIB = 1e-6
STAGES = {"allocated": "stage_allocated_gib", "reserved": "stage_reserved_gib", "device": "stage_device_gib"}


def of_steps(rows: Sequence[Row], data: Runs, seconds: Any) -> list[Residual]:
    """ln(measured / predicted) of every step time, given the predicted ones; without rows whose settings may not be those of the run."""
    jobs = {i: batch.job for batch in data.batches for i in batch.rows}
    out = []
    for place, i in enumerate(data.rows.tolist()):
        row = rows[i]
        if DOUBTED in configured(row).assumed:
            continue
        sweep = cell(row, "sweep") if cell(row, "quality_speed") != "C" else ""
        error = log(data.measured[place] / seconds[place])
        out.append(Residual(like(jobs[i]), error, cell(row, "group"), jobs[i].model.name, sweep))
    return out


def of_peaks(rows: Sequence[Row]) -> list[Peak]:
    """ln(measured / predicted) of the memory of each row that can be modelled, if its kind is given; without doubted rows, as above."""
    peaks = []
    chosen = [row for row in rows if cell(row, "peak_mem_gib") and cell(row, "mem_kind") in STAGES]
    for row, prediction in zip(chosen, predict(chosen), strict=True):
        try:
            run = configured(row)
        except TmplanError:
            continue
        if DOUBTED not in run.assumed:
            peaks.append(_of_peak(row, run.job, at_rank(prediction[STAGES[cell(row, "mem_kind")]], cell(row, "mem_rank"))))
    return peaks


def _of_peak(row: Row, job: Job, gib: float) -> Peak:
    """The residual of a peak of memory."""
    error = log(number(row, "peak_mem_gib", least=LEAST_GIB) / gib)
    return Peak(family(job), cell(row, "group"), job.model.name, job.sequence, job.precision, job.tuning, error)
