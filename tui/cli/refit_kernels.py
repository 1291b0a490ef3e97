"""The lines of `tmplan refit --kernels`: constants of measured products, attention and collectives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from planner import presets
from planner.calibration import attention_tables, kernel_tables, product_tables
from planner.files.reader import expand_home, names_in
from planner.plaintext import flat
from planner.specs.hardware import Gpu

NARROW, GROUPED = "gemm_narrow_", "moe_trtllm_"  # the names of tables begin with these


def kernel_lines(folder: str) -> Iterator[str]:
    """The constants of matrix products and collectives fitted to the measured tables of a folder, and their errors."""
    heads = f"{'t0, us':>8s} {'TFLOP/s':>8s} {'dm':>6s} {'dn':>6s} {'dk':>6s} {'TB/s':>6s} {'error %':>8s} {'FLOPs alone %':>14s}"
    yield f"{'matrix products':30s} {heads}"
    for file in [file for file in tables_in(folder, "gemm") if not file.name.startswith(NARROW)]:
        fit = kernel_tables.fit_gemm(kernel_tables.read_gemm(file))
        g = fit.gemm
        sizes = f"{g.pad_m:6.0f} {g.pad_n:6.0f} {g.pad_k:6.0f} {g.bytes_s / 1e12:6.2f}"
        errors = f"{100 * fit.error:8.1f} {100 * fit.flops_only_error:14.1f}"
        yield f"{flat(file.stem):30s} {g.overhead_s * 1e6:8.2f} {g.flops_s / 1e12:8.0f} {sizes} {errors}"
    yield from product_lines(folder)
    yield from attention_lines(folder)
    yield f"{'collectives':30s} {'operation':>16s} {'ranks':>6s} {'GB/s':>8s} {'us':>6s} {'error %':>8s}"
    for file in tables_in(folder, "nccl"):
        for c in kernel_tables.fit_collectives(kernel_tables.read_nccl(file)):
            rate = f"{c.bandwidth_bytes_s / 1e9:8.0f} {c.latency_s * 1e6:6.0f}"
            yield f"{flat(file.stem):30s} {c.operation:>16s} {c.ranks:6d} {rate} {100 * c.error:8.1f}"


def product_lines(folder: str) -> Iterator[str]:
    """The constants of products in 8 and 4 bits and of routed experts, and their errors, for the tables named after a GPU."""
    heads = f"{'TFLOP/s':>8s} {'dm':>6s} {'dn':>6s} {'dk':>6s} {'TB/s':>6s} {'error %':>8s}"
    yield f"{'products of experts, narrow':30s} {'format':>10s} {heads}"
    narrow: dict[str, tuple[product_tables.FittedProducts, ...]] = {}
    for prefix in (NARROW, GROUPED):
        for file in tables_in(folder, prefix):
            name = file.stem.removeprefix(prefix)
            gpu = gpu_of(name)
            if gpu is None:
                yield f"{flat(file.stem):30s} no GPU of this name"
                continue
            singles = tuple(fit.products for fit in narrow.get(name, ())) or gpu.narrow
            gpu = replace(gpu, narrow=singles)
            fits = product_tables.fit_narrow(file, gpu) if prefix == NARROW else product_tables.fit_grouped(file, gpu)
            if prefix == NARROW:
                narrow[name] = fits
            for fit in fits:
                p = fit.products
                sizes = f"{p.pad_m:6.0f} {p.pad_n:6.0f} {p.pad_k:6.0f} {p.bytes_s / 1e12:6.2f} {100 * fit.error:8.1f}"
                yield f"{flat(file.stem):30s} {p.numbers:>10s} {p.flops_s / 1e12:8.0f} {sizes}"


def attention_lines(folder: str) -> Iterator[str]:
    """The constants of flash attention fitted to the measured tables of a folder, and their errors."""
    heads = f"{'t0, us':>8s} {'TFLOP/s':>8s} {'dq':>7s} {'ds':>5s} {'de':>5s} {'error %':>8s} {'heads of 128':>13s} {'windows':>8s}"
    yield f"{'attention':30s} {heads}"
    for file in tables_in(folder, "attention"):
        fit = attention_tables.fit_attention(attention_tables.read_attention(file), gpu_of(file.stem.removeprefix("attention_")))
        f = fit.flash
        sizes = f"{f.pad_rows:7,.0f} {f.pad_keys:5.0f} {f.pad_width:5.0f}"
        windows = "-" if fit.window_error is None else f"{100 * fit.window_error:.1f}"
        errors = f"{100 * fit.error:8.1f} {100 * fit.common_error:13.1f} {windows:>8s}"
        yield f"{flat(file.stem):30s} {f.launch_s * 1e6:8.2f} {f.plateau_flops / 1e12:8.0f} {sizes} {errors}"


def gpu_of(name: str) -> Gpu | None:
    """The GPU that a table is named after, such as h100_sxm, if there is a preset of it."""
    name = name.replace("_", "-")
    known = [gpu for gpu in (name, name.removesuffix("-sxm")) if gpu in presets.names("gpus")]
    return presets.gpu(known[0]) if known else None


def tables_in(folder: str, prefix: str) -> list[Path]:
    """The measured tables of one kind in a folder; FileError if it cannot be listed."""
    place = Path(expand_home(folder))
    return [place / name for name in names_in(place, ".csv") if name.startswith(prefix)]
