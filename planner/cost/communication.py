"""Communication of each parallel dimension: message sizes, when it takes place, and the part hidden behind compute."""

from __future__ import annotations

from typing import NamedTuple

from planner import degrees
from planner.cost.casts import step_bytes, weight_gathered
from planner.cost.collectives import all_reduce_seconds, gather_seconds, send_seconds
from planner.cost.compute import elementwise_rate
from planner.cost.optimizers import moves_states, optimizer_width
from planner.cost.pipeline_split import in_v
from planner.cost.shard import expert_shard_size, padded_vocab
from planner.cost.sharded_units import messages_per_layer, weight_gathers
from planner.cost.states import stays_gathered, weight_width
from planner.dimensions import (
    Bytes,
    BytesPerSecond,
    Count,
    Flag,
    Number,
    Parameters,
    Seconds,
    Tokens,
    ceil,
    maximum,
    minimum,
    select,
    sum_of,
    where,
)
from planner.formula.trace import formula, term
from planner.specs.job import Job
from planner.specs.plan import Plan

# Parameters per second that the processors of one node update with Adam: 1 B in 0.24 s to 10 B in 2.57 s (ZeRO-Offload, Table 4,
# quoted from memory and not checked here).
HOST_ADAM_PARAMETERS_S = 4e9


def cp_message(job: Job, plan: Plan, tokens: Tokens) -> Bytes:
    """Keys and values of a layer on all ranks of a context-parallel group; bytes."""
    widths = job.model.key_dim + job.model.value_dim
    return Bytes(weight_width(job) * -(-job.model.kv_heads // plan.tp) * widths * tokens * plan.cp)


@formula("t_ag", "ring23", "Section 3: blocks of keys and values, 2 bytes each, around the ring")
def cp_forward(job: Job, plan: Plan, tokens: Tokens) -> Seconds:
    """Context-parallel communication of a layer's forward pass: keys and values once around the group; seconds."""
    return gather_seconds(job, plan.cp, plan.tp, cp_message(job, plan, tokens))


@formula("max(t_c - t_a, x_c · t_c) + max(2 · t_c - t_d, x_c · 2 · t_c)", "ring23", "Section 3: hidden while attention takes longer")
def cp_layer(job: Job, cp_forward: Seconds, attention_forward: Seconds, attention_backward: Seconds) -> Seconds:
    """Context-parallel communication that attention does not hide, forward and backward (with gradients too); seconds."""
    share = job.stack.cp_exposed
    forward = maximum(cp_forward - attention_forward, share * cp_forward)
    return forward + maximum(2 * cp_forward - attention_backward, share * 2 * cp_forward)


@formula("ℓ_i · x_l", "ring23", "Section 3, for every layer")
def stage_cp(stage_layers: Number, cp_layer: Seconds) -> Seconds:
    """Exposed context-parallel communication of one micro-batch on a stage; seconds."""
    return stage_layers * cp_layer


@formula("max(t_c - t_a, x_c · t_c)", "ring23", "Section 3: hidden while attention takes longer")
def cp_repeat(job: Job, cp_forward: Seconds, attention_forward: Seconds) -> Seconds:
    """Context-parallel communication of a forward pass that attention does not hide; seconds."""
    return maximum(cp_forward - attention_forward, job.stack.cp_exposed * cp_forward)


@formula("t_f + h_r + x_tf + x_r", "korthikanti22", "Section 5: a second forward pass, with its communication")
def repeat_layer(layer_forward: Seconds, repeat_host: Seconds, tp_visible: Seconds, cp_repeat: Seconds) -> Seconds:
    """Work and communication that one fully recomputed layer repeats in one micro-batch; seconds."""
    return layer_forward + repeat_host + tp_visible + cp_repeat


@formula("2 · t_s · ((0 if sends, m · v otherwise) + p - 1) if p > 1", "narayanan21", "Section 2.2.2: v times the sends when interleaved")
def pp_seconds(job: Job, plan: Plan, tokens: Tokens, micro_batches: Number) -> Seconds:
    """Exposed sends between pipeline stages in a step, forward and backward; seconds.

    1F1B sends the result of each pass and waits for the input of the next: every hop is exposed (Megatron-Core 0.16.1,
    pipeline_parallel/schedules.py; torch 2.13, distributed/pipelining/schedules.py; DeepSpeed's sends block). Interleaved schedules
    work on another virtual stage meanwhile (overlap_p2p_comm): only the hops that fill and drain the pipeline are exposed.
    """
    message = Bytes(weight_width(job) * tokens * job.model.hidden / where(plan.sequence_parallel > 0, plan.tp, 1))
    hop = send_seconds(job, degrees.stage_ranks(plan), message)
    hidden = term("sends_hidden", (plan.vpp > 1) & job.stack.overlaps_sends)
    count = where(hidden, 0.0, micro_batches * plan.vpp) + plan.pp - 1
    return where(plan.pp > 1, 2.0 * hop * count, 0.0)


def buckets(job: Job, plan: Plan, heaviest_weights: Parameters) -> Number:
    """Messages that gradients or weights are divided into; count."""
    whole = job.stack.bucket_parameters
    size = where(plan.zero >= 1, job.stack.sharded_parameters or whole, whole)
    return ceil(Number(heaviest_weights / maximum(size, job.stack.bucket_growth * plan.dp))) if whole else Number(1)


class Group(NamedTuple):
    """Ranks that hold the same parameters: all, those that share sharded states, replicas of the latter, and their stride in rank order."""

    whole: Count
    shard: Count
    replicas: Count
    stride: Count


def dense_group(plan: Plan) -> Group:
    """Ranks that hold the same parameters outside the routed experts: the data- and context-parallel ones."""
    return Group(plan.dp * plan.cp, plan.dp_shard * plan.cp, plan.dp_replicate, plan.tp)


def expert_group(plan: Plan) -> Group:
    """Ranks that hold the same routed experts (expert data parallelism)."""
    whole = degrees.stage_ranks(plan) // degrees.expert_ranks(plan)
    return Group(whole, Count(maximum(expert_shard_size(plan), 1)), plan.dp_replicate, degrees.expert_ranks(plan))


def _parts(plan: Plan, heaviest_weights: Parameters, heaviest_experts: Parameters | None) -> list[tuple[Group, Parameters]]:
    """Parameters to reduce and gather, by the ranks that hold the same ones; experts None for a dense model."""
    dense = [(dense_group(plan), heaviest_weights)]
    return dense if heaviest_experts is None else [*dense, (expert_group(plan), heaviest_experts)]


def _replicas(job: Job, group: Group, weights: Parameters) -> Seconds:
    """All-reduce of the sharded gradients between the replicas of HSDP (or of a partly sharded optimizer)."""
    message = Bytes(float(job.reduce_bytes) * weights / group.shard)
    return term("replica_reduce", all_reduce_seconds(job, group.replicas, group.stride * group.shard, message))


def _synced(job: Job, plan: Plan) -> Flag:
    """Whether sharded gradients and weights are communicated once per step."""
    return term("synced_once", (plan.zero == 1) | ((plan.zero >= 2) & stays_gathered(job, plan)))


@formula("t_et + (Σ t_rw if ZeRO = 0, Σ(t_rs + t_rr) if once)", "zero20", "Sections 7.1 and 7.2")
def reduce_once(job: Job, plan: Plan, heaviest_weights: Parameters, heaviest_experts: Parameters | None = None) -> Seconds:
    """Gradient communication once per step: ZeRO 0 and 1, and FSDP2 in a pipeline; seconds."""
    total = term("tied_sum", _tied(job, plan))
    for group, weights in _parts(plan, heaviest_weights, heaviest_experts):
        gradients, sent = Bytes(float(job.reduce_bytes) * weights), buckets(job, plan, weights)
        whole = term("whole_reduce", all_reduce_seconds(job, group.whole, group.stride, gradients, sent))
        scatter = term("reduce_scatter", gather_seconds(job, group.shard, group.stride, gradients, sent)) + _replicas(job, group, weights)
        total = total + select([plan.zero == 0, _synced(job, plan)], [whole, scatter], 0.0)
    return total


@formula("Σ t_ag if once, Σ t_ag if ZeRO = 2 and not fp32", "zero20", "Section 7.2")
def gather_once(job: Job, plan: Plan, heaviest_weights: Parameters, heaviest_experts: Parameters | None = None) -> Seconds:
    """All-gather of weights once per step, after the optimizer has updated each rank's share; seconds."""
    total = Seconds(0.0)
    for group, weights in _parts(plan, heaviest_weights, heaviest_experts):
        total = total + gather_seconds(job, group.shard, group.stride, Bytes(weight_gathered(job) * weights), buckets(job, plan, weights))
    later = Seconds(0.0) if job.stack.master_is_parameter else total  # FSDP gathers at the start of a micro-batch
    return select([_synced(job, plan), plan.zero == 2], [total, later], 0.0)


def _tied(job: Job, plan: Plan) -> Seconds:
    """Gradients of a tied embedding, summed between the first and the last stage (Megatron-LM, finalize_model_grads); seconds."""
    if not job.model.tied or job.frozen:
        return Seconds(0.0)
    message = Bytes(float(job.reduce_bytes) * padded_vocab(job, plan) * float(job.model.hidden) / plan.tp)
    stride = degrees.stage_ranks(plan) * maximum(plan.pp - 1, 1)
    return where((plan.pp > 1) & ~in_v(plan), all_reduce_seconds(job, Count(2), stride, message), 0.0)


@formula(
    "Σ(t_rs + t_rr + n_ga · t_gw) if ZeRO ≥ 2 and not whole",
    "zero20",
    "Section 7.2; fsdp23 Section 3.3",
)
def reduce_each(job: Job, plan: Plan, heaviest_weights: Parameters, heaviest_experts: Parameters | None = None) -> Seconds:
    """Gradient and weight communication of every micro-batch, ZeRO 2 and 3; seconds.

    ZeRO-3 gathers weights for the forward and for the backward pass; FSDP without resharding in between (ZeRO-2) gathers them once.
    """
    units = job.model.layers / plan.pp
    times, messages = weight_gathers(job, plan), messages_per_layer(job, plan)
    total = Seconds(0.0)
    for group, weights in _parts(plan, heaviest_weights, heaviest_experts):
        gradients = Bytes(float(job.reduce_bytes) * weights)
        scatter = term("reduce_scatter", gather_seconds(job, group.shard, group.stride, gradients, units * messages.reduce))
        each = gather_seconds(job, group.shard, group.stride, Bytes(weight_gathered(job) * weights), units * messages.gather)
        gather = term("weight_gather", each)
        total = total + scatter + _replicas(job, group, weights) + times * gather
    return where((plan.zero >= 2) & ~stays_gathered(job, plan), total, 0.0)


@formula("min(p, m) if v > 1, 1 otherwise", "narayanan21", "Section 2.2.2: chunks in rounds of p micro-batches")
def last_round(plan: Plan, micro_batches: Number) -> Number:
    """Micro-batches that can hide communication once per step: the last (or first), or a round of them if interleaved."""
    return where(plan.vpp > 1, minimum(plan.pp, micro_batches), 1.0)


@formula("min(ω · t_1, ⅔ · n_r · τ) + min(ω_g · t_3, ⅓ · n_r · τ)", "fsdp23", "Section 3.3: overlap, bounded by the compute there is")
def hidden_once(job: Job, reduce_once: Seconds, gather_once: Seconds, last_round: Number, slowest_stage: Seconds) -> Seconds:
    """Communication once per step that is hidden: gradients behind the last backward pass, weights behind the first forward; seconds."""
    room = last_round * slowest_stage
    return minimum(job.stack.dp_overlap * reduce_once, room * (2 / 3)) + minimum(job.stack.gather_overlap * gather_once, room / 3)


@formula("t_1 + t_3 - t_h1 + t_2x", "fsdp23", "Section 3.3: overlap, bounded by the compute there is")
def dp_seconds(reduce_once: Seconds, gather_once: Seconds, hidden_once: Seconds, exposed_each: Seconds) -> Seconds:
    """Exposed gradient and weight communication per step; seconds."""
    return reduce_once + gather_once - hidden_once + exposed_each


@formula("Σ P_us", "zero20", "Section 5, Figure 1")
def owned_weights(plan: Plan, heaviest_weights: Parameters, heaviest_experts: Parameters | None = None) -> Parameters:
    """Parameters that a rank updates; count."""
    parts = _parts(plan, heaviest_weights, heaviest_experts)
    return sum_of(term("owned_share", weights / where(plan.zero >= 1, group.shard, 1)) for group, weights in parts)


@formula(
    "((g + b_p) · P_u / B_p + P_u · min(W_n, W) / (4 · 10^9) if offload, (g + 2 · (g_m + u_l) + b_p) · P_u / (η_h · B_h) otherwise)"
    " + (b_cs · P_cw + b_cu · P_u) / (η_h · B_h)",
    "offload21",
    "Section 4",
)
def optimizer_seconds(job: Job, plan: Plan, heaviest_weights: Parameters, heaviest_experts: Parameters | None = None) -> Seconds:
    """Optimizer step on one rank, with the casts of weights to 8 or 4 bits that are made once per step; seconds."""
    updated = owned_weights(plan, heaviest_weights, heaviest_experts)
    every, owned = step_bytes(job)
    experts = heaviest_experts if heaviest_experts is not None and job.stack.narrow_experts else Parameters(0.0)
    cast = term("narrow_weights", heaviest_weights + experts)
    moved = Bytes(term("step_cast", every) * cast + term("update_cast", owned) * updated)
    casts = moved / elementwise_rate(job)
    if term("offload_optimizer", moves_states(job)):
        gradient = term("gradient_bytes", 4 if job.stack.flat_states else job.gradient_bytes)  # DeepSpeed widens them on the device
        sent = Bytes((gradient + weight_width(job)) * updated) / BytesPerSecond(job.cluster.gpu.pcie_bytes_s)
        return sent + Seconds(updated * min(job.cluster.gpus_per_node, job.cluster.gpus) / HOST_ADAM_PARAMETERS_S) + casts
    # master copy and states are read and written
    return Bytes((job.gradient_bytes + 2.0 * optimizer_width(job) + weight_width(job)) * updated) / elementwise_rate(job) + casts
