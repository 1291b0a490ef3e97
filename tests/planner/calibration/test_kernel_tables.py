"""Tables of measured kernels: reading, errors, and fits that recover the constants of synthetic tables."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.calibration import kernel_tables
from planner.cost.collectives import all_reduce_seconds, gather_seconds
from planner.cost.compute import gemm_seconds
from planner.dimensions import Bytes, Count
from planner.errors import FieldError, FileError, TmplanError
from planner.specs.hardware import Gemm
from tests.planner.jobs import small

SIDES = (32.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0, 8192.0, 16384.0)
SHAPES = np.array(list(product(SIDES[2:], SIDES, SIDES)))
MADE = [
    Gemm(4.0e-6, 289e12, 121.0, 122.0, 188.0, 2.65e12),
    Gemm(2.7e-6, 832e12, 21.0, 39.0, 166.0, 2.9e12),
    Gemm(2.4e-6, 1705e12, 103.0, 96.0, 87.0, 5.7e12),
]
GEMM, NCCL = "m,n,k,latency\n", "op_name,num_gpus,message_size,latency\n"


def products(gemm: Gemm, factor: Any = 1.0, shapes: Any = SHAPES) -> kernel_tables.GemmTable:
    """Synthetic products with these constants, times a factor per row."""
    m, n, k = shapes.T
    return kernel_tables.GemmTable(m, n, k, gemm_seconds(replace(kernel_tables.BARE, gemm=gemm), "bf16", m, n, k) * factor, "made.csv")


def messages(latency_s: float, bandwidth_bytes_s: float, ranks: tuple[int, ...] = (2, 8)) -> kernel_tables.NcclTable:
    """Synthetic collectives of every operation with this latency and bus bandwidth."""
    rows = list(product(kernel_tables.PASSES, ranks, 2.0 ** np.arange(10, 31)))
    seconds = [latency_s + kernel_tables.wire_bytes(name, n, size) / bandwidth_bytes_s for name, n, size in rows]
    names, counts, sizes = zip(*rows, strict=True)
    return kernel_tables.NcclTable(np.array(names), np.array(counts), np.array(sizes), np.array(seconds), "made.csv")


def close(gemm: Gemm, truth: Gemm, rel: float) -> bool:
    """Whether every constant has a relative error of at most `rel`; paddings an absolute one of 100 rel in addition."""
    pairs = [(gemm.overhead_s, truth.overhead_s), (gemm.flops_s, truth.flops_s), (gemm.bytes_s, truth.bytes_s)]
    pads = [(gemm.pad_m, truth.pad_m), (gemm.pad_n, truth.pad_n), (gemm.pad_k, truth.pad_k)]
    return all(a == pytest.approx(b, rel=rel) for a, b in pairs) and all(a == pytest.approx(b, rel=rel, abs=100 * rel) for a, b in pads)


def test_a_table_of_products_reads_in_seconds(tmp_path: Path) -> None:
    """Columns may be in any order among others; milliseconds become seconds; blank lines and a byte order mark are ignored."""
    file = tmp_path / "gemm.csv"
    file.write_text("\ufefflatency, k,kernel,n,m\r\n0.5,64,x,32,16\r\n\r\n2,4096,y,2048,1024.0\r\n", encoding="utf-8")
    table = kernel_tables.read_gemm(file)
    assert [table.m.tolist(), table.n.tolist(), table.k.tolist()] == [[16, 1024], [32, 2048], [64, 4096]]
    assert table.seconds.tolist() == [0.0005, 0.002]
    assert table.where == str(file)


def test_a_table_of_collectives_reads_in_bytes_and_seconds(tmp_path: Path) -> None:
    """An element of a message is two bytes; milliseconds become seconds."""
    file = tmp_path / "nccl.csv"
    file.write_text(NCCL + "all_reduce,8,256,0.5\nalltoall,2,1024,2\n", encoding="utf-8")
    table = kernel_tables.read_nccl(file)
    assert table.operation.tolist() == ["all_reduce", "alltoall"]
    assert table.ranks.tolist() == [8, 2]
    assert table.message_bytes.tolist() == [512, 2048]
    assert table.seconds.tolist() == [0.0005, 0.002]


MILLISECONDS = "latency must be a number of milliseconds above 0 (from 1e-6 to 1e9), not "
REFUSED_GEMM = [
    ("", "line 1 must name each of the columns m, n, k, latency once; 'm' is missing"),
    ("m,n,latency\n1,2,3\n", "line 1 must name each of the columns m, n, k, latency once; 'k' is missing"),
    ("m;n;k;latency\n1;2;3;4\n", "line 1 must name each of the columns m, n, k, latency once; 'm' is missing"),
    ("m,n,k,k,latency\n1,2,3,3,4\n", "line 1 must name each of the columns m, n, k, latency once; 'k' is given twice"),
    (GEMM, "line 2 must be a measured row of m, n, k, latency, but the table is empty"),
    (GEMM + "1,2,3\n", "line 2 must have 4 values, as line 1, not 3"),
    (GEMM + "1,2,3,4,5\n", "line 2 must have 4 values, as line 1, not 5"),
    (GEMM + "1,2,3,4\n1,2,x,4\n", "line 3: k must be a whole number from 1 to 2^40, not 'x'"),
    (GEMM + "1,2.5,3,4\n", "line 2: n must be a whole number from 1 to 2^40, not '2.5'"),
    (GEMM + "0,2,3,4\n", "line 2: m must be a whole number from 1 to 2^40, not '0'"),
    (GEMM + "1e300,2,3,4\n", "line 2: m must be a whole number from 1 to 2^40, not '1e300'"),
    (GEMM + "\n\n1,2,3,\n", f"line 4: {MILLISECONDS}''"),
    *((GEMM + f"1,2,3,{cell}\n", f"line 2: {MILLISECONDS}{cell!r}") for cell in ("0", "-1", "nan", "inf", "fast", "1e-300")),
    (GEMM + f"1,2,3,{'9' * 200_000}\n", "line 2 is not CSV (field larger than field limit (131072)); it must hold values separated"),
]
REFUSED_NCCL = [
    ("op_name,num_gpus,latency\n", "line 1 must name each of the columns op_name, num_gpus, message_size, latency once; 'message_size' is"),
    (NCCL + "broadcast,8,256,1\n", "op_name must be one of all_gather, all_reduce, alltoall, reduce_scatter, not 'broadcast'"),
    (NCCL + "all_reduce,1,256,1\n", "line 2: num_gpus must be a whole number from 2 to 10,000,000, not '1'"),
    (NCCL + "all_reduce,8,-2,1\n", "line 2: message_size must be a whole number from 1 to 2^40, not '-2'"),
    (NCCL + "all_reduce,8,256,0\n", f"line 2: {MILLISECONDS}'0'"),
]


def refused(read: Callable[[Path], Any], path: Path, sentence: str) -> None:
    """Reading a file is refused in one line that starts with the file and contains a sentence."""
    with pytest.raises(FileError) as refusal:
        read(path)
    assert sentence in str(refusal.value)
    assert str(refusal.value).startswith(f"{path}: ")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(("text", "sentence"), REFUSED_GEMM)
def test_a_wrong_table_of_products_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    """An invalid table of products is refused with the file, the line and the valid values."""
    (tmp_path / "gemm.csv").write_text(text, encoding="utf-8")
    refused(kernel_tables.read_gemm, tmp_path / "gemm.csv", sentence)


@pytest.mark.parametrize(("text", "sentence"), REFUSED_NCCL)
def test_a_wrong_table_of_collectives_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    """An invalid table of collectives is refused with the file, the line and the valid values."""
    (tmp_path / "nccl.csv").write_text(text, encoding="utf-8")
    refused(kernel_tables.read_nccl, tmp_path / "nccl.csv", sentence)


@pytest.mark.parametrize("read", [kernel_tables.read_gemm, kernel_tables.read_nccl])
def test_unreadable_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Callable[[Path], Any]) -> None:
    """A missing file, a folder, a file that is not UTF-8 and one that is too large are refused in one line."""
    refused(read, tmp_path / "none.csv", "cannot be read: no such file or directory")
    refused(read, tmp_path, "cannot be read: it is a folder, not a file")
    (tmp_path / "wide.csv").write_bytes(b"m,n\n1,2\n\xff\xfe\n")
    refused(read, tmp_path / "wide.csv", "is not UTF-8 text (byte 8)")
    monkeypatch.setattr(kernel_tables, "LARGEST_FILE", 10)
    (tmp_path / "large.csv").write_text(GEMM * 2, encoding="utf-8")
    refused(read, tmp_path / "large.csv", "is larger than 10 bytes; a table of ")


@pytest.mark.parametrize("truth", MADE, ids=["a100", "h100", "b200"])
def test_the_constants_of_a_synthetic_table_are_recovered(truth: Gemm) -> None:
    """A fit to a table with known constants recovers them without residual."""
    fit = kernel_tables.fit_gemm(products(truth))
    assert close(fit.gemm, truth, 1e-3)
    assert fit.error < 1e-4
    assert fit.rows == len(SHAPES)
    assert fit.training_rows == 7**3
    assert fit.gemm.source == f"fitted to {len(SHAPES)} measured products"


def test_noise_and_a_throttled_gpu_hardly_move_the_constants() -> None:
    """With 5 % of noise on every row, and one row in fifty twice as slow, the constants stay within 10 %."""
    random = np.random.default_rng(7)
    factor = np.exp(random.normal(0.0, 0.05, len(SHAPES))) * np.where(np.arange(len(SHAPES)) % 50 == 0, 2.0, 1.0)
    fit = kernel_tables.fit_gemm(products(MADE[0], factor))
    assert close(fit.gemm, MADE[0], 0.10)
    assert 0.03 < fit.error < 0.08


@settings(deadline=None, max_examples=25)
@given(st.floats(0, 20), st.floats(50, 3000), st.floats(0, 300), st.floats(0, 300), st.floats(0, 300), st.floats(0.5, 10))
def test_any_synthetic_table_is_fitted(t0: float, tflops: float, m: float, n: float, k: float, tb_s: float) -> None:
    """For any constants of a table, the mean error of the fit is below 1 % and its constants are not negative."""
    fit = kernel_tables.fit_gemm(products(Gemm(t0 * 1e-6, tflops * 1e12, m, n, k, tb_s * 1e12)))
    assert fit.error < 0.01
    assert min(fit.gemm.overhead_s, fit.gemm.pad_m, fit.gemm.pad_n, fit.gemm.pad_k) >= 0
    assert min(fit.gemm.flops_s, fit.gemm.bytes_s) > 0


@pytest.mark.parametrize("truth", MADE, ids=["a100", "h100", "b200"])
def test_a_model_of_flops_only_has_larger_errors(truth: Gemm) -> None:
    """A constant rate has an error above 5 %, the full model only that of the noise; the rate is below the plateau."""
    noise = 1.0 + 0.03 * np.cos(np.arange(len(SHAPES)))
    fit = kernel_tables.fit_gemm(products(truth, noise))
    assert fit.flops_only_error > 0.05 > fit.error
    assert fit.flops_only_s < truth.flops_s


def test_small_products_weigh_less_than_training_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    """If small products are 1.5 times slower than the model, training shapes are fitted better than with equal weights."""
    small = np.where(SHAPES.min(axis=1) < kernel_tables.TRAINING_SIDE, 1.5, 1.0)
    error = kernel_tables.fit_gemm(products(MADE[1], small)).error
    monkeypatch.setattr(kernel_tables, "SMALL_WEIGHT", 1.0)
    assert error < kernel_tables.fit_gemm(products(MADE[1], small)).error - 0.01


def test_too_few_training_shapes_are_refused() -> None:
    """A table with fewer than twelve training shapes is refused, however many small products it has."""
    few = SHAPES[SHAPES.min(axis=1) < kernel_tables.TRAINING_SIDE]
    with pytest.raises(FileError, match=r"^made\.csv: must have at least 12 rows with m, n and k of 256 or more to be fitted, not 0$"):
        kernel_tables.fit_gemm(products(MADE[0], shapes=few))


@pytest.mark.parametrize(("latency", "bandwidth"), [(22e-6, 328e9), (50e-6, 210e9), (0.0, 670e9), (2e-6, 40e9)])
def test_latency_and_bandwidth_of_a_synthetic_table_are_recovered(latency: float, bandwidth: float) -> None:
    """Latency and bandwidth of every operation and number of ranks are recovered from long messages."""
    fits = kernel_tables.fit_collectives(messages(latency, bandwidth))
    assert [(fit.operation, fit.ranks) for fit in fits] == list(product(sorted(kernel_tables.PASSES), (2, 8)))
    for fit in fits:
        assert fit.bandwidth_bytes_s == pytest.approx(bandwidth, rel=1e-3)
        assert fit.latency_s == pytest.approx(latency, rel=1e-3, abs=1e-8)
        assert fit.error < 1e-4
        assert fit.rows == 9  # of 4 MiB to 1 GiB


def test_short_messages_do_not_count() -> None:
    """The times of messages below 4 MiB do not change the fit."""
    table = messages(20e-6, 300e9)
    slow = replace(table, seconds=np.where(table.message_bytes < kernel_tables.TRAINING_MESSAGE, 10 * table.seconds, table.seconds))
    assert kernel_tables.fit_collectives(slow) == kernel_tables.fit_collectives(table)


def test_too_few_long_messages_are_refused() -> None:
    """An operation with fewer than three sizes of 4 MiB or more is refused with its name."""
    table = messages(20e-6, 300e9)
    keep = table.message_bytes < 2.0**24
    short = kernel_tables.NcclTable(table.operation[keep], table.ranks[keep], table.message_bytes[keep], table.seconds[keep], "made.csv")
    with pytest.raises(
        FileError, match=r"^made\.csv: must have at least 3 sizes of 4 MiB .* of all_gather over 2 GPUs to be fitted, not 2$"
    ):
        kernel_tables.fit_collectives(short)


@pytest.mark.parametrize("members", [2, 4, 8])
def test_wire_bytes_agree_with_the_cost_model(members: int) -> None:
    """Bytes per link over the rate of N ranks, plus latency, are the seconds of planner.cost.collectives within a domain."""
    job = small()
    rate = job.constants.link_fraction * job.cluster.link_bytes_s
    for name, planned in (("all_reduce", all_reduce_seconds), ("all_gather", gather_seconds), ("reduce_scatter", gather_seconds)):
        reached = rate * (1 - 0.5 / members)  # two ranks reach 3/4 of the asymptotic rate
        ours = job.constants.link_latency + kernel_tables.wire_bytes(name, members, 2.0**26) / reached
        assert float(planned(job, Count(members), Count(1), Bytes(2.0**26))) == pytest.approx(ours, rel=1e-12)


def test_the_constants_of_a_link_are_medians_over_rings_of_the_largest_group() -> None:
    """Fraction and latency are medians of the ring operations of the largest group; smaller groups and all-to-all are ignored."""
    rates = [("all_gather", 8, 320e9, 20e-6), ("all_reduce", 8, 440e9, 44e-6), ("reduce_scatter", 8, 330e9, 21e-6)]
    others = [("alltoall", 16, 1e9, 1.0), ("all_gather", 2, 1e9, 1.0), ("all_reduce", 4, 1e9, 1.0)]
    fits = tuple(kernel_tables.FittedCollective(name, ranks, rate, latency, 8, 0.0) for name, ranks, rate, latency in rates + others)
    assert kernel_tables.link_constants(fits, 450e9) == kernel_tables.LinkConstants(330e9 / 450e9, 21e-6)


def test_a_link_without_rings_or_rate_is_refused() -> None:
    """Fits without a ring operation, and an invalid rate, are refused."""
    fits = kernel_tables.fit_collectives(messages(20e-6, 300e9))
    with pytest.raises(FieldError, match="link_bytes_s must lie between"):
        kernel_tables.link_constants(fits, 0.0)
    alltoall = tuple(fit for fit in fits if fit.operation == "alltoall")
    with pytest.raises(TmplanError, match="require a fit of at least one of all_gather, all_reduce, reduce_scatter"):
        kernel_tables.link_constants(alltoall, 450e9)


def test_without_scipy_a_fit_names_the_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without scipy a fit raises an error with the command that installs it."""
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    with pytest.raises(TmplanError, match="pip install scipy"):
        kernel_tables.fit_gemm(products(MADE[0]))


def test_scipy_is_loaded_only_to_fit() -> None:
    """Importing the module does not load scipy."""
    code = "import sys, planner.calibration.kernel_tables; sys.exit('scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
