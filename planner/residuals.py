"""Residuals of measured runs: what the bands of estimates are made of."""

from __future__ import annotations

from collections.abc import Sequence
from math import log

from planner.band import Residual, size
from planner.errors import TmplanError
from planner.predict import predict
from planner.runs import Row, configured, number, told

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
            error = log(number(row, "step_s") / found["step_seconds"])
            out.append(Residual("step", job.stack.name, arch, own, error, sweep, job.model.name))
        if told(row, "peak_mem_gib") and told(row, "mem_kind") in STAGES:
            stages = found[STAGES[told(row, "mem_kind")]]
            value = {"first": stages[0], "last": stages[-1]}.get(told(row, "mem_rank"), max(stages))
            out.append(Residual("memory", job.stack.name, arch, own, log(number(row, "peak_mem_gib") / value), sweep, job.model.name))
    return out
