"""Seconds on the device."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from planner import presets
from planner.cost import compute
from planner.cost import layer_cost as layercosts
from planner.cost.evaluate import evaluate
from planner.dimensions import Flop, Number, Seconds, Tokens
from planner.specs.job import Job, Selective
from planner.specs.plan import Plan
from planner.specs.products import FORMATS, Products
from tests.planner.cost.hand_figures import given_plain_numbers
from tests.planner.cost.hand_worked import EXPERTS, FLASH, round_job
from tests.planner.jobs import korthikanti, small

H100 = presets.gpu("h100-sxm")
of_products = given_plain_numbers(compute)
sizes = st.integers(1, 100_000)

# aiconfigurator_core 0.12.0, measured bf16 GEMM latencies of a serving planner's data, H100 SXM: m, n, k, milliseconds
MEASURED = [(32768, 65536, 12288, 60.324), (32768, 65536, 16384, 80.850), (32768, 65536, 8192, 44.175)]


@given(sizes, sizes, sizes)
def test_a_product_never_beats_the_peak_nor_the_memory(m: int, n: int, k: int) -> None:
    """A matrix product takes at least its FLOPs at the peak and its overhead."""
    seconds = compute.gemm_seconds(H100, "bf16", Number(m), Number(n), Number(k))
    assert seconds >= 2.0 * m * n * k / H100.flops_bf16
    assert seconds >= H100.gemm.overhead_s


@given(sizes, sizes, sizes, st.integers(2, 8))
def test_a_larger_product_never_takes_less(m: int, n: int, k: int, times: int) -> None:
    """Growing any side never makes a product faster, and halving the sides never halves the cost of small ones below their overhead."""
    base = compute.gemm_seconds(H100, "bf16", Number(m), Number(n), Number(k))
    for shape in ((m * times, n, k), (m, n * times, k), (m, n, k * times)):
        assert compute.gemm_seconds(H100, "bf16", *map(Number, shape)) >= base


@pytest.mark.parametrize(("m", "n", "k", "ms"), MEASURED)
def test_large_products_are_slower_in_training_than_in_tight_loops_by_the_gpus_factor(m: int, n: int, k: int, ms: float) -> None:
    """Divided by the training factor of the GPU's file, the fit meets measured latencies of large products within 15 %."""
    in_loop = replace(H100, gemm=replace(H100.gemm, training=1.0))
    assert compute.gemm_seconds(in_loop, "bf16", Number(m), Number(n), Number(k)) * 1e3 == pytest.approx(ms, rel=0.15)


def test_fp8_runs_products_faster_and_nothing_else() -> None:
    """fp8 speeds matrix products by the GPU's share of the nominal gain and leaves attention alone."""
    bf16, fp8 = small(), small(precision="fp8")
    plan = Plan(tp=2, dp=8).column()
    a, b = (layercosts.layer_cost(job, plan) for job in (bf16, fp8))
    assert b.layer_forward[0] < a.layer_forward[0]
    attention = [compute.attention_forward(job, plan, Tokens(4096.0), Flop(1e12)) for job in (bf16, fp8)]
    assert attention[0] == attention[1]


@pytest.mark.parametrize(
    ("name", "window", "every"),
    [("gpt-oss-20b", 128, 2), ("gemma-2-9b", 4096, 2), ("gemma-3-12b", 1024, 6), ("llama-4-maverick-17b-128e", 0, 1)],
)
@pytest.mark.parametrize("sequence", [2048, 8192])
def test_sliding_windows_shorten_what_local_layers_attend_to(name: str, window: int, every: int, sequence: int) -> None:
    """gpt-oss looks back 128 tokens in every second layer, Gemma 2 4,096 in every second, Gemma 3 1,024 in five of six: counted query by
    query and layer by layer, FLOPs are 4 a key, head and its width. Llama 4's chunks of 8,192 are at least as long as these sequences."""
    job = small(model=name, sequence=sequence)
    model = job.model
    keys = np.arange(sequence) + 0.5  # a query sees those before it, and half of the block it is in
    layers = [keys if not window or layer % every == every - 1 else np.minimum(keys, window) for layer in range(model.layers)]
    each = 4.0 * model.heads * model.head_dim * float(np.sum(layers)) / model.layers
    flops = compute.attention_flops(job, Plan(), Tokens(sequence))
    assert flops == pytest.approx(each, rel=1e-3)
    if 0 < window < sequence:
        assert flops < compute.attention_flops(replace(job, model=replace(model, sliding_window=0)), Plan(), Tokens(sequence))


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
    ours = np.array([cost.layer_forward[0] + cost.tp_visible[0], cost.layer_backward[0] + cost.tp_layer[0] - cost.tp_visible[0]]) * 1e3
    assert ours == pytest.approx([forward, backward], rel=0.25)


def test_small_layers_wait_for_the_host() -> None:
    """A model too small to fill the GPU is bound by launches: its step holds host time, a large one's hardly any."""
    tiny = evaluate(small(model="gpt2-124m", sequence=1024, gpus=8, global_batch=8), Plan(dp=8))
    large = evaluate(small(), Plan(tp=8, dp=2, sequence_parallel=1))
    assert tiny.time_parts.host[0] > tiny.time_parts.compute[0]
    assert large.time_parts.host[0] < 0.2 * large.time_parts.compute[0]


def test_unfused_attention_costs_more_than_fused_than_flash() -> None:
    """For the same plan flash-2 is faster than flash-1 and than fused softmax, and both are faster than unfused attention."""
    two, one, fused, apart = (
        evaluate(small(attention=a), Plan(tp=2, dp=8)).step[0] for a in ("flash-2", "flash-1", "fused-softmax", "unfused")
    )
    assert two < min(one, fused) and max(one, fused) < apart


# Values computed by hand from round figures: products at 1e6 FLOP/s and 0.001 s each, element-wise work at half of 1e8 B/s; h 100,
# 8 heads of 10, 4 key-value heads, f 300, V 1,000, s 50.
ROUND = round_job()
PAIR = Plan(tp=2).column()
LATENT = {"kv_rank": 20, "q_rank": 30, "rope_dim": 5, "v_dim": 6}


def product(m: float, n: float, k: float, **gemm: object) -> float:
    """Seconds of one product on the GPU of round figures, its constants changed."""
    return float(compute.gemm_seconds(round_job(gemm=gemm).cluster.gpu, "bf16", Number(m), Number(n), Number(k)))


def test_a_product_takes_its_launch_and_its_flops() -> None:
    """0.001 + 2 · 10 · 20 · 30 / 1e6; each side padded: 2 · 12 · 24 · 36 / 1e6; twice the share that training reaches, half the time; by
    its bytes at 1e6 B/s 2 · (10 · 20 + 20 · 30 + 10 · 30) / 1e6; and of both, the fourth root of the sum of fourth powers."""
    assert product(10, 20, 30) == pytest.approx(0.001 + 0.012)
    assert product(10, 20, 30, pad_m=2, pad_n=4, pad_k=6) == pytest.approx(0.001 + 0.020736)
    assert product(10, 20, 30, training=1.0) == pytest.approx(0.001 + 0.006)
    assert product(10, 20, 30, flops_s=1e21, bytes_s=1e6) == pytest.approx(0.001 + 0.0022)
    assert product(10, 20, 30, flops_s=2 * 12_000 / 0.0022, bytes_s=1e6) == pytest.approx(0.001 + 0.0022 * 2**0.25)


def test_a_product_does_not_beat_its_units() -> None:
    """Half of 4e9 FLOP/s is above the peak of 1e9: 2 · 1,000³ / 1e9 = 2 s."""
    assert product(1000, 1000, 1000, flops_s=4e9) == pytest.approx(0.001 + 2)


def test_narrow_numbers_gain_a_share_of_the_nominal_without_a_table() -> None:
    """8-bit units twice as fast, nine tenths of it reached: 1.8 times 1e6; never less than 16 bits; grouped products the same."""
    gpu = ROUND.cluster.gpu
    assert compute.product_rate(gpu, "fp8") == pytest.approx(1.8e6)
    assert compute.product_rate(gpu, "fp8", grouped=True) == pytest.approx(1.8e6)
    assert compute.product_rate(gpu, "bf16", grouped=True) == 1e6
    assert compute.product_rate(replace(gpu, flops_fp8=1e9), "fp8") == 1e6


def test_a_product_in_8_bits_by_hand() -> None:
    """A table's plateau of 8e6, half of it in training, at 2 · 10 · 20 · 30 FLOP with 5 rows more; by bytes at 1e6 B/s, operands of one
    byte and results of two: 2 · 200 + 900."""
    gpu = replace(ROUND.cluster.gpu, narrow=(Products("fp8", 8e6, 5, 0, 0, 1e6),))
    fast = replace(gpu, narrow=(Products("fp8", 4e9, 0, 0, 0, 1e6),))
    sides = (Number(10.0), Number(20.0), Number(30.0))
    alone = replace(gpu, narrow=(replace(gpu.narrow[0], bytes_s=1e30),))
    assert compute.gemm_seconds(alone, "fp8", *sides) == pytest.approx(0.001 + 2 * 15 * 20 * 30 / 4e6)
    assert compute.gemm_seconds(fast, "fp8", *sides) == pytest.approx(0.001 + 0.0013)


@given(sizes, sizes, sizes, st.integers(2, 8), st.sampled_from(presets.names("gpus")), st.sampled_from(sorted(FORMATS)), st.booleans())
def test_products_of_every_gpu_and_format_are_monotone_and_below_the_peak(
    m: int, n: int, k: int, times: int, name: str, numbers: str, grouped: bool
) -> None:  # fmt: skip
    """A larger side never makes a product faster, in no format of no GPU, and none exceeds the peak of its units."""
    gpu = presets.gpu(name)
    assume(gpu.units(numbers))
    base = of_products.gemm_body(gpu, numbers, m, n, k, grouped)
    assert base >= 2.0 * m * n * k / gpu.units(numbers) * (1 - 1e-12)
    for shape in ((m * times, n, k), (m, n * times, k), (m, n, k * times)):
        assert of_products.gemm_body(gpu, numbers, *shape, grouped) >= base


@pytest.mark.parametrize(
    ("pace", "flops_s", "precision", "expected"),
    [
        (1.5, 2e6, "bf16", 1.5),
        (0.6, 2e6, "bf16", 0.6),
        (0.3, 2e6, "bf16", 0.5),  # element-wise kernels reach half of the memory's bandwidth already
        (0.3, 1.6e9, "bf16", 0.8),  # products 0.8e9 of 1e9
        (0.3, 1.9e9, "fp8", 0.95),  # of 8 bits 1.71e9 of 2e9, of 16 bits 0.95e9 of 1e9
    ],
)
def test_a_clusters_pace_takes_no_kernel_beyond_its_peak(pace: float, flops_s: float, precision: str, expected: float) -> None:
    """Slower than the GPU's constants as measured; faster only up to the peak of units and memory."""
    job = round_job(cluster={"pace": pace}, gemm={"flops_s": flops_s}, precision=precision)
    assert compute.pace(job) == pytest.approx(expected)


def test_a_clusters_pace_takes_no_narrow_kernel_beyond_its_peak() -> None:
    """Products in 16 bits reach 0.8 of their peak, in 8 bits 0.5 · 3.52e9 of 2e9, 0.88."""
    narrow = (Products("fp8", 3.52e9, 0, 0, 0, 1e30),)
    job = round_job(cluster={"pace": 0.3}, gemm={"flops_s": 1.6e9}, gpu={"narrow": narrow}, precision="fp8")
    assert compute.pace(job) == pytest.approx(0.88)


def shapes(job: Job, plan: Plan) -> dict[str, list[tuple[float, ...]]]:
    """The shapes of a layer's products for 30 tokens."""
    parts = compute.linear_shapes(job, plan.column(), Tokens(30.0))
    return {part: [tuple(float(np.asarray(side).max()) for side in shape) for shape in given] for part, given in parts.items()}


def test_the_products_of_a_layer_are_divided_by_columns_then_rows() -> None:
    """Shoeybi et al. 2019, Section 3, for 30 tokens on two ranks: queries 40, keys and values 2 · 20 out of 100; 40 into 100; twice 150 out
    of 100 and 150 into 100. On eight ranks each has one of four key-value heads."""
    assert shapes(ROUND, Plan(tp=2)) == {"qkv": [(30, 80, 100)], "projection": [(30, 100, 40)], "mlp": [(30, 300, 100), (30, 100, 150)]}
    assert shapes(ROUND, Plan(tp=8))["qkv"] == [(30, 10 + 2 * 10, 100)]
    assert shapes(round_job(model={"gated": False}), Plan(tp=2))["mlp"] == [(30, 150, 100), (30, 100, 150)]
    none = round_job(model=EXPERTS | {"shared_ffn": 0}).around_experts
    assert shapes(none, Plan())["mlp"] == []


def test_latent_attention_goes_down_and_up() -> None:
    """DeepSeek-V2, Section 2.1: 100 into 20 + 5 and 30 on the rank's part of the tokens; 30 into 8 · 15 / 2 and 20 into
    8 · (10 + 6) / 2 on all."""
    job = round_job(model=LATENT)
    assert shapes(job, Plan(tp=2, sequence_parallel=1))["qkv"] == [(15, 25, 100), (15, 30, 100), (30, 60, 30), (30, 64, 20)]
    assert shapes(job, Plan(tp=2))["qkv"][0] == (30, 25, 100)
    assert shapes(job, Plan(tp=2))["projection"] == [(30, 100, 24)]
    assert shapes(round_job(model=LATENT | {"q_rank": 0}), Plan(tp=2))["qkv"] == [(30, 25, 100), (30, 60, 100), (30, 64, 20)]


def test_a_layers_products_take_their_flops_forward_and_twice_that_backward() -> None:
    """2 · 30 · (80 · 100 + 100 · 40 + 300 · 100 + 100 · 150) / 1e6 = 3.42 s and four launches; backward the gradients of inputs and of
    weights, which frozen weights have none of; on a cluster of pace 1.5 weights' alone take 1.5 times theirs."""
    tokens = Tokens(30.0)
    assert compute.linear_forward(ROUND, PAIR, tokens) == pytest.approx(3.42 + 4 * 0.001)
    assert compute.linear_backward(ROUND, PAIR, tokens) == pytest.approx(2 * 3.42 + 8 * 0.001)
    assert compute.linear_backward(round_job(tuning="lora"), PAIR, tokens) == pytest.approx(3.42 + 4 * 0.001)
    assert compute.weight_seconds(round_job(cluster={"pace": 1.5}), PAIR, tokens) == pytest.approx(1.5 * 3.424)
    assert compute.weight_seconds(round_job(tuning="lora"), PAIR, tokens) == 0


def test_gradients_are_products_of_the_transposes() -> None:
    """dX = dY Wᵀ has 30 rows, dW = Xᵀ dY the product's inner width; with rows padded by 10, 2 · 40 · 57,000 and
    2 · 30 · (110 · 80 + 50 · 100 + 110 · 300 + 160 · 100)."""
    padded = round_job(gemm={"pad_m": 10})
    both, weights = 4.56 + 3.768, 3.768
    assert compute.linear_backward(padded, PAIR, Tokens(30.0)) == pytest.approx(both + 8 * 0.001)
    assert compute.weight_seconds(padded, PAIR, Tokens(30.0)) == pytest.approx(weights + 4 * 0.001)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ({}, 25.0),
        # a window of 20 in six of eight layers: 20 - 20² / (2 · 50) = 16 keys on the mean
        ({"sliding_window": 20, "global_every": 4}, 0.25 * 25 + 0.75 * 16),
        ({"sliding_window": 20, "global_every": 4, "chunked": True}, 0.25 * 25 + 0.75 * 10),
        ({"sliding_window": 50, "global_every": 4}, 25.0),
        ({"sliding_window": 80, "global_every": 4}, 25.0),
    ],
)
def test_a_query_attends_to_half_of_the_sequence_or_a_window(model: dict[str, Any], expected: float) -> None:
    """Of 50 tokens 25 on the mean under a causal mask (Dao 2023, Section 4.1)."""
    assert compute.attended(round_job(model=model).model, 50) == pytest.approx(expected)


def test_the_gradient_of_inputs_has_the_products_inner_width_in_columns() -> None:
    """With columns padded by 10: 60 · (580 + 390) · 10 FLOP more for columns of 580 in weights and of 390 in inputs."""
    padded = round_job(gemm={"pad_n": 10})
    inputs, weights = 60 * 10 * (80 + 100 + 300 + 100), 60 * 10 * (100 + 40 + 100 + 150)
    assert compute.linear_backward(padded, PAIR, Tokens(30.0)) == pytest.approx(2 * 3.42 + (inputs + weights) / 1e6 + 8 * 0.001)


def test_attention_takes_two_products_over_half_the_square() -> None:
    """2 · 30 · 25 · 8 · (10 + 10) / 2 = 120,000 FLOP on two ranks; latent heads of 15 and 6: 126,000. Korthikanti et al. 2022, Appendix A,
    4 B s² h, halved."""
    assert compute.attention_flops(ROUND, PAIR, Tokens(30.0)) == pytest.approx(120_000)
    assert compute.attention_flops(round_job(model=LATENT), PAIR, Tokens(30.0)) == pytest.approx(126_000)


@pytest.mark.parametrize(
    ("attention", "gpu", "forward"),
    [
        ("flash-2", {}, 120_000 / 4e5),  # half of 8e5 FLOP/s
        ("flash-1", {}, 1.25 * 120_000 / 4e5),
        ("flash-3", {}, 120_000 / 4e5),
        ("flash-3", {"flash_3": replace(FLASH, plateau_flops=1.2e6)}, 120_000 / 6e5),
        ("flash-2", {"flash_3": replace(FLASH, plateau_flops=1.2e6)}, 120_000 / 4e5),
        # 30 tokens of 8 heads on two ranks are 120 rows, padded to 180; 25 keys to 35, widths of 10 and 10 to 25
        ("flash-2", {"flash_2": replace(FLASH, pad_rows=60)}, 1.5 * 120_000 / 4e5),
        ("flash-2", {"flash_2": replace(FLASH, pad_keys=10)}, 1.4 * 120_000 / 4e5),
        ("flash-2", {"flash_2": replace(FLASH, pad_width=5)}, 1.25 * 120_000 / 4e5),
    ],
)
def test_flash_attention_takes_its_padded_products_at_the_kernels_rate(attention: str, gpu: Any, forward: float) -> None:
    """And a launch; backward five products for two, 2.5 times as long (Dao 2023, Section 4.1)."""
    job = round_job(attention=attention, gpu=gpu)
    seconds = compute.attention_forward(job, PAIR, Tokens(30.0), Flop(120_000.0))
    assert seconds == pytest.approx(0.001 + forward)
    assert compute.attention_backward(job, PAIR, Tokens(30.0), seconds) == pytest.approx(2.5 * (0.001 + forward))


def test_a_ring_of_ranks_pads_the_keys_of_every_block() -> None:
    """On a ring of two, half the tokens and heads: 15 · 4 · 25 keys, with 10 more for each of two kernels, and two launches."""
    job, ring = round_job(gpu={"flash_2": replace(FLASH, pad_keys=10)}), replace(PAIR, cp=2)
    flops = compute.attention_flops(job, ring, Tokens(15.0))
    assert flops == pytest.approx(60_000)
    assert compute.attention_forward(job, ring, Tokens(15.0), flops) == pytest.approx(0.002 + 60_000 * (25 + 20) / 25 / 4e5)


@given(st.sampled_from(presets.names("gpus")), st.sampled_from(("flash-1", "flash-2", "flash-3")), st.integers(7, 20), st.integers(0, 4))
def test_longer_sequences_and_more_heads_never_slow_attention(name: str, attention: str, doublings: int, more: int) -> None:
    """FLOP/s of a layer's attention, on every GPU, at twice the length or twice the sequences."""

    def rate(sequence: int, batch: int) -> float:
        job = replace(small(attention=attention, gpu=name, sequence=sequence), model=replace(small().model, max_positions=2**30))
        tokens = Tokens(float(sequence * batch))
        flops = compute.attention_flops(job, Plan(), tokens)
        return float(flops / compute.attention_forward(job, Plan(), tokens, flops))

    sequence, batch = 2**doublings, 2**more
    once = rate(sequence, batch)
    assert once < rate(2 * sequence, batch)
    assert once < rate(sequence, 2 * batch)


@pytest.mark.parametrize(
    ("gpu", "attention", "heads", "width", "sequence", "measured"),
    [  # H100, 16k tokens, 2,048 / width heads, causal: charts of arXiv 2407.08608; training's share of the rate left out
        ("h100-sxm", "flash-2", 16, 128, 2048, 298), ("h100-sxm", "flash-2", 16, 128, 4096, 319),
        ("h100-sxm", "flash-2", 16, 128, 8192, 333), ("h100-sxm", "flash-2", 16, 128, 16_384, 335),
        # one sequence of 32 heads that share 8 keys and values: the tables of the kernels
        ("h100-sxm", "flash-3", 32, 128, 8192, 690), ("h100-sxm", "flash-3", 32, 128, 16_384, 774),
        ("h100-sxm", "flash-3", 32, 64, 16_384, 525),
        ("b200", "flash-3", 32, 128, 8192, 1126), ("b200", "flash-3", 32, 256, 16_384, 1578), ("gb200", "flash-3", 32, 128, 8192, 1219),
        ("gb300", "flash-3", 32, 128, 8192, 1565),
    ],
)  # fmt: skip
def test_attention_reaches_the_measured_rates(gpu: str, attention: str, heads: int, width: int, sequence: int, measured: float) -> None:
    """TFLOP/s of causal forward passes, within 16 %: tables of latencies and the paper of FlashAttention-3."""
    device = presets.gpu(gpu)
    job = small(attention=attention, gpu=gpu, sequence=sequence)
    whole = replace(job.cluster, gpu=replace(device, gemm=replace(device.gemm, training=1.0)))
    job = replace(job, cluster=whole, model=replace(job.model, heads=heads, kv_heads=8, head_dim=width))
    tokens = Tokens(16_384.0 if attention == "flash-2" else float(sequence))
    flops = compute.attention_flops(job, Plan(), tokens)
    assert flops / compute.attention_forward(job, Plan(), tokens, flops) / 1e12 == pytest.approx(measured, rel=0.16)


@pytest.mark.parametrize(
    ("attention", "dropout", "positions", "forward", "backward"),
    [
        ("fused-softmax", False, "rope", 1 + 2, 1 + 1 + 2),
        ("fused-softmax", True, "rope", 3 + 5, 4 + 5),
        ("fused-softmax", True, "alibi", 3 + 5 + 4, 4 + 5),
        ("unfused", True, "rope", 4 + 5 + 8, 6 + 5 + 8),
        ("unfused", False, "rope", 12, 14),
    ],
)
def test_unfused_attention_takes_its_products_and_the_bytes_of_its_scores(
    attention: str, dropout: bool, positions: str, forward: int, backward: int
) -> None:
    """On two ranks 30 · 4 rows of 50 scores: two products of 2 · 120 · 50 · 10 FLOP, twice as many backward, and each kernel's bytes a
    score at 5e7 B/s: the causal kernel reads halves of the square, PyTorch's the whole."""
    job = round_job(attention=attention, model={"dropout": dropout, "positions": positions})
    products, scores = 2 * (0.12 + 0.001), 120 * 50 / 5e7
    seconds = compute.attention_forward(job, PAIR, Tokens(30.0), Flop(1.0))
    assert seconds == pytest.approx(products + forward * scores)
    assert compute.attention_backward(job, PAIR, Tokens(30.0), seconds) == pytest.approx(2 * products + backward * scores)


def test_latent_heads_have_keys_and_values_of_different_widths() -> None:
    """120 rows: 50 scores out of 15, 6 values out of 50: 2 · 120 · 50 · (15 + 6) / 1e6."""
    job = round_job(attention="fused-softmax", model=LATENT)
    assert compute.attention_forward(job, PAIR, Tokens(30.0), Flop(1.0)) == pytest.approx(0.252 + 0.002 + 3 * 120 * 50 / 5e7)


def test_a_layer_is_the_sum_of_its_kernels_at_the_clusters_pace() -> None:
    """1.5 · (1 + 10 + 100), forward and backward."""
    job, kernels = round_job(cluster={"pace": 1.5}), (Seconds(1.0), Seconds(10.0), Seconds(100.0))
    assert compute.layer_forward(job, *kernels) == compute.layer_backward(job, *kernels) == pytest.approx(166.5)


def test_selective_recompute_repeats_its_parts() -> None:
    """All of an attention of 0.3 s and half of an MLP of 2.7 s and two launches; nothing element-wise; 1.5 times as long at that pace.
    Only where the plan recomputes selectively."""
    seconds = compute.selective_repeat(round_job(cluster={"pace": 1.5}), PAIR, Tokens(30.0), Seconds(0.3), Seconds(9.0))
    assert seconds == pytest.approx(1.5 * (0.3 + 0.5 * 2.702))
    parts = Selective(repeat={"elementwise": 0.25, "qkv": 1.0, "projection": 0.5})
    other = compute.selective_repeat(round_job(stack={"selective": parts}), PAIR, Tokens(30.0), Seconds(0.3), Seconds(9.0))
    assert other == pytest.approx(0.25 * 9 + 0.481 + 0.5 * 0.241)
    seconds_by_code = [float(np.max(compute.selective_seconds(Plan(recompute=code).column(), Seconds(7.0)))) for code in range(4)]
    assert seconds_by_code == [0, 7, 0, 0]


def test_the_host_launches_a_layer_at_the_clusters_pace() -> None:
    """4 products, attention, 2 norms, 2 residuals, 10 kernels of positions, the activation: 20 launches of 1.5 · 2 · 0.01 s, two
    more with collectives; backward 12, 3, 4, 2, 16, 1 of half of that."""
    job = round_job(cluster={"host_pace": 1.5})
    assert compute.host_layer(job, Plan(cp=2).column()) == pytest.approx(20 * 0.03)
    assert compute.host_layer(job, Plan(tp=2).column()) == pytest.approx(22 * 0.03)
    assert compute.host_layer(job, Plan(tp=2, sequence_parallel=1).column()) == pytest.approx(24 * 0.03)
    assert compute.host_return(job, Plan().column()) == pytest.approx(38 * 0.015)
    assert compute.host_return(job, Plan(tp=2, sequence_parallel=1).column()) == pytest.approx(44 * 0.015)


def test_only_the_longer_of_host_and_device_counts() -> None:
    """Launches queue: a host of 3 s costs nothing next to 4 s of work, 1 s next to 2 s; backward 4.5 s beyond 4 s cost half a second."""
    assert compute.repeat_host(Seconds(3.0), Seconds(4.0)) == 0
    assert compute.repeat_host(Seconds(3.0), Seconds(2.0)) == 1
    assert compute.layer_host(Seconds(3.0), Seconds(4.5), Seconds(2.0), Seconds(4.0)) == 1 + 0.5
    assert compute.layer_host(Seconds(3.0), Seconds(4.5), Seconds(4.0), Seconds(6.0)) == 0


def test_checked_collectives_take_the_host_as_long_as_there_are_ranks() -> None:
    """0.1 s a rank: two collectives of a pass on two ranks take 0.4 s, four with sequence parallelism 0.8 s, six backward 1.2 s, eight
    where the gradients of row-parallel inputs are gathered too 1.6 s; none without tensor parallelism. Launches as before."""
    job, plain = round_job(cluster={"rank_check_s": 0.1}), round_job()
    whole, divided = Plan(tp=2).column(), Plan(tp=2, sequence_parallel=1).column()
    assert compute.host_layer(job, whole) - compute.host_layer(plain, whole) == pytest.approx(0.4)
    assert compute.host_layer(job, divided) - compute.host_layer(plain, divided) == pytest.approx(0.8)
    assert compute.host_return(job, divided) - compute.host_return(plain, divided) == pytest.approx(1.2)
    rows = {"stack": {"tp_gathers_rows": True}}
    more = round_job(cluster={"rank_check_s": 0.1}, **rows)
    assert compute.host_return(more, divided) - compute.host_return(round_job(**rows), divided) == pytest.approx(1.6)
    assert compute.host_layer(job, Plan().column()) == compute.host_layer(plain, Plan().column())


def test_the_head_is_three_products_and_the_bytes_of_its_loss() -> None:
    """Korthikanti et al. 2022, Appendix A: logits and both gradients, each 2 · 30 · 500 · 100 FLOP on two ranks, at pace 1.5; and logits
    of 6 bytes read and written, which the pace leaves alone. Frozen heads have no gradient of their weights; padded ones more entries."""
    paced = {"pace": 1.5}
    assert compute.head_seconds(round_job(cluster=paced), PAIR, Tokens(30.0)) == pytest.approx(1.5 * 9.003 + 180_000 / 5e7)
    assert compute.head_seconds(round_job(tuning="lora"), PAIR, Tokens(30.0)) == pytest.approx(6.002 + 180_000 / 5e7)
    padded = round_job(stack={"vocab_multiple": 128})
    assert compute.head_seconds(padded, PAIR, Tokens(30.0)) == pytest.approx(3 * (3.072 + 0.001) + 2 * 6 * 30 * 512 / 5e7)


def test_the_embedding_is_looked_up_and_its_gradient_added_by_bytes() -> None:
    """12 · 30 · 100 bytes at 5e7 B/s."""
    assert compute.embedding_seconds(ROUND, Tokens(30.0)) == pytest.approx(36_000 / 5e7)
