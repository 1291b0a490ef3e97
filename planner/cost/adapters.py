"""Adapters on frozen weights (LoRA, QLoRA): what stands in for the states, products and traffic of weights that are trained.

What is trained is reduced, sharded and updated by the same formulas as whole models are, with the adapters' parameters for the stage's.
Frozen weights are kept in 16 bits, or their matrices in 4 (embedding, head, norms and biases stay in 16), have neither gradients nor
states, and are gathered as they are kept. Left out: dropout on an adapter's input, the host's launches of its small products, and the
tensor-parallel sums of its inner width, rank numbers a token. Numbers of sections and equations are from memory.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from planner.cost.collectives import gather_seconds
from planner.cost.communication import dense_group, expert_group
from planner.cost.compute import gemm_seconds
from planner.cost.memory import WEIGHT_BYTES, kept_whole
from planner.cost.pipeline_split import is_head, largest
from planner.dimensions import Parameters, sum_of
from planner.formula.trace import formula
from planner.specs import lora
from planner.specs.job import Job
from planner.specs.plan import Plan


@formula("r · (rows + columns) of the adapted matrices", "lora21", "Section 4.1: B of outputs by r, A of r by inputs")
def adapter_weights(job: Job, plan: Plan) -> Any:
    """Parameters of the adapters of one layer on one tensor-parallel rank; count."""
    return lora.adapter_parameters(job.model, job.lora_targets, job.lora_rank, plan.tp) + Parameters(0.0 * plan.tp)


@formula("ℓ_i · P_ad", "lora21", "Section 4.2: embedding and head have none")
def stage_adapters(stage_layers: Any, adapter_weights: Any) -> Any:
    """Parameters of adapters on a rank of a pipeline stage; count."""
    return stage_layers * adapter_weights


@formula("all matrices under QLoRA, else 0", "qlora23", "Section 3: linear layers alone are quantized")
def quantized_weights(job: Job, plan: Plan) -> Any:
    """Weights of one layer on one rank that are kept in 4 bits; count."""
    if job.tuning != "qlora":
        return 0.0 * plan.tp
    return sum_of(matrix.size for matrix in lora.linear_matrices(job.model, plan.tp).values()) + Parameters(0.0 * plan.tp)


@formula("2 · P_f - (2 - 0.516) · P_q", "qlora23", "Section 3: 4 bits, and 0.127 for doubly quantized constants")
def layer_frozen(frozen_weights: Any, quantized_weights: Any) -> Any:
    """Bytes of the frozen weights of one layer on one rank, before they are sharded."""
    return WEIGHT_BYTES * frozen_weights - (WEIGHT_BYTES - lora.NF4_BYTES) * quantized_weights


@formula("2 · P_f - ℓ_i · (2 - 0.516) · P_q", "qlora23", "Section 3; LoRA keeps all in 16 bits")
def frozen_bytes(frozen_weights: Any, stage_layers: Any, quantized_weights: Any) -> Any:
    """Bytes of the frozen weights of a stage on one rank, before they are sharded."""
    return WEIGHT_BYTES * frozen_weights - stage_layers * (WEIGHT_BYTES - lora.NF4_BYTES) * quantized_weights


@formula("W_fr, divided by Z under ZeRO-3; and W_p of adapters", "zero20", "Section 5, Figure 1")
def frozen_parameters(job: Job, plan: Plan, frozen_bytes: Any, shard_size: Any, adapter_parameters: Any) -> Any:
    """Weights a rank keeps, frozen ones and its adapters; bytes."""
    return frozen_bytes / np.where((plan.zero >= 3) & ~kept_whole(job, plan), shard_size, 1) + adapter_parameters


@formula(
    "max(2 · W_fl, 2 · P_e, 2 · P_h) + g_r · P_ad under ZeRO-3; and 2 bytes for each weight of one matrix under QLoRA",
    "fsdp23",
    "Section 3.3: two units are gathered at a time; qlora23 Section 3: a matrix is dequantized when it is used",
)
def frozen_gathered(
    job: Job, plan: Plan, stage: Any, layer_frozen: Any, adapter_weights: Any, embedding_weights: Any, head_weights: Any
) -> Any:
    """Frozen weights gathered whole while a fully sharded stage runs, as they are kept, and the matrix at work in 16 bits; bytes."""
    edge = WEIGHT_BYTES * np.maximum((stage == 0) * embedding_weights, is_head(plan, stage) * head_weights)
    whole = np.maximum(2 * layer_frozen, edge) + job.stack.gradient_reduce_bytes * adapter_weights
    sharded = (plan.zero >= 3) & (plan.dp_shard * plan.cp > 1) & ~kept_whole(job, plan)
    return np.where(sharded, whole, 0.0) + dequantized(job, plan)


def dequantized(job: Job, plan: Plan) -> Any:
    """Bytes of the largest matrix in 16 bits, where it is kept in 4."""
    if job.tuning != "qlora":
        return 0.0
    return WEIGHT_BYTES * largest([matrix.size for matrix in lora.linear_matrices(job.model, plan.tp).values()])


def moved(job: Job, count: Any) -> Any:
    """Seconds that so many bytes take element by element."""
    return count / (job.constants.hbm_fraction * job.cluster.gpu.hbm_bytes_s)


def dequantizing(job: Job, plan: Plan) -> Any:
    """Seconds to bring the matrices of a layer into 16 bits once, by bytes read and written."""
    return moved(job, (lora.NF4_BYTES + WEIGHT_BYTES) * quantized_weights(job, plan))


@formula("sum of t_g over both products + (6 · T · columns + 2.516 · P_q) / (η_h · B_h)", "lora21", "Section 4.1; qlora23 Equation 5")
def adapter_forward(job: Job, plan: Plan, tokens: Any) -> Any:
    """The adapters of a layer, forward: their products, their sum with the frozen one, and with QLoRA the weights made 16 bits; seconds."""
    gpu, rank, total = job.cluster.gpu, float(job.lora_rank), dequantizing(job, plan)
    for inputs, outputs in lora.adapted(job.model, job.lora_targets, plan.tp):
        products = gemm_seconds(gpu, "bf16", tokens, rank, inputs) + gemm_seconds(gpu, "bf16", tokens, outputs, rank)
        total = total + products + moved(job, 6.0 * tokens * outputs)
    return total


@formula(
    "sum of t_g for both gradients of both products + (6 · T · rows + 2.516 · P_q + 2 · g · P_ad) / (η_h · B_h)",
    "lora21",
    "Section 4.1; qlora23 Section 3: weights are made 16 bits again",
)
def adapter_backward(job: Job, plan: Plan, tokens: Any, adapter_weights: Any) -> Any:
    """The adapters of a layer, backward: two products for each forward one, gradients added, weights made 16 bits again; seconds."""
    gpu, rank = job.cluster.gpu, float(job.lora_rank)
    total = dequantizing(job, plan) + moved(job, 2.0 * job.gradient_bytes * adapter_weights)
    for inputs, outputs in lora.adapted(job.model, job.lora_targets, plan.tp):
        of_b = gemm_seconds(gpu, "bf16", rank, outputs, tokens) + gemm_seconds(gpu, "bf16", tokens, rank, outputs)
        of_a = gemm_seconds(gpu, "bf16", inputs, rank, tokens) + gemm_seconds(gpu, "bf16", tokens, inputs, rank)
        total = total + of_b + of_a + moved(job, 6.0 * tokens * inputs)
    return total


@formula("t_m + t_ma", "lora21", "Section 4.1: W x + B A x")
def adapted_forward(linear_forward: Any, adapter_forward: Any) -> Any:
    """A layer's matrix products, forward, its adapters' with them; seconds."""
    return linear_forward + adapter_forward


@formula("t_n + t_na", "lora21", "Section 4.2: frozen weights have no gradients, so that t_n is that of inputs alone")
def adapted_backward(linear_backward: Any, adapter_backward: Any) -> Any:
    """A layer's matrix products, backward, its adapters' with them; seconds."""
    return linear_backward + adapter_backward


@formula("t_ag of W_fm and of W_fx wherever weights are gathered, twice under ZeRO-3", "fsdp23", "Section 3.3")
def frozen_each(job: Job, plan: Plan, heaviest_frozen: Any, frozen_experts: Any = None) -> Any:
    """Frozen weights gathered every micro-batch, as they are kept; seconds."""
    units = job.model.layers / plan.pp
    times = np.where(plan.zero >= 3, 2.0, 1.0 if job.stack.master_is_parameter else 0.0)
    groups = [(dense_group(plan), heaviest_frozen)]
    if frozen_experts is not None:
        groups.append((expert_group(plan), frozen_experts))
    total: Any = 0.0
    for group, held in groups:
        total = total + times * gather_seconds(job, group.shard, group.stride, held, units)
    return np.where((plan.zero >= 2) & ~kept_whole(job, plan), total, 0.0)


@formula("max W_fr", "tmplan", "the heaviest stage decides the traffic")
def heaviest_frozen(frozen_bytes: Any) -> Any:
    """Bytes of frozen weights on a rank of the heaviest stage."""
    return largest(frozen_bytes)


@formula("t_2 + t_fe", "fsdp23", "Section 3.3")
def adapted_each(reduce_each: Any, frozen_each: Any) -> Any:
    """Traffic of adapters and of frozen weights every micro-batch; seconds."""
    return reduce_each + frozen_each
