"""Model states of a rank: weights, gradients, optimizer states, workspaces; bytes."""

from __future__ import annotations

from planner.cost import optimizers, zero_buffers
from planner.cost.pipeline_split import is_head
from planner.dimensions import Bytes, Flag, Number, Parameters, Stage, maximum, where
from planner.formula.trace import formula, term
from planner.specs.job import Job
from planner.specs.plan import Plan
from planner.specs.recipes import TRANSPOSES

# Recipe -> bytes of the casts of a weight by rows and by columns, with the scales of blocks of 32 and of 16 values.
CASTS = {"delayed": 2.0, "current": 2.0, "rowwise": 2.0, "blockwise": 2.0, "mxfp8": 2 * (1 + 1 / 32), "nvfp4": 2 * (0.5 + 1 / 16)}
WEIGHT_BYTES = 2.0  # bf16 or fp16; fp8 training stores its weights in bf16 and casts them


def weight_width(job: Job) -> float:
    """Bytes per weight that takes part in products: 4 in fp32, which tf32 rounds in the products alone."""
    return term("product_width", 4.0 if job.wide else WEIGHT_BYTES)


def workspaces(job: Job) -> float:
    """Workspaces of libraries, including those of grouped products; bytes."""
    grouped = term("grouped_workspaces", job.model.experts > 0 and job.cluster.gpu.arch not in ("volta", "ampere"))
    return job.stack.workspace_bytes + (job.stack.expert_workspace_bytes if grouped else 0.0)


def stays_gathered(job: Job, plan: Plan) -> Flag:
    """Whether gathered weights and unreduced gradients stay whole between micro-batches, as with FSDP2 in a pipeline."""
    return term("stays_gathered", (plan.pp > 1) & job.stack.pipeline_syncs_once)


def fp32_parameters(job: Job) -> bool:
    """Whether the parameter itself is the fp32 master copy, and 16-bit weights exist while they are gathered alone."""
    return bool(term("master_is_parameter", job.stack.master_is_parameter and job.master_bytes > 0))


def weight_share(job: Job, plan: Plan, shard_size: Number) -> Number:
    """Share of the 16-bit weights that is stored all the time: all below ZeRO-3, none where the parameter is in fp32 and not gathered."""
    if term("offload_parameters", job.offload_parameters):
        return Number(0.0 * shard_size)
    narrow = not fp32_parameters(job)
    whole = ((plan.zero < 3) & (plan.zero >= (0 if narrow else 2))) | stays_gathered(job, plan)
    return where(whole, 1.0, 1.0 / shard_size if narrow else 0.0)


@formula(
    "0 if moved, b_p · P_i if whole, 0 if fp32 and ZeRO < 2, b_p · P_i if ZeRO < 3, 0 if fp32, b_p · P_i / Z otherwise",
    "zero20",
    "Section 5, Figure 1",
)
def parameter_bytes(job: Job, plan: Plan, stage_weights: Parameters, shard_size: Number) -> Bytes:
    """Weights on a rank in the type of their products; bytes."""
    return Bytes(weight_width(job) * stage_weights) * weight_share(job, plan, shard_size)


def cast_width(job: Job) -> float:
    """Bytes per weight of a layer's matrix products of its casts to narrow types, which are made once per step and stored.

    With a scale per tensor one is enough where products take it either way; otherwise TransformerEngine stores one by rows and one by
    columns (pytorch/module/base.py, get_weight_workspace; Megatron's is_first_microbatch). Of 8-bit parameters they are the weights
    themselves, in the two bytes of the 16-bit ones.
    """
    if not job.stack.narrow_kept or job.narrow_weights or job.frozen:
        return 0.0
    single = job.recipe in ("delayed", "current") and job.cluster.gpu.arch not in TRANSPOSES
    return CASTS.get(job.recipe, 0.0) / (2 if single else 1)


@formula(
    "b_w · (P_i - (P_e if i = 0) - (P_h if head) + P_ix) if ZeRO < 3, 0 otherwise",
    "tmplan",
    "TransformerEngine, pytorch/module/base.py: embedding and head stay in 16 bits",
)
def cast_bytes(
    job: Job, plan: Plan, stage: Stage, stage_weights: Parameters, stage_experts: Parameters, embedding_weights: Parameters,
    head_weights: Parameters,
) -> Bytes:  # fmt: skip
    """Casts of a rank's weights to narrow types, stored between micro-batches; bytes."""
    edges = (stage == 0) * embedding_weights + is_head(plan, stage) * head_weights
    return Bytes(term("cast_width", cast_width(job)) * (stage_weights - edges + stage_experts)) * (plan.zero < 3)


@formula("W_p + W_c", "tmplan", "sum of the parts")
def stored_weights(parameter_bytes: Bytes, cast_bytes: Bytes) -> Bytes:
    """Weights of a rank with their casts to narrow types; bytes."""
    return parameter_bytes + cast_bytes


def moved_gradients(job: Job) -> bool:
    """Whether gradients are on the host with the fp32 parameters that they update (FSDP's CPUOffload)."""
    return bool(term("offload_parameters", job.offload_parameters)) and fp32_parameters(job)


def gradient_width(job: Job, plan: Plan, shard_size: Number) -> Number:
    """Bytes of a stored gradient per parameter on a rank, divided over shards from ZeRO-2 on unless it stays whole."""
    return job.gradient_bytes / where((plan.zero >= 2) & ~stays_gathered(job, plan), shard_size, 1)


@formula(
    "(P_tt if at_once, P_i otherwise) · ((g / (Z if ZeRO ≥ 2 and not whole, 1 otherwise) if not moved or not fp32) + (g_b if D > 1))"
    " if not flat,"
    " (g + 2) · P_i if g = 4 and ZeRO ≤ 1, g · P_i if ZeRO = 0, g · P_i + 2 · n_b + (2 · P_tt if offload) if ZeRO = 1,"
    " 2 · P_tt if offload and ZeRO = 2, max(g · P_i / Z, 2 · P_tt) if ZeRO = 2, (g · P_i / Z if not offload) + 2 · n_b otherwise",
    "zero20",
    "Section 5, Figure 1; DeepSpeed: runtime/zero/stage_1_and_2.py",
)
def gradient_memory(job: Job, plan: Plan, stage_weights: Parameters, shard_size: Number, largest_tensor: Parameters) -> Bytes:
    """Gradients on a rank, and the buckets of 16-bit gradients that some stacks have in addition; bytes.

    Where the optimizer runs in the backward pass, that of the largest tensor.
    """
    if job.stack.flat_states:
        return zero_buffers.gradients(job, plan, stage_weights, shard_size, largest_tensor)
    width = gradient_width(job, plan, shard_size) * (0.0 if moved_gradients(job) else 1.0)
    live = largest_tensor if term("optimizer_in_backward", job.optimizer_in_backward) else stage_weights
    return Bytes(live * (width + job.stack.bucket_gradient_bytes * (plan.dp > 1)))


@formula(
    "((g_m + u_l) · P_i + (u_e - u_l) · (P_e if i = 0) + (u_h - u_l) · (P_h if head)) / (Z if ZeRO ≥ 1, 1 otherwise)",
    "math101",
    "Optimizer States; zero20 Figure 1; widths: the optimizers' code",
)
def optimizer_bytes(
    job: Job, plan: Plan, stage: Stage, stage_weights: Parameters, shard_size: Number, embedding_weights: Parameters,
    head_weights: Parameters,
) -> Bytes:  # fmt: skip
    """Master weights and optimizer states of a rank, on the device or offloaded; bytes."""
    layer, embedding, head = optimizers.states(job)
    tables = term("embedding_states", embedding) - layer, term("head_states", head) - layer
    edges = (stage == 0) * embedding_weights * tables[0] + is_head(plan, stage) * head_weights * tables[1]
    return Bytes(optimizers.optimizer_width(job) * stage_weights + edges) / where(plan.zero >= 1, shard_size, 1)


@formula("x_o · O_s", "offload21", "Section 4; paged states: bitsandbytes, optim/optimizer.py")
def resident_optimizer(job: Job, optimizer_bytes: Bytes) -> Bytes:
    """Optimizer states on the device: none where they are offloaded, the maxima of blocks alone where they are paged; bytes."""
    return optimizer_bytes * optimizers.resident_share(job)


@formula("g · P_h / (Z if ZeRO ≥ 2 and not whole, 1 otherwise) if head", "tmplan", "the first gradient of a backward pass")
def head_gradient(job: Job, plan: Plan, stage: Stage, head_weights: Parameters, shard_size: Number) -> Bytes:
    """Gradient of the head on its rank, which lives before those of the layers; bytes."""
    return is_head(plan, stage) * Bytes(head_weights * gradient_width(job, plan, shard_size))


@formula(
    "G_a if flat and ZeRO ≥ 3, 2 / 3 · G_a if flat and g = 4 and ZeRO ≤ 1, 2 · P_tt if flat and offload and ZeRO ≥ 1",
    "tmplan",
    "DeepSpeed 0.19.8, runtime/zero/stage3.py, grad_partitions_flat_buffer; stage_1_and_2.py, temp_grad_buffer_for_gpu_offload",
)
def lasting_gradients(job: Job, plan: Plan, all_gradients: Bytes, largest_tensor: Parameters) -> Bytes:
    """Gradients of a rank, and buffers of them, that live all the time, not freed after a step; bytes."""
    if job.stack.flat_states:
        return zero_buffers.lasting(job, plan, all_gradients, largest_tensor)
    return 0.0 * all_gradients


@formula(
    "(P_l + (P_l + P_h if root and ZeRO ≥ 3) + (P_e if i = 0 and not tied)) · g / (Z if ZeRO ≥ 2 and not whole, 1 otherwise) if not stay",
    "tmplan",
    "gradients in the order of the backward pass; those of two layers and of the root unit are reduced later",
)
def late_gradients(
    job: Job, plan: Plan, stage: Stage, layer_weights: Parameters, embedding_weights: Parameters, head_weights: Parameters,
    shard_size: Number,
) -> Bytes:  # fmt: skip
    """Gradients of the last micro-batch that do not exist yet when the first layer runs backward; bytes.

    Where weights are gathered, when the second runs, while those of the first are gathered.
    """
    embedding = (stage == 0) * (0.0 if term("tied", job.model.tied) else 1.0) * embedding_weights
    ahead = where(plan.zero >= 3, 1.0 if term("root_gathered", job.stack.root_gathered) else 0.0, 0.0)
    made_later = layer_weights + ahead * (layer_weights + head_weights) + embedding
    return (0.0 if term("gradients_stay", job.stack.gradients_stay) else 1.0) * Bytes(made_later * gradient_width(job, plan, shard_size))


@formula("G_p + G_x", "tmplan", "sum of the parts")
def all_gradients(gradient_memory: Bytes, expert_gradients: Bytes) -> Bytes:
    """Gradients of a rank, with those of routed experts; bytes."""
    return gradient_memory + expert_gradients


@formula("W_p + O_p + X_w + O_x", "zero20", "Figure 1: model states without gradients, those of routed experts with them")
def static_bytes(parameter_bytes: Bytes, resident_optimizer: Bytes, workspace_bytes: Bytes, expert_states: Bytes) -> Bytes:
    """Weights, optimizer states, workspaces and states of routed experts on one rank, which live all the time; bytes."""
    return parameter_bytes + resident_optimizer + workspace_bytes + expert_states


@formula(
    "((u if foreach and adamw) + g_c) · P_i / (Z if ZeRO ≥ 1, 1 otherwise) if not flat, 0 if offload, 0 if g = 4 and ZeRO ≤ 1,"
    " max((g · P_i / Z + 2 · n_b + (8 if foreach, 6 otherwise) · min(P_i / Z, n_g) if ZeRO ≥ 3,"
    " max(g · P_i / Z, 2 · P_tt) + max(8 · min(P_i / Z, P_tt), (8 if foreach, 6 otherwise) · P_i / Z) otherwise) - G_a, 0) otherwise",
    "tmplan",
    "torch 2.13.0, torch/optim/adam.py, _multi_tensor_adam; megatron-core 0.16.1, _copy_model_grads_to_main_grads; DeepSpeed 0.19.8",
)
def step_temporaries(
    job: Job, plan: Plan, stage_weights: Parameters, shard_size: Number, largest_tensor: Parameters, all_gradients: Bytes
) -> Bytes:
    """Temporaries of an optimizer step beyond the gradients; bytes.

    Over lists of tensors the denominators of all updates; with Megatron's 16-bit gradients and fp32 states fp32 copies of them;
    under DeepSpeed the gradients flattened and in fp32, of a sub-group under ZeRO-3, or those of the largest weight in fp64 for their norm.
    """
    if job.stack.flat_states:
        need = zero_buffers.step_need(job, plan, stage_weights, shard_size, largest_tensor)
        least = 2 if zero_buffers.accumulates(job) else 0  # BF16_Optimizer updates from the gradients in place
        return maximum(need - all_gradients, 0.0) * (0.0 if job.offload_optimizer else 1.0) * (plan.zero >= least)
    adamw = term("adamw", job.optimizer == "adamw")  # optimizers of bitsandbytes and others have no such step
    copied = job.stack.main_gradients and (job.gradient_bytes, job.master_bytes, job.state_bytes) == (2, 4, 4)
    width = (float(job.state_bytes) if job.foreach and adamw else 0.0) + term("gradients_copied", 4.0 if copied else 0.0)
    return Bytes(width * stage_weights) / where(plan.zero >= 1, shard_size, 1)
