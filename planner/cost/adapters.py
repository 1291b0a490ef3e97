"""Adapters on frozen weights (LoRA, QLoRA): their parameters, products and communication in place of those of trained weights.

Adapters are reduced, sharded and updated by the formulas of whole models, with the adapters' parameters in place of the stage's. Frozen
weights are stored in 16 bits, or their matrices in 4 (embedding, head, norms and biases stay in 16), have neither gradients nor optimizer
states, and are gathered in the width they are stored in. Left out: the tensor-parallel sums of an adapter's inner width, rank numbers per
token.
"""

from __future__ import annotations

from typing import NamedTuple

from planner.cost import sharded_units
from planner.cost.collectives import gather_seconds
from planner.cost.communication import dense_group, expert_group
from planner.cost.compute import gemm_seconds
from planner.cost.gathered import gathers
from planner.cost.pipeline_split import largest
from planner.cost.states import WEIGHT_BYTES, stays_gathered
from planner.dimensions import Bytes, BytesPerSecond, Count, Number, Parameters, Seconds, Stage, Tokens, sum_of, where
from planner.formula.trace import formula, term
from planner.specs import lora
from planner.specs.job import Job
from planner.specs.plan import Plan


@formula("r · Σ w_a", "lora21", "Section 4.1: B of outputs by r, A of r by inputs")
def adapter_weights(job: Job, plan: Plan) -> Parameters:
    """Parameters of the adapters of one layer on one tensor-parallel rank; count."""
    widths = sum_of(term("adapted_width", matrix.widths) for matrix in lora.adapted(job.model, job.lora_targets, plan.tp))
    return job.lora_rank * widths + Parameters(0.0 * plan.tp)


@formula("ℓ_i · P_ad", "lora21", "Section 4.2: embedding and head have none")
def stage_adapters(stage_layers: Number, adapter_weights: Parameters) -> Parameters:
    """Parameters of adapters on a rank of a pipeline stage; count."""
    return stage_layers * adapter_weights


@formula("Σ P_lm", "qlora23", "Section 3: linear layers alone are quantized")
def quantized_weights(job: Job, plan: Plan) -> Parameters:
    """Weights of one layer on one rank that are stored in 4 bits: those of all matrices under QLoRA; count.

    In a mixture those around the routed experts, which are counted apart.
    """
    if job.tuning != "qlora":
        return Parameters(0.0 * plan.tp)
    model = job.around_experts.model if job.model.experts else job.model
    matrices = lora.linear_matrices(model, plan.tp).values()
    return sum_of(term("linear_matrix", matrix.size) for matrix in matrices) + Parameters(0.0 * plan.tp)


@formula("2 · P_f - (2 - b_4) · P_q", "qlora23", "Section 3: 4 bits, and 0.127 for doubly quantized constants")
def layer_frozen(frozen_weights: Parameters, quantized_weights: Parameters) -> Bytes:
    """Bytes of the frozen weights of one layer on one rank, before they are sharded."""
    width = term("quantized_width", lora.NF4_BYTES)
    return Bytes(WEIGHT_BYTES * frozen_weights - (WEIGHT_BYTES - width) * quantized_weights)


@formula("b_r · P_f - ℓ_i · (b_r - b_4) · P_q", "qlora23", "Section 3; LoRA stores all in 16 bits, under autocast in fp32")
def frozen_bytes(job: Job, frozen_weights: Parameters, stage_layers: Number, quantized_weights: Parameters) -> Bytes:
    """Bytes of the frozen weights of a stage on one rank, before they are sharded.

    Under autocast those that are not quantized are in fp32 (PEFT, utils/other.py, prepare_model_for_kbit_training).
    """
    narrow, width = term("quantized_width", lora.NF4_BYTES), term("residual_width", 4.0 if job.autocast else WEIGHT_BYTES)
    return Bytes(width * frozen_weights - stage_layers * (width - narrow) * quantized_weights)


@formula("(W_fr / (Z if ZeRO ≥ 3 and not whole, 1 otherwise) if not moved) + W_p", "zero20", "Section 5, Figure 1")
def frozen_parameters(job: Job, plan: Plan, frozen_bytes: Bytes, shard_size: Count, parameter_bytes: Bytes) -> Bytes:
    """Weights a rank keeps: frozen ones, and its adapters' (parameter_bytes); bytes."""
    resident = 0.0 if term("offload_parameters", job.offload_parameters) else 1.0
    return resident * frozen_bytes / where((plan.zero >= 3) & ~stays_gathered(job, plan), shard_size, 1) + parameter_bytes


@formula("(2 · W_fl + g_r · P_ad if gathers) + W_dq", "fsdp23", "Section 3.4.2: two units are gathered at a time; qlora23 Section 3")
def frozen_gathered(job: Job, plan: Plan, layer_frozen: Bytes, adapter_weights: Parameters) -> Bytes:
    """Frozen weights of two layers, in the width they are stored in, gradients of adapters, and the dequantized matrix in use; bytes."""
    gathered = 2 * layer_frozen + Bytes(job.reduce_bytes * adapter_weights)
    return where(gathers(job, plan), gathered, 0.0) + term("dequantized", dequantized(job, plan))


@formula("2 · P_e if i = 0 and gathers", "fsdp23", "Section 3.4.2: a frozen embedding has no gradient")
def frozen_embedding(job: Job, plan: Plan, stage: Stage, embedding_weights: Parameters) -> Bytes:
    """Weights of the embedding while they are gathered; bytes."""
    return where(gathers(job, plan), (stage == 0) * Bytes(WEIGHT_BYTES * embedding_weights), 0.0)


def dequantized(job: Job, plan: Plan) -> Bytes:
    """Bytes in 16 bits of the largest matrix that is stored in 4."""
    if job.tuning != "qlora":
        return Bytes(0.0)
    matrices = lora.linear_matrices(job.model, plan.tp).values()
    return Bytes(WEIGHT_BYTES * largest([matrix.size for matrix in matrices]))


def moved(job: Job, traffic: Bytes) -> Seconds:
    """Seconds of element-wise work with this memory traffic."""
    return traffic / BytesPerSecond(job.constants.hbm_fraction * job.cluster.gpu.hbm_bytes_s)


def dequantizing(job: Job, plan: Plan) -> Seconds:
    """Seconds to bring the matrices of a layer into 16 bits once, by bytes read and written."""
    width = term("quantized_width", lora.NF4_BYTES)
    return moved(job, Bytes((width + WEIGHT_BYTES) * quantized_weights(job, plan)))


class Copies(NamedTuple):
    """Bytes that the element-wise kernels of an adapted matrix move per input and per output, forward and backward."""

    inputs: float
    outputs: float
    inputs_back: float
    outputs_back: float


SUMMED = Copies(0, 6, 6, 0)  # the adapter's output added to the frozen one's; gradients of the common input added
# PEFT, tuners/lora/layer.py, in 16 bits: dropout with its mask, 5; the output scaled, 4, and added, 6. Backward: dropout, 5, the sum, 6.
NARROW = Copies(5, 10, 11, 4)
# With adapters in fp32 (since 0.12, autocast_adapter_dtype): the input cast to fp32, 6; dropout, 9; autocast's cast to 16 bits, 6; backward
# the same again, and the sum.
WIDE = Copies(21, 10, 27, 4)
CLONED = Copies(5, 14, 11, 4)  # tuners/lora/bnb.py under autocast: as in 16 bits, and the frozen output cloned, 4


def copies(job: Job) -> Copies:
    """Element-wise work of an adapted matrix: of PEFT, which runs it as separate kernels unless it is compiled, or the sums alone."""
    if not job.stack.transformers_layers or job.kernels == "compiled" or job.wide:
        return SUMMED
    if job.tuning == "qlora":
        return CLONED
    return WIDE if job.stack.wide_adapters else NARROW


def added(job: Job, traffic: Bytes) -> Seconds:
    """Seconds of the element-wise kernels of adapters with this memory traffic."""
    share = job.constants.hbm_fraction if copies(job) is SUMMED else job.constants.torch_fraction
    return traffic / BytesPerSecond(term("adapter_fraction", share) * job.cluster.gpu.hbm_bytes_s)


def traffic(job: Job, inputs: Number, outputs: Number, backward: bool) -> Number:
    """Bytes per token that the element-wise kernels of an adapted matrix move in one pass. inputs, outputs: its widths."""
    kernels = copies(job)
    of_inputs = term("adapter_input_bytes", kernels.inputs_back if backward else kernels.inputs)
    of_outputs = term("adapter_output_bytes", kernels.outputs_back if backward else kernels.outputs)
    return of_inputs * term("adapted_inputs", inputs) + of_outputs * term("adapted_outputs", outputs)


@formula(
    "Σ t_g + T · Σ(y_ai · x_a + y_ao · y_a) / (η_ad · B_h) + (b_4 + 2) · P_q / (η_h · B_h)", "lora21", "Section 4.1; qlora23 Equation 5"
)
def adapter_forward(job: Job, plan: Plan, tokens: Tokens) -> Seconds:
    """The adapters of a layer, forward: their products, their sum with the frozen one, and with QLoRA the dequantization; seconds."""
    gpu, rank, rows, total = job.cluster.gpu, Number(float(job.lora_rank)), Number(tokens), dequantizing(job, plan)
    for inputs, outputs in lora.adapted(job.model, job.lora_targets, plan.tp):
        products = gemm_seconds(gpu, "bf16", rows, rank, inputs) + gemm_seconds(gpu, "bf16", rows, outputs, rank)
        total = total + products + added(job, Bytes(tokens * traffic(job, inputs, outputs, backward=False)))
    return total


@formula(
    "Σ t_g + T · Σ(y_ai · x_a + y_ao · y_a) / (η_ad · B_h) + ((b_4 + 2) · P_q + 2 · g · P_ad) / (η_h · B_h)",
    "lora21",
    "Section 4.1; qlora23 Section 3: weights are dequantized again",
)
def adapter_backward(job: Job, plan: Plan, tokens: Tokens, adapter_weights: Parameters) -> Seconds:
    """The adapters of a layer, backward: two products for each forward one, gradients added, weights dequantized again; seconds."""
    gpu, rank, rows = job.cluster.gpu, Number(float(job.lora_rank)), Number(tokens)
    total = dequantizing(job, plan) + moved(job, Bytes(2.0 * job.gradient_bytes * adapter_weights))
    for inputs, outputs in lora.adapted(job.model, job.lora_targets, plan.tp):
        of_b = gemm_seconds(gpu, "bf16", rank, outputs, rows) + gemm_seconds(gpu, "bf16", rows, rank, outputs)
        of_a = gemm_seconds(gpu, "bf16", inputs, rank, rows) + gemm_seconds(gpu, "bf16", rows, inputs, rank)
        total = total + of_b + of_a + added(job, Bytes(tokens * traffic(job, inputs, outputs, backward=True)))
    return total


@formula("t_m + t_ma", "lora21", "Section 4.1: W x + B A x")
def adapted_forward(linear_forward: Seconds, adapter_forward: Seconds) -> Seconds:
    """A layer's matrix products, forward, with those of its adapters; seconds."""
    return linear_forward + adapter_forward


@formula("t_n + t_na", "lora21", "Section 4.2: frozen weights have no gradients, so that t_n is that of inputs alone")
def adapted_backward(linear_backward: Seconds, adapter_backward: Seconds) -> Seconds:
    """A layer's matrix products, backward, with those of its adapters; seconds."""
    return linear_backward + adapter_backward


@formula("n_ga · Σ t_ag if ZeRO ≥ 2 and not whole", "fsdp23", "Section 3: gathered before each pass")
def frozen_each(job: Job, plan: Plan, heaviest_frozen: Bytes, frozen_experts: Bytes | None = None) -> Seconds:
    """Frozen weights gathered every micro-batch, in the width they are stored in; seconds."""
    units = job.model.layers / plan.pp * sharded_units.messages_per_layer(job, plan).gather
    times = sharded_units.weight_gathers(job, plan)
    groups = [(dense_group(plan), heaviest_frozen)]
    if frozen_experts is not None:
        groups.append((expert_group(plan), frozen_experts))
    total = sum_of(times * gather_seconds(job, group.shard, group.stride, held, units) for group, held in groups)
    return where((plan.zero >= 2) & ~stays_gathered(job, plan), total, 0.0)


@formula("max_i(W_fr)", "tmplan", "the heaviest stage decides the communication")
def heaviest_frozen(frozen_bytes: Bytes) -> Bytes:
    """Bytes of frozen weights on a rank of the heaviest stage."""
    return largest(frozen_bytes)


@formula("t_2 + t_fe", "fsdp23", "Section 3")
def adapted_each(reduce_each: Seconds, frozen_each: Seconds) -> Seconds:
    """Communication of adapters and of frozen weights per micro-batch; seconds."""
    return reduce_each + frozen_each
