"""Seconds on the device."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner import compute, estimate, presets
from planner.evaluate import evaluate
from planner.plan import Plan
from tests.planner.jobs import korthikanti, small

H100 = presets.gpu("h100-sxm")
sizes = st.integers(1, 100_000)

# aiconfigurator_core 0.12.0, measured bf16 GEMM latencies of a serving planner's data, H100 SXM: m, n, k, milliseconds
MEASURED = [(32768, 65536, 12288, 60.324), (32768, 65536, 16384, 80.850), (32768, 65536, 8192, 44.175)]


@given(sizes, sizes, sizes)
def test_a_product_never_beats_the_peak_nor_the_memory(m: int, n: int, k: int) -> None:
    """A matrix product takes at least its FLOPs at the peak and its overhead."""
    seconds = compute.gemm_seconds(H100, "bf16", float(m), float(n), float(k))
    assert seconds >= 2.0 * m * n * k / H100.flops_bf16
    assert seconds >= H100.gemm.overhead_s


@given(sizes, sizes, sizes, st.integers(2, 8))
def test_a_larger_product_never_takes_less(m: int, n: int, k: int, times: int) -> None:
    """Growing any side never makes a product faster, and halving the sides never halves the cost of small ones below their overhead."""
    base = compute.gemm_seconds(H100, "bf16", float(m), float(n), float(k))
    for shape in ((m * times, n, k), (m, n * times, k), (m, n, k * times)):
        assert compute.gemm_seconds(H100, "bf16", *map(float, shape)) >= base


@pytest.mark.parametrize(("m", "n", "k", "ms"), MEASURED)
def test_large_products_are_slower_in_training_than_in_tight_loops_by_the_factor_told(m: int, n: int, k: int, ms: float) -> None:
    """Divided by the training factor of the GPU's file, the fit meets measured latencies of large products within 15 %."""
    in_loop = replace(H100, gemm=replace(H100.gemm, training=1.0))
    assert compute.gemm_seconds(in_loop, "bf16", float(m), float(n), float(k)) * 1e3 == pytest.approx(ms, rel=0.15)


def test_fp8_runs_products_faster_and_nothing_else() -> None:
    """fp8 speeds matrix products by the GPU's share of the nominal gain and leaves attention alone."""
    bf16, fp8 = small(), small(precision="fp8")
    plan = Plan(tp=2, dp=8).column()
    a, b = (estimate.layer_cost(job, plan) for job in (bf16, fp8))
    assert b.layer_forward[0] < a.layer_forward[0]
    attention = [compute.attention_forward(job, plan, 4096.0, 1e12) for job in (bf16, fp8)]
    assert attention[0] == attention[1]


def test_elementwise_work_moves_what_it_reads_and_writes() -> None:
    """A layer of Llama 3.1 8B moves, a token, 8 h for norms, 12 h for residuals, 4 (a + k) e for positions, 6 f for SwiGLU."""
    h, f, rotated = 4096, 14336, (32 + 8) * 128
    job = small()
    job = replace(job, stack=replace(job.stack, elementwise=1.0, norm_traffic=1.0))
    forward = compute.elementwise_bytes(job, Plan().column(), backward=False)
    backward = compute.elementwise_bytes(job, Plan().column(), backward=True)
    assert forward == pytest.approx(8 * h + 12 * h + 4 * rotated + 6 * f)
    assert backward == pytest.approx(12 * h + 12 * h + 4 * rotated + 10 * f)
    split = compute.elementwise_bytes(job, Plan(tp=2, sequence_parallel=1).column(), backward=False)
    assert split == pytest.approx(forward / 2)
    eager = replace(job, stack=replace(job.stack, elementwise=2.0, norm_traffic=3.0))
    moved = compute.elementwise_bytes(eager, Plan().column(), backward=False)
    assert moved == pytest.approx(3 * 8 * h + 2 * (12 * h + 4 * rotated + 6 * f))


def test_sliding_windows_shorten_what_local_layers_attend_to() -> None:
    """Gemma 2 attends to half the keys of a global layer in its global half, to its window in the other."""
    model = presets.model("gemma-2-9b")
    assert compute.attended(model, 2048) == 1024
    assert compute.attended(model, 8192) == pytest.approx(0.5 * 4096 + 0.5 * (4096 - 4096**2 / (2 * 8192)))


# Korthikanti et al. 2022, Table 4: one layer of the 22B model, tp 8, micro-batch 4, A100: forward and backward, milliseconds
@pytest.mark.parametrize(("sp", "forward", "backward"), [(0, 7.7, 11.9), (1, 7.2, 11.8)])
def test_one_layer_of_the_22b_model_meets_table_4(sp: int, forward: float, backward: float) -> None:
    """A layer's forward and backward pass with its collectives lies within 25 % of Table 4 of Korthikanti et al. 2022."""
    job = korthikanti("gpt-22b", 8, 4)
    cost = estimate.layer_cost(job, Plan(tp=8, micro_batch=4, sequence_parallel=sp).column())
    sent = job.stack.tp_exposed * cost.tp_forward[0]
    ours = np.array([cost.layer_forward[0] + sent, cost.layer_backward[0] + sent]) * 1e3
    assert ours == pytest.approx([forward, backward], rel=0.25)


def test_small_layers_wait_for_the_host() -> None:
    """A model too small to fill the GPU is bound by launches: its step holds host time, a large one's hardly any."""
    tiny = evaluate(small(model="gpt2-124m", sequence=1024, gpus=8, global_batch=8), Plan(dp=8))
    large = evaluate(small(), Plan(tp=8, dp=2, sequence_parallel=1))
    assert tiny.time_parts["host"][0] > tiny.time_parts["compute"][0]
    assert large.time_parts["host"][0] < 0.2 * large.time_parts["compute"][0]


def test_unfused_attention_costs_more_than_fused_than_flash() -> None:
    """For the same plan flash-2 is faster than flash-1 than fused softmax than unfused attention."""
    times = [evaluate(small(attention=a), Plan(tp=2, dp=8)).step[0] for a in ("flash-2", "flash-1", "fused-softmax", "unfused")]
    assert times == sorted(times) and len(set(times)) == 4
