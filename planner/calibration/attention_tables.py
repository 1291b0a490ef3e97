"""Measured attention: constants of planner.cost.compute.attention_forward from tables of forward latencies.

The tables are of a serving engine, whose operator also adds positions and writes the cache of keys and values: this traffic has a rate of
its own in the fit, and is not part of a kernel in training.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from planner.calibration.kernel_tables import LATENCY, SIZE, Column, Floats, curve, mean_error, read_columns, whole
from planner.errors import FileError
from planner.specs.hardware import Flash, Gpu

LEAST_ROWS = 12  # twice the number of constants
TRAINING_LENGTH = 1024  # tokens; shorter prompts are of serving
TRAINING_FLOP = 1e10  # least work of a kernel in training; smaller ones determine the launch
SMALL_WEIGHT = 0.3  # of the residuals of smaller kernels
WINDOW_WEIGHT = 0.25  # of kernels with a sliding window: blocks partly outside it, which the padded form cannot follow
OTHER_WEIGHT = 0.4  # of head sizes other than the most common one of training
COMMON_HEAD = 128
HEADROOM = 1.25  # of the plateau over the highest rates measured, at most the peak
REACHED = 0.85  # share of the memory bandwidth that kernels reach at most
PAD_WIDTH = 42.0  # FlashAttention-2's on H100, where a table has one head size
TEXT: Column = ("a type of numbers, such as bfloat16", str)
WINDOW: Column = ("a whole number of tokens, 0 without a window", whole(0, 2**40))


@dataclass(frozen=True, eq=False)
class AttentionTable:
    """Measured causal forward passes in 16 bits, one per row; seconds."""

    batch: Floats
    sequence: Floats
    heads: Floats
    kv_heads: Floats
    head_dim: Floats
    window: Floats  # tokens; the sequence without a window
    seconds: Floats
    where: str = ""  # the file, for messages

    @property
    def keys(self) -> Floats:
        """Keys that a query attends to, mean over queries."""
        return np.asarray(self.window - self.window**2 / (2.0 * self.sequence))

    @property
    def queries(self) -> Floats:
        """Query rows of all heads and sequences."""
        return np.asarray(self.batch * self.sequence * self.heads)

    @property
    def flops(self) -> Floats:
        """Scores and values, forward; FLOP."""
        return np.asarray(4.0 * self.queries * self.keys * self.head_dim)

    def rows(self, chosen: npt.NDArray[np.bool_]) -> AttentionTable:
        """Some of the rows."""
        return replace(
            self, batch=self.batch[chosen], sequence=self.sequence[chosen], heads=self.heads[chosen], kv_heads=self.kv_heads[chosen],
            head_dim=self.head_dim[chosen], window=self.window[chosen], seconds=self.seconds[chosen],
        )  # fmt: skip


@dataclass(frozen=True)
class FittedAttention:
    """Constants of a kernel; errors are mean |model / measured - 1| over training sizes without and with a window."""

    flash: Flash
    rows: int
    error: float
    common_error: float  # of heads of 128
    window_error: float | None


def read_attention(path: str | Path) -> AttentionTable:
    """The rows in bf16 of a table of columns attn_dtype, batch_size, isl, num_heads, num_key_value_heads, head_dim, window_size and
    latency (ms). FileError names the line, the fault and the valid values.
    """
    sizes = dict.fromkeys(("batch_size", "isl", "num_heads", "num_key_value_heads", "head_dim"), SIZE)
    columns = read_columns(path, {"attn_dtype": TEXT, **sizes, "window_size": WINDOW, "latency": LATENCY})
    sequence, window = columns["isl"], columns["window_size"]
    window = np.where((window == 0) | (window > sequence), sequence, window)
    table = AttentionTable(
        columns["batch_size"], sequence, columns["num_heads"], columns["num_key_value_heads"], columns["head_dim"], window,
        columns["latency"] / 1e3, str(path),
    )  # fmt: skip
    return table.rows(columns["attn_dtype"] == "bfloat16")


def fit_attention(table: AttentionTable, gpu: Gpu | None = None) -> FittedAttention:
    """The constants of a kernel fitted to measured forward passes of 1,024 tokens and more; FLOP/s and seconds.

    gpu: bounds the rates by its peak, above which rows are outliers, and by the memory bandwidth that kernels reach.
    FileError for fewer than 12 rows; TmplanError if scipy is not installed.
    """
    peak, bandwidth = (gpu.flops_bf16, REACHED * gpu.hbm_bytes_s) if gpu else (float("inf"), float("inf"))
    t = table.rows((table.sequence >= TRAINING_LENGTH) & (table.flops / table.seconds < peak))
    if len(t.seconds) < LEAST_ROWS:
        message = f"must have at least {LEAST_ROWS} rows in bfloat16 of {TRAINING_LENGTH:,} tokens or more to be fitted"
        raise FileError(f"{message}, not {len(t.seconds)}", where=table.where)
    plateau = min(peak, HEADROOM * float(np.quantile(t.flops / t.seconds, 0.99)))
    moved = 4.0 * t.batch * t.sequence * t.head_dim * (t.heads + t.kv_heads)  # queries, keys, values and results in 16 bits
    written = float(np.max(moved / t.seconds))
    most = min(50.0, bandwidth / written)
    large, windowed, common = t.flops >= TRAINING_FLOP, t.window < t.sequence, t.head_dim == COMMON_HEAD
    weights = np.where(windowed, WINDOW_WEIGHT, 1.0) * np.where(large, 1.0, SMALL_WEIGHT)
    weights = weights * np.where(common, 1.0, OTHER_WEIGHT)
    width = (0.0, PAD_WIDTH / 100, 10.0) if len(np.unique(t.head_dim)) > 1 else (PAD_WIDTH / 101, PAD_WIDTH / 100, PAD_WIDTH / 99)

    def kernel(x: Any) -> Flash:
        launch, rate, rows, keys, wide = map(float, x[:5])
        source = f"fitted to {len(t.seconds):,} measured forward passes"
        return Flash(launch * 1e-6, rate * plateau, rows * 1e4, keys * 100, wide * 100, source)

    def seconds(x: Any) -> Floats:
        return flash_seconds(kernel(x), t.queries, t.keys, 2.0 * t.head_dim) + moved / (float(x[5]) * written)

    bounds = [(0.0, 5.0, 50.0), (0.05, 0.5, 1.0), (0.0, 1.0, 20.0), (0.0, 3.0, 50.0), width, (0.05, 0.5 * most, most)]
    best = curve(seconds, t.seconds, bounds, weights)
    model = seconds(best)

    def error(chosen: npt.NDArray[np.bool_]) -> float | None:
        return mean_error(model[chosen], t.seconds[chosen]) if chosen.any() else None

    whole_error = error(large & ~windowed) or 0.0
    return FittedAttention(
        kernel(best), len(t.seconds), whole_error, error(large & ~windowed & common) or whole_error, error(large & windowed)
    )


def flash_seconds(kernel: Flash, queries: Floats, keys: Floats, width: Floats) -> Floats:
    """A forward pass over query rows of all heads, the keys each attends to, and the widths of keys and values together; seconds."""
    padded = (queries + kernel.pad_rows) * (keys + kernel.pad_keys) * (width + kernel.pad_width)
    return np.asarray(kernel.launch_s + 2.0 * padded / kernel.plateau_flops)
