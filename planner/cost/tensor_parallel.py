"""Communication of tensor parallelism in a layer: what is sent, and what products hide.

Megatron-Core 0.16.1, tensor_parallel/layers.py, LinearWithGradAccumulationAndAsyncCommunication: with sequence parallelism the forward
pass gathers the inputs of column-parallel products and scatters the outputs of row-parallel ones; the backward pass gathers the gradients
of the latter, gathers the inputs again behind the gradient of the input, and scatters that behind the gradient of the weight. Without
sequence parallelism the gradient of the input is summed behind the gradient of the weight.
"""

from __future__ import annotations

from planner.cost.casts import gathered_bytes
from planner.cost.collectives import all_reduce_seconds, gather_seconds, unchecked
from planner.cost.compute import gemm_seconds, linear_shapes, pace
from planner.cost.pipeline_split import is_head
from planner.cost.states import weight_width
from planner.dimensions import Bytes, Count, Number, Seconds, Stage, Tokens, maximum, sum_of, where
from planner.formula.trace import formula, term
from planner.specs.job import Job
from planner.specs.plan import Plan


@formula("b_p · T · h", "shoeybi19", "Section 3: activations of a micro-batch")
def tp_message(job: Job, tokens: Tokens) -> Bytes:
    """Message of one tensor-parallel all-reduce; bytes."""
    return Bytes(weight_width(job) * tokens * job.model.hidden)


@formula("t_ag if SP, 0 otherwise", "korthikanti22", "Section 4.2.2; in 8 bits what is cast before it is gathered")
def tp_gathered(job: Job, plan: Plan, tp_message: Bytes) -> Seconds:
    """All-gather of the input of a column-parallel product under sequence parallelism, alone on the links; seconds."""
    narrow = term("gathered_share", gathered_bytes(job) / 2.0)
    return where(plan.sequence_parallel > 0, gather_seconds(unchecked(job), plan.tp, Count(1), narrow * tp_message), 0.0)


@formula(
    "t_tg / (t_tg + t_ag) if SP and t > 1, 0 otherwise",
    "megatron",
    "tensor_parallel/layers.py: the inputs are gathered, the sums scattered",
)
def tp_share(job: Job, plan: Plan, tp_message: Bytes, tp_gathered: Seconds) -> Number:
    """Share of gathers in the tensor-parallel communication of a layer's forward pass; ratio."""
    scattered = gather_seconds(unchecked(job), plan.tp, Count(1), tp_message)
    both = where((plan.sequence_parallel > 0) & (plan.tp > 1), tp_gathered + scattered, 1.0)
    return Number(where(plan.sequence_parallel > 0, tp_gathered / both, 0.0))


@formula("n_h · (t_tg + t_ag if SP, t_ar otherwise) / η_t", "korthikanti22", "Section 4.2.2")
def tp_forward(job: Job, plan: Plan, tp_message: Bytes, tp_gathered: Seconds) -> Seconds:
    """Tensor-parallel communication of a layer's forward pass; seconds."""
    stride = Count(1)
    together = all_reduce_seconds(unchecked(job), plan.tp, stride, tp_message)
    apart = tp_gathered + gather_seconds(unchecked(job), plan.tp, stride, tp_message)
    # routed experts have no tensor-parallel sum
    halves = term("reduced_halves", 1.0 if job.model.parallel_block or not job.model.ffn else 2.0)
    return halves * where(plan.sequence_parallel > 0, apart, together) / job.constants.link_training


@formula("s_tg · t_t if again, 0 otherwise", "megatron", "tensor_parallel/layers.py: inputs are stored divided and gathered again")
def tp_again(job: Job, tp_forward: Seconds, tp_share: Number) -> Seconds:
    """Inputs of column-parallel products, gathered again for the gradients of weights in a layer's backward pass; seconds."""
    again = term("gathers_again", job.stack.tp_gathers_again and not job.frozen)
    return tp_share * tp_forward if again else 0.0 * tp_forward


@formula("κ_c · Σ t_g", "shoeybi19", "Section 3: products divided by columns")
def column_seconds(job: Job, plan: Plan, tokens: Tokens) -> Seconds:
    """Column-parallel products of a layer, forward; seconds."""
    shapes = linear_shapes(job, plan, tokens)
    divided = (*shapes["qkv"], *shapes["mlp"][:1])
    return pace(job) * sum_of(gemm_seconds(job.cluster.gpu, job.numbers, *shape) for shape in divided)


def visible(job: Job, sent: Seconds, hiding: Seconds) -> Seconds:
    """What is left of communication behind a product: what is longer, and at least the product's loss to the communication; seconds."""
    return maximum(sent - hiding, job.constants.contention * sent)


@formula("max(t_t - κ_c · t_m, η_c · t_t) if products and SP, t_t otherwise", "megatron", "tensor_parallel/layers.py; tp_comm_overlap")
def tp_visible(job: Job, plan: Plan, tp_forward: Seconds, linear_forward: Seconds) -> Seconds:
    """Exposed tensor-parallel communication of a layer's forward pass; seconds."""
    if not term("tp_products", job.overlaps_tp == "products"):
        return tp_forward
    return where(plan.sequence_parallel > 0, visible(job, tp_forward, pace(job) * linear_forward), tp_forward)


@formula(
    "t_tt - t_tn + (max(t_ta - t_mc, η_c · t_ta) + max(t_tn - t_mw, η_c · t_tn) if hides, t_ta + t_tn otherwise)",
    "megatron",
    "tensor_parallel/layers.py: gathers behind gradients of inputs, sums behind gradients of weights",
)
def tp_behind(
    job: Job, tp_forward: Seconds, tp_again: Seconds, tp_visible: Seconds, tp_share: Number, column_seconds: Seconds
) -> Seconds:  # fmt: skip
    """Exposed tensor-parallel communication of a layer's backward pass; seconds."""
    share = 1.0 - tp_share
    # gradients of row-parallel products are gathered as in the forward pass
    whole = term("tp_plain", share * tp_forward + (1 - share) * tp_visible)
    last = term("tp_sums", share * tp_forward)
    if not term("tp_hides", job.overlaps_tp != "none"):
        return whole - last + tp_again + last
    behind = term("tp_weight_products", Seconds(0.0) if job.frozen else column_seconds)
    return whole - last + visible(job, tp_again, column_seconds) + visible(job, last, behind)


@formula("x_tf + x_tb", "korthikanti22", "Section 4.2.2")
def tp_layer(tp_visible: Seconds, tp_behind: Seconds) -> Seconds:
    """Exposed tensor-parallel communication of a layer, forward and backward; seconds."""
    return tp_visible + tp_behind


@formula("ℓ_i · x_tl + t_t · ((½ if i = 0) + (½ if head))", "korthikanti22", "Section 4.2.2; the ends: exposed")
def stage_tp(plan: Plan, stage: Stage, stage_layers: Number, tp_forward: Seconds, tp_layer: Seconds) -> Seconds:
    """Exposed tensor-parallel communication of one micro-batch on a stage; seconds."""
    edges = (stage == 0) * 0.5 + is_head(plan, stage) * 0.5  # embedding: one all-reduce; head: those of its input and of the loss
    return stage_layers * tp_layer + tp_forward * edges
