"""Memory of torchtitan: FSDP2 with a layer, the embedding and the head as units, and modules whose operations autograd keeps one by one.

Read in torchtitan 0.3.0 (models/common, distributed/activation_checkpoint.py, components/loss.py) and in torch 2.13.0
(distributed/fsdp/_fully_shard, distributed/pipelining/stage.py). Bytes of one rank; `unit_states` has what depends on the sharding.
"""

from __future__ import annotations

from planner.cost.pipeline_split import is_head
from planner.cost.states import WEIGHT_BYTES, stays_gathered
from planner.dimensions import Bytes, Count, Number, Parameters, Stage, Tokens, maximum, sum_of, where
from planner.formula.trace import formula, term
from planner.specs.job import Job
from planner.specs.model import Model
from planner.specs.plan import Plan


def region_of(plan: Plan) -> Count:
    """Ranks that share the hidden states between layers."""
    return where(plan.sequence_parallel > 0, plan.tp, 1)


def stored_terms(job: Job, plan: Plan) -> dict[str, Number]:
    """Bytes per token that differ from a layer of fused operations.

    Inputs of column-parallel products are stored as they were gathered; routed experts store copies of theirs. A ring of context
    parallelism keeps its result in two layouts.
    """
    model = job.model
    alone = not model.ffn or (job.frozen and job.lora_targets != "all")
    whole = (1.0 if alone else 2.0) * model.hidden
    ring = where(plan.cp > 1, 2.0, 1.0)
    return {"linear_in": Number(2.0 * whole + 0.0 * plan.tp), "attention_out": Number(2.0 * ring * model.heads / plan.tp * model.value_dim)}


def products(model: Model, plan: Plan) -> list[Number]:
    """Widths of the outputs of a layer's matrix products on a rank, in the order in which they run; row-parallel ones are whole."""
    ones, heads = Number(1.0 + 0.0 * plan.tp), model.heads / plan.tp
    if model.kv_rank:
        queries = [model.q_rank * ones] if model.q_rank else []
        up = heads * (model.head_dim + model.value_dim)
        attention = [*queries, heads * model.key_dim, (model.kv_rank + model.rope_dim) * ones, up]
    else:
        attention = [(heads + 2 * (-(-model.kv_heads // plan.tp))) * model.head_dim]
    mlp = [model.ffn / plan.tp] * (2 if model.gated else 1) + [model.hidden * ones] if model.ffn else []
    return [*attention, model.hidden * ones, *mlp]


@formula(
    "2 · T · (h / (t if SP, 1 otherwise) + w_s + a / t · (e_v + 2) + (w_r · h / t if SP and t > 1))",
    "tmplan",
    "torchtitan 0.3.0, SelectiveAC: every second product, attention, results of reduce-scatters",
)
def unit_selective(job: Job, plan: Plan, tokens: Tokens) -> Bytes:
    """Activations of one layer and one micro-batch, with every second product saved; bytes."""
    model, region = job.model, region_of(plan)
    saved = term("saved_outputs", sum_of(products(model, plan)[::2]))
    reduced = where(region > 1, term("reduced_outputs", 2.0 if model.ffn else 1.0) * model.hidden / plan.tp, 0.0)
    attention = model.heads / plan.tp * (model.value_dim + 2.0)  # and its log-sum-exp in fp32
    return Bytes(2.0 * tokens * (model.hidden / region + saved + attention + reduced))


@formula(
    "2 · T · h / (t if SP, 1 otherwise) + max(2 · (2 if gated, 1 otherwise) · T · f / t + (2 · h · f / t if not frozen)"
    " + (2 · T · h if t > 1), (6 · T · h if t > 1), (2 · P_l if not frozen) + 2 · T · (w_1 + 3 · h) - A)",
    "tmplan",
    "torch 2.13.0, autograd: what each operation frees and makes",
)
def unit_gradients(job: Job, plan: Plan, tokens: Tokens, layer_weights: Parameters, layer_activations: Bytes) -> Bytes:
    """What a layer's backward pass needs beyond its activations; bytes.

    The gradient of its output, and the largest of three moments: the backward pass of the activation in the MLP; with tensor parallelism
    the end of the recomputation, when a partial result is copied for its reduce-scatter; the last product, with all gradients of weights.
    """
    model, hidden, inner = job.model, float(job.model.hidden), job.model.ffn / plan.tp
    trained = 0.0 if job.frozen else 1.0
    gathered = where(plan.tp > 1, Bytes(2.0 * tokens * hidden), 0.0)
    activation = Bytes(2.0 * (2.0 if model.gated else 1.0) * tokens * inner) + Bytes(trained * 2.0 * hidden * inner) + gathered
    first = term("first_product", model.heads / plan.tp * model.key_dim if model.kv_rank else products(model, plan)[0])
    last = Bytes(trained * WEIGHT_BYTES * layer_weights) + Bytes(2.0 * tokens * (first + 3.0 * hidden)) - layer_activations
    return Bytes(2.0 * tokens * hidden / region_of(plan)) + maximum(maximum(activation, 3.0 * gathered), last)


@formula(
    "max(W_gf, 2 · h · K_s / k_e + max(12 · h · K_s, (2 · P_x if not frozen) - 8 · K_s · f_e / ETP))",
    "tmplan",
    "torchtitan 0.3.0, AllToAllTokenDispatcher.combine: outputs of experts are weighted in fp32",
)
def unit_expert_gradients(job: Job, plan: Plan, around_gradients: Bytes, routed_copies: Tokens, expert_weights: Parameters) -> Bytes:
    """What the backward pass of a sparse layer needs beyond its activations; bytes."""
    model, hidden = job.model, float(job.model.hidden)
    freed = Bytes(8.0 * routed_copies * model.expert_ffn / plan.etp)
    made = Bytes((0.0 if job.frozen else WEIGHT_BYTES) * expert_weights) - freed
    routed = routed_copies / model.experts_per_token
    return maximum(around_gradients, Bytes(2.0 * hidden * routed) + maximum(Bytes(12.0 * hidden * routed_copies), made))


def loss_width(job: Job, plan: Plan) -> Number:
    """Bytes per token and vocabulary entry of a rank at the loss: log-softmax and two gradients in fp32, and with tensor parallelism
    exponentials.
    """
    return term("loss_width", where(plan.tp > 1, Number(job.stack.split_logits_bytes), job.stack.logits_bytes))


@formula(
    "(2 · T · h · (1 + 1 / (t if SP, 1 otherwise)) + (λ_w + (2 if p > 1)) · T · V / t) if head",
    "tmplan",
    "torch 2.13.0, autograd; with a pipeline the logits are an output of the stage, which stays",
)
def unit_logits(job: Job, plan: Plan, stage: Stage, tokens: Tokens) -> Bytes:
    """Logits and loss, and inputs of the last norm and of the head; bytes."""
    inputs = Bytes(2.0 * tokens * job.model.hidden * (1.0 + 1.0 / region_of(plan)))
    width = loss_width(job, plan) + where(plan.pp > 1, 2.0, 0.0)
    return is_head(plan, stage) * (inputs + Bytes(width * tokens * job.model.vocab / plan.tp))


@formula(
    "(2 · T · h · (3 + 1 / (t if SP, 1 otherwise) + (1 if b > 1)) + V / t · (2 · T / n_ch"
    " + (g_r · h + λ_w · T / n_ch if p > 1, max(g_r · h, λ_w · T / n_ch) otherwise))) if head",
    "tmplan",
    "torchtitan 0.3.0, ChunkedLossWrapper",
)
def chunked_logits(job: Job, plan: Plan, stage: Stage, tokens: Tokens) -> Bytes:
    """Logits and loss of a chunk of the tokens, or the head's gradient in its reduce-scatter; bytes.

    With inputs of the last norm and of the head, and their gradient in fp32. In a pipeline the gradient of the micro-batch before is there
    too.
    """
    hidden, chunk = float(job.model.hidden), tokens / term("loss_chunks", job.stack.loss_chunks)
    inputs = Bytes(2.0 * tokens * hidden * (3.0 + 1.0 / region_of(plan) + where(plan.micro_batch > 1, 1.0, 0.0)))
    reduced, loss = job.reduce_bytes * hidden, loss_width(job, plan) * chunk
    both = where(plan.pp > 1, reduced + loss, maximum(reduced, loss))
    return is_head(plan, stage) * (inputs + Bytes(job.model.vocab / plan.tp * (2.0 * chunk + both)))


@formula(
    "4 · ℓ_i · e_p · s + (2 · T · h / (t if SP, 1 otherwise) · (m · (v - (1 if i = 0)) + m · (v - (1 if head)) + (n_i if i = 0)) if p > 1)",
    "tmplan",
    "torch 2.13.0, PipelineStage._setup_forward_recv_info: a buffer of each micro-batch in each direction",
)
def standing_buffers(
    job: Job, plan: Plan, stage: Stage, stage_layers: Number, tokens: Tokens, micro_batches: Number, in_flight: Number
) -> Bytes:  # fmt: skip
    """Buffers that live all the time: the rotations of each layer, and what is received of every micro-batch of a step; bytes.

    On the first stage also outputs in flight, which on the others are inputs of the stage less.
    """
    rotations = Bytes(4.0 * stage_layers * term("rotated_width", job.model.rope_dim or job.model.head_dim) * job.sequence)
    each = Bytes(2.0 * tokens * job.model.hidden / region_of(plan))
    first, last = stage == 0, is_head(plan, stage)
    received = micro_batches * (plan.vpp - first) + micro_batches * (plan.vpp - last) + first * in_flight
    return rotations + (plan.pp > 1) * each * received


@formula("g_r · P_l if not whole and not frozen", "tmplan", "torch 2.13.0, FSDPParamGroup.post_backward: it lives until the next unit's")
def unit_reduced(job: Job, plan: Plan, layer_weights: Parameters) -> Bytes:
    """Gradient of the layer before in its reduce-scatter; bytes."""
    return where(stays_gathered(job, plan), 0.0, Bytes((0.0 if job.frozen else job.reduce_bytes) * layer_weights))


@formula("W_l + F_ur", "tmplan", "sum of the parts")
def unit_working(layer_working: Bytes, unit_reduced: Bytes) -> Bytes:
    """Working set of a layer in its backward pass, with the gradient of the layer before; bytes."""
    return layer_working + unit_reduced
