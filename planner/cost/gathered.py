"""What fully sharded ranks gather, by the phase in which it lives; bytes.

The weights of a unit (a layer, the embedding, the head) exist in 16 bits while it runs, and those of the next unit are gathered meanwhile;
its gradient exists whole until it is reduced.
"""

from __future__ import annotations

from planner.cost import zero_buffers
from planner.cost.pipeline_split import is_head
from planner.cost.shard import padded_vocab
from planner.cost.states import stays_gathered, weight_width
from planner.dimensions import Bytes, Flag, Number, Parameters, Stage, maximum, minimum, select, where
from planner.formula.trace import formula, term
from planner.specs.job import Job
from planner.specs.plan import Plan


def gathers(job: Job, plan: Plan) -> Flag:
    """Whether weights are gathered when they are used."""
    sharded = (plan.zero >= 3) & (plan.dp_shard * plan.cp > 1) & ~stays_gathered(job, plan)
    return term("gathers", sharded | job.offload_parameters)


@formula(
    "b_p · min(P_i, n_lv + P_l) if flat and gathers, 2 · n_b if flat and ZeRO = 2, (n_u · b_p + g_r) · P_l if gathers and not flat",
    "fsdp23",
    "Section 3.4.2: two units are gathered at a time; DeepSpeed: runtime/zero/partitioned_param_coordinator.py",
)
def layers_gathered(job: Job, plan: Plan, layer_weights: Parameters, stage_weights: Parameters) -> Bytes:
    """Weights gathered in the backward pass of a layer, and gradients before their reduce-scatter; bytes.

    Two layers and the gradient of one; under DeepSpeed as many as may be live and a layer on top, or the bucket of ZeRO-2.
    """
    if job.stack.flat_states:
        weights = Bytes(weight_width(job) * minimum(stage_weights, job.stack.live_parameters + layer_weights))
        return where(gathers(job, plan), weights, where(plan.zero == 2, zero_buffers.bucket(job), 0.0))
    units = term("gathered_units", job.stack.gathered_units)
    return where(gathers(job, plan), Bytes((units * weight_width(job) + job.reduce_bytes) * layer_weights), 0.0)


@formula("b_p · max((P_h if head), min(P_i, n_lv)) if flat and gathers, b_p · P_h if head and gathers", "fsdp23", "Section 3.4.2")
def head_gathered(job: Job, plan: Plan, stage: Stage, head_weights: Parameters, stage_weights: Parameters) -> Bytes:
    """Weights of the head, or as many as DeepSpeed keeps gathered, while the loss is computed; bytes."""
    if job.stack.flat_states:
        live = minimum(stage_weights, job.stack.live_parameters)
        return where(gathers(job, plan), Bytes(weight_width(job) * maximum(is_head(plan, stage) * head_weights, live)), 0.0)
    return where(gathers(job, plan), is_head(plan, stage) * Bytes(weight_width(job) * head_weights), 0.0)


@formula(
    "(b_p + g_r) · (P_e if i = 0) + g_r · min(n_b, P_i) if flat and gathers, 2 · n_b + g_r · (P_e if i = 0) if flat and ZeRO = 2,"
    " max(g · P_i / Z, 2 · P_tt) if flat and ZeRO = 1 and g = 2, g · min(n_b + P_tt, P_i) if flat and ZeRO ≤ 1 and D > 1,"
    " (b_p + g_r) · P_e if i = 0 and gathers and not flat",
    "fsdp23",
    "Section 3.4.2; DeepSpeed: runtime/zero",
)
def embedding_gathered(
    job: Job, plan: Plan, stage: Stage, embedding_weights: Parameters, stage_weights: Parameters, shard_size: Number,
    largest_tensor: Parameters,
) -> Bytes:  # fmt: skip
    """Weights of the embedding and their gradient before its reduce-scatter, at the end of a backward pass; bytes.

    Under DeepSpeed with a bucket, and under ZeRO-1 a copy of the gradients of the part that the rank updates.
    """
    if job.stack.flat_states:
        edge = (stage == 0) * embedding_weights
        whole = Bytes((weight_width(job) + job.reduce_bytes) * edge) + zero_buffers.bucket_copy(job, stage_weights)
        reduced = zero_buffers.bucket(job) + Bytes(job.reduce_bytes * edge)
        part = zero_buffers.part_gradients(job, stage_weights, shard_size, largest_tensor)
        copied = zero_buffers.all_reduce_copy(job, stage_weights, largest_tensor)
        below = where((plan.zero == 1) & (not zero_buffers.accumulates(job)), part, where((plan.zero <= 1) & (plan.dp > 1), copied, 0.0))
        return select([gathers(job, plan), plan.zero == 2], [whole, reduced], below)
    return where(gathers(job, plan), (stage == 0) * Bytes((weight_width(job) + job.reduce_bytes) * embedding_weights), 0.0)


@formula("F_h + (b_p · (P_l + P_e) if gathers)", "fsdp23", "Section 3.4.2; torch 2.13.0, fully_shard: the last layer is gathered ahead")
def root_at_loss(job: Job, plan: Plan, head_gathered: Bytes, layer_weights: Parameters, embedding_weights: Parameters) -> Bytes:
    """Weights of the root unit, head and embedding, while the loss is computed, and of the last layer, gathered ahead; bytes."""
    return head_gathered + where(gathers(job, plan), Bytes(weight_width(job) * (layer_weights + embedding_weights)), 0.0)


@formula("F_p + (b_p · (P_e + P_h + P_x) if gathers) + (b_p · V_p · h / t if ZeRO ≥ 2 and D_s · c > 1)", "fsdp23", "Section 3.4.2")
def root_at_layer(
    job: Job, plan: Plan, layers_gathered: Bytes, embedding_weights: Parameters, head_weights: Parameters, expert_weights: Parameters
) -> Bytes:  # fmt: skip
    """Weights of two layers and of the root unit, and gradients that are not reduced yet; bytes.

    Those of a layer, of the experts in the next, and of the head.
    """
    root = where(gathers(job, plan), Bytes(weight_width(job) * (embedding_weights + head_weights + expert_weights)), 0.0)
    head = Parameters(padded_vocab(job, plan) / plan.tp * float(job.model.hidden))
    return layers_gathered + root + where(sharded(plan), Bytes(weight_width(job) * head), 0.0)


def sharded(plan: Plan) -> Flag:
    """Whether gradients are reduced to shards."""
    return (plan.zero >= 2) & (plan.dp_shard * plan.cp >= 2)


@formula(
    "max((b_p + g_r) · (P_e + P_h) - (W_p if ZeRO = 2), 0) if ZeRO ≥ 2 and D_s · c > 1, F_e + (2 · g · V_p · h / t if tied) otherwise",
    "fsdp23",
    "Section 3.4.2; gradients of a shared weight are added at the end (torch 2.13.0, autograd)",
)
def root_at_end(
    job: Job, plan: Plan, embedding_gathered: Bytes, embedding_weights: Parameters, head_weights: Parameters, parameter_bytes: Bytes
) -> Bytes:  # fmt: skip
    """Gradients of the root unit before their reduce-scatter, or those of a tied embedding before they are added; bytes.

    In 16 bits and in the width of the reduction; less weights gathered for good, which are freed by then.
    """
    shared = term("tied", job.model.tied) * padded_vocab(job, plan) / plan.tp * float(job.model.hidden)
    added = Bytes(2.0 * job.gradient_bytes * Parameters(shared))
    root = Bytes((weight_width(job) + job.reduce_bytes) * (embedding_weights + head_weights))
    freed = where(plan.zero == 2, parameter_bytes, 0.0)
    return where(sharded(plan), maximum(root - freed, 0.0), embedding_gathered + added)


@formula("g_r · P_l if gathers", "fsdp23", "Section 3.4.2")
def unreduced_bytes(job: Job, plan: Plan, layer_weights: Parameters) -> Bytes:
    """Gradient of one layer before its reduce-scatter, which does not live in the backward pass of the last layer; bytes."""
    return where(gathers(job, plan), Bytes(job.reduce_bytes * layer_weights), 0.0)
