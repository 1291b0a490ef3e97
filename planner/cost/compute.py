"""Seconds on the device: matrix products by shape, attention by kernel, element-wise work by memory traffic; and host time.

All of one layer and one micro-batch on one rank, unless stated otherwise. Columns depend only on tp, cp, micro_batch and
sequence_parallel.
"""

from __future__ import annotations

import numpy as np

from planner.cost.casts import weight_bytes
from planner.cost.elementwise import by_hand, collectives, elementwise_bytes, launch_seconds, launches
from planner.cost.shard import padded_vocab
from planner.dimensions import (
    Bytes,
    BytesPerSecond,
    Flop,
    Number,
    Parameters,
    Seconds,
    Tokens,
    maximum,
    minimum,
    sum_of,
    where,
)
from planner.formula.trace import formula, term
from planner.specs.hardware import Gpu
from planner.specs.job import Job
from planner.specs.model import Model
from planner.specs.plan import Plan
from planner.specs.products import FORMATS

Shape = tuple[Number, Number, Number]  # rows, columns and inner width of a matrix product


def product_rate(gpu: Gpu, numbers: str, grouped: bool = False) -> float:
    """Rate that large products in a number format approach in training, at most the peak of their units; FLOP/s.

    grouped: products of several experts in one kernel.
    """
    rate = gpu.gemm.training * gpu.products(numbers, grouped).flops_s
    return term("product_rate", min(rate, gpu.units(numbers)))


def pace(job: Job) -> float:
    """Time of the device's work on this cluster over the GPU's constants, bounded so that no kernel runs above the peak of its units or
    the memory bandwidth; ratio.
    """
    if job.cluster.pace >= 1.0:
        return term("pace", job.cluster.pace)
    gpu = job.cluster.gpu
    kinds = [(numbers, grouped) for numbers in ("bf16", job.numbers) for grouped in (False, job.model.experts > 0)]
    nearest = max(product_rate(gpu, numbers, grouped) / gpu.units(numbers) for numbers, grouped in kinds)
    attention = gpu.gemm.training * gpu.flash(job.attention).plateau_flops / gpu.flops_bf16
    return term("pace", max(job.cluster.pace, nearest, attention, job.constants.hbm_fraction))


@formula(
    "t_0 + ([2 · (x + x_0) · (y + y_0) · (z + z_0) / R_x]⁴ + [(w_y · x · y + w_n · (y · z + x · z)) / B_g]⁴)^¼",
    "calib",
    "form and constants: the GPU's file",
)
def gemm_seconds(gpu: Gpu, numbers: str, m_rows: Number, n_columns: Number, k_inner: Number) -> Seconds:
    """One matrix product of m x k by k x n in a number format; seconds."""
    return Seconds(gpu.gemm.overhead_s + gemm_body(gpu, numbers, m_rows, n_columns, k_inner))


def gemm_body(gpu: Gpu, numbers: str, m_rows: Number, n_columns: Number, k_inner: Number, grouped: bool = False) -> Seconds:
    """One matrix product without its launch; seconds. grouped: one of several experts' in a kernel."""
    g = gpu.products(numbers, grouped)
    rate, width = product_rate(gpu, numbers, grouped), term("operand_bytes", FORMATS[numbers])
    pad_m, pad_n, pad_k = term("pad_m", g.pad_m), term("pad_n", g.pad_n), term("pad_k", g.pad_k)
    flops = 2.0 * (m_rows + pad_m) * (n_columns + pad_n) * (k_inner + pad_k) / rate
    result = term("result_bytes", max(2.0, FORMATS[numbers]))
    moved = (result * m_rows * n_columns + width * (n_columns * k_inner + m_rows * k_inner)) / term("bytes_s", g.bytes_s)
    squares = (flops * flops) ** 2 + (moved * moved) ** 2
    return Seconds(np.sqrt(np.sqrt(squares)))


def linear_shapes(job: Job, plan: Plan, tokens: Tokens) -> dict[str, tuple[Shape, ...]]:
    """Shapes (m, n, k) of a layer's matrix products on one rank, by part."""
    model, rows, hidden = job.model, Number(tokens), Number(job.model.hidden)
    middle = model.ffn / plan.tp
    mlp: tuple[Shape, ...] = ((rows, (2 if model.gated else 1) * middle, hidden), (rows, hidden, middle))
    return {
        "qkv": latent_shapes(model, plan, tokens) if model.kv_rank else (_plain_qkv(model, plan, tokens),),
        "projection": ((rows, hidden, model.heads * model.value_dim / plan.tp),),
        "mlp": mlp if model.ffn else (),
    }


def _plain_qkv(model: Model, plan: Plan, tokens: Tokens) -> Shape:
    """Queries, keys and values in one product."""
    keys = -(-model.kv_heads // plan.tp) * model.head_dim
    return Number(tokens), model.heads * model.head_dim / plan.tp + 2 * keys, Number(model.hidden)


def latent_shapes(model: Model, plan: Plan, tokens: Tokens) -> tuple[Shape, ...]:
    """Latent attention (DeepSeek-V2, arXiv 2405.04434, Section 2.1): down into the latent spaces, on every rank, and up to heads."""
    rows, hidden = Number(tokens), Number(model.hidden)
    local = rows / where(plan.sequence_parallel > 0, plan.tp, 1)
    queries = model.heads * model.key_dim / plan.tp
    down: tuple[Shape, ...] = ((local, Number(model.kv_rank + model.rope_dim), hidden),)
    if model.q_rank:
        down += ((local, Number(model.q_rank), hidden),)
    up = (rows, model.heads * (model.head_dim + model.value_dim) / plan.tp, Number(model.kv_rank))
    return (*down, (rows, queries, Number(model.q_rank or model.hidden)), up)


def linear_parts(job: Job, plan: Plan, tokens: Tokens) -> dict[str, Seconds]:
    """Forward seconds of a layer's matrix products by part."""
    gpu = job.cluster.gpu
    shapes = linear_shapes(job, plan, tokens)
    return {part: sum_of(gemm_seconds(gpu, job.numbers, *shape) for shape in given) for part, given in shapes.items()}


@formula("Σ t_g", "korthikanti22", "Appendix A: the products of a layer")
def linear_forward(job: Job, plan: Plan, tokens: Tokens) -> Seconds:
    """A layer's matrix products, forward; seconds."""
    return sum_of(linear_parts(job, plan, tokens).values())


@formula("Σ t_g", "math101", "backward: two products for each forward one")
def linear_backward(job: Job, plan: Plan, tokens: Tokens) -> Seconds:
    """A layer's matrix products, backward: dX = dY W^T and dW = X^T dY; seconds."""
    gpu = job.cluster.gpu
    shapes = [shape for part in linear_shapes(job, plan, tokens).values() for shape in part]
    return sum_of(gemm_seconds(gpu, job.numbers, m, k, n) for m, n, k in shapes) + weight_products(job, plan, tokens)


@formula("κ_c · Σ t_g", "zerobubble23", "Section 2: the backward pass split in two")
def weight_seconds(job: Job, plan: Plan, tokens: Tokens) -> Seconds:
    """Gradients of weights in a layer's backward pass, which zero-bubble schedules postpone; seconds."""
    return pace(job) * weight_products(job, plan, tokens) + Seconds(0.0 * tokens)


def weight_products(job: Job, plan: Plan, tokens: Tokens) -> Seconds:
    """A layer's matrix products for the gradients of weights; seconds."""
    if job.frozen:
        return Seconds(0.0)
    shapes = [shape for part in linear_shapes(job, plan, tokens).values() for shape in part]
    return sum_of(gemm_seconds(job.cluster.gpu, job.numbers, k, n, m) for m, n, k in shapes)


def attended(model: Model, sequence: int) -> float:
    """Keys that a query attends to under a causal mask, mean over queries and layers; fewer in layers with a sliding window."""
    everything = sequence / 2
    if not model.sliding_window or model.sliding_window >= sequence:
        return everything
    window = model.sliding_window / 2 if model.chunked else model.sliding_window - model.sliding_window**2 / (2 * sequence)
    share = model.global_layers / model.layers
    return everything * share + window * (1 - share)


@formula("2 · T · s_a · a · (e_k + e_v) / t", "flash23", "Section 4.1, causal FLOPs halved")
def attention_flops(job: Job, plan: Plan, tokens: Tokens) -> Flop:
    """Scores and values, forward, the causal half of the square; FLOP."""
    model = job.model
    keys = term("attended_keys", attended(model, job.sequence))
    return Flop(2.0 * tokens * keys * model.heads * (model.key_dim + model.value_dim) / plan.tp)


def score_bytes(job: Job, backward: bool) -> float:
    """Memory traffic per attention score of kernels that are not fused with the products, in 16 bits; bytes.

    Megatron-LM's causal kernel (fused_kernels/scaled_upper_triang_masked_softmax.h) reads the scores below the diagonal, half of the
    square, and writes all of it; backward it reads halves of the result and of the gradient. PyTorch's softmax reads the whole square,
    after kernels that scale and mask it. Dropout reads and writes the square, and a mask of bytes. The bias of ALiBi is copied to the
    square that the first product adds to (torch.baddbmm).
    """
    fused = job.attention != "unfused"
    softmax = (4 if backward else 3) if fused else (6 if backward else 4) + 8
    return softmax + (5 if job.model.dropout else 0) + (4 if job.model.positions == "alibi" and not backward else 0)


def unfused_attention(job: Job, plan: Plan, tokens: Tokens, backward: bool) -> Seconds:
    """Attention in separate kernels over the full square: batched products, softmax, dropout; seconds."""
    model, gpu = job.model, job.cluster.gpu
    rows, s = Number(tokens * model.heads / plan.tp), Number(job.sequence)
    numbers = job.precision if job.wide else "bf16"
    products = gemm_seconds(gpu, numbers, rows, s, Number(model.key_dim)) + gemm_seconds(gpu, numbers, rows, Number(model.value_dim), s)
    moved = term("score_bytes", score_bytes(job, backward) * (2 if job.wide else 1))
    return products * (2 if backward else 1) + Seconds(rows * s * moved / (job.constants.hbm_fraction * gpu.hbm_bytes_s))


def attention_blocks(job: Job, plan: Plan) -> Number:
    """Kernels of one attention pass: a ring of ranks (Liu et al. 2023, Section 3) meets the keys of each rank in turn; where all keys are
    gathered first, each of a rank's two chunks of queries meets them at once (Llama 3 2024, Section 3.3.2).
    """
    return term("attention_blocks", minimum(plan.cp, 2.0) if job.stack.cp_gathers else Number(plan.cp))


@formula(
    "n_kb · t_0f + ξ · F_a · (1 + x_q · t / (T · a)) · (1 + n_kb · x_k / s_a) · (1 + x_e / (e_k + e_v)) / (ρ · R_fa) if flash, "
    "Σ t_g + T · a / t · s · b_a / (η_h · B_h) otherwise",
    "flash23",
    "form and constants: the GPU's file",
)
def attention_forward(job: Job, plan: Plan, tokens: Tokens, attention_flops: Flop) -> Seconds:
    """A layer's attention, forward; seconds. Its pads exceed the traffic of queries, keys, values and results at every length."""
    if not term("flash_attention", job.attention.startswith("flash")):
        return unfused_attention(job, plan, tokens, backward=False)
    model, kernel, blocks = job.model, job.cluster.gpu.flash(job.attention), attention_blocks(job, plan)
    slower = term("flash_slower", job.constants.flash_1_slower if job.attention == "flash-1" else 1.0)
    rows = Number(1.0 + term("pad_rows", kernel.pad_rows) * plan.tp / (tokens * model.heads))
    keys = Number(1.0 + blocks * term("pad_keys", kernel.pad_keys) / term("attended_keys", attended(model, job.sequence)))
    width = 1.0 + term("pad_width", kernel.pad_width) / (model.key_dim + model.value_dim)
    slowed = job.cluster.gpu.units(job.precision) / job.cluster.gpu.flops_bf16 if job.wide else 1.0
    rate = job.cluster.gpu.gemm.training * term("plateau_flops", slowed * kernel.plateau_flops)
    launches = Seconds(blocks * term("launch_s", kernel.launch_s))
    return launches + Seconds(slower * attention_flops * rows * keys * width / rate)


@formula("ξ_b · t_a if flash, 2 · Σ t_g + T · a / t · s · b_a / (η_h · B_h) otherwise", "flash23", "Section 4.1: five products for two")
def attention_backward(job: Job, plan: Plan, tokens: Tokens, attention_forward: Seconds) -> Seconds:
    """A layer's attention, backward; seconds."""
    if not term("flash_attention", job.attention.startswith("flash")):
        return unfused_attention(job, plan, tokens, backward=True)
    return job.constants.flash_backward * attention_forward


@formula("(T · b_e + b_cw · P_l) / (η_e · B_h)", "tmplan", "norms, residuals, positions, activation, casts: bytes moved")
def elementwise_forward(job: Job, plan: Plan, tokens: Tokens, layer_weights: Parameters) -> Seconds:
    """A layer's element-wise work, forward, with the casts of its inputs and weights in 8 bits; seconds."""
    moved = Bytes(tokens * elementwise_bytes(job, plan, backward=False))
    return (moved + Bytes(weight_bytes(job, backward=False) * layer_weights)) / layer_rate(job)


def layer_rate(job: Job) -> BytesPerSecond:
    """Memory bandwidth that the element-wise kernels of a layer reach: of kernels fused by hand, or of those of PyTorch."""
    share = job.constants.hbm_fraction if by_hand(job) else job.constants.torch_fraction
    return BytesPerSecond(term("layer_fraction", share) * job.cluster.gpu.hbm_bytes_s)


def elementwise_rate(job: Job) -> BytesPerSecond:
    """Memory bandwidth that element-wise kernels reach."""
    return BytesPerSecond(job.constants.hbm_fraction * job.cluster.gpu.hbm_bytes_s)


def trained_bytes(job: Job) -> float:
    """Bytes of gradient per parameter; 0 with frozen weights."""
    return 0.0 if job.frozen else float(job.gradient_bytes)


@formula(
    "(T · b_e + (2 · g · P_l if not frozen) + b_cw · P_l) / (η_e · B_h)",
    "tmplan",
    "as forward, and weight gradients accumulated",
)
def elementwise_backward(job: Job, plan: Plan, tokens: Tokens, layer_weights: Parameters) -> Seconds:
    """A layer's element-wise work, backward, with the accumulation of weight gradients; seconds."""
    moved = Bytes(tokens * elementwise_bytes(job, plan, backward=True))
    return (moved + Bytes((2.0 * trained_bytes(job) + weight_bytes(job, backward=True)) * layer_weights)) / layer_rate(job)


@formula("κ_c · (t_m + t_a + t_e)", "korthikanti22", "Table 4 measures these for one layer")
def layer_forward(job: Job, linear_forward: Seconds, attention_forward: Seconds, elementwise_forward: Seconds) -> Seconds:
    """A layer's forward pass on the device; seconds."""
    return pace(job) * (linear_forward + attention_forward + elementwise_forward)


@formula("κ_c · (t_n + t_d + t_h)", "korthikanti22", "Table 4 measures these for one layer")
def layer_backward(job: Job, linear_backward: Seconds, attention_backward: Seconds, elementwise_backward: Seconds) -> Seconds:
    """A layer's backward pass on the device; seconds."""
    return pace(job) * (linear_backward + attention_backward + elementwise_backward)


@formula("κ_c · Σ(s_r · t_pf)", "korthikanti22", "Section 5")
def selective_repeat(job: Job, plan: Plan, tokens: Tokens, attention_forward: Seconds, elementwise_forward: Seconds) -> Seconds:
    """Forward work that selective recompute repeats in one layer; seconds."""
    repeat = job.selective.repeat
    parts = {"attention": attention_forward, "elementwise": elementwise_forward, **linear_parts(job, plan, tokens)}
    total = Seconds(0.0)
    for part, seconds in parts.items():
        total = total + term("repeated_share", repeat.get(part, 0.0)) * term("part_seconds", seconds)
    return pace(job) * total


@formula("t_r if recompute = 1", "korthikanti22", "Section 5")
def selective_seconds(plan: Plan, selective_repeat: Seconds) -> Seconds:
    """Forward work that the plan repeats in a layer that it does not fully recompute; seconds."""
    return where(plan.recompute == 1, selective_repeat, 0.0)


def checks(job: Job, plan: Plan, backward: bool) -> Seconds:
    """Host time of comparing the arguments of a layer's tensor-parallel collectives between their ranks; seconds."""
    ranks = Number(term("layer_collectives", collectives(job, plan, backward)) * plan.tp)
    return Seconds(job.cluster.rank_check_s * ranks)


@formula("t_kl · n_la + n_co · t · t_ck", "tmplan", "launches counted; with checked collectives PyTorch's ProcessGroupWrapper")
def host_layer(job: Job, plan: Plan) -> Seconds:
    """Host time to launch one layer's forward pass; seconds."""
    launched = Seconds(launch_seconds(job) * term("launches", launches(job, plan, backward=False)))
    return launched + checks(job, plan, backward=False)


@formula("η_k · t_kl · n_la + n_co · t · t_ck", "tmplan", "launches counted; with checked collectives PyTorch's ProcessGroupWrapper")
def host_return(job: Job, plan: Plan) -> Seconds:
    """Host time to launch one layer's backward pass; seconds."""
    each = job.constants.launch_backward * launch_seconds(job)
    return Seconds(each * term("launches", launches(job, plan, backward=True))) + checks(job, plan, backward=True)


def waited(host: Seconds, busy: Seconds) -> Seconds:
    """Time that the device waits for a host that never waits for it: launches queue, so that only the longer sum counts; seconds."""
    return maximum(host - busy, 0.0)


@formula("max(h_f - t_bf, 0) + max(h_b - t_bb, 0)", "tmplan", "launches queue ahead of the device: the longer of both sums counts")
def layer_host(host_layer: Seconds, host_return: Seconds, busy_forward: Seconds, busy_backward: Seconds) -> Seconds:
    """Time that the device waits for the host in one layer, forward and backward; seconds."""
    return waited(host_layer, busy_forward) + waited(host_return, busy_backward)


@formula("max(h_f - t_bf, 0)", "tmplan", "launches queue ahead of the device: the longer of both sums counts")
def repeat_host(host_layer: Seconds, busy_forward: Seconds) -> Seconds:
    """Time that the device waits for the host during a repeated forward pass of a layer; seconds."""
    return waited(host_layer, busy_forward)


@formula("κ_c · Σ t_g + 2 · λ · T · V_p / t / (η_h · B_h)", "korthikanti22", "Appendix A: logits layer")
def head_seconds(job: Job, plan: Plan, tokens: Tokens) -> Seconds:
    """Head and loss of one micro-batch, forward and backward; seconds."""
    gpu, hidden, rows = job.cluster.gpu, Number(job.model.hidden), Number(tokens)
    entries = padded_vocab(job, plan) / plan.tp
    products = (
        gemm_seconds(gpu, "bf16", rows, entries, hidden)
        + gemm_seconds(gpu, "bf16", rows, hidden, entries)
        + (Seconds(0.0) if job.frozen else gemm_seconds(gpu, "bf16", hidden, entries, rows))
    )
    return pace(job) * products + Bytes(2.0 * job.stack.logits_bytes * tokens * entries) / elementwise_rate(job)


@formula("12 · T · h / (η_h · B_h)", "tmplan", "lookup, its gradient added in fp32, by bytes")
def embedding_seconds(job: Job, tokens: Tokens) -> Seconds:
    """Embedding of one micro-batch, forward and backward; seconds."""
    return Bytes(12.0 * tokens * job.model.hidden) / elementwise_rate(job)
