"""From one micro-batch on a pipeline stage to a step: pipeline schedules, their bubble, the sum of the parts, utilization."""

from __future__ import annotations

import numpy as np

from planner.cost.compute import attended
from planner.cost.pipeline_split import DUALPIPE_V, ZB_H1, ZB_H2, V, is_head, largest
from planner.dimensions import Count, Number, Seconds, Stage, TokensPerSecond, log2, maximum, minimum, select, sum_of, where
from planner.formula.trace import formula, term
from planner.specs.job import Job
from planner.specs.lora import adapter_parameters
from planner.specs.model import Model
from planner.specs.parameters import attention_matrices, mlp_work
from planner.specs.plan import Plan


@formula("ℓ_i · (t_f + t_b) + (t_i if i = 0) + (t_o if head)", "narayanan21", "Section 2.2")
def stage_compute(
    plan: Plan, stage: Stage, stage_layers: Number, layer_forward: Seconds, layer_backward: Seconds, embedding_seconds: Seconds,
    head_seconds: Seconds,
) -> Seconds:  # fmt: skip
    """Compute of one micro-batch on a stage, forward and backward, without recomputation; seconds."""
    edges = (stage == 0) * embedding_seconds + is_head(plan, stage) * head_seconds
    return stage_layers * (layer_forward + layer_backward) + edges


@formula("ℓ_i · h_l + κ_h · H_b", "tmplan", "kernel launches as a lower bound of small layers")
def stage_host(job: Job, stage_layers: Number, layer_host: Seconds) -> Seconds:
    """Time a stage waits for the host in one micro-batch; seconds."""
    return stage_layers * layer_host + job.cluster.host_pace * job.stack.host_micro_batch_s


@formula("C_i + H_i + T_i + K_i", "narayanan21", "Section 2.2")
def stage_work(stage_compute: Seconds, stage_host: Seconds, stage_tp: Seconds, stage_cp: Seconds) -> Seconds:
    """One micro-batch on a stage, forward and backward, without recomputation; seconds."""
    return stage_compute + stage_host + stage_tp + stage_cp


@formula("r_i · q_l + ℓ_i · t_q", "korthikanti22", "Section 5")
def stage_repeat(stage_layers: Number, recomputed_layers: Number, repeat_layer: Seconds, selective_seconds: Seconds) -> Seconds:
    """Recomputation of one micro-batch on a stage, with its communication and its waits for the host; seconds."""
    return recomputed_layers * repeat_layer + stage_layers * selective_seconds


@formula("E_i + Q_i", "narayanan21", "Section 2.2")
def stage_seconds(stage_work: Seconds, stage_repeat: Seconds) -> Seconds:
    """One micro-batch on a stage, forward and backward; seconds."""
    return stage_work + stage_repeat


@formula("m · τ", "narayanan21", "Section 2.2.1: ideal time, of the slowest stage")
def steady_seconds(micro_batches: Number, slowest_stage: Seconds) -> Seconds:
    """All micro-batches of the slowest stage, back to back; seconds."""
    return micro_batches * slowest_stage


@formula("max_i(τ_i)", "narayanan21", "Section 2.2.1")
def slowest_stage(stage_seconds: Seconds) -> Seconds:
    """One micro-batch on the slowest stage; seconds."""
    return largest(stage_seconds)


@formula("Σ τ_r if laid, τ_1 + (τ_p if p > 1) + (τ_m · (L - ℓ_1 - ℓ_p) / max(ℓ_m, 1) if p > 2) otherwise", "narayanan21", "Section 2.2")
def all_stages(job: Job, plan: Plan, stage_layers: Number, stage_seconds: Seconds) -> Seconds:
    """One micro-batch through every stage, from its edge stages; the stages between take time in proportion to their layers; seconds.

    The stage before the last edge stands for those between: the second, or where dense layers come first one without any. By a layout
    every rank is an edge stage.
    """
    if term("laid_out", job.layout is not None):
        ranks = [where(rank < plan.pp, stage_seconds[rank], 0.0) for rank in range(len(stage_seconds))]
        return sum_of(term("rank_seconds", seconds) for seconds in ranks)
    first, last = term("first_stage_seconds", stage_seconds[0]), term("last_stage_seconds", stage_seconds[-1])
    before = max(len(stage_seconds) - 2, 0)  # 0 with one rank
    middle, layers = term("middle_stage_seconds", stage_seconds[before]), term("middle_stage_layers", stage_layers[before])
    between = job.model.layers - term("first_stage_layers", stage_layers[0]) - term("last_stage_layers", stage_layers[-1])
    return first + where(plan.pp > 1, last, 0.0) + where(plan.pp > 2, middle * between / maximum(layers, 1), 0.0)


# Share of ZB-H2's bubble, (p - 1)(F + B - 2 W), that the automatic schedule ZB-2p of the same memory leaves. Fitted on 12 runs of Qi et
# al. 2023, Tables 3 and 4 (against 1F1B of the same models; bubbles from the slope over micro-batches); steps are then met within 5 %.
AUTOMATIC = 0.5


@formula("t_dw / (t_l + h_l)", "zerobubble23", "Section 2: the backward pass split in two")
def weight_share(weight_seconds: Seconds, busy_layer: Seconds, layer_host: Seconds) -> Number:
    """Share of a layer's time, forward and backward, that gradients of weights take; ratio."""
    return weight_seconds / (busy_layer + layer_host)


@formula("t_bf / t_l", "zerobubble23", "Section 2")
def forward_share(busy_layer: Seconds, busy_forward: Seconds) -> Number:
    """Share of a layer's time that its forward pass takes; ratio."""
    return busy_forward / busy_layer


@formula("1 - max_i(Q_i / τ_i)", "tmplan", "recomputation is forward work before a backward pass: no part of it can be deferred")
def working_share(stage_repeat: Seconds, stage_seconds: Seconds) -> Number:
    """Share of a micro-batch on a stage that is not recomputation; ratio."""
    return 1.0 - largest(stage_repeat / stage_seconds)


@formula(
    "1 - 2 · w · w_q if schedule = 1, 0.5 · max(1 - 3 · w · w_q, 0) if schedule = 2, max(1 - 3 · w · w_q, 0) if schedule = 3,"
    " (2 - w_f · w_q - 3 · w · w_q) / 2 if schedule = 4, 1 / v otherwise",
    "zerobubble23",
    "Section 2: (p - 1)(F + B - W) and (p - 1)(F + B - 2 W), B the gradients of inputs; DualPipe's README: (PP / 2 - 1)(F&B + B - 3 W)",
)
def bubble_left(plan: Plan, weight_share: Number, forward_share: Number, working_share: Number) -> Number:
    """Bubble of a schedule over that of 1F1B, which is (p - 1) times a micro-batch on a stage; ratio.

    ZB-H2 is scheduled automatically (ZB-2p). ZB-V has the bubble of ZB-H2 scheduled by hand (none where forward pass, input gradients and
    weight gradients take equal time; Qi et al., Section 6). Chunks of DualPipeV are half of a rank's layers; F&B is taken as F + B, and
    the communication it hides is counted with the communication.
    """
    code = Count(np.asarray(plan.schedule)) + 0 * plan.pp
    weights, forward = weight_share * working_share, forward_share * working_share
    thirds = maximum(1.0 - 3.0 * weights, 0.0)
    dual = (2.0 - forward - 3.0 * weights) / 2.0
    choices = [1.0 - 2.0 * weights, AUTOMATIC * thirds, thirds, dual]
    return select([code == ZB_H1, code == ZB_H2, code == V, code == DUALPIPE_V], choices, 1.0 / plan.vpp)


@formula("β · max(τ_s - τ, 0)", "narayanan21", "Section 2.2: (p - 1)(t_f + t_b) / v")
def bubble_seconds(bubble_left: Number, all_stages: Seconds, slowest_stage: Seconds) -> Seconds:
    """Time the slowest stage idles while the pipeline fills and drains; seconds."""
    return bubble_left * maximum(0.0, all_stages - slowest_stage)


@formula("κ_h · H_s", "tmplan", "the stack's: data, logging, gradient norm")
def fixed_seconds(job: Job) -> Seconds:
    """Host time once per step; seconds."""
    return Seconds(np.full(1, job.cluster.host_pace * job.stack.step_fixed_s))


@formula("t_k · ς · log2(max(1, W / W_n))", "tmplan", "the slowest of many is slower: the stack's file says by how much")
def straggler_seconds(job: Job, even_seconds: Seconds) -> Seconds:
    """Waiting for the slowest rank; seconds."""
    nodes = Number(max(1.0, job.cluster.gpus / job.cluster.gpus_per_node))
    return even_seconds * (job.stack.straggler * log2(nodes))


@formula("t_k + t_w", "tmplan", "a step of equally fast ranks, and the wait for the slowest")
def step_seconds(even_seconds: Seconds, straggler_seconds: Seconds) -> Seconds:
    """One optimizer step; seconds."""
    return even_seconds + straggler_seconds


@formula("t_y + t_u + t_p + t_v + t_z + t_x", "narayanan21", "Section 2.2, with communication, optimizer and host")
def even_seconds(
    steady_seconds: Seconds, bubble_seconds: Seconds, pp_seconds: Seconds, dp_seconds: Seconds, optimizer_seconds: Seconds,
    fixed_seconds: Seconds,
) -> Seconds:  # fmt: skip
    """One optimizer step if all ranks were equally fast; seconds."""
    return steady_seconds + bubble_seconds + pp_seconds + dp_seconds + optimizer_seconds + fixed_seconds


@formula(
    "(6 · P_mm + 12 · (L + L_m) · a · (e_k + e_v) · s_a) · B · s", "palm22", "Appendix B; the matrices alone, as korthikanti22 Equation 7"
)
def model_flops(job: Job) -> float:
    """FLOPs of the model per step, forward and backward, with the whole attention square and without recomputation; FLOP.

    Routed experts count as far as a token visits them; layers and heads of multi-token prediction count.
    """
    model, layers = job.model, job.model.layers + job.model.mtp_layers
    keys = term("attended_keys", attended(model, job.sequence))
    attention = 6.0 * layers * model.heads * (model.key_dim + model.value_dim) * 2 * keys
    return float(job.global_batch) * job.sequence * (6.0 * matrices(model) + attention)


def matrices(model: Model) -> int:
    """Weights that multiply a token: of all layers and heads, and of the routed experts it visits; count."""
    layers, ahead = model.layers + model.mtp_layers, model.mtp_layers
    heads = model.vocab * model.hidden * (1 + ahead)
    return term("matrix_weights", layers * attention_matrices(model) + mlp_work(model) + heads + 2 * ahead * model.hidden**2)


@formula("F + (6 · L · P_al - 2 · P_mm) · B · s", "lora21", "Section 4.2: frozen weights have no gradients")
def adapter_flops(job: Job, model_flops: float) -> float:
    """FLOPs of training adapters per step: frozen matrices forward and for the gradients of inputs, adapters for both gradients; FLOP."""
    adapters = float(job.model.layers * term("layer_adapters", adapter_parameters(job.model, job.lora_targets, job.lora_rank)))
    return float(model_flops) + float(job.global_batch) * job.sequence * (6.0 * adapters - 2.0 * matrices(job.model))


def needed_flops(job: Job) -> float:
    """FLOPs of the job per step: of the model where all weights are trained, else of its adapters; FLOP."""
    whole = model_flops(job)
    return adapter_flops(job, whole) if job.frozen else whole


@formula("max(R, R_u)", "palm22", "Appendix B: utilization is of the peak")
def precision_flops(job: Job) -> float:
    """Dense peak per GPU of the fastest units that the precision uses; FLOP/s."""
    gpu = job.cluster.gpu
    term("unit_flops", gpu.units(job.precision))
    return gpu.peak(job.precision)


@formula("min(F / (t_step · W · R_p), 1)", "palm22", "Appendix B")
def mfu(job: Job, model_flops: float, step_seconds: Seconds) -> Number:
    """Model FLOPs utilization, of the dense peak of the fastest units that the precision uses; ratio.

    1 at most: no kernel runs above its peak, but the whole attention square is counted, though causal kernels skip half of it, and so
    are the tokens of experts that a capacity below 1 drops.
    """
    return minimum(Number(model_flops / (step_seconds * job.cluster.gpus * precision_flops(job))), 1.0)


@formula("B · s / (t_step · W)", "math101", "Compute Requirements")
def tokens_per_second_per_gpu(job: Job, step_seconds: Seconds) -> TokensPerSecond:
    """Tokens per second per GPU."""
    return TokensPerSecond(float(job.global_batch) * job.sequence / (step_seconds * job.cluster.gpus))
