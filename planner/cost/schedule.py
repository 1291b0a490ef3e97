"""From one micro-batch on one stage to a step: pipeline schedules, bubble, and the sum of the parts."""

from __future__ import annotations

from typing import Any

import numpy as np

from planner.cost.collectives import hop_seconds
from planner.cost.compute import attended
from planner.cost.pipeline_split import DUALPIPE_V, ZB_H1, ZB_H2, V, is_head, largest
from planner.formula.trace import formula
from planner.specs.job import Job
from planner.specs.lora import adapter_parameters
from planner.specs.model import Model
from planner.specs.parameters import attention_matrices, mlp_work
from planner.specs.plan import Plan


@formula("ℓ_i · (t_f + t_b) + (t_i if i = 0) + (t_o at the head)", "narayanan21", "Section 2.2")
def stage_compute(
    plan: Plan, stage: Any, stage_layers: Any, layer_forward: Any, layer_backward: Any, embedding_seconds: Any, head_seconds: Any
) -> Any:
    """Compute of one micro-batch on a stage, forward and backward, nothing repeated; seconds."""
    edges = (stage == 0) * embedding_seconds + is_head(plan, stage) * head_seconds
    return stage_layers * (layer_forward + layer_backward) + edges


@formula("ℓ_i · max(h_l, 2.5 · h_f + t · η_f · hop - t_l beyond the node) + H_b", "tmplan", "launches as a floor under small layers")
def stage_host(job: Job, plan: Plan, stage_layers: Any, layer_host: Any, host_layer: Any, busy_layer: Any) -> Any:
    """Time a stage waits for the host in one micro-batch; seconds."""
    far = (plan.pp > 1) & (job.cluster.gpus > job.cluster.link_domain)
    floor = (1 + job.constants.host_backward) * host_layer + job.stack.far_hops * hop_seconds(job, 2) * plan.tp
    waited = np.where(far & (job.stack.far_hops > 0), np.maximum(layer_host, floor - busy_layer), layer_host)
    return stage_layers * waited + job.cluster.host_pace * job.stack.host_micro_batch_s


@formula("C_i + H_i + T_i + K_i", "narayanan21", "Section 2.2")
def stage_work(stage_compute: Any, stage_host: Any, stage_tp: Any, stage_cp: Any) -> Any:
    """One micro-batch on a stage, forward and backward, nothing repeated; seconds."""
    return stage_compute + stage_host + stage_tp + stage_cp


@formula("r_i · q_l + ℓ_i · t_q", "korthikanti22", "Section 5")
def stage_repeat(stage_layers: Any, recomputed_layers: Any, repeat_layer: Any, selective_seconds: Any) -> Any:
    """What recomputation repeats on a stage in one micro-batch, its traffic and waits with it; seconds."""
    return recomputed_layers * repeat_layer + stage_layers * selective_seconds


@formula("E_i + Q_i", "narayanan21", "Section 2.2")
def stage_seconds(stage_work: Any, stage_repeat: Any) -> Any:
    """One micro-batch on a stage, forward and backward; seconds."""
    return stage_work + stage_repeat


@formula("m · τ", "narayanan21", "Section 2.2.1: ideal time, of the slowest stage")
def steady_seconds(micro_batches: Any, slowest_stage: Any) -> Any:
    """All micro-batches of the slowest stage, back to back; seconds."""
    return micro_batches * slowest_stage


@formula("max τ_i", "narayanan21", "Section 2.2.1")
def slowest_stage(stage_seconds: Any) -> Any:
    """The slowest stage's time for a micro-batch; seconds."""
    return largest(stage_seconds)


@formula("first + last + the stages between", "narayanan21", "Section 2.2")
def all_stages(job: Job, plan: Plan, stage_layers: Any, stage_seconds: Any) -> Any:
    """One micro-batch through every stage, from its edge stages; those between take time by their layers; seconds.

    The stage before the last edge stands for those between: the second, or where dense layers come first one without any.
    """
    first, like, last = stage_seconds[0], stage_seconds[-2], stage_seconds[-1]
    between = like * (job.model.layers - stage_layers[0] - stage_layers[-1]) / np.maximum(stage_layers[-2], 1)
    return first + np.where(plan.pp > 1, last, 0.0) + np.where(plan.pp > 2, between, 0.0)


# Of what ZB-H2 leaves, (p - 1)(F + B - 2 W), what the automatic schedule ZB-2p of the same memory leaves. Fitted on 12 runs of Qi et al.
# 2023, Tables 3 and 4 (beside 1F1B's of the same models; bubbles by the slope over micro-batches); with it their steps are met within 5 %.
AUTOMATIC = 0.5


@formula("t_dw / (t_l + h_l)", "zerobubble23", "Section 2: the backward pass split in two")
def weight_share(weight_seconds: Any, busy_layer: Any, layer_host: Any) -> Any:
    """Share of a layer's time, forward and backward, that gradients of weights take; ratio."""
    return weight_seconds / (busy_layer + layer_host)


@formula("t_bf / t_l", "zerobubble23", "Section 2")
def forward_share(busy_layer: Any, busy_forward: Any) -> Any:
    """Share of a layer's time that its forward pass takes; ratio."""
    return busy_forward / busy_layer


@formula("1 - max(Q_i / τ_i)", "tmplan", "what is repeated is forward work before a backward pass: no part of it can be put off")
def working_share(stage_repeat: Any, stage_seconds: Any) -> Any:
    """Share of a micro-batch on a stage that is not recomputation; ratio."""
    return 1.0 - largest(stage_repeat / stage_seconds)


@formula(
    "1 / v with 1F1B; 1 - 2 · w · w_q, 0.5 · max(1 - 3 · w · w_q, 0), max(1 - 3 · w · w_q, 0) or (2 - w_f · w_q - 3 · w · w_q) / 2"
    " otherwise",
    "zerobubble23",
    "Section 2: (p - 1)(F + B - W) and (p - 1)(F + B - 2 W), B the gradients of inputs; DualPipe's README: (PP / 2 - 1)(F&B + B - 3 W)",
)
def bubble_left(plan: Plan, weight_share: Any, forward_share: Any, working_share: Any) -> Any:
    """Of the bubble of 1F1B, (p - 1) times a micro-batch on a stage, what a schedule leaves; ratio.

    ZB-H2 is scheduled automatically (ZB-2p). ZB-V leaves what ZB-H2 does by hand (none where forward, input and weight gradients take
    alike; Qi et al., Section 6). DualPipeV's chunks are half a rank's layers, F&B is taken as F + B: what it hides is counted with the
    traffic.
    """
    code = np.asarray(plan.schedule) + 0 * plan.pp
    weights, forward = weight_share * working_share, forward_share * working_share
    thirds = np.maximum(1.0 - 3.0 * weights, 0.0)
    dual = (2.0 - forward - 3.0 * weights) / 2.0
    choices = [1.0 - 2.0 * weights, AUTOMATIC * thirds, thirds, dual]
    return np.select([code == ZB_H1, code == ZB_H2, code == V, code == DUALPIPE_V], choices, 1.0 / plan.vpp)


@formula("β · (τ_s - τ)", "narayanan21", "Section 2.2: (p - 1)(t_f + t_b) / v")
def bubble_seconds(bubble_left: Any, all_stages: Any, slowest_stage: Any) -> Any:
    """Time the slowest stage idles while the pipeline fills and drains; seconds."""
    return bubble_left * np.maximum(0.0, all_stages - slowest_stage)


@formula("H_s", "tmplan", "the stack's: data, logging, gradient norm")
def fixed_seconds(job: Job) -> Any:
    """Host time once a step; seconds."""
    return np.full(1, job.cluster.host_pace * job.stack.step_fixed_s)


@formula("ς · log2(nodes) · t_k", "tmplan", "the slowest of many is slower; the stack's file says by how much")
def straggler_seconds(job: Job, even_seconds: Any) -> Any:
    """Waiting for the slowest rank; seconds."""
    nodes = max(1.0, job.cluster.gpus / job.cluster.gpus_per_node)
    return even_seconds * (job.stack.straggler * np.log2(nodes))


@formula("t_k + t_w", "tmplan", "a step of even ranks, and what the slowest adds")
def step_seconds(even_seconds: Any, straggler_seconds: Any) -> Any:
    """One optimizer step; seconds."""
    return even_seconds + straggler_seconds


@formula("t_y + t_u + t_p + t_v + t_z + t_x", "narayanan21", "Section 2.2, with traffic, optimizer and host")
def even_seconds(
    steady_seconds: Any, bubble_seconds: Any, pp_seconds: Any, dp_seconds: Any, optimizer_seconds: Any, fixed_seconds: Any
) -> Any:
    """One optimizer step if no rank were slower than another; seconds."""
    return steady_seconds + bubble_seconds + pp_seconds + dp_seconds + optimizer_seconds + fixed_seconds


@formula("(6 · matrices + 6 · L · a · (e_k + e_v) · s) · B · s", "palm22", "Appendix B; matrices alone, as korthikanti22 Equation 7")
def model_flops(job: Job) -> float:
    """FLOPs the model needs for a step, forward and backward, the whole attention square, nothing repeated; FLOP.

    Of routed experts those a token visits; layers and heads of multi-token prediction with the rest.
    """
    model, layers = job.model, job.model.layers + job.model.mtp_layers
    attention = 6.0 * layers * model.heads * (model.key_dim + model.value_dim) * 2 * attended(model, job.sequence)
    return float(job.global_batch) * job.sequence * (6.0 * matrices(model) + attention)


def matrices(model: Model) -> int:
    """Weights that multiply a token: of all layers and heads, of routed experts those it visits; count."""
    layers, ahead = model.layers + model.mtp_layers, model.mtp_layers
    heads = model.vocab * model.hidden * (1 + ahead)
    return layers * attention_matrices(model) + mlp_work(model) + heads + 2 * ahead * model.hidden**2


@formula("(4 · matrices + 6 · P_ad · L + 6 · L · a · (e_k + e_v) · s) · B · s", "lora21", "Section 4.2: frozen weights have no gradients")
def adapter_flops(job: Job, model_flops: Any) -> float:
    """FLOPs that training adapters needs for a step: frozen matrices forward and for the gradients of inputs, adapters for both; FLOP."""
    own = float(job.model.layers * adapter_parameters(job.model, job.lora_targets, job.lora_rank))
    return float(model_flops) + float(job.global_batch) * job.sequence * (6.0 * own - 2.0 * matrices(job.model))


def needed_flops(job: Job) -> float:
    """FLOPs that the job needs for a step, whatever it trains; FLOP."""
    whole = model_flops(job)
    return adapter_flops(job, whole) if job.frozen else whole


@formula("R, max(R, R_8) or max(R, R_4)", "palm22", "Appendix B: the peak that utilisation is of")
def precision_flops(job: Job) -> float:
    """Dense peak of the fastest units that the precision uses; FLOP/s a GPU."""
    return job.cluster.gpu.peak(job.precision)


@formula("min(F / (t_step · W · R_p), 1)", "palm22", "Appendix B")
def mfu(job: Job, model_flops: Any, step_seconds: Any) -> Any:
    """Model FLOPs utilisation, of the dense peak of the fastest units the precision uses; ratio.

    1 at most: no kernel runs above its peak, but the whole attention square is counted, of which causal kernels leave out half, and
    experts' tokens that a capacity below 1 drops.
    """
    return np.minimum(model_flops / (step_seconds * job.cluster.gpus * precision_flops(job)), 1.0)


@formula("B · s / (t_step · W)", "math101", "Compute Requirements")
def tokens_per_second_per_gpu(job: Job, step_seconds: Any) -> Any:
    """Tokens a second on each GPU."""
    return float(job.global_batch) * job.sequence / (step_seconds * job.cluster.gpus)
