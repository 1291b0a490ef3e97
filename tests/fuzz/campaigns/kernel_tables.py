"""Campaign: tables of measured matrix products and collectives, mutated; read, and fitted to."""

from __future__ import annotations

import math
from random import Random

from planner.calibration import kernel_tables
from tests.fuzz import nasty
from tests.fuzz.campaign import Bench, Campaign, Case, need, register
from tests.fuzz.mutate import shaken

SIDES, OPERATIONS = (256, 1024, 4096), ("all_reduce", "all_gather")


def products() -> str:
    """A table of matrix products, milliseconds as a GPU of 600 TFLOP/s takes."""
    rows = [f"{m},{n},{k},{0.01 + m * n * k * 2 / 6e11:.5f}" for m in SIDES for n in SIDES[1:] for k in SIDES[1:]]
    return "\n".join(["m,n,k,latency", *rows])


def collectives() -> str:
    """A table of collectives."""
    rows = [f"{name},{ranks},{size},{0.02 + size / 3e8:.5f}" for name in OPERATIONS for ranks in (2, 8) for size in (2**20, 2**24, 2**28)]
    return "\n".join(["op_name,num_gpus,message_size,latency", *rows])


def draw(rng: Random) -> Case:
    """A table with cells or bytes changed."""
    kind = rng.choice(("gemm", "nccl"))
    lines = [line.split(",") for line in (products() if kind == "gemm" else collectives()).split("\n")]
    swapped = [[swap(rng) if rng.random() < 0.01 else cell for cell in cells] for cells in lines]
    data = "\n".join(map(",".join, swapped)).encode("utf-8", "surrogatepass")
    if rng.random() < 0.2:
        data = shaken(rng, data)
    return {"kind": kind, "data": nasty.packed(data), "fit": rng.random() < 0.05}


def swap(rng: Random) -> str:
    """A cell that is none."""
    return rng.choice(nasty.TEXTS) if rng.random() < 0.5 else str(rng.choice(nasty.NUMBERS))


def check(case: Case, bench: Bench) -> None:
    """A table is read or refused; constants fitted to it are finite."""
    path = str(bench.file("table.csv", nasty.unpacked(case["data"])))
    if case["kind"] == "gemm":
        table = kernel_tables.read_gemm(path)
        if case["fit"]:
            fitted = kernel_tables.fit_gemm(table)
            need(math.isfinite(fitted.error) and math.isfinite(fitted.flops_only_s), "a fit to matrix products is not finite", fitted)
        return
    rows = kernel_tables.read_nccl(path)
    for result in kernel_tables.fit_collectives(rows) if case["fit"] else ():
        need(math.isfinite(result.bandwidth_bytes_s) and math.isfinite(result.latency_s), "a fit to collectives is not finite", result)


register(Campaign("kernel-tables", "tables of matrix products and collectives", draw, check, weight=0.4, shrinks=("data",)))
