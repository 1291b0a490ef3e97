"""Seconds on the device."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner import presets
from planner.cost import compute
from planner.cost import layer_cost as layercosts
from planner.cost.evaluate import evaluate
from planner.specs.plan import Plan
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
    a, b = (layercosts.layer_cost(job, plan) for job in (bf16, fp8))
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


@pytest.mark.parametrize(
    ("name", "window", "every"),
    [("gpt-oss-20b", 128, 2), ("gemma-2-9b", 4096, 2), ("gemma-3-12b", 1024, 6), ("llama-4-maverick-17b-128e", 0, 1)],
)
@pytest.mark.parametrize("sequence", [2048, 8192])
def test_sliding_windows_shorten_what_local_layers_attend_to(name: str, window: int, every: int, sequence: int) -> None:
    """gpt-oss looks back 128 tokens in every second layer, Gemma 2 4,096 in every second, Gemma 3 1,024 in five of six: counted query by
    query and layer by layer, FLOPs are 4 a key, head and its width. Llama 4's chunks of 8,192 are no shorter than these sequences."""
    job = small(model=name, sequence=sequence)
    model = job.model
    keys = np.arange(sequence) + 0.5  # a query sees those before it, and half of its own block
    layers = [keys if not window or layer % every == every - 1 else np.minimum(keys, window) for layer in range(model.layers)]
    each = 4.0 * model.heads * model.head_dim * float(np.sum(layers)) / model.layers
    flops = compute.attention_flops(job, Plan(), float(sequence))
    assert flops == pytest.approx(each, rel=1e-3)
    if 0 < window < sequence:
        assert flops < compute.attention_flops(replace(job, model=replace(model, sliding_window=0)), Plan(), float(sequence))


def test_chunks_are_half_as_far_to_look_back_in_as_windows() -> None:
    """Three of four of Llama 4's layers look back to the start of their chunk of 8,192 tokens: a mean of half a chunk."""
    model = presets.model("llama-4-maverick-17b-128e")
    assert compute.attended(model, 32_768) == pytest.approx(0.25 * 16_384 + 0.75 * 4096)


# Korthikanti et al. 2022, Table 4: one layer of the 22B model, tp 8, micro-batch 4, A100: forward and backward, milliseconds
@pytest.mark.parametrize(("sp", "forward", "backward"), [(0, 7.7, 11.9), (1, 7.2, 11.8)])
def test_one_layer_of_the_22b_model_meets_table_4(sp: int, forward: float, backward: float) -> None:
    """A layer's forward and backward pass with its collectives lies within 25 % of Table 4 of Korthikanti et al. 2022."""
    job = korthikanti("gpt-22b", 8, 4)
    cost = layercosts.layer_cost(job, Plan(tp=8, micro_batch=4, sequence_parallel=sp).column())
    sent = job.stack.tp_exposed * cost.tp_forward[0]
    ours = np.array([cost.layer_forward[0] + sent, cost.layer_backward[0] + sent]) * 1e3
    assert ours == pytest.approx([forward, backward], rel=0.25)


def test_small_layers_wait_for_the_host() -> None:
    """A model too small to fill the GPU is bound by launches: its step holds host time, a large one's hardly any."""
    tiny = evaluate(small(model="gpt2-124m", sequence=1024, gpus=8, global_batch=8), Plan(dp=8))
    large = evaluate(small(), Plan(tp=8, dp=2, sequence_parallel=1))
    assert tiny.time_parts.host[0] > tiny.time_parts.compute[0]
    assert large.time_parts.host[0] < 0.2 * large.time_parts.compute[0]


def test_unfused_attention_costs_more_than_fused_than_flash() -> None:
    """For the same plan flash-2 is faster than flash-1 than fused softmax than unfused attention."""
    times = [evaluate(small(attention=a), Plan(tp=2, dp=8)).step[0] for a in ("flash-2", "flash-1", "fused-softmax", "unfused")]
    assert times == sorted(times) and len(set(times)) == 4
