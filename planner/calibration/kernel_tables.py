"""Measured kernels: constants of planner.cost.compute and planner.cost.collectives from tables of matrix product and NCCL latencies.

Residuals are log(model / measured), so that short and long times have equal weights, under a soft L1 loss, so that outliers (a throttled
GPU) have small ones. scipy is imported only for a fit. Fits are deterministic.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from planner.cost.compute import gemm_seconds
from planner.dimensions import Number
from planner.errors import FileError, TmplanError
from planner.files import reader
from planner.plaintext import quoted
from planner.specs.hardware import LARGEST_GPUS, Flash, Gemm, Gpu
from planner.specs.validate import real

Floats = npt.NDArray[np.float64]
LARGEST_FILE = 2**24  # bytes; the largest known table has 600,000
TRAINING_SIDE = 256  # least m, n and k of training shapes
SMALL_WEIGHT = 0.5  # of the residuals of other products: without them B cannot be identified, with full weight they distort the plateau
LEAST_PRODUCTS = 12  # training shapes, twice the number of constants
TRAINING_MESSAGE = 2.0**22  # bytes; below it NCCL changes protocols, so that one latency and bandwidth do not describe both
LEAST_MESSAGES = 3  # message sizes
OUTLIER = 0.05  # scale of the soft L1 loss, of a log ratio
# Bytes per link of a ring over message bytes, without the factor (n - 1) / n; except for all_reduce, a message is that of all ranks.
PASSES = {"all_gather": 1.0, "all_reduce": 2.0, "alltoall": 1.0, "reduce_scatter": 1.0}
RINGS = ("all_gather", "all_reduce", "reduce_scatter")  # collectives of planner.cost.collectives
PLATEAU_ALONE = Gemm(overhead_s=0.0, flops_s=1e12, pad_m=0.0, pad_n=0.0, pad_k=0.0, bytes_s=1e16)  # other terms are negligible
BARE = Gpu(  # gemm_seconds uses only its gemm
    name="measured", vendor="", arch="", flops_bf16=1e20, flops_fp8=0.0, memory_bytes=2.0**30, hbm_bytes_s=1e16, link_bytes_s=1e11,
    link_domain=1, nic_bytes_s=1e10, pcie_bytes_s=1e10, gemm=PLATEAU_ALONE, flash_2=Flash(0.0, 1e12, 0.0, 0.0, 0.0),
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class GemmTable:
    """Measured products of m x k by k x n in 16 bits, one per row; seconds."""

    m: Floats
    n: Floats
    k: Floats
    seconds: Floats
    where: str = ""  # the file, for messages


@dataclass(frozen=True, eq=False)
class NcclTable:
    """Measured collectives, one per row: a key of PASSES, ranks, bytes of the whole message, seconds."""

    operation: npt.NDArray[np.str_]
    ranks: npt.NDArray[np.int64]
    message_bytes: Floats
    seconds: Floats
    where: str = ""  # the file, for messages


@dataclass(frozen=True)
class FittedGemm:
    """Constants of planner.cost.compute.gemm_seconds; errors are mean |model / measured - 1| over training shapes."""

    gemm: Gemm
    rows: int
    training_rows: int
    error: float
    flops_only_s: float  # FLOP/s of a model with FLOPs and a plateau only
    flops_only_error: float


@dataclass(frozen=True)
class FittedCollective:
    """One operation over a number of ranks, t = latency + bytes per link / bandwidth; error is mean |model / measured - 1|."""

    operation: str
    ranks: int
    bandwidth_bytes_s: float  # bus bandwidth of long messages
    latency_s: float
    rows: int
    error: float


@dataclass(frozen=True)
class LinkConstants:
    """The link_fraction and link_latency of planner.specs.constants.Constants."""

    fraction: float  # of the link's one-way rate; may exceed 1 with in-switch reductions (NVLS)
    latency_s: float


def whole(least: float, most: float, whole: bool = True) -> Callable[[str], float]:
    """A parser of numbers from least to most; it raises ValueError for other texts."""

    def parse(text: str) -> float:
        value = float(text)
        if not least <= value <= most or (whole and not value.is_integer()):
            raise ValueError
        return value

    return parse


def _operation(text: str) -> str:
    """The name of an operation; ValueError if it is not in PASSES."""
    if text not in PASSES:
        raise ValueError
    return text


# The valid values of a column, for messages, and its parser.
Column = tuple[str, Callable[[str], Any]]
SIZE: Column = ("a whole number from 1 to 2^40", whole(1, 2**40))
RANKS: Column = (f"a whole number from 2 to {LARGEST_GPUS:,}", whole(2, LARGEST_GPUS))
LATENCY: Column = ("a number of milliseconds above 0 (from 1e-6 to 1e9)", whole(1e-6, 1e9, whole=False))
OPERATION: Column = (f"one of {', '.join(PASSES)}", _operation)


def read_gemm(path: str | Path) -> GemmTable:
    """A table of columns m, n, k and latency (ms); FileError names the line, the fault and the valid values."""
    columns = read_columns(path, {"m": SIZE, "n": SIZE, "k": SIZE, "latency": LATENCY})
    return GemmTable(columns["m"], columns["n"], columns["k"], columns["latency"] / 1e3, str(path))


def read_nccl(path: str | Path) -> NcclTable:
    """A table of columns op_name, num_gpus, message_size (elements of two bytes over the whole group) and latency (ms).

    FileError names the line, the fault and the valid values.
    """
    columns = read_columns(path, {"op_name": OPERATION, "num_gpus": RANKS, "message_size": SIZE, "latency": LATENCY})
    ranks, message = columns["num_gpus"].astype(np.int64), 2.0 * columns["message_size"]
    return NcclTable(columns["op_name"], ranks, message, columns["latency"] / 1e3, str(path))


def read_columns(path: str | Path, columns: Mapping[str, Column]) -> dict[str, npt.NDArray[Any]]:
    """The columns by name; other columns and blank lines are ignored. FileError for the first invalid line."""
    where, listed = str(path), ", ".join(columns)
    lines = _lines(path, listed)
    first, header = next(lines, (1, []))
    for name in columns:
        if header.count(name) != 1:
            fault = "is given twice" if name in header else "is missing"
            raise FileError(f"line {first} must name each of the columns {listed} once; '{name}' {fault}", where=where)
    places = {name: header.index(name) for name in columns}
    values: dict[str, list[Any]] = {name: [] for name in columns}
    for line, cells in lines:
        if len(cells) != len(header):
            raise FileError(f"line {line} must have {len(header)} values, as line {first}, not {len(cells)}", where=where)
        for name, (valid, parse) in columns.items():
            try:
                values[name].append(parse(cells[places[name]]))
            except ValueError:
                raise FileError(f"line {line}: {name} must be {valid}, not {quoted(cells[places[name]])}", where=where) from None
    if not all(values.values()):
        raise FileError(f"line {first + 1} must be a measured row of {listed}, but the table is empty", where=where)
    return {name: np.array(column) for name, column in values.items()}


def _lines(path: str | Path, listed: str) -> Iterator[tuple[int, list[str]]]:
    """The number and cells of each line that is not blank; FileError if the file is not CSV in UTF-8, or too large."""
    where = str(path)
    beyond = f"is larger than {LARGEST_FILE:,} bytes; a table of {listed} is a few hundred thousand"
    text = reader.text(reader.expand_home(path), LARGEST_FILE, beyond).removeprefix("\ufeff")
    rows = csv.reader(io.StringIO(text, newline=""))
    try:
        for cells in rows:
            if any(stripped := [cell.strip() for cell in cells]):
                yield rows.line_num, stripped
    except csv.Error as error:
        raise FileError(f"line {rows.line_num} is not CSV ({error}); it must hold values separated by commas", where=where) from None


def curve(model: Callable[[Floats], Floats], measured: Floats, bounds: list[tuple[float, float, float]], weights: Any = 1.0) -> Floats:
    """The parameters with the smallest weighted residuals; bounds: least, start and most of each. TmplanError without scipy."""
    try:
        from scipy.optimize import least_squares  # slow to load, so only for a fit
    except ImportError:
        raise TmplanError("a fit needs scipy, which is not installed: pip install scipy") from None
    least, start, most = np.array(bounds).T
    options = {"loss": "soft_l1", "f_scale": OUTLIER, "x_scale": "jac", "xtol": 1e-10, "ftol": 1e-10, "gtol": 1e-10}
    fit = least_squares(lambda x: weights * np.log(model(x) / measured), start, bounds=(least, most), **options)
    return np.asarray(fit.x, dtype=np.float64)


def mean_error(model: Floats, measured: Floats) -> float:
    """Mean |model / measured - 1|."""
    return float(np.mean(np.abs(model / measured - 1.0)))


def fit_gemm(table: GemmTable) -> FittedGemm:
    """The constants of planner.cost.compute.gemm_seconds fitted to measured products; FLOP/s, bytes/s, seconds.

    Training shapes (m, n and k of at least 256) have weight 1; other products, which determine the memory rate, 1/2. The plateau and the
    memory rate are bounded by twice the largest measured rate. FileError for fewer than 12 training shapes; TmplanError if scipy is not
    installed.
    """
    m, n, k, measured = table.m, table.n, table.k, table.seconds
    training = np.minimum(np.minimum(m, n), k) >= TRAINING_SIDE
    count = int(training.sum())
    if count < LEAST_PRODUCTS:
        message = f"must have at least {LEAST_PRODUCTS} rows with m, n and k of {TRAINING_SIDE} or more to be fitted, not {count}"
        raise FileError(message, where=table.where)
    flops_s = float(np.max(2.0 * m * n * k / measured))
    bytes_s = float(np.max(2.0 * (m * n + n * k + m * k) / measured))
    source = f"fitted to {len(measured):,} measured products"

    def gemm(x: Any) -> Gemm:
        overhead, plateau, pad_m, pad_n, pad_k, memory = map(float, x)
        return Gemm(overhead * 1e-6, plateau * flops_s, pad_m * 100, pad_n * 100, pad_k * 100, memory * bytes_s, source=source)

    def plain(x: Any) -> Gemm:
        return replace(PLATEAU_ALONE, flops_s=float(x[0]) * flops_s)

    def seconds(constants: Gemm) -> Floats:
        return np.asarray(gemm_seconds(replace(BARE, gemm=constants), "bf16", Number(m), Number(n), Number(k)), dtype=np.float64)

    unbounded, rate = (0.0, 1.0, np.inf), (0.01, 1.0, 2.0)
    bounds = [unbounded, rate, unbounded, unbounded, unbounded, rate]
    best = gemm(curve(lambda x: seconds(gemm(x)), measured, bounds, np.where(training, 1.0, SMALL_WEIGHT)))
    flops = plain(curve(lambda x: seconds(plain(x)), measured, [(0.001, 0.5, 2.0)], np.where(training, 1.0, 0.0)))
    error, flops_error = (mean_error(seconds(constants)[training], measured[training]) for constants in (best, flops))
    return FittedGemm(best, len(measured), count, error, flops.flops_s, flops_error)


def wire_bytes(operation: str, ranks: int, message_bytes: Any) -> Any:
    """Bytes per link of a ring for a message: 2 (n - 1) / n of it for all_reduce, else (n - 1) / n."""
    return PASSES[operation] * (ranks - 1) / ranks * message_bytes


def fit_collectives(table: NcclTable) -> tuple[FittedCollective, ...]:
    """Bus bandwidth and latency of each operation and number of ranks, in sorted order; bytes/s and seconds.

    Only messages of at least 4 MiB are used, as in training and with one latency and bandwidth. FileError if an operation has fewer
    than 3 such sizes; TmplanError if scipy is not installed.
    """
    groups = sorted(set(zip(table.operation.tolist(), table.ranks.tolist(), strict=True)))
    return tuple(_collective(table, operation, ranks) for operation, ranks in groups)


def _collective(table: NcclTable, operation: str, ranks: int) -> FittedCollective:
    """The fit of one operation over a number of ranks."""
    chosen = (table.operation == operation) & (table.ranks == ranks) & (table.message_bytes >= TRAINING_MESSAGE)
    sizes = len(np.unique(table.message_bytes[chosen]))
    if sizes < LEAST_MESSAGES:
        message = f"must have at least {LEAST_MESSAGES} sizes of 4 MiB (2,097,152 elements) or more of {operation} over {ranks} GPUs"
        raise FileError(f"{message} to be fitted, not {sizes}", where=table.where)
    measured, carried = table.seconds[chosen], wire_bytes(operation, ranks, table.message_bytes[chosen])
    fastest, best = float(np.min(measured)), float(np.max(carried / measured))

    def seconds(x: Floats) -> Floats:
        return np.asarray(x[0] * fastest + carried / (x[1] * best), dtype=np.float64)

    x = curve(seconds, measured, [(0.0, 0.5, np.inf), (0.01, 1.0, 100.0)])
    return FittedCollective(operation, ranks, float(x[1]) * best, float(x[0]) * fastest, len(measured), mean_error(seconds(x), measured))


def link_constants(fits: tuple[FittedCollective, ...], link_bytes_s: float) -> LinkConstants:
    """The constants of a link: medians over the ring operations of the largest group measured.

    link_bytes_s: the link's one-way rate. FieldError for an invalid rate, TmplanError without a fit of a ring operation.
    """
    real("link_bytes_s", link_bytes_s, 1e6, 1e15)
    most = max((fit.ranks for fit in fits if fit.operation in RINGS), default=0)
    rings = [fit for fit in fits if fit.operation in RINGS and fit.ranks == most]
    if not rings:
        raise TmplanError(f"the constants of a link require a fit of at least one of {', '.join(RINGS)}")
    bandwidth = float(np.median([fit.bandwidth_bytes_s for fit in rings]))
    return LinkConstants(bandwidth / link_bytes_s, float(np.median([fit.latency_s for fit in rings])))
