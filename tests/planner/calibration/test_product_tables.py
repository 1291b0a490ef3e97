"""Constants of products in 8 and 4 bits and of experts from tables of latencies."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from planner import presets
from planner.calibration import product_tables
from planner.cost.compute import gemm_body
from planner.dimensions import Number
from planner.errors import FileError
from planner.specs.hardware import Gpu
from planner.specs.products import Products

pytest.importorskip("scipy")
H100 = presets.gpu("h100-sxm")
LOOP = replace(H100, gemm=replace(H100.gemm, training=1.0))  # an idle machine


def seconds(gpu: Gpu, numbers: str, m: float, n: float, k: float, grouped: bool) -> float:
    """One product, without its launch."""
    return float(gemm_body(gpu, numbers, Number(m), Number(n), Number(k), grouped))


def narrow_table(path: Path, gpu: Gpu) -> Path:
    """A table made by the model: products, 10 microseconds of launches, and a cast of 8 bytes per element."""
    lines = ["gemm_dtype,m,n,k,latency"]
    for m, n, k in product((512, 2048, 16384), (768, 4096, 28672), (512, 4096, 14336)):
        total = 10e-6 + seconds(gpu, "fp8", m, n, k, False) + 8 * m * k / gpu.hbm_bytes_s
        lines.append(f"fp8,{m},{n},{k},{total * 1e3!r}")
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def grouped_table(path: Path, gpu: Gpu) -> Path:
    """A table made by the model: two products of each of 8 experts on a rank, and twice the traffic of permutation and activation."""
    lines = ["moe_dtype,hidden_size,inter_size,num_experts,topk,moe_tp_size,moe_ep_size,num_tokens,latency"]
    for h, f, tokens in product((2048, 4096, 8192), (768, 2048, 14336), (2048, 8192, 32768)):
        m, e = tokens * 2 / 16, 8
        both = seconds(gpu, "bf16", m, 2 * f, h, True) + seconds(gpu, "bf16", m, h, f, True)
        moved = e * m * (6 * h + 6 * f) + 2 * h * tokens
        lines.append(f"bfloat16,{h},{f},16,2,1,2,{tokens},{(30e-6 + e * both + 2 * moved / gpu.hbm_bytes_s) * 1e3!r}")
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_a_narrow_table_gives_the_constants_it_was_made_with(tmp_path: Path) -> None:
    """The plateau, the bandwidth and the traffic of the cast are those of the model that made the table."""
    made = Products("fp8", 1.5e15, 20.0, 40.0, 200.0, 2.5e12)
    (fit,) = product_tables.fit_narrow(narrow_table(tmp_path / "narrow.csv", replace(LOOP, narrow=(made,))), H100)
    assert fit.products.flops_s == pytest.approx(made.flops_s, rel=0.02)
    assert fit.products.bytes_s == pytest.approx(made.bytes_s, rel=0.05)
    assert fit.traffic == pytest.approx(8.0, rel=0.05)
    assert fit.error < 0.01


def test_a_table_of_experts_gives_the_constants_it_was_made_with(tmp_path: Path) -> None:
    """The plateau and the bandwidth of grouped products are those of the model that made the table."""
    made = Products("bf16", 0.8e15, 30.0, 0.0, 100.0, 2.9e12)
    (fit,) = product_tables.fit_grouped(grouped_table(tmp_path / "experts.csv", replace(LOOP, grouped=(made,))), H100)
    assert fit.products.flops_s == pytest.approx(made.flops_s, rel=0.03)
    assert fit.products.bytes_s == pytest.approx(made.bytes_s, rel=0.05)
    assert fit.error < 0.01


def test_shipped_tables_stay_below_single_products_and_the_peak() -> None:
    """Grouped products of every GPU approach no higher rate than single ones in the same format, and none exceeds the peak."""
    for name in presets.names("gpus"):
        gpu = presets.gpu(name)
        for table in (*gpu.narrow, *gpu.grouped):
            assert table.flops_s <= gpu.units(table.numbers)
        for table in gpu.grouped:
            assert table.flops_s <= gpu.products(table.numbers).flops_s * 1.001


def test_a_table_without_training_shapes_is_refused(tmp_path: Path) -> None:
    """A table of small products, or of formats that are not known, cannot be fitted."""
    path = tmp_path / "small.csv"
    path.write_text("gemm_dtype,m,n,k,latency\n" + "fp8,64,64,64,0.01\n" * 30, encoding="utf-8")
    with pytest.raises(FileError, match="must have at least 24 rows of training shapes in one of bf16"):
        product_tables.fit_narrow(path, H100)


def test_products_grow_with_the_number_of_experts() -> None:
    """The same tokens over more experts take no less: each reads its own weights."""
    times = [experts * seconds(H100, "bf16", 65536 / experts, 4096.0, 2048.0, True) for experts in (1, 8, 64, 512)]
    assert np.all(np.diff(times) >= 0)
