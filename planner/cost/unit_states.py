"""What FSDP2 gathers and reduces with a layer, the embedding and the head as units, by the phase in which it lives; bytes of one rank.

Read in torch 2.13.0, distributed/fsdp/_fully_shard/_fsdp_param_group.py and _fsdp_collectives.py.
"""

from __future__ import annotations

from planner.cost.pipeline_split import is_head
from planner.cost.states import stays_gathered, weight_width
from planner.dimensions import Bytes, Flag, Number, Parameters, Stage, maximum, where
from planner.formula.trace import formula, term
from planner.specs.job import Job
from planner.specs.plan import Plan


def gathers(job: Job, plan: Plan) -> Flag:
    """Whether weights are gathered when they are used."""
    return term("gathers", (plan.zero >= 3) & ~stays_gathered(job, plan))


@formula(
    "(b_p · (P_l + P_o2) if gathers) + (g_r · max((P_h if head) - P_l, 0) if alone and not whole)",
    "tmplan",
    "the unit before the first layer of a backward pass is the head",
)
def unit_layers(
    job: Job, plan: Plan, stage: Stage, layer_weights: Parameters, ahead_weights: Parameters, head_weights: Parameters
) -> Bytes:  # fmt: skip
    """Weights of a layer and of the next, and the gradient of the head in its reduce-scatter, as far as it exceeds a layer's; bytes."""
    alone = term("head_alone", job.loss_kernel != "chunked" and not job.model.tied)  # in chunks it is reduced before the backward pass
    reduced = Bytes(job.reduce_bytes * maximum(is_head(plan, stage) * head_weights - layer_weights, 0.0))
    weights = Bytes(weight_width(job) * (layer_weights + ahead_weights))
    return where(gathers(job, plan), weights, 0.0) + where(stays_gathered(job, plan), 0.0, reduced * alone)


@formula("g_r · max(P_l - (P_h if head and alone), 0) if not whole", "tmplan", "the unit before the second layer of a backward pass")
def unit_unreduced(job: Job, plan: Plan, stage: Stage, layer_weights: Parameters, head_weights: Parameters) -> Bytes:
    """Gradient of a layer in its reduce-scatter beyond that of the head, which only layers after the first meet; bytes."""
    alone = term("head_alone", job.loss_kernel != "chunked" and not job.model.tied)
    more = Bytes(job.reduce_bytes * maximum(layer_weights - is_head(plan, stage) * head_weights * alone, 0.0))
    return where(stays_gathered(job, plan), 0.0, more)


@formula("b_p · P_l + max((b_p · P_e if i = 0), b_p · P_o2 - G_lu) if gathers", "tmplan", "the first layer, or the second")
def unit_end(
    job: Job, plan: Plan, stage: Stage, layer_weights: Parameters, ahead_weights: Parameters, embedding_weights: Parameters,
    unit_gradient: Bytes,
) -> Bytes:  # fmt: skip
    """Weights gathered at the end of a backward pass; bytes.

    Of the first layer and of the embedding, which is gathered ahead; or of the second layer and of the first, less the gradient of that,
    which does not exist yet.
    """
    embedding = (stage == 0) * Bytes(weight_width(job) * embedding_weights)
    ahead = maximum(embedding, Bytes(weight_width(job) * ahead_weights) - unit_gradient)
    return where(gathers(job, plan), Bytes(weight_width(job) * layer_weights) + ahead, 0.0)


@formula("g · ((P_l - P_x) / Z + P_x / Z_x) if not whole", "tmplan", "a layer's gradient after its reduce-scatter")
def unit_gradient(
    job: Job, plan: Plan, layer_weights: Parameters, expert_weights: Parameters, shard_size: Number, expert_shard_size: Number
) -> Bytes:  # fmt: skip
    """Gradient of a layer on a rank; bytes."""
    shares = (layer_weights - expert_weights) / shard_size + expert_weights / expert_shard_size
    return where(stays_gathered(job, plan), 0.0, Bytes(job.gradient_bytes * shares))


@formula("G_lu + (g · (P_e + P_df) / Z if i = 0 and not whole)", "tmplan", "gradients in the order of the backward pass")
def unit_late(
    job: Job, plan: Plan, stage: Stage, unit_gradient: Bytes, embedding_weights: Parameters, dense_first: Parameters, shard_size: Number
) -> Bytes:  # fmt: skip
    """Gradients that do not exist yet at the end of a backward pass; bytes.

    Of the layer that runs, of the embedding, and of leading dense layers before a sparse one.
    """
    tables = Bytes(job.gradient_bytes * (embedding_weights + dense_first) / shard_size)
    return unit_gradient + where(stays_gathered(job, plan), 0.0, (stage == 0) * tables)


@formula(
    "max((b_p · P_h if gathers) + ((2 · g_r / Z if whole, g_r + g_r / Z otherwise) · P_h if chunked)"
    " - (b_p · P_ot if ZeRO ≥ 3 and whole), 0) if head",
    "tmplan",
    "torchtitan 0.3.0, ChunkedLossWrapper: gradients of chunks are summed whole, in fp32",
)
def unit_head(
    job: Job, plan: Plan, stage: Stage, head_weights: Parameters, shard_size: Number, other_weights: Parameters
) -> Bytes:  # fmt: skip
    """Weights of the head at the loss, and with a loss in chunks its gradient, summed and reduced; bytes.

    Less the weights of layers that a pipeline with ZeRO-3 does not keep gathered between passes.
    """
    chunked = term("chunked_loss", job.loss_kernel == "chunked")
    summed = where(stays_gathered(job, plan), 2.0 * job.reduce_bytes / shard_size, job.reduce_bytes + job.reduce_bytes / shard_size)
    width = where(gathers(job, plan), weight_width(job), 0.0) + chunked * summed
    freed = where((plan.zero >= 3) & stays_gathered(job, plan), Bytes(weight_width(job) * other_weights), 0.0)
    return is_head(plan, stage) * maximum(Bytes(width * head_weights) - freed, 0.0)


@formula(
    "(g_r if whole, b_p + g_r if Z > 1, 2 · g_r otherwise) · P_e if i = 0", "tmplan", "foreach_reduce: copied, and on one rank divided"
)
def unit_embedding(job: Job, plan: Plan, stage: Stage, embedding_weights: Parameters, shard_size: Number) -> Bytes:
    """Gradient of the embedding in 16 bits and in its reduce-scatter; bytes."""
    alone = where(shard_size > 1, weight_width(job) + job.reduce_bytes, 2.0 * job.reduce_bytes)
    return (stage == 0) * Bytes(where(stays_gathered(job, plan), float(job.reduce_bytes), alone) * embedding_weights)


@formula("b_p · ((P_e if i = 0) + (P_h if head) + P_l) + G_a / (Z if whole, 1 otherwise)", "tmplan", "each stream has a pool for itself")
def unit_pools(
    job: Job, plan: Plan, stage: Stage, layer_weights: Parameters, embedding_weights: Parameters, head_weights: Parameters,
    all_gradients: Bytes, shard_size: Number,
) -> Bytes:  # fmt: skip
    """Pools of the streams that gather weights and reduce gradients: a segment for each size of unit, and the reduced gradients; bytes."""
    edges = (stage == 0) * embedding_weights + is_head(plan, stage) * head_weights
    reduced = all_gradients / where(stays_gathered(job, plan), shard_size, 1.0)
    return Bytes(weight_width(job) * (edges + layer_weights)) + reduced


@formula("0 if frozen, g_r · max(P_l, (P_e if i = 0), (P_h if head)) otherwise", "tmplan", "the allocator's rules")
def unit_block(
    job: Job, plan: Plan, stage: Stage, layer_weights: Parameters, embedding_weights: Parameters, head_weights: Parameters
) -> Bytes:  # fmt: skip
    """Largest gradient before its reduce-scatter, for which no freed segment is whole; bytes."""
    edge = maximum((stage == 0) * embedding_weights, is_head(plan, stage) * head_weights)
    return Bytes((0.0 if job.frozen else job.reduce_bytes) * maximum(edge, layer_weights))
