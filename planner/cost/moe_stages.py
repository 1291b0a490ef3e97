"""Pipeline stages that hold dense and sparse layers: the costs of both kinds of layer combined on a rank, per micro-batch."""

from __future__ import annotations

from planner.cost.compute import gemm_seconds, pace
from planner.cost.pipeline_split import holds_ahead, is_head, largest
from planner.dimensions import Bytes, Number, Parameters, Seconds, Stage, Tokens, maximum
from planner.formula.trace import formula
from planner.specs.job import Job
from planner.specs.plan import Plan


@formula("max(P_l, P_a + P_x)", "fsdp23", "Section 3.2.1: the largest unit gathered")
def largest_layer(layer_weights: Parameters, around_weights: Parameters, expert_weights: Parameters) -> Parameters:
    """Parameters of the largest layer on a rank; count."""
    return maximum(layer_weights, around_weights + expert_weights)


@formula("A_hd + A_hx", "tmplan", "sum of the parts")
def held_by_both(dense_held: Bytes, sparse_held: Bytes) -> Bytes:
    """Activations that all layers on a rank keep of one micro-batch; bytes."""
    return dense_held + sparse_held


@formula("max((W_ld if ℓ_d > 0), (W_lx if ℓ_x > 0))", "tmplan", "one layer is computed at a time")
def mixed_working(dense_stage_layers: Number, sparse_stage_layers: Number, dense_working: Bytes, sparse_working: Bytes) -> Bytes:
    """Largest working set of the layers on a rank; bytes."""
    return maximum((dense_stage_layers > 0) * dense_working, (sparse_stage_layers > 0) * sparse_working)


@formula("3 · L_m · κ_c · t_g", "deepseek24", "Section 2.2: two hidden states projected into one")
def mtp_seconds(job: Job, plan: Plan, tokens: Tokens) -> Seconds:
    """Projections of multi-token prediction in one micro-batch, forward and backward, without its layers and heads; seconds."""
    gpu, hidden = job.cluster.gpu, float(job.model.hidden)
    rows = Number(tokens / plan.tp)
    product = gemm_seconds(gpu, job.numbers, rows, Number(hidden), Number(2 * hidden))
    return 3.0 * job.model.mtp_layers * pace(job) * product + Seconds(0.0 * tokens)


@formula(
    "ℓ_d · (t_f + t_b) + ℓ_x · (t_xf + t_xb) + (t_i if i = 0) + (t_o if head) + (L_m · t_o + t_mtp if mtp)", "narayanan21", "Section 2.2"
)
def mixed_compute(
    job: Job, plan: Plan, stage: Stage, dense_stage_layers: Number, sparse_stage_layers: Number, layer_forward: Seconds,
    layer_backward: Seconds, sparse_forward: Seconds, sparse_backward: Seconds, embedding_seconds: Seconds, head_seconds: Seconds,
    mtp_seconds: Seconds,
) -> Seconds:  # fmt: skip
    """Compute of one micro-batch on a stage, forward and backward, without recomputation; seconds."""
    ahead = job.model.mtp_layers * head_seconds + mtp_seconds
    edges = (stage == 0) * embedding_seconds + is_head(plan, stage) * head_seconds + holds_ahead(job, plan, stage) * ahead
    return dense_stage_layers * (layer_forward + layer_backward) + sparse_stage_layers * (sparse_forward + sparse_backward) + edges


@formula("ℓ_d · h_l + ℓ_x · h_lx + κ_h · H_b", "tmplan", "kernel launches as a lower bound of small layers")
def mixed_host(job: Job, dense_stage_layers: Number, sparse_stage_layers: Number, layer_host: Seconds, sparse_host: Seconds) -> Seconds:
    """Time a stage waits for the host in one micro-batch; seconds."""
    waited = dense_stage_layers * layer_host + sparse_stage_layers * sparse_host
    return waited + job.cluster.host_pace * job.stack.host_micro_batch_s


@formula("ℓ_d · x_tl + ℓ_x · x_tx + ((½ if i = 0) + (½ if head)) · t_t", "korthikanti22", "Section 4.2.2; the ends: exposed")
def mixed_tp(
    plan: Plan, stage: Stage, dense_stage_layers: Number, sparse_stage_layers: Number, tp_forward: Seconds, tp_layer: Seconds,
    around_tp: Seconds,
) -> Seconds:  # fmt: skip
    """Exposed tensor-parallel communication of one micro-batch on a stage; routed experts have none; seconds."""
    edges = (stage == 0) * 0.5 + is_head(plan, stage) * 0.5
    return dense_stage_layers * tp_layer + sparse_stage_layers * around_tp + edges * tp_forward


@formula("(ℓ_d + ℓ_x) · x_l", "ring23", "Section 3, for every layer")
def mixed_cp(dense_stage_layers: Number, sparse_stage_layers: Number, cp_layer: Seconds) -> Seconds:
    """Exposed context-parallel communication of one micro-batch on a stage; seconds."""
    return (dense_stage_layers + sparse_stage_layers) * cp_layer


@formula("C_i + H_i + T_i + K_i + X_i", "narayanan21", "Section 2.2, with the experts' all-to-all")
def mixed_work(stage_compute: Seconds, stage_host: Seconds, stage_tp: Seconds, stage_cp: Seconds, stage_ep: Seconds) -> Seconds:
    """One micro-batch on a stage, forward and backward, without recomputation; seconds."""
    return stage_compute + stage_host + stage_tp + stage_cp + stage_ep


@formula("Q_d + Q_x", "korthikanti22", "Section 5")
def repeated_by_both(dense_repeat: Seconds, sparse_repeat_seconds: Seconds) -> Seconds:
    """Recomputation of one micro-batch on a stage; seconds."""
    return dense_repeat + sparse_repeat_seconds


@formula("max_i(O_s + O_y)", "tmplan", "the heaviest stage decides")
def heaviest_optimizer(optimizer_bytes: Bytes, expert_optimizer: Bytes) -> Bytes:
    """Master weights and optimizer states on a rank of the heaviest stage, with those of its routed experts; bytes."""
    return largest(optimizer_bytes + expert_optimizer)
