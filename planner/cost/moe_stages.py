"""Pipeline stages that hold dense and sparse layers: what the layers of both kinds come to on a rank, one micro-batch at a time."""

from __future__ import annotations

from typing import Any

import numpy as np

from planner.cost.collectives import hop_seconds
from planner.cost.compute import gemm_seconds, pace
from planner.cost.pipeline_split import is_head
from planner.formula.trace import formula
from planner.specs.job import Job
from planner.specs.plan import Plan


@formula("max(P_l, P_a + P_x)", "fsdp23", "Section 3.3: the largest unit gathered")
def largest_layer(layer_weights: Any, around_weights: Any, expert_weights: Any) -> Any:
    """Parameters of the largest layer on a rank; count."""
    return np.maximum(layer_weights, around_weights + expert_weights)


@formula("A_h over ℓ_d + A_h over ℓ_x", "tmplan", "sum of the parts")
def held_by_both(dense_held: Any, sparse_held: Any) -> Any:
    """Activations that all layers on a rank keep of one micro-batch; bytes."""
    return dense_held + sparse_held


@formula("max(W_l if ℓ_d > 0, W_l if ℓ_x > 0)", "tmplan", "one layer is at hand at a time")
def mixed_working(dense_stage_layers: Any, sparse_stage_layers: Any, layer_working: Any, sparse_working: Any) -> Any:
    """Working set of the layer that needs most on a rank; bytes."""
    return np.maximum((dense_stage_layers > 0) * layer_working, (sparse_stage_layers > 0) * sparse_working)


@formula("3 · L_m · t_g of 2 · h · h", "deepseek24", "Section 2.2: two hidden states projected into one")
def mtp_seconds(job: Job, plan: Plan, tokens: Any) -> Any:
    """What multi-token prediction adds to a micro-batch beside layers and heads, forward and backward; seconds."""
    gpu, hidden = job.cluster.gpu, float(job.model.hidden)
    own = tokens / plan.tp
    return 3.0 * job.model.mtp_layers * pace(job) * gemm_seconds(gpu, job.precision, own, hidden, 2 * hidden) + 0.0 * tokens


@formula("ℓ_d · (t_f + t_b) + ℓ_x · (t_xf + t_xb) + (t_i if i = 0) + ((1 + L_m) · t_o + t_mtp at the head)", "narayanan21", "Section 2.2")
def mixed_compute(
    job: Job, plan: Plan, stage: Any, dense_stage_layers: Any, sparse_stage_layers: Any, layer_forward: Any, layer_backward: Any,
    sparse_forward: Any, sparse_backward: Any, embedding_seconds: Any, head_seconds: Any, mtp_seconds: Any,
) -> Any:  # fmt: skip
    """Compute of one micro-batch on a stage, forward and backward, nothing repeated; seconds."""
    heads = (1 + job.model.mtp_layers) * head_seconds + mtp_seconds
    edges = (stage == 0) * embedding_seconds + is_head(plan, stage) * heads
    return dense_stage_layers * (layer_forward + layer_backward) + sparse_stage_layers * (sparse_forward + sparse_backward) + edges


@formula("ℓ_d · h_l + ℓ_x · h_lx + H_b", "tmplan", "launches as a floor under small layers")
def mixed_host(
    job: Job, plan: Plan, dense_stage_layers: Any, sparse_stage_layers: Any, layer_host: Any, sparse_host: Any, busy_layer: Any,
    host_layer: Any,
) -> Any:  # fmt: skip
    """Time a stage waits for the host in one micro-batch; seconds. Beyond a node as `schedule.stage_host` has it."""
    far = (plan.pp > 1) & (job.cluster.gpus > job.cluster.link_domain) & (job.stack.far_hops > 0)
    floor = (1 + job.constants.host_backward) * host_layer + job.stack.far_hops * hop_seconds(job, 2) * plan.tp
    waited = np.where(far, np.maximum(sparse_host, floor - busy_layer), sparse_host)
    return dense_stage_layers * layer_host + sparse_stage_layers * waited + job.cluster.host_pace * job.stack.host_micro_batch_s


@formula("x_t · (2 · ℓ_d · t_t + 2 · ℓ_x · t_tf + (0.5 with embedding + 0.5 with head) · t_t)", "korthikanti22", "Section 4.2.2")
def mixed_tp(
    job: Job, plan: Plan, stage: Any, dense_stage_layers: Any, sparse_stage_layers: Any, tp_forward: Any, around_tp: Any
) -> Any:  # fmt: skip
    """Exposed tensor-parallel traffic of one micro-batch on a stage; seconds. Routed experts have none of their own."""
    edges = (stage == 0) * 0.5 + is_head(plan, stage) * 0.5
    return job.stack.tp_exposed * (2 * dense_stage_layers * tp_forward + 2 * sparse_stage_layers * around_tp + edges * tp_forward)


@formula("(ℓ_d + ℓ_x) · x_l", "ring23", "Section 3, for every layer")
def mixed_cp(dense_stage_layers: Any, sparse_stage_layers: Any, cp_layer: Any) -> Any:
    """Exposed context-parallel traffic of one micro-batch on a stage; seconds."""
    return (dense_stage_layers + sparse_stage_layers) * cp_layer


@formula("C_i + H_i + T_i + K_i + X_i", "narayanan21", "Section 2.2, with the experts' all-to-all")
def mixed_work(stage_compute: Any, stage_host: Any, stage_tp: Any, stage_cp: Any, stage_ep: Any) -> Any:
    """One micro-batch on a stage, forward and backward, nothing repeated; seconds."""
    return stage_compute + stage_host + stage_tp + stage_cp + stage_ep


@formula("Q_i over ℓ_d + Q_i over ℓ_x", "korthikanti22", "Section 5")
def repeated_by_both(dense_repeat: Any, sparse_repeat_seconds: Any) -> Any:
    """What recomputation repeats on a stage in one micro-batch; seconds."""
    return dense_repeat + sparse_repeat_seconds
