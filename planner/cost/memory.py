"""Bytes by purpose and by pipeline stage.

Live tensors (allocated), what the caching allocator holds (reserved), what the device shows. A plan fits if the device's
number, at its fullest stage, is within what the driver offers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from planner.cost.pipeline_split import is_head
from planner.cost.shard import padded_vocab
from planner.formula.trace import formula, term
from planner.specs.job import Job
from planner.specs.lora import adapted
from planner.specs.plan import Plan

# Transformer Math 101, "Optimizer States": momentum and variance, or momentum alone.
STATES = {"adamw": 2, "adamw-8bit": 2, "sgd": 1}
WEIGHT_BYTES = 2.0  # bf16 or fp16; fp8 training keeps its weights in bf16 and casts them


def optimizer_width(job: Job) -> float:
    """Bytes a parameter of the master copy and the optimizer's states: AdamW 4+4+4, 8-bit 4+1+1, SGD with momentum 4+4."""
    return job.stack.master_bytes + term("optimizer_states", STATES[job.optimizer]) * job.state_bytes


def workspaces(job: Job) -> float:
    """Workspaces of libraries, those of grouped products with them; bytes."""
    grouped = term("grouped_workspaces", job.model.experts > 0 and job.cluster.gpu.arch not in ("volta", "ampere"))
    return job.stack.workspace_bytes + (job.stack.expert_workspace_bytes if grouped else 0.0)


def kept_whole(job: Job, plan: Plan) -> Any:
    """Whether gathered weights and unreduced gradients stay whole between micro-batches, as FSDP2 has it in a pipeline."""
    return term("kept_whole", (plan.pp > 1) & job.stack.pipeline_syncs_once)


@formula("2 · P_i if ZeRO < 3 or whole, 0 if fp32, 2 · P_i / Z otherwise", "zero20", "Section 5, Figure 1")
def parameter_bytes(job: Job, plan: Plan, stage_weights: Any, shard_size: Any) -> Any:
    """Weights a rank keeps in 16 bits; bytes."""
    sharded = 0.0 if job.stack.master_is_parameter else 1.0 / shard_size
    return WEIGHT_BYTES * stage_weights * np.where((plan.zero >= 3) & ~kept_whole(job, plan), sharded, 1.0)


@formula("P_i · (g / (Z if ZeRO ≥ 2 and not whole, 1 otherwise) + (g_b if D > 1))", "zero20", "Section 5, Figure 1")
def gradient_memory(job: Job, plan: Plan, stage_weights: Any, shard_size: Any) -> Any:
    """Gradients a rank keeps, and buckets of 16-bit gradients beside them where the stack has those; bytes."""
    kept = job.gradient_bytes / np.where((plan.zero >= 2) & ~kept_whole(job, plan), shard_size, 1)
    return stage_weights * (kept + job.stack.bucket_gradient_bytes * (plan.dp > 1))


@formula(
    "(g_m + n_u · u) · P_i / (Z if ZeRO ≥ 1, 1 otherwise)",
    "math101",
    "Optimizer States; zero20 Figure 1",
)
def optimizer_bytes(job: Job, plan: Plan, stage_weights: Any, shard_size: Any) -> Any:
    """Master weights and optimizer states of a rank, wherever they live; bytes."""
    return optimizer_width(job) * stage_weights / np.where(plan.zero >= 1, shard_size, 1)


@formula(
    "2 · max(2 · P_l, (P_e if i = 0), (P_h if head)) + g_r · max(P_l, (P_e if i = 0), (P_h if head))"
    " if ZeRO ≥ 3 and D_s · c > 1 and not whole",
    "fsdp23",
    "Section 3.4.2: two units are gathered at a time",
)
def gathered_bytes(job: Job, plan: Plan, stage: Any, layer_weights: Any, embedding_weights: Any, head_weights: Any) -> Any:
    """Weights gathered whole and gradients not yet scattered, while a fully sharded stage runs; bytes."""
    edge = np.maximum((stage == 0) * embedding_weights, is_head(plan, stage) * head_weights)
    weights = WEIGHT_BYTES * np.maximum(2 * layer_weights, edge)
    gradients = job.stack.gradient_reduce_bytes * np.maximum(layer_weights, edge)
    return np.where((plan.zero >= 3) & (plan.dp_shard * plan.cp > 1) & ~kept_whole(job, plan), weights + gradients, 0.0)


def activation_terms(job: Job, plan: Plan) -> dict[str, Any]:
    """Bytes a token that one layer keeps for its backward pass, by term, on one rank.

    For GPT with dropout and unfused attention these sum to s b h (10 + 24/t + 5 a s / (h t)), and with sequence parallelism to
    s b h / t (34 + 5 a s / h): Korthikanti et al. 2022, Equations 2 and 4, kept term by term so that GQA, gated MLPs,
    flash attention and parallel blocks have their own.
    """
    model = job.model
    region = np.where(plan.sequence_parallel > 0, plan.tp, 1)  # norms, dropout and the inputs of column-parallel products
    heads = model.heads / plan.tp
    keys = -(-model.kv_heads // plan.tp) * model.head_dim
    norms = 1 if model.parallel_block else model.norms_per_layer
    kept = 1.0 if job.stack.narrow_kept and job.precision in ("fp8", "fp4") else 2.0  # bytes of a matrix product's input
    inputs, second = trained_inputs(job)
    flash = job.attention.startswith("flash")  # keeps the log-sum-exp, fp32
    scores = 4.0 * heads if flash else (5.0 if model.dropout else 2.0) * heads * job.sequence
    if model.kv_rank:  # latents before and behind their norms; queries, keys and values drawn out of them, keys with positions copied in
        latent = {"latent": 2.0 * (2 * model.q_rank + 2 * model.kv_rank + model.rope_dim) / region}
        qkv = 2.0 * heads * (2 * model.key_dim + model.head_dim + model.value_dim)
    else:
        latent = {}
        qkv = 2.0 * (heads * model.head_dim + 2 * keys) + (2.0 * (heads * model.head_dim + keys) if model.qk_norm != "none" else 0.0)
    return {
        "norm_in": (2.0 + job.stack.norm_kept) * norms * model.hidden / region,
        "linear_in": kept * inputs * model.hidden / region,
        **latent,
        "qkv": qkv,
        "scores": scores,
        "attention_out": 2.0 * heads * model.value_dim,
        "dropout_masks": (2.0 if model.dropout else 0.0) * model.hidden / region,
        "mlp_hidden": 2.0 * (2 if model.gated else 1) * model.ffn / plan.tp,
        "act_out": kept * (second + (job.stack.gate_kept if model.gated else 0.0)) * model.ffn / plan.tp,
        **({"adapters": 2.0 * job.lora_rank * len(adapted(model, job.lora_targets))} if job.frozen else {}),
    }


def trained_inputs(job: Job) -> tuple[int, int]:
    """Of a layer's inputs of matrix products, those that gradients of weights need: of attention and the MLP (two where each norm makes
    its own), and of the MLP's second product (1 or 0). Frozen matrices need theirs only if they have adapters.
    """
    apart = min(2, job.model.norms_per_layer)
    return (1, 0) if job.frozen and job.lora_targets != "all" else (apart, 1)


@formula("T · Σ a_k", "korthikanti22", "Equations 2 and 4")
def layer_activations(job: Job, plan: Plan, tokens: Any) -> Any:
    """Activations one layer keeps for one micro-batch when nothing is recomputed; bytes."""
    return tokens * sum(term("activation_term", v) for v in activation_terms(job, plan).values())


@formula("T · Σ(s_k · a_k)", "korthikanti22", "Section 5, Equation 6; the stack says which")
def selective_activations(job: Job, plan: Plan, tokens: Any) -> Any:
    """Activations one layer keeps for one micro-batch under selective recompute; bytes."""
    keep = job.stack.selective.keep
    terms = activation_terms(job, plan).items()
    return tokens * sum(term("activation_term", v) * term("kept_share", keep.get(k, 1.0)) for k, v in terms)


@formula("2 · T · h / (t if SP, 1 otherwise)", "korthikanti22", "Section 5, Table 2, full recomputation: 2 s b h a layer")
def checkpoint_bytes(job: Job, plan: Plan, tokens: Any) -> Any:
    """What a wholly recomputed layer keeps: its input; bytes."""
    return 2.0 * tokens * job.model.hidden / np.where(plan.sequence_parallel > 0, plan.tp, 1)


@formula("(max(n_i - 2, 0) if warm_up, 1 if p = 1) · 2 · κ_t · T · h if SP and t > 1", "tmplan", "seen in nanotron's runs")
def gathered_inputs(job: Job, plan: Plan, tokens: Any, in_flight: Any) -> Any:
    """Gathered inputs of a layer's column-parallel products that wait for the communication stream; bytes.

    A host that runs ahead of the device frees none of them: in the warm-up of a pipeline, or, where a stack's pipelines wait at
    every send, in a forward pass without one.
    """
    if not job.stack.gathered_kept:
        return 0.0
    count = np.maximum(in_flight - 2.0, 0.0) if job.stack.gathered_in_pipeline else np.where(plan.pp > 1, 0.0, 1.0)
    return count * (plan.sequence_parallel * (plan.tp > 1)) * (2.0 * job.stack.gathered_kept * tokens * job.model.hidden)


@formula("(ℓ_i - r_i) · A_k + r_i · A_c", "korthikanti22", "Section 4.2.3 and Equation 5")
def held_bytes(stage_layers: Any, recomputed_layers: Any, kept_activations: Any, checkpoint_bytes: Any) -> Any:
    """Activations that the layers of one kind on a rank keep of one micro-batch; bytes."""
    return stage_layers * kept_activations + recomputed_layers * (checkpoint_bytes - kept_activations)


@formula("κ · n_i · (A_h + A_m) + (ℓ_i - r_i) · A_g", "korthikanti22", "Section 4.2.3 and Equation 5")
def activation_bytes(
    job: Job, stage_layers: Any, recomputed_layers: Any, in_flight: Any, held_bytes: Any, embedding_masks: Any, gathered_inputs: Any
) -> Any:
    """Activations of all micro-batches in flight on one rank of a stage; bytes."""
    gathered = (stage_layers - recomputed_layers) * gathered_inputs
    return job.stack.activation_overhead * in_flight * (held_bytes + embedding_masks) + gathered


@formula("A_c / 2 if i = 0 and dropout", "korthikanti22", "Section 4.3: the dropout behind the embedding")
def embedding_masks(job: Job, stage: Any, checkpoint_bytes: Any) -> Any:
    """Dropout masks behind the embedding, a byte each, on the first stage; bytes a micro-batch."""
    return (stage == 0) * checkpoint_bytes * 0.5 if term("dropped_out", job.model.dropout) else 0.0


@formula("A_s if recompute = 1, A otherwise", "korthikanti22", "Section 5")
def kept_activations(plan: Plan, layer_activations: Any, selective_activations: Any) -> Any:
    """Activations of a layer that is not wholly recomputed; bytes a micro-batch."""
    return np.where(plan.recompute == 1, selective_activations, layer_activations)


@formula("2 · T · ((3 if gated, 2 otherwise) · f / t + 2 · h)", "tmplan", "the peak while a layer is at hand")
def layer_gradients(job: Job, plan: Plan, tokens: Any) -> Any:
    """Gradients of the MLP and of two hidden states of the layer at hand; bytes."""
    model = job.model
    return 2.0 * tokens * ((3 if model.gated else 2) * model.ffn / plan.tp + 2 * model.hidden)


@formula("W_g + (A if recompute ≥ 2, A - A_s if recompute = 1)", "korthikanti22", "Section 5")
def layer_working(plan: Plan, layer_gradients: Any, layer_activations: Any, selective_activations: Any) -> Any:
    """What the layer at hand needs beside what is kept: gradients, and its recomputed activations; bytes."""
    again = np.where(plan.recompute >= 2, layer_activations, np.where(plan.recompute == 1, layer_activations - selective_activations, 0.0))
    return layer_gradients + again


@formula(
    "(1 + L_m) · λ · T · V_p / (1 if gathered, t otherwise) if head",
    "korthikanti22",
    "Section 4.3, output layer: logits and the loss in fp32",
)
def logits_memory(job: Job, plan: Plan, stage: Any, tokens: Any) -> Any:
    """Logits, their gradient and the loss's fp32 copies on the last stage, for every prediction ahead; bytes."""
    return is_head(plan, stage) * head_logits(job, plan, tokens)


def head_logits(job: Job, plan: Plan, tokens: Any) -> Any:
    """The same on the rank that holds the head; bytes."""
    entries = padded_vocab(job, plan) / (1 if job.stack.logits_whole else plan.tp)
    return (1 + job.model.mtp_layers) * (job.stack.logits_bytes * tokens * entries)


@formula("max(W_l - G, 0)", "tmplan", "layer and loss are not at work at once")
def working_bytes(layer_working: Any, logits_memory: Any) -> Any:
    """Working set beyond the logits, which are at hand at another time; bytes."""
    return np.maximum(layer_working - logits_memory, 0.0)


@formula("4 · T · h if t > 1", "korthikanti22", "Section 4.2.2: gathered input and its gradient")
def buffer_bytes(job: Job, plan: Plan, tokens: Any) -> Any:
    """Buffers that tensor-parallel collectives gather into; bytes."""
    return np.where(plan.tp > 1, 4.0 * tokens * job.model.hidden, 0.0)


@formula("M_s + M_a", "tmplan", "sum of the parts")
def allocated_bytes(static_bytes: Any, live_bytes: Any) -> Any:
    """Live tensors at the peak of one rank; bytes."""
    return static_bytes + live_bytes


@formula("W_p + G_p + O_p + F_p + X_w + O_x", "zero20", "Figure 1: model states, those of routed experts with them")
def static_bytes(
    parameter_bytes: Any, gradient_memory: Any, resident_optimizer: Any, gathered_bytes: Any, workspace_bytes: Any, expert_states: Any
) -> Any:
    """Weights, gradients, optimizer states, gathered layers and libraries' workspaces of one rank, its experts' states; bytes."""
    return parameter_bytes + gradient_memory + resident_optimizer + gathered_bytes + workspace_bytes + expert_states


@formula("0 if offload, O_s otherwise", "offload21", "Section 4")
def resident_optimizer(job: Job, optimizer_bytes: Any) -> Any:
    """Optimizer states on the device; bytes."""
    return optimizer_bytes * (0.0 if job.offload_optimizer else 1.0)


@formula("W_w + G + U", "tmplan", "sum of the parts")
def rest_bytes(working_bytes: Any, logits_memory: Any, buffer_bytes: Any) -> Any:
    """What is live beside the activations kept: working set, logits and buffers of one rank; bytes."""
    return working_bytes + logits_memory + buffer_bytes


@formula("A_p + M_r", "tmplan", "sum of the parts")
def live_bytes(activation_bytes: Any, rest_bytes: Any) -> Any:
    """Activations, working set, logits and buffers of one rank; bytes."""
    return activation_bytes + rest_bytes


@formula("(1 + σ_a) · M + X", "tmplan", "allocator slack and context: the stack's, see its file")
def device_bytes(job: Job, allocated_bytes: Any) -> Any:
    """What the device shows: allocated, the caching allocator's slack, and the context; bytes."""
    return (1.0 + job.stack.allocator_slack) * allocated_bytes + job.stack.context_bytes


def reserved_bytes(job: Job, allocated_bytes: Any) -> Any:
    """What the caching allocator holds: live tensors and its slack; bytes."""
    return (1.0 + job.stack.allocator_slack) * allocated_bytes
