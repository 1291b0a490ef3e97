"""Shared files of measured steps, predicted on a cluster that differs from its preset by known factors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from planner import presets
from planner.calibration import step_measurements
from planner.calibration.calibrate import FACTORS, predicted
from planner.calibration.step_measurements import MeasuredSteps
from planner.presets import ClusterPreset
from planner.specs.hardware import Gpu

# Llama 3.1 8B on H100, without relevant blanks.
ROW = {
    "framework": "megatron-core", "layers": "32", "hidden": "4096", "heads": "32", "kv_heads": "8", "head_dim": "128", "ffn": "14336",
    "gated": "1", "vocab": "128256", "tied": "0", "seq": "8192", "gpu": "h100-sxm", "gpus": "8", "gpus_per_node": "8", "tp": "1",
    "pp": "1", "cp": "1", "vpp": "1", "zero": "1", "sequence_parallel": "0", "micro_batch": "1", "global_batch": "64",
    "recompute": "full", "dtype": "bf16", "attention": "flash-2", "step_s": "1",
}  # fmt: skip
SHAPES: tuple[Mapping[str, str], ...] = (
    {}, {"tp": "4", "sequence_parallel": "1"}, {"tp": "8", "sequence_parallel": "1", "seq": "1024"}, {"seq": "256", "micro_batch": "4"},
    {"gpus": "32", "global_batch": "32"}, {"gpus": "32", "tp": "8", "sequence_parallel": "1"}, {"seq": "256", "gpus": "16"},
    {"tp": "2", "sequence_parallel": "1", "seq": "512"}, {"gpus": "64", "seq": "1024"},
)  # fmt: skip


def rows(*changes: Mapping[str, str]) -> list[dict[str, str]]:
    """One row per change."""
    return [ROW | {"id": f"run-{i}"} | dict(change) for i, change in enumerate(changes)]


def read(steps: Sequence[Mapping[str, str]], where: str = "mine.csv") -> MeasuredSteps:
    """The measured steps of rows, as if read from a file."""
    return step_measurements.measured(list(enumerate(steps, 2)), where)


def stepped(steps: Sequence[Mapping[str, str]], factors: Mapping[str, float]) -> list[dict[str, str]]:
    """The rows with the predicted step times on a cluster that differs from its preset by these factors."""
    data = read(steps)
    shape, gpu = base(data)
    runs = step_measurements.runs_on(data, shape, gpu)
    seconds = np.empty(len(steps))
    seconds[runs.rows] = predicted(runs, np.log([factors.get(name, 1.0) for name in FACTORS]))
    return [{**row, "step_s": repr(float(step))} for row, step in zip(steps, seconds, strict=True)]


def base(data: MeasuredSteps, cluster: str | None = None) -> tuple[ClusterPreset, Gpu]:
    """The initial cluster of measured steps, and its GPU."""
    return step_measurements.base(data, cluster), presets.gpu(data.gpu)


def write(path: Path, steps: Sequence[Mapping[str, str]]) -> str:
    """A CSV file of rows."""
    columns = list(dict.fromkeys(column for row in steps for column in row))
    path.write_text("\n".join([",".join(columns), *(",".join(row.get(column, "") for column in columns) for row in steps)]) + "\n")
    return str(path)
