"""Layers of transformers' models as PyTorch runs them: what they keep for the backward pass, in 16 bits whole or under autocast, with the
adapters of PEFT; and the head and its loss. Bytes.

Read in transformers 5.24 (modeling_llama.py, modeling_qwen3.py, modeling_gpt_neox.py, integrations/sdpa_attention.py), PEFT's
tuners/lora/layer.py and torch 2.13, and measured storage by storage by running them on fake tensors. With eager kernels:
- RMSNorm casts its input to fp32 and back; the copy, what it normalizes and, in 16 bits, the cast of that are stored for gradients.
- sdpa repeats keys and values for grouped queries where a mask is given, as for padded or packed batches.
- SwiGLU keeps the gate, the activated gate and the other half.
Under autocast the residual stream and norms are in fp32. Every product casts its own copy of the input; weights are cast once, and the
casts live until the forward pass ends, or, where the layer keeps its activations, until its backward pass.
"""

from __future__ import annotations

from planner.cost.pipeline_split import is_head
from planner.cost.shard import padded_vocab
from planner.dimensions import Bytes, Count, Number, Stage, Tokens, maximum, sum_of
from planner.formula.trace import formula, term
from planner.specs import lora
from planner.specs.job import Job
from planner.specs.model import Model
from planner.specs.plan import Plan


def eager(job: Job) -> bool:
    """Whether element-wise operations are separate kernels."""
    return job.kernels == "eager"


def residual_width(job: Job) -> float:
    """Bytes per element of the residual stream."""
    return 4.0 if job.autocast or job.wide else 2.0


def repeats_keys(job: Job) -> bool:
    """Whether keys and values are repeated for grouped queries: those of models like Llama, with eager kernels."""
    model = job.model
    return eager(job) and model.norm == "rmsnorm" and model.kv_heads < model.heads


def norm_width(job: Job) -> float:
    """Bytes per element that a norm keeps: its input, and the copies of an eager RMSNorm; a frozen one keeps the fp32 input alone."""
    if job.model.norm != "rmsnorm" or not eager(job):
        return residual_width(job)
    if job.frozen:
        return 4.0
    return 8.0 if job.autocast else 6.0


def products_after_norms(model: Model) -> int:
    """Matrix products that read the output of a norm, in models like Llama with separate matrices, else with one for all heads."""
    return (3 if model.gated else 1) + (2 if model.gated else 1)


def linear_inputs(job: Job, plan: Plan, region: Count) -> Number:
    """Bytes per token of the inputs of matrix products after norms: one for all, a cast for each under autocast; for the matrices with
    adapters where the others are frozen. Adapters are in fp32 and cast their input; those of 4-bit weights may be saved too.
    """
    model = job.model
    if job.frozen:
        width = 2.0 if job.autocast else 4.0
        saved = 2.0 * (model.norms_per_layer * model.hidden + model.ffn / plan.tp)
        quantized = saved if job.tuning == "qlora" and job.stack.quantized_inputs else 0.0
        return quantized + width * sum_of(matrix.inputs for matrix in lora.adapted(model, job.lora_targets, plan.tp))
    if job.autocast:
        return 2.0 * products_after_norms(model) * model.hidden / region
    return 2.0 * (1 if model.parallel_block else min(2, model.norms_per_layer)) * model.hidden / region


def queries(job: Job, plan: Plan) -> Number:
    """Bytes per token of rotated queries and keys and of values, and of what norms of queries and keys keep."""
    model = job.model
    wide, keys = model.heads / plan.tp * float(model.head_dim), -(-model.kv_heads // plan.tp) * float(model.head_dim)
    repeated = wide if repeats_keys(job) else keys
    stored = 2.0 if not eager(job) else 4.0 if job.frozen else 6.0
    normed = stored * (wide + keys) if model.qk_norm != "none" else Number(0.0)
    return 2.0 * (wide + 2 * repeated) + normed


def stored_terms(job: Job, plan: Plan, region: Count) -> dict[str, Number]:
    """Bytes per token that a layer keeps, for the terms in which it differs from a layer of fused kernels in 16 bits."""
    model = job.model
    trained, activated = 0.0 if job.frozen else 1.0, 1.0 if model.gated and eager(job) else 0.0
    norms = 1 if model.parallel_block else model.norms_per_layer
    terms = {
        "norm_in": norm_width(job) * norms * model.hidden / region,
        "linear_in": linear_inputs(job, plan, region),
        "act_out": 2.0 * (trained + activated) * model.ffn / plan.tp,
    }
    if not model.kv_rank:
        terms["qkv"] = queries(job, plan)
    return terms


@formula("2 · Σ P_lm if autocast", "tmplan", "torch 2.13.0, aten/src/ATen/autocast_mode.cpp, cached_cast")
def cast_weights(job: Job, plan: Plan) -> Bytes:
    """Casts of the weights of one layer to 16 bits under autocast; bytes."""
    casts = term("autocast", job.autocast)
    return Bytes(2.0 * casts * sum_of(term("linear_matrix", m.size) for m in lora.linear_matrices(job.model, plan.tp).values()))


@formula("A + C_w", "tmplan", "sum of the parts")
def cast_activations(layer_activations: Bytes, cast_weights: Bytes) -> Bytes:
    """Activations of a layer and the casts of its weights, which its backward pass needs; bytes."""
    return layer_activations + cast_weights


@formula(
    "max(T · (2 · (3 if frozen and gated, 2 if gated, 1 otherwise) · f / t + b_r · h) + (0 if frozen, b_r · h · f / t otherwise),"
    " 2 · b_r · T · h + (0 if frozen, b_r · Σ P_lm otherwise) - A)",
    "tmplan",
    "transformers 5.24: the backward pass of the activation, after that of the second product; the end of that of the layer",
)
def eager_gradients(job: Job, plan: Plan, tokens: Tokens, layer_activations: Bytes) -> Bytes:
    """Gradients in the backward pass of a layer, less the activations freed by then; bytes.

    Those of both halves of the MLP and of its second product's input and weights, and of the residual stream; or those of all its weights.
    """
    model, width = job.model, term("residual_width", residual_width(job))
    halves, trained = (3 if job.frozen else 2) if model.gated else 1, 0.0 if job.frozen else width
    weights = sum_of(term("linear_matrix", m.size) for m in lora.linear_matrices(model, plan.tp).values())
    middle = Bytes(tokens * (2.0 * halves * model.ffn / plan.tp + width * model.hidden)) + Bytes(
        trained * model.hidden * model.ffn / plan.tp
    )
    return maximum(middle, Bytes(2.0 * width * tokens * model.hidden) + Bytes(trained * weights) - layer_activations)


def head_norm_width(job: Job) -> float:
    """Bytes per token and hidden unit that the last norm and the head keep of their inputs."""
    stored = norm_width(job)
    return stored if job.frozen else stored + 2.0


def fused_head(job: Job) -> float:
    """Bytes per weight of the head that a kernel of head and loss needs: its gradient, accumulated over chunks of tokens, in the weight's
    type, and a chunk's in 16 bits and fp32 (Liger-Kernel, ops/fused_linear_cross_entropy.py); 0 where it is frozen.
    """
    return (10.0 if job.autocast else 8.0) if job.loss_kernel == "fused-linear" and not job.frozen else 0.0


@formula(
    "(max(G + (κ_f + (2 if autocast and κ_f = 0)) · V_p · h / t, M_hb) + κ_o · T · h) if head",
    "tmplan",
    "torch 2.13.0: the loss, then the head's backward pass",
)
def head_live(job: Job, plan: Plan, stage: Stage, tokens: Tokens, logits_memory: Bytes, head_backward: Bytes) -> Bytes:
    """Logits and the loss, or the head's backward pass, with inputs of the last norm and of the head; bytes."""
    hidden = float(job.model.hidden)
    fused, cast = term("fused_head", fused_head(job)), 2.0 * term("autocast", job.autocast)
    loss = logits_memory + Bytes((fused or cast) * padded_vocab(job, plan) / plan.tp * hidden)
    return is_head(plan, stage) * (maximum(loss, head_backward) + Bytes(term("head_norm_width", head_norm_width(job)) * tokens * hidden))


@formula(
    "max(2 · T · V_p / t + (0 if frozen, 2 otherwise) · V_p · h / t + (2 if autocast) · V_p · h / t,"
    " ((0 if frozen, 6 otherwise) · V_p · h / t if autocast)) if not whole_loss",
    "tmplan",
    "torch 2.13.0: gradients in 16 bits of the logits and of the head's weights, then, under autocast, the latter in fp32",
)
def head_backward(job: Job, plan: Plan, tokens: Tokens) -> Bytes:
    """What the backward pass of the head needs, without its inputs: none where a kernel of head and loss has made its gradients; bytes."""
    entries = padded_vocab(job, plan) / plan.tp
    weights, made = entries * float(job.model.hidden), 0.0 if job.frozen else 1.0
    cast = term("autocast", job.autocast)
    first = Bytes(2.0 * Number(tokens) * entries + 2.0 * (made + cast) * weights)
    whole = maximum(first, Bytes(6.0 * made * cast * weights))
    return whole * (0.0 if term("whole_loss", job.loss_kernel == "fused-linear") else 1.0)


def casts(job: Job) -> bool:
    """Whether a model of transformers runs under autocast, whose casts live until the end of the forward pass."""
    return job.autocast and job.stack.transformers_layers


@formula("(λ_f · T · V_p / t + 2 · V_p · h / t + (κ_o + 4) · T · h) if head and autocast", "tmplan", "torch 2.13.0, aten autocast_mode.cpp")
def forward_logits(job: Job, plan: Plan, stage: Stage, tokens: Tokens) -> Bytes:
    """Logits and the loss at the end of a forward pass under autocast, with the output of the last norm, which lives until then; bytes."""
    entries, hidden = padded_vocab(job, plan) / plan.tp, float(job.model.hidden)
    inputs = Bytes((term("head_norm_width", head_norm_width(job)) + 4.0) * tokens * hidden)
    stored = term("forward_logits_width", forward_logits_width(job)) * Number(tokens)
    logits = Bytes(stored * entries + 2.0 * entries * hidden)
    return is_head(plan, stage) * (term("autocast", job.autocast) * (logits + inputs))


@formula("max(G_o, G_fw + (0 if frozen, 1 otherwise) · r_i · C_w)", "tmplan", "autocast_mode.cpp: casts of trained weights are cached")
def forward_live(job: Job, head_live: Bytes, forward_logits: Bytes, recomputed_layers: Number, cast_weights: Bytes) -> Bytes:
    """What lives in addition to activations at the loss or, with casts of the weights of recomputed layers, before it; bytes."""
    return maximum(head_live, forward_logits + (0.0 if job.frozen else 1.0) * recomputed_layers * cast_weights)


def forward_logits_width(job: Job) -> float:
    """Bytes per token and vocabulary entry at the end of a forward pass: logits, their fp32 copy and its log-softmax; chunks of it."""
    return {"plain": 10.0, "fused": 6.0, "chunked": 10.0 / job.stack.loss_chunks, "fused-linear": 0.0}[job.loss_kernel]
