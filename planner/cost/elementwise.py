"""A layer counted: memory traffic of its element-wise work, and the kernels that the host launches, forward and backward.

Counted from the frameworks' own operations: every kernel that reads or writes memory when a layer of transformers 5.24, torchtitan 0.3.0 or
Megatron-Core 0.16.1 runs on tensors without data under torch 2.13, with the bytes of its operands and results; kernels fused by hand read
each operand and write each result once. An operation is fused where the job's kernels are compiled, or by hand where the stack has a kernel
for it.
"""

from __future__ import annotations

from typing import NamedTuple

from planner.cost.casts import cast_bytes, cast_launches
from planner.dimensions import Bytes, Number, where
from planner.formula.trace import term
from planner.specs.job import Job
from planner.specs.plan import Plan


class Work(NamedTuple):
    """Bytes moved per element of one operation, and kernels launched, forward and backward."""

    forward: float
    backward: float
    launches_forward: float
    launches_backward: float

    def bytes(self, backward: bool) -> float:
        """Bytes per element of one pass."""
        return self.backward if backward else self.forward

    def launches(self, backward: bool) -> float:
        """Kernels of one pass."""
        return self.launches_backward if backward else self.launches_forward


# Elements are in 16 bits, intermediate results of an eager norm in fp32. Elements of a norm: its width; of a rotation: queries and keys,
# both rotated; of an activation: the intermediate width.
FUSED = {"norm": Work(4, 6, 1, 2), "rotary": Work(4, 4, 2, 2), "gated": Work(6, 10, 1, 1), "plain": Work(4, 6, 1, 1)}
EAGER = {
    "norm": Work(36, 92, 8, 16),  # cast, square, mean, add, root, product, cast, gain (transformers, LlamaRMSNorm)
    "rotary": Work(20, 32, 10, 16),  # products, halves turned, sum; backward with the transposition (apply_rotary_pos_emb)
    "gated": Work(10, 18, 2, 3),  # SiLU, product
    "plain": Work(4, 6, 1, 1),
    # of copies of tokens, beyond a fused permutation: cast, product with fp32 scores, cast, sum (torchtitan, token_dispatcher.py)
    "permute": Work(24, 40, 4, 7),
}
COMPILED = {"eager": 1.0, "fused": 1.0, "compiled": 1 / 3}  # host time per launch
RESIDUAL = Work(6, 6, 1, 1)  # a sum; backward the gradients of both branches added
COPY = Work(4, 4, 1, 1)  # a tensor made contiguous
BRANCH = Work(0, 6, 0, 1)  # gradients of an input added, of separate products of one input


def unfused(job: Job) -> tuple[str, ...]:
    """The operations of norm, rotary, activation and permutation of tokens that run as separate kernels."""
    return {"compiled": (), "fused": job.stack.unfused, "eager": job.stack.eager}[job.kernels]


def by_hand(job: Job) -> bool:
    """Whether all element-wise work of a layer around routed experts runs in kernels fused by hand, or by XLA."""
    absent = {"permute"} | ({"rotary"} if job.model.positions != "rope" else set())
    return job.kernels == "fused" and not {*job.stack.unfused} - absent


def norm_work(job: Job) -> Work:
    """A norm; LayerNorm is one kernel of PyTorch."""
    return EAGER["norm"] if job.model.norm == "rmsnorm" and "norm" in unfused(job) else FUSED["norm"]


def activation_work(job: Job) -> Work:
    """The activation of an MLP, with the product of gated ones."""
    kind = "gated" if job.model.gated else "plain"
    return (EAGER if "activation" in unfused(job) else FUSED)[kind]


def rotary_work(job: Job) -> Work:
    """Positions of queries and keys."""
    return (EAGER if "rotary" in unfused(job) else FUSED)["rotary"]


def permutation_work(job: Job) -> Work:
    """What permuting the copies of tokens takes beyond a fused permutation."""
    return EAGER["permute"] if "permute" in unfused(job) else Work(0, 0, 0, 0)


def branches(job: Job) -> int:
    """Products of one input beyond one per input: keys and values, and the gate, where they are separate."""
    return 2 + job.model.gated if job.stack.separate_products and job.kernels != "compiled" else 0


# Kernels of attention: fused, and of separate products, mask, softmax and dropout.
FLASH, SEPARATE = (1, 3), (5, 8)
# torch 2.13: FSDP's copies in and out of its buffers, casts, and collectives, per unit (_fsdp_collectives.py).
UNIT = (6, 9)
# PEFT, tuners/lora/layer.py: dropout, two products, scale, sum, per adapted matrix.
ADAPTER = (5, 8)
# With adapters in fp32: casts of the input up and down and of both weights too, each also backward; of weights in 4 bits the casts of both
# weights of the adapter and a copy of the output (tuners/lora/bnb.py).
WIDE_ADAPTER, CLONED_ADAPTER = (9, 12), (8, 10)
DEQUANTIZED = 3  # bitsandbytes: absolute maxima, their offset, the weight, per product
ADAPTED = {"attention": 4, "query-value": 2, "all": 7}  # matrices with adapters
# Parts of a layer's launches in CUDA graphs, without those of its routed experts.
CAPTURED = {"none": 0.0, "router": 0.0, "attention-router": 0.6, "layers": 1.0, "full": 1.0}


def layer_products(job: Job) -> int:
    """Matrix products of a layer's forward pass, without routed experts."""
    return (4 if job.model.ffn else 2) + branches(job)


def adapter_launches(job: Job) -> tuple[int, int]:
    """Kernels of an adapted matrix beyond its product, forward and backward."""
    if not job.stack.wide_adapters or job.kernels == "compiled" or job.wide:
        return ADAPTER
    return CLONED_ADAPTER if job.tuning == "qlora" else WIDE_ADAPTER


def collectives(job: Job, plan: Plan, backward: bool) -> Number:
    """Collectives of tensor parallelism that the host launches for one layer and micro-batch; count."""
    apart = (6 if backward else 4) + (2 if backward and job.stack.tp_gathers_rows else 0)
    return Number(where(plan.tp > 1, where(plan.sequence_parallel > 0, apart, 2), 0))


def launches(job: Job, plan: Plan, backward: bool) -> Number:
    """Kernels and collectives that the host launches for one layer and micro-batch, without routed experts; count."""
    model, stack, products, norms = job.model, job.stack, layer_products(job), job.model.norms_per_layer
    per_product = (1 if job.frozen else 3) if backward else 1  # two products and a gradient added
    kernels: float = per_product * products + (FLASH if job.attention.startswith("flash") else SEPARATE)[backward]
    kernels += (norms + (0 if model.qk_norm == "none" else 2) + bool(model.q_rank) + bool(model.kv_rank)) * norm_work(job).launches(
        backward
    )
    kernels += 2 * RESIDUAL.launches(backward) + stack.qkv_copies * COPY.launches(backward) + branches(job) * BRANCH.launches(backward)
    kernels += (model.positions == "rope") * rotary_work(job).launches(backward) + bool(model.ffn) * activation_work(job).launches(backward)
    if job.frozen:
        kernels += (
            min(ADAPTED[job.lora_targets], products) * adapter_launches(job)[backward] + (job.tuning == "qlora") * products * DEQUANTIZED
        )
    elif backward:
        kernels += stack.weight_launches * (products + norms)
    if (stack.fsdp_units or stack.root_gathered) and job.cluster.gpus > 1:
        kernels += UNIT[backward]
    kernels += cast_launches(job, plan, backward)
    return Number((1.0 - CAPTURED[job.cuda_graphs]) * (kernels + collectives(job, plan, backward)))


def launch_seconds(job: Job) -> float:
    """Host time of one launch in a forward pass; seconds. Compiled code calls no modules."""
    return term("launch_seconds", job.cluster.host_pace * job.stack.launch_pace * job.constants.launch_s * COMPILED[job.kernels])


def elementwise_bytes(job: Job, plan: Plan, backward: bool) -> Bytes:
    """Memory traffic per token of norms, residuals, dropout, positions, copies, the activation and casts; bytes."""
    model = job.model
    region = where(plan.sequence_parallel > 0, plan.tp, 1)
    rotated = (model.heads + model.kv_heads) * model.key_dim / plan.tp  # latent attention copies whole heads together
    projected = rotated + model.kv_heads * model.value_dim / plan.tp
    normed = model.norms_per_layer * model.hidden + model.q_rank + model.kv_rank
    norms = norm_work(job).bytes(backward) * normed / region
    residuals = 2 * (RESIDUAL.bytes(backward) + model.dropout) * model.hidden / region
    turned = rotary_work(job).bytes(backward) * rotated * (model.positions == "rope")
    heads_normed = norm_work(job).bytes(backward) * rotated * (model.qk_norm != "none")
    copied = COPY.bytes(backward) * job.stack.qkv_copies * projected
    added = branches(job) * BRANCH.bytes(backward) * model.hidden
    activation = activation_work(job).bytes(backward) * model.ffn / plan.tp
    width = 2 if job.wide else 1  # of the 16 bits counted: in fp32 each tensor has twice the bytes
    counted = width * (norms + residuals + turned + heads_normed + copied + added + activation)
    return Bytes(term("element_bytes", counted + cast_bytes(job, plan, backward)))
