"""Memory of the caching allocator and of the device, from live tensors; bytes.

The allocator (PyTorch, c10/cuda/CUDACachingAllocator.cpp) holds segments of the size of the requests that found no free block, and never
joins two of them. Under Megatron three things follow, in the order of a run:

- each weight is first a separate tensor; the buffer of all weights then replaces them and frees their segments, which activations use;
- the loss and the gradient of the largest weight need new segments in the first step;
- the optimizer's moments are made after the first backward pass, in what is free by then, so that the largest requests of the second step
  find no whole segment any more.

So reserved memory is that of a step that needs a new segment for its largest tensor. With expandable segments freed pages are joined.
"""

from __future__ import annotations

from planner.cost.gathered import gathers, sharded
from planner.cost.optimizers import optimizer_width, resident_share
from planner.cost.pipeline_split import computes_loss, is_head
from planner.cost.shard import padded_vocab
from planner.dimensions import Bytes, Number, Parameters, Stage, Tokens, maximum, minimum, where
from planner.formula.trace import formula, term
from planner.specs.job import Job
from planner.specs.plan import Plan

WEIGHT_BYTES = 2.0
NARROW_BYTES = 2.0  # of logits in 16 bits
LOSS_BYTES = 4.0  # of an entry of the largest tensor of the loss, in fp32


def replaces_weights(job: Job) -> bool:
    """Whether the allocator's segments are those of Megatron, whose weights are trained."""
    return job.stack.main_gradients and not job.frozen


@formula("2 · P_ra if main and ZeRO = 1 and not frozen, 0 otherwise", "megatron", "core/distributed/param_and_grad_buffer.py: param_data")
def first_weights(job: Job, plan: Plan, rank_weights: Parameters) -> Bytes:
    """Segments of the weights' first tensors, which the distributed optimizer's buffer replaces; bytes."""
    return Bytes((WEIGHT_BYTES if replaces_weights(job) else 0.0) * rank_weights) * (plan.zero == 1)


@formula("P_i + P_ix", "tmplan", "sum of the parts")
def rank_weights(stage_weights: Parameters, stage_experts: Parameters) -> Parameters:
    """Parameters of a rank on each stage, those of routed experts with them; count."""
    return stage_weights + stage_experts


@formula("(O_p + x_o · O_y) · (1 - g_m / max(g_m + u_l, 1))", "megatron", "core/optimizer: moments are made in the first step")
def moments_bytes(job: Job, resident_optimizer: Bytes, expert_optimizer: Bytes) -> Bytes:
    """Optimizer states of a rank on the device without master copies, those of routed experts with them; bytes."""
    master = job.master_bytes / max(optimizer_width(job), 1.0)
    return (resident_optimizer + resident_share(job) * expert_optimizer) * (1.0 - master)


@formula("2 · max((P_e if i = 0), (P_h if head)) if main and not frozen, 0 otherwise", "tmplan", "megatron-core 0.16.1: 16-bit gradients")
def edge_request(job: Job, plan: Plan, stage: Stage, embedding_weights: Parameters, head_weights: Parameters) -> Bytes:
    """Largest gradient that a step allocates, that of the embedding or of the head; bytes."""
    edge = maximum((stage == 0) * embedding_weights, is_head(plan, stage) * head_weights)
    return Bytes((WEIGHT_BYTES if replaces_weights(job) else 0.0) * edge)


@formula(
    "0 if main, s_e · max((P_e if i = 0), (P_h if head)) if gathers,"
    " s_e · max((P_e if i = 0), (P_h if head)) if root and ZeRO = 2 and D_s · c > 1, 0 otherwise",
    "tmplan",
    "the allocator's rules, in the stack's file",
)
def table_segments(job: Job, plan: Plan, stage: Stage, embedding_weights: Parameters, head_weights: Parameters) -> Bytes:
    """Segments of embedding and head where weights are gathered; bytes.

    Of their weights and of their gradients before and after they are cast for the reduction: no other tensor fills them, and two streams
    share none.
    """
    edge = maximum((stage == 0) * embedding_weights, is_head(plan, stage) * head_weights)
    share = 0.0 if term("main_gradients", job.stack.main_gradients) else job.stack.edge_slack
    rooted = term("root_gathered", job.stack.root_gathered) & sharded(plan)  # under ZeRO-2 too, whose weights are gathered once
    return where(gathers(job, plan) | rooted, Bytes(share * edge), 0.0)


@formula(
    "4 · T · V_p / t if loss and main, 2 · T · V_p / t if loss and flat and plain, 0 otherwise",
    "tmplan",
    "megatron-core 0.16.1, tensor_parallel/cross_entropy.py: logits in fp32; transformers: in 16 bits, freed before those in fp32 are made",
)
def loss_request(job: Job, plan: Plan, stage: Stage, tokens: Tokens) -> Bytes:
    """Largest tensor of the loss; bytes."""
    narrow = term("plain_loss", job.loss_kernel == "plain") and job.stack.flat_states
    width = LOSS_BYTES if job.stack.main_gradients else NARROW_BYTES if narrow else 0.0
    return computes_loss(job, plan, stage) * Bytes(width * tokens * padded_vocab(job, plan) / plan.tp)


@formula(
    "(2 · (P_tt + P_l) if gathers) + 2 · min(n_b, P_i) if flat and ZeRO ≥ 3",
    "tmplan",
    "DeepSpeed 0.19.8: weights are gathered, and gradients reduced, on streams that have pools for themselves",
)
def stream_pools(job: Job, plan: Plan, largest_tensor: Parameters, layer_weights: Parameters, stage_weights: Parameters) -> Bytes:
    """Memory of the pools of other streams that the peak does not use: a table and a layer, and a copy of the bucket; bytes."""
    if not job.stack.flat_states:
        return Bytes(0.0 * stage_weights)
    gathered = where(gathers(job, plan), Bytes(WEIGHT_BYTES * (largest_tensor + layer_weights)), 0.0)
    return where(plan.zero >= 3, gathered + Bytes(WEIGHT_BYTES * minimum(job.stack.reduce_bucket, stage_weights)), 0.0)


@formula(
    "0 if not flat or offload or ZeRO = 0, 4 · min(P_i / Z, n_g) if ZeRO ≥ 3, 0 if g = 4 and ZeRO = 1,"
    " max(8 · min(P_i / Z, P_tt), 4 · P_i / Z) otherwise",
    "tmplan",
    "DeepSpeed 0.19.8, runtime/zero: gradients in fp32, or those of the largest weight in fp64 for their norm",
)
def step_block(job: Job, plan: Plan, stage_weights: Parameters, shard_size: Number, largest_tensor: Parameters) -> Bytes:
    """Largest tensor of the optimizer's step, which no smaller block freed before can hold; bytes."""
    if not job.stack.flat_states or job.offload_optimizer:
        return Bytes(0.0 * stage_weights)
    part = stage_weights / shard_size
    fully = Bytes(LOSS_BYTES * minimum(part, job.stack.sub_group))
    below = maximum(Bytes(2 * LOSS_BYTES * minimum(part, largest_tensor)), Bytes(LOSS_BYTES * part))
    least = 2 if job.gradient_bytes == LOSS_BYTES else 1  # BF16_Optimizer updates from the gradients in place
    return where(plan.zero >= 3, fully, where(plan.zero >= least, below, 0.0))


@formula("max(R_l, R_e)", "tmplan", "the allocator's rules")
def largest_request(loss_request: Bytes, edge_request: Bytes) -> Bytes:
    """Largest tensor that a step allocates; bytes."""
    return maximum(loss_request, edge_request)


@formula(
    "max(min(Q_s, M_o - X - M), 0) if expandable and units, 0 if expandable,"
    " max(min(Q_s + B_st, M_o - X - M), σ_a · M) if units, max(R_e, max(H_fw - A_p, 0) + R_mx - M_oo) if main,"
    " max(min(σ_a · M + R_mx + Q_s + (B_st if B_st > 2 · R_mx), M_o - X - M), σ_a · M) if flat,"
    " max(min(Q_s, M_o - X - M), σ_a · M) if Q_s > 0,"
    " σ_a · M otherwise",
    "tmplan",
    "the allocator's rules; other stacks: measured, in the stack's file",
)
def slack_bytes(
    job: Job, allocated_bytes: Bytes, activation_bytes: Bytes, edge_request: Bytes, largest_request: Bytes, first_weights: Bytes,
    moments_bytes: Bytes, stream_pools: Bytes, step_block: Bytes,
) -> Bytes:  # fmt: skip
    """What the allocator holds beyond live tensors; bytes. Segments that are free as a whole it returns before it runs out of memory."""
    units, expandable = term("fsdp_units", job.stack.fsdp_units), term("expandable_segments", job.expandable_segments)
    if units:
        left = Bytes(term("limit_bytes", job.memory_limit) - job.stack.context_bytes) - allocated_bytes
        most = stream_pools if expandable else stream_pools + step_block
        return maximum(minimum(most, left), (0.0 if expandable else job.stack.allocator_slack) * allocated_bytes)
    if expandable:
        return 0.0 * allocated_bytes
    share = job.stack.allocator_slack * allocated_bytes
    if job.stack.flat_states:
        anew = step_block * (step_block > 2.0 * largest_request)  # larger than the blocks of the loss in fp32
        room = Bytes(term("limit_bytes", job.memory_limit) - job.stack.context_bytes) - allocated_bytes
        return maximum(minimum(share + largest_request + stream_pools + anew, room), share)
    if not term("main_gradients", job.stack.main_gradients):
        room = minimum(stream_pools, Bytes(term("limit_bytes", job.memory_limit) - job.stack.context_bytes) - allocated_bytes)
        return maximum(where(stream_pools > 0.0, room, 0.0), share)
    unused = maximum(first_weights - activation_bytes, 0.0)
    return maximum(edge_request, unused + (largest_request - moments_bytes))


@formula("M + M_σ", "tmplan", "sum of the parts")
def reserved_bytes(allocated_bytes: Bytes, slack_bytes: Bytes) -> Bytes:
    """Memory held by the caching allocator; bytes."""
    return allocated_bytes + slack_bytes


@formula("M_c + X", "tmplan", "sum of the parts")
def device_bytes(job: Job, reserved_bytes: Bytes) -> Bytes:
    """Memory in use as the device reports it: what the caching allocator holds, and the context; bytes."""
    return reserved_bytes + job.stack.context_bytes


def takes_new(job: Job) -> bool:
    """Whether slack is that of Megatron: a new segment for a step's largest tensor."""
    return job.stack.main_gradients and not job.expandable_segments


def slack_share(job: Job) -> float:
    """Slack as a share of live tensors, where it is that."""
    return 0.0 if job.expandable_segments or job.stack.main_gradients or job.stack.edge_slack else job.stack.allocator_slack


def least_device(job: Job, live_bytes: Bytes) -> Bytes:
    """A lower bound of the memory of the device, from one of live tensors; bytes."""
    return (1.0 + slack_share(job)) * live_bytes + job.stack.context_bytes


def room_for_live(job: Job) -> float:
    """Live bytes with which a plan fits where slack is a share of them, and else without new segments; bytes."""
    return (job.memory_limit - job.stack.context_bytes) / (1.0 + slack_share(job))
