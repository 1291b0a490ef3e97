"""Tables of measured attention: reading, and fits that recover the constants of synthetic tables."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from planner import presets
from planner.calibration import attention_tables
from planner.calibration.attention_tables import AttentionTable
from planner.cost import compute
from planner.dimensions import Tokens
from planner.errors import FileError
from planner.specs.hardware import Flash
from planner.specs.plan import Plan
from tests.planner.jobs import small

HEAD = "attn_dtype,batch_size,isl,num_heads,num_key_value_heads,head_dim,window_size,latency\n"
MADE = Flash(5e-6, 900e12, 4_000.0, 100.0, 20.0)


def made(kernel: Flash, widths: tuple[int, ...] = (64, 128, 256)) -> AttentionTable:
    """Synthetic forward passes of a kernel, with 1 TB/s of other traffic."""
    rows = np.array(list(product((1, 4, 16), (1024, 2048, 4096, 16_384), (4, 32), (4,), widths)), dtype=float)
    batch, sequence, heads, kv_heads, width = rows.T
    table = AttentionTable(batch, sequence, heads, kv_heads, width, sequence, np.ones(len(rows)), "made.csv")
    seconds = attention_tables.flash_seconds(kernel, table.queries, table.keys, 2 * width)
    return replace(table, seconds=seconds + 4 * batch * sequence * width * (heads + kv_heads) / 1e12)


def test_a_table_of_attention_reads_in_seconds(tmp_path: Path) -> None:
    """Rows in bf16 alone; without a window, or with one wider than the sequence, a query attends to half of it; with one of 128 of 512
    tokens to 128 - 128² / 1024."""
    path = tmp_path / "attention_x.csv"
    path.write_text(HEAD + "bfloat16,2,512,8,4,64,0,0.5\nfp8,2,512,8,4,64,0,9\nbfloat16,2,512,8,4,64,128,1\nbfloat16,2,512,8,4,64,4096,1\n")
    table = attention_tables.read_attention(path)
    assert table.seconds.tolist() == [0.0005, 0.001, 0.001]
    assert table.keys.tolist() == [256, 112, 256]
    assert table.flops[0] == 4 * 2 * 8 * 512 * 256 * 64


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HEAD.replace("isl", "length"), "'isl' is missing"),
        (HEAD + "bfloat16,2,512,8,4,64,-1,1\n", "window_size must be a whole number of tokens, 0 without a window, not '-1'"),
        (HEAD + "bfloat16,0,512,8,4,64,0,1\n", "line 2: batch_size must be a whole number"),
    ],
)
def test_a_broken_table_is_refused_by_line_and_column(text: str, words: str, tmp_path: Path) -> None:
    """The sentence names the column and its valid values."""
    path = tmp_path / "attention_x.csv"
    path.write_text(text)
    with pytest.raises(FileError, match=words):
        attention_tables.read_attention(path)


def test_the_constants_of_a_synthetic_table_are_recovered() -> None:
    """A fit recovers a kernel's rate and pads without residual, apart from the other traffic of a serving engine."""
    fit = attention_tables.fit_attention(made(MADE))
    assert fit.error < 1e-3
    assert fit.window_error is None
    flash = fit.flash
    assert flash.plateau_flops == pytest.approx(MADE.plateau_flops, rel=0.01)
    assert (flash.pad_rows, flash.pad_keys, flash.pad_width) == pytest.approx((4_000, 100, 20), rel=0.05)
    assert flash.launch_s == pytest.approx(5e-6, rel=0.05)


def test_no_rate_of_a_fit_is_above_the_peak_of_its_gpu() -> None:
    """A table with kernels above the peak leaves them out and stays at it."""
    a100 = presets.gpu("a100-80gb-sxm")
    fit = attention_tables.fit_attention(made(replace(MADE, plateau_flops=400e12)), a100)
    assert fit.flash.plateau_flops <= a100.flops_bf16


def test_a_table_of_one_head_size_keeps_the_width_of_flash_attention_2() -> None:
    """The padding of widths cannot be separated from the rate by one head size."""
    assert attention_tables.fit_attention(made(MADE, (128,))).flash.pad_width == pytest.approx(attention_tables.PAD_WIDTH, rel=0.02)


def test_few_rows_are_refused() -> None:
    """Fewer rows than twice the constants are refused with their number."""
    table = made(MADE)
    with pytest.raises(FileError, match="at least 12 rows in bfloat16 of 1,024 tokens or more to be fitted, not 3"):
        attention_tables.fit_attention(table.rows(np.arange(len(table.seconds)) < 3))


def test_the_fitted_form_is_that_of_the_model() -> None:
    """The time of a layer's attention, with training's share of the rate left out, is that of the fitted form."""
    job = small(gpu="h100-sxm", attention="flash-3", sequence=2048)
    gpu = replace(job.cluster.gpu, gemm=replace(job.cluster.gpu.gemm, training=1.0))
    job = replace(job, cluster=replace(job.cluster, gpu=gpu))
    tokens, model = 3 * 2048.0, job.model
    seconds = compute.attention_forward(job, Plan(), Tokens(tokens), compute.attention_flops(job, Plan(), Tokens(tokens)))
    queries, keys, width = np.array([tokens * model.heads]), np.array([1024.0]), np.array([2.0 * model.head_dim])
    assert gpu.flash_3 is not None
    assert seconds == pytest.approx(attention_tables.flash_seconds(gpu.flash_3, queries, keys, width)[0])
