"""The fields of the training run as a whole, on which no plan depends."""

from __future__ import annotations

from planner.document import training_run as training
from planner.document.field import Field


def _run(
    key: str, label: str, unit: str, attribute: str, scale: float, least: float, most: float, help: str, default: float | None = None
) -> Field:
    """A number of the training as a whole; optional where it has no default."""
    return Field(key, "run", label, "float", help, unit, "run", attribute, scale, least, most, default=default, optional=default is None)


RUN: tuple[Field, ...] = (
    Field("train_tokens", "run", "Tokens", "int", "training tokens, such as 15.6t; empty: from tokens per parameter", "tokens", "run",
          "train_tokens", most=10**18, optional=True),
    _run("tokens_per_parameter", "Tokens per param", "", "tokens_per_parameter", 1.0, 1e-3, 1e6, "training tokens per active parameter; "
         "20: Chinchilla", training.CHINCHILLA),
    _run("price_gpu_hour", "GPU-hour", "$", "price_gpu_hour", 1.0, 0, 1e6, "price per GPU-hour; empty: not given"),
    _run("deadline_days", "Deadline", "days", "deadline_s", training.DAY, 1e-3, 1e5, "days within which training must finish; the smallest "
         "cluster that does is searched; empty: none"),
    _run("board_w", "Board", "W", "power_w", 1.0, 1, 1e6, "power of a GPU board; empty: the preset's"),
    _run("pue", "PUE", "", "pue", 1.0, 1, 10, "power usage effectiveness: energy of the data centre over that of the boards", training.PUE),
    _run("co2_g_kwh", "CO2", "g/kWh", "co2_g_kwh", 1.0, 0, 1e4, "carbon intensity of the grid; empty: not given"),
    Field("served_tokens", "run", "Served", "int", "tokens served over the model's lifetime, such as 2t; 0: none", "tokens", "run",
          "served_tokens", least=0, most=10**18, default=0),
    _run("gpu_mtbf_hours", "MTBF per GPU", "h", "gpu_mtbf_s", 3600.0, 1e-3, 1e9, "mean time between failures per GPU, including its share "
         "of host and network", float(training.GPU_MTBF_HOURS)),
    _run("restart_minutes", "Restart", "min", "restart_s", 60.0, 0, 1e5, "minutes from a failure until training resumes",
         training.RESTART_MINUTES),
    _run("storage_gb_s", "Storage", "GB/s", "storage_bytes_s", 1e9, 1e-3, 1e8, "checkpoint write bandwidth of the whole job; empty: "
         "scaled by GPUs from Llama 3's"),
    _run("checkpoint_minutes", "Checkpoint", "min", "checkpoint_s", 60.0, 1e-3, 1e6, "minutes between checkpoints; empty: the optimal "
         "interval"),
)  # fmt: skip
