"""Device memory by purpose and by pipeline stage; bytes.

Three totals: live tensors (allocated), memory held by the caching allocator (reserved), and memory in use as the device reports it. A
plan fits if the last, on its fullest stage, is within the memory that the driver offers.
"""

from __future__ import annotations

from planner.cost import fsdp_units, torch_layers
from planner.cost.pipeline_split import computes_loss, holds_ahead, is_head
from planner.cost.shard import padded_vocab
from planner.dimensions import Bytes, Count, Number, Parameters, Stage, Tokens, maximum, minimum, sum_of, where
from planner.formula.trace import formula, term
from planner.specs.job import Job, Stack
from planner.specs.lora import adapted
from planner.specs.model import Model
from planner.specs.plan import Plan
from planner.specs.recipes import STORED


def activation_terms(job: Job, plan: Plan) -> dict[str, Bytes]:
    """Bytes per token that one layer stores for its backward pass on one rank, by term.

    For GPT with dropout and unfused attention these sum to s b h (10 + 24/t + 5 a s / (h t)), and with sequence parallelism to
    s b h / t (34 + 5 a s / h): Korthikanti et al. 2022, Equations 2 and 4. Stored term by term, so that GQA, gated MLPs, FlashAttention
    and parallel blocks each have theirs.
    """
    model = job.model
    region = where(plan.sequence_parallel > 0, plan.tp, 1)  # ranks that share norms, dropout and the inputs of column-parallel products
    heads = model.heads / plan.tp
    norms = 1 if model.parallel_block else model.norms_per_layer
    width = STORED[job.recipe] if job.stack.narrow_kept and job.recipe else 2.0  # bytes per element of a matrix product's input
    inputs, second = trained_inputs(job)
    flash = job.attention.startswith("flash")  # stores the log-sum-exp in fp32 in place of the scores
    scores = 4.0 * heads if flash else (5.0 if model.dropout else 2.0) * heads * job.sequence
    terms = {
        "norm_in": (2.0 + job.stack.norm_kept) * norms * model.hidden / region,
        "linear_in": width * inputs * model.hidden / region,
        **query_terms(job.stack, model, plan, region),
        "scores": scores,
        "attention_out": 2.0 * heads * model.value_dim,
        "dropout_masks": (2.0 if model.dropout else 0.0) * model.hidden / region,
        "mlp_hidden": 2.0 * (2 if model.gated else 1) * model.ffn / plan.tp,
        "act_out": width * (second * activated(job) + (job.stack.gate_kept if model.gated else 0.0)) * model.ffn / plan.tp,
    }
    if job.stack.transformers_layers:
        terms |= torch_layers.stored_terms(job, plan, region)
    if job.stack.fsdp_units:
        terms |= fsdp_units.stored_terms(job, plan)
    if job.frozen:
        terms["adapters"] = Number(2.0 * job.lora_rank * len(adapted(model, job.lora_targets)))
    if job.wide:  # all but masks of dropout, and the log-sum-exp of flash attention, which is in fp32 anyway
        masks = ("dropout_masks", "scores") if flash else ("dropout_masks",)
        terms |= {name: 2.0 * count for name, count in terms.items() if name not in masks}
    return {name: Bytes(count) for name, count in terms.items()}


def activated(job: Job) -> float:
    """Copies of the result of the activation stored for the second product: none where the backward kernel of SwiGLU makes it again from
    its inputs (xformers, ops/swiglu_op.py, silu_bw_fused).
    """
    return 0.0 if job.model.gated and not job.stack.act_out_stored else 1.0


def query_terms(stack: Stack, model: Model, plan: Plan, region: Count) -> dict[str, Number]:
    """Bytes per token of queries, keys and values, and of the latents of latent attention before and after their norms; the keys of the
    latter have the positional part copied into each head.

    In Megatron values are a part of the packed product, which therefore lives as long as they do, next to the rotated queries and keys;
    grouped queries are copied out of it, which a norm then keeps (megatron-core 0.16.1, transformer/attention.py,
    get_query_key_value_tensors). A ring of context parallelism copies keys and values into one tensor, and frees the product
    (TransformerEngine, attention/dot_product_attention/context_parallel.py).
    """
    heads = model.heads / plan.tp
    if model.kv_rank:
        latents = 2 * model.q_rank + 2 * model.kv_rank + model.rope_dim
        return {"latent": 2.0 * latents / region, "qkv": 2.0 * heads * (2 * model.key_dim + model.head_dim + model.value_dim)}
    keys, queries = -(-model.kv_heads // plan.tp) * model.head_dim, heads * model.head_dim
    if stack.main_gradients:
        ring = (plan.cp > 1) & (model.qk_norm == "none")
        rotated = where(ring, 0.0, queries + keys if model.positions == "rope" else 0.0)
        copied = queries if model.qk_norm != "none" and model.kv_heads < model.heads else Number(0.0)
        return {"qkv": 2.0 * (queries + 2 * keys + rotated + copied)}
    normed = 2.0 * (queries + keys) if model.qk_norm != "none" else Number(0.0)
    return {"qkv": 2.0 * (queries + 2 * keys) + normed}


def trained_inputs(job: Job) -> tuple[int, int]:
    """Inputs of a layer's matrix products that gradients of weights need: those of attention and the MLP (two where each half of the layer
    has a norm), and those of the MLP's second product (1 or 0). Frozen matrices need an input only for an adapter.
    """
    norms = min(2, job.model.norms_per_layer)
    return (1, 0) if job.frozen and job.lora_targets != "all" else (norms, 1)


@formula("T · Σ a_k", "korthikanti22", "Equations 2 and 4")
def layer_activations(job: Job, plan: Plan, tokens: Tokens) -> Bytes:
    """Activations of one layer and one micro-batch without recomputation; bytes."""
    return Bytes(tokens * sum_of(term("activation_term", v) for v in activation_terms(job, plan).values()))


@formula("T · Σ(s_k · a_k)", "korthikanti22", "Section 5, Equation 6; the stack says which")
def selective_activations(job: Job, plan: Plan, tokens: Tokens) -> Bytes:
    """Activations of one layer and one micro-batch under selective recomputation; bytes."""
    keep = job.selective.keep
    terms = activation_terms(job, plan).items()
    return Bytes(tokens * sum_of(term("activation_term", v) * term("kept_share", keep.get(k, 1.0)) for k, v in terms))


@formula("b_r · T · h / (t if SP, 1 otherwise)", "korthikanti22", "Section 5, Table 2, full recomputation: 2 s b h per layer")
def checkpoint_bytes(job: Job, plan: Plan, tokens: Tokens) -> Bytes:
    """Input of a fully recomputed layer, its only stored activation; bytes."""
    width = term("residual_width", torch_layers.residual_width(job))
    return Bytes(width * tokens * job.model.hidden / where(plan.sequence_parallel > 0, plan.tp, 1))


@formula("(max(n_i - 2, 0) if warm_up, 1 if p = 1) · 2 · κ_t · T · h if SP and t > 1", "tmplan", "observed in nanotron's runs")
def gathered_inputs(job: Job, plan: Plan, tokens: Tokens, in_flight: Number) -> Bytes:
    """Gathered inputs of a layer's column-parallel products that wait for the communication stream; bytes.

    A host that runs ahead of the device frees none of them: in the warm-up of a pipeline, or, with stacks whose pipelines wait at every
    send, in a forward pass without a pipeline.
    """
    if not job.stack.gathered_kept:
        return Bytes(0.0)
    count = maximum(in_flight - 2.0, 0.0) if job.stack.gathered_in_pipeline else where(plan.pp > 1, 0.0, 1.0)
    return count * (plan.sequence_parallel * (plan.tp > 1)) * Bytes(2.0 * job.stack.gathered_kept * tokens * job.model.hidden)


@formula("(ℓ_i - r_i) · A_k + (1 - ω_c) · r_i · A_c", "korthikanti22", "Section 4.2.3 and Equation 5")
def held_bytes(
    job: Job, stage_layers: Number, recomputed_layers: Number, kept_activations: Bytes, checkpoint_bytes: Bytes
) -> Bytes:  # fmt: skip
    """Activations of one micro-batch in all layers of one kind on a rank, less checkpoints offloaded to the host; bytes."""
    checkpoints = (1.0 - checkpoints_offloaded(job)) * checkpoint_bytes
    return stage_layers * kept_activations + recomputed_layers * (checkpoints - kept_activations)


def checkpoints_offloaded(job: Job) -> float:
    """Share of the inputs of recomputed layers in host memory."""
    return term("checkpoints_offloaded", float(job.offload_checkpoints))


@formula(
    "4 / v if v > 1, 4 / max(ℓ_i, 1) if p > 1, 2 / max(ℓ_i, 1) otherwise",
    "tmplan",
    "a forward and, in a pipeline, a backward pass: each has one unit in use and one in transfer",
)
def waiting_copies(plan: Plan, stage_layers: Number) -> Number:
    """Offloaded activations that wait for their transfer or use: virtual stages or layers, in micro-batches of all layers of a rank."""
    layers = maximum(stage_layers, 1)
    return where(plan.vpp > 1, 4.0 / plan.vpp, where(plan.pp > 1, 4.0, 2.0) / layers)


@formula("κ · (n_i · (1 - ω_h) + min(n_i · ω_h, n_q)) · (A_h + A_m) + (ℓ_i - r_i) · A_g", "korthikanti22", "Section 4.2.3 and Equation 5")
def activation_bytes(
    job: Job,
    stage_layers: Number,
    recomputed_layers: Number,
    in_flight: Number,
    held_bytes: Bytes,
    embedding_masks: Bytes,
    gathered_inputs: Bytes,
    waiting_copies: Number,
) -> Bytes:
    """Activations of all micro-batches in flight on one rank of a stage, less those in host memory; bytes."""
    gathered = (stage_layers - recomputed_layers) * gathered_inputs
    share = term("activations_offloaded", job.offload_activations)
    on_device = in_flight - in_flight * share + minimum(in_flight * share, waiting_copies) if share else in_flight
    return job.stack.activation_overhead * on_device * (held_bytes + embedding_masks) + gathered


@formula("A_c / 2 if i = 0 and dropout", "korthikanti22", "Section 4.3: the dropout after the embedding")
def embedding_masks(job: Job, stage: Stage, checkpoint_bytes: Bytes) -> Bytes:
    """Dropout masks after the embedding, one byte each, on the first stage; bytes per micro-batch."""
    return (stage == 0) * checkpoint_bytes * 0.5 if term("dropped_out", job.model.dropout) else Bytes(0.0)


@formula("A_s if recompute = 1, A otherwise", "korthikanti22", "Section 5")
def kept_activations(plan: Plan, layer_activations: Bytes, selective_activations: Bytes) -> Bytes:
    """Activations of a layer that is not fully recomputed; bytes per micro-batch."""
    return where(plan.recompute == 1, selective_activations, layer_activations)


@formula(
    "2 · T · (h / (t if SP, 1 otherwise) + (h if SP and t > 1))"
    " + 2 · max(T + (0 if frozen, h otherwise), (2 if gated, 1 otherwise) · T,"
    " (2 if gated, 1 otherwise) · (0 if frozen, h otherwise) - T) · f / t if main,"
    " 2 · T · ((3 if gated, 2 otherwise) · f / t + 2 · h) otherwise",
    "tmplan",
    "the peak during a layer's backward pass",
)
def layer_gradients(job: Job, plan: Plan, tokens: Tokens) -> Bytes:
    """Gradients of the MLP and of hidden states of the layer in its backward pass; bytes.

    With main gradients, the largest of three moments, less the activations freed by then: the second product (gradients of its input and
    of its 16-bit weights), the activation (gradients of both sides), the first product (gradients of its output and of its weights).
    """
    model, hidden = job.model, float(job.model.hidden)
    if not term("main_gradients", job.stack.main_gradients):
        return Bytes(2.0 * tokens * ((3 if model.gated else 2) * model.ffn / plan.tp + 2 * hidden))
    halves, made = 2 if model.gated else 1, 0.0 if job.frozen else hidden
    gathered = plan.sequence_parallel * (plan.tp > 1)
    residual = hidden / where(plan.sequence_parallel > 0, plan.tp, 1) + gathered * hidden
    widest = maximum(tokens + made, maximum(halves * tokens, halves * made - tokens))
    return Bytes(2.0 * tokens * residual + 2.0 * widest * model.ffn / plan.tp)


@formula("W_g + (A if recompute = 2, A - A_s if recompute = 1)", "korthikanti22", "Section 5")
def layer_working(plan: Plan, layer_gradients: Bytes, layer_activations: Bytes, selective_activations: Bytes) -> Bytes:
    """Working set of the layer in its backward pass: gradients, and recomputed activations; bytes.

    Where only the first layers are recomputed, the activations of a later one are freed by then.
    """
    recomputed = where(plan.recompute == 2, layer_activations, where(plan.recompute == 1, layer_activations - selective_activations, 0.0))
    return layer_gradients + recomputed


@formula("2 · 2 · T · h / (t if SP, 1 otherwise) if main, 0 otherwise", "tmplan", "megatron-core 0.16.1: final_layernorm, output_layer")
def head_inputs(job: Job, plan: Plan, tokens: Tokens) -> Bytes:
    """Input and output of the norm before the head, stored for their backward passes; bytes."""
    inputs = term("main_gradients", job.stack.main_gradients) * 4.0
    return Bytes(inputs * tokens * job.model.hidden / where(plan.sequence_parallel > 0, plan.tp, 1))


@formula(
    "A_o + 2 · V_p / t · (T + (0 if frozen, h otherwise)) + 2 · T · h + (2 · T · h / t if SP and t > 1) if loss and main, 0 otherwise",
    "tmplan",
    "megatron-core 0.16.1, tensor_parallel/layers.py: the gradient of a weight is made in 16 bits, then added",
)
def head_working(job: Job, plan: Plan, stage: Stage, tokens: Tokens, head_inputs: Bytes) -> Bytes:
    """What the backward pass of the head needs: gradients of the logits, of its weights in 16 bits, and of its input; bytes."""
    hidden, entries = float(job.model.hidden), padded_vocab(job, plan) / plan.tp
    made = Bytes(2.0 * entries * (tokens + (0.0 if job.frozen else hidden)))
    scattered = plan.sequence_parallel * (plan.tp > 1) / plan.tp
    whole = head_inputs + made + Bytes(2.0 * tokens * hidden * (1.0 + scattered))
    return computes_loss(job, plan, stage) * term("main_gradients", job.stack.main_gradients) * whole


@formula("2 · V_p · h / t if tied and p = 1 and main, 0 otherwise", "tmplan", "autograd adds both gradients of a shared weight at the end")
def tied_gradient(job: Job, plan: Plan) -> Bytes:
    """Gradient of a tied head in 16 bits, which waits for that of the embedding during the whole backward pass; bytes."""
    waits = job.model.tied and not job.frozen and term("main_gradients", job.stack.main_gradients)
    return (plan.pp == 1) * Bytes((2.0 if waits else 0.0) * padded_vocab(job, plan) * job.model.hidden / plan.tp)


@formula("2 · (2 if tied and p = 1, 1 otherwise) · P_e if i = 0 and main and not frozen, 0 otherwise", "tmplan", "as the head's")
def embedding_gradient(job: Job, plan: Plan, stage: Stage, embedding_weights: Parameters) -> Bytes:
    """Gradient of the embedding in 16 bits, and that of a tied head, before they are added to their buffer; bytes."""
    both = where(job.model.tied & (plan.pp == 1), 2.0, 1.0)
    made = 2.0 if term("main_gradients", job.stack.main_gradients) and not job.frozen else 0.0
    return (stage == 0) * Bytes(made * both * embedding_weights)


@formula("max(W_l + G_t, W_h)", "tmplan", "head and layers run one after the other")
def stage_working(layer_working: Bytes, tied_gradient: Bytes, head_working: Bytes) -> Bytes:
    """Working set of a backward pass on a stage: of its largest layer, or of the head; bytes."""
    return maximum(layer_working + tied_gradient, head_working)


@formula(
    "λ · T · V_p / (1 if gathered, t otherwise) · ((1 if head) + (L_m if mtp)) + (A_o if head)",
    "korthikanti22",
    "Section 4.3, output layer: logits and the loss in fp32",
)
def logits_memory(job: Job, plan: Plan, stage: Stage, tokens: Tokens, head_inputs: Bytes) -> Bytes:
    """Logits, their gradient and the fp32 copies of the loss on the last stage, for each token predicted, and the head's inputs; bytes."""
    head = is_head(plan, stage)
    heads = head + job.model.mtp_layers * holds_ahead(job, plan, stage)
    return heads * one_head(job, plan, tokens) + head * head_inputs


def head_logits(job: Job, plan: Plan, tokens: Tokens) -> Bytes:
    """Logits on the rank that holds the head, with those of multi-token prediction unless a layout has it elsewhere; bytes."""
    layout = job.layout
    together = layout is None or layout.ahead_stage == layout.stages - 1
    return (1 + (job.model.mtp_layers if together else 0)) * one_head(job, plan, tokens)


def one_head(job: Job, plan: Plan, tokens: Tokens) -> Bytes:
    """Logits of one head; bytes."""
    entries = padded_vocab(job, plan) / (1 if job.stack.logits_whole else plan.tp)
    return Bytes(term("logits_bytes", logits_width(job)) * tokens * entries)


def logits_width(job: Job) -> float:
    """Bytes per token and vocabulary entry at the loss, by its kernel: one for head and loss has a chunk of tokens as wide as its input."""
    stack = job.stack
    widths = {"plain": stack.logits_bytes, "fused": stack.fused_logits_bytes, "chunked": stack.logits_bytes / stack.loss_chunks}
    return widths.get(job.loss_kernel, 4.0 * job.model.hidden / job.model.vocab)


@formula("2 · T · h if main and SP and t > 1, 4 · T · h if not main and t > 1", "korthikanti22", "Section 4.2.2: input and gradient")
def buffer_bytes(job: Job, plan: Plan, tokens: Tokens) -> Bytes:
    """Buffers that tensor-parallel collectives gather into; bytes. With main gradients the gathered gradient is in the working set."""
    if term("main_gradients", job.stack.main_gradients):
        return where((plan.tp > 1) & (plan.sequence_parallel > 0), Bytes(2.0 * tokens * job.model.hidden), 0.0)
    return where(plan.tp > 1, Bytes(4.0 * tokens * job.model.hidden), 0.0)
