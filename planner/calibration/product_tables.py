"""Measured products in 8 and 4 bits and of routed experts: the Products of a GPU from tables of latencies.

A narrow table times the casting of the input with the product; a table of experts times routing, two grouped products, the activation and
the permutation of tokens. Both are fitted with a launch and a factor of memory traffic in addition, which are not the products' and which
a plan counts elsewhere. Residuals as in kernel_tables. Plateaus are at most that of single products in the same format, bandwidths at most
that of the memory and caches.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from planner.calibration.kernel_tables import BARE, LATENCY, SIZE, TRAINING_SIDE, Floats, curve, mean_error, read_columns
from planner.cost.compute import gemm_body
from planner.dimensions import Number
from planner.errors import FileError
from planner.specs.hardware import CACHED, Gpu
from planner.specs.products import FORMATS, Products

DTYPES = {"bfloat16": "bf16", "bf16": "bf16", "fp8": "fp8", "fp8_block": "fp8_block", "nvfp4": "nvfp4"}  # names in tables
LEAST_ROWS = 24  # of one format
LEAST_COPIES = 32  # tokens of an expert: fewer are not training's
UNCERTAIN = (22,)  # experts per token of the models whose MLP is not gated, or in a latent space, in the known tables
UNGATED = (1856,)  # width of experts of another


@dataclass(frozen=True)
class FittedProducts:
    """Constants of one format; errors are mean |model / measured - 1|."""

    products: Products
    overhead_s: float  # of everything launched that a row measures
    traffic: float  # bytes per byte of casts, or of permutation and activation, at the memory's bandwidth
    rows: int
    error: float


def _name(text: str) -> str:
    """The number format of a table's name; others are not fitted."""
    return DTYPES.get(text, text)


NAME = ("the name of a number format", _name)


def fit_narrow(path: str | Path, gpu: Gpu) -> tuple[FittedProducts, ...]:
    """The products of each format in a table of columns gemm_dtype, m, n, k and latency (ms); FileError for an invalid one."""
    table = read_columns(path, {"gemm_dtype": NAME, "m": SIZE, "n": SIZE, "k": SIZE, "latency": LATENCY})
    training = np.minimum(np.minimum(table["m"], table["n"]), table["k"]) >= 2 * TRAINING_SIDE

    def of(numbers: str) -> FittedProducts | None:
        m, n, k, measured = (table[c][training & (table["gemm_dtype"] == numbers)] for c in ("m", "n", "k", "latency"))

        def seconds(products: Products, overhead: float, traffic: float) -> Floats:
            cast: Floats = traffic * m * k / gpu.hbm_bytes_s
            return overhead + _body(gpu, products, m, n, k, grouped=False) + cast

        return _fit(numbers, gpu, measured / 1e3, seconds, gpu.units(numbers), (0.0, 30.0)) if len(m) >= LEAST_ROWS else None

    return _each(table["gemm_dtype"], of, path)


def fit_grouped(path: str | Path, gpu: Gpu) -> tuple[FittedProducts, ...]:
    """The grouped products of each format in a table of routed experts' forward pass; FileError for an invalid one.

    Columns: moe_dtype, hidden_size, inter_size, num_experts, topk, moe_tp_size, moe_ep_size, num_tokens and latency (ms), tokens divided
    evenly. Models are gated, but for those of UNCERTAIN and UNGATED, which are left out.
    """
    sizes = ("hidden_size", "inter_size", "num_experts", "topk", "moe_tp_size", "moe_ep_size", "num_tokens")
    table = read_columns(path, {"moe_dtype": NAME, **dict.fromkeys(sizes, SIZE), "latency": LATENCY})
    hidden, middle = table["hidden_size"], table["inter_size"] / table["moe_tp_size"]
    experts, tokens = table["num_experts"] / table["moe_ep_size"], table["num_tokens"]
    rows = tokens * table["topk"] / table["num_experts"]
    training = (middle >= TRAINING_SIDE) & (rows >= LEAST_COPIES)
    gated = ~np.isin(table["topk"], UNCERTAIN) & ~np.isin(table["inter_size"], UNGATED)

    def of(numbers: str) -> FittedProducts | None:
        chosen = training & gated & (table["moe_dtype"] == numbers)
        h, f, e, m, measured = (column[chosen] for column in (hidden, middle, experts, rows, table["latency"]))
        width = FORMATS.get(numbers, 2.0)
        copied = e * m * ((4 + width) * h + (4 + width) * f) + 2 * h * tokens[chosen]  # permuted, activated, put together again

        def seconds(products: Products, overhead: float, traffic: float) -> Floats:
            both = _body(gpu, products, m, 2 * f, h, grouped=True) + _body(gpu, products, m, h, f, grouped=True)
            total: Floats = overhead + e * both + traffic * copied / gpu.hbm_bytes_s
            return total

        most = gpu.products(numbers).flops_s if numbers in FORMATS else 0.0
        return _fit(numbers, gpu, measured / 1e3, seconds, most, (1.0, 4.0)) if len(m) >= LEAST_ROWS else None

    return _each(table["moe_dtype"], of, path)


def _each(names: Any, fit: Callable[[str], FittedProducts | None], path: str | Path) -> tuple[FittedProducts, ...]:
    """The fit of every known format of a table; FileError without any."""
    fits = [fit(str(name)) for name in sorted(set(names.tolist())) if name in FORMATS]
    known = tuple(each for each in fits if each)
    if not known:
        raise FileError(f"must have at least {LEAST_ROWS} rows of training shapes in one of {', '.join(FORMATS)}", where=str(path))
    return known


def _body(gpu: Gpu, products: Products, m: Floats, n: Floats, k: Floats, grouped: bool) -> Floats:
    """Products by planner.cost.compute.gemm_body in isolation, without the factor of training."""
    peaks = replace(BARE, flops_bf16=gpu.flops_bf16, flops_fp8=gpu.flops_fp8, flops_fp4=gpu.flops_fp4)
    alone = replace(peaks, grouped=(products,)) if grouped else replace(peaks, narrow=(products,))
    return np.asarray(gemm_body(alone, products.numbers, Number(m), Number(n), Number(k), grouped), dtype=np.float64)


def _fit(
    numbers: str, gpu: Gpu, measured: Floats, seconds: Callable[[Products, float, float], Floats], most: float, traffic: tuple[float, float]
) -> FittedProducts:  # fmt: skip
    """The constants with the smallest residuals; most: of the plateau, FLOP/s; traffic: bounds of its factor."""

    def constants(x: Any) -> tuple[Products, float, float]:
        overhead, plateau, pad_m, pad_n, pad_k, memory, moved = map(float, x)
        pads = (pad_m * 100, pad_n * 100, pad_k * 100)
        return Products(numbers, plateau * most, *pads, memory * gpu.hbm_bytes_s), overhead * 1e-6, moved

    pads = [(0.0, 0.6, np.inf)] * 3
    moved = (traffic[0], sum(traffic) / 3, traffic[1])
    bounds = [(0.0, 5.0, np.inf), (0.05, 0.8, 1.0), *pads, (0.2, 0.8, CACHED), moved]
    best = constants(curve(lambda x: seconds(*constants(x)), measured, bounds))
    return FittedProducts(*best, rows=len(measured), error=mean_error(seconds(*best), measured))
