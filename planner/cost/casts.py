"""Casts of a layer in 8 or 4 bits counted by recipe: bytes moved per element and kernels launched.

Counted in the code of Transformer Engine 2.x (common/cast, common/hadamard_transform, pytorch/csrc/quantizer.cpp, normalization.cpp) and of
torchao 0.13 (float8/float8_linear.py; its fused kernels as in testing/training/roofline_utils.py). A 16-bit tensor is read and its 8-bit
copies by rows and by columns are written; a scale per tensor needs its maximum first. Attention, the router, the embedding and the head
stay in 16 bits. The gradient of a weight is a product in 8 or 4 bits as well.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from planner.dimensions import Number, where
from planner.formula.trace import term
from planner.specs.job import Job
from planner.specs.parameters import embedding_parameters, head_parameters, total_parameters
from planner.specs.plan import Plan
from planner.specs.recipes import TRANSPOSES


class Cast(NamedTuple):
    """Bytes moved per element and kernels launched per tensor."""

    bytes: float = 0.0
    launches: float = 0.0


class Casts(NamedTuple):
    """The casts of a product's input (made by a norm, or by another kernel) in the forward pass and again in the backward pass, of the
    gradient of its result, and of its weights: in each micro-batch, forward and backward, and once per step. gathered: bytes per element
    of a tensor that tensor parallelism gathers in 8 bits and that is transposed afterwards.
    """

    normed: Cast
    plain: Cast
    gradient: Cast
    again: Cast = Cast()
    weight_forward: Cast = Cast()
    weight_backward: Cast = Cast()
    weight_step: float = 0.0
    gathered: float = 0.0


BLOCK_SCALES = 2 * 4 / 128  # fp32, one per 128 values, by rows and by columns
MX_SCALES = 2 / 32  # of 8 bits
GATHERED = {"delayed": 1.0, "current": 1.0, "blockwise": 1.0 + 4 / 128, "mxfp8": 1.0 + 1 / 32, "nvfp4": 0.5 + 1 / 16}
NV_BYTES = 2 * (0.5 + 1 / 16)  # both copies: 4 bits and a scale of 8 bits per 16 values
EAGER = Cast(33.0, 11)  # torchao, operations apart: |x|, its maximum, a scale, then in fp32 the product, the clamp and the cast
COPIED = Cast(2.0, 1)  # 8 bits, transposed


def both(*casts: Cast) -> Cast:
    """One cast after another."""
    return Cast(sum(c.bytes for c in casts), sum(c.launches for c in casts))


@lru_cache(maxsize=64)
def of_te(recipe: str, transposes: bool) -> Casts:
    """Transformer Engine's kernels; transposes: whether the copy by columns is a separate tensor where scales are per tensor.

    Weights are cast in the first micro-batch of a step and stored (is_first_microbatch, which Megatron-Core sets).
    """
    copies = 1.0 + transposes
    if recipe == "delayed":  # a norm writes 8 bits in place of 16, and a kernel transposes them; other tensors: all in one kernel
        cast = Cast(2.0 + copies, 1)
        return Casts(Cast(-1.0 + 2.0 * transposes, transposes), cast, cast, weight_step=cast.bytes, gathered=2.0 * transposes)
    if recipe == "current":  # a norm finds the maximum of its result; that of another tensor takes a separate pass
        cast = Cast(4.0 + copies, 3)
        return Casts(Cast(2.0 + copies, 2), cast, cast, weight_step=cast.bytes, gathered=2.0 * transposes)
    if recipe == "nvfp4":  # the maxima of the tensor and of its Hadamard transform, then both copies; gradients draw random numbers too
        each = 2.0 + 2.0 + NV_BYTES
        return Casts(Cast(each, 3), Cast(each, 3), Cast(each, 4), weight_step=each)
    cast = Cast(2.0 + 2.0 + (MX_SCALES if recipe == "mxfp8" else BLOCK_SCALES), 1)
    return Casts(cast, cast, cast, weight_step=cast.bytes if recipe == "mxfp8" else 4.0)


@lru_cache(maxsize=64)
def of_compiler(recipe: str) -> Casts:
    """Kernels that torch.compile fuses, with a copy of each tensor by columns; weights are cast in each pass."""
    if recipe == "rowwise":  # row scales with a 16-bit transposition, and column scales of that
        cast = Cast(8.0, 2)
        return Casts(cast, cast, cast, weight_forward=Cast(3.0, 1), weight_backward=Cast(7.0, 2))
    if recipe == "delayed":  # scales are known, or fixed
        cast = both(Cast(3.0, 1), COPIED)
        return Casts(cast, cast, cast, weight_forward=Cast(3.0, 1), weight_backward=COPIED)
    if recipe == "current":  # a maximum in two stages, then all copies; that of a weight by columns in the backward pass
        cast = Cast(6.0, 3)
        return Casts(cast, cast, cast, weight_forward=Cast(5.0, 3), weight_backward=Cast(3.0, 1))
    if recipe == "nvfp4":
        each = Cast(4.0 + NV_BYTES, 3)
        half = 2.0 + NV_BYTES / 2
        return Casts(each, each, each, weight_forward=Cast(2.0 + half, 2), weight_backward=Cast(half, 1))
    scales = MX_SCALES if recipe == "mxfp8" else BLOCK_SCALES  # a kernel by rows and one by columns
    weight = Cast(3.0 + scales / 2, 1)
    cast = both(weight, weight)
    return Casts(cast, cast, cast, weight_forward=weight, weight_backward=weight)


@lru_cache(maxsize=64)
def of_xla(recipe: str, transposes: bool) -> Casts:
    """XLA's kernels: a cast with a known scale is fused into the kernel that makes the tensor, which writes 8 bits in place of 16; so is
    the maximum that a current scale needs. A copy by columns is transposed. Weights are cast in each pass.
    """
    turned = Cast(2.0 * transposes, transposes)
    if recipe not in ("delayed", "current"):
        return of_compiler(recipe)
    cast = both(Cast(-1.0) if recipe == "delayed" else Cast(3.0, 1), turned)
    return Casts(cast, cast, cast, weight_forward=Cast(3.0 if recipe == "delayed" else 5.0, 1), weight_backward=turned)


# torchao without torch.compile casts each operand of each of the three products again, and copies those contiguous by columns.
OF_EAGER = Casts(EAGER, EAGER, both(EAGER, EAGER, COPIED), both(EAGER, COPIED), EAGER, both(EAGER, COPIED))


def casts(job: Job, local: bool = False) -> Casts:
    """The casts of a job's recipe; local: of tensors that are transposed only after they are gathered."""
    recipe, arch, caster = job.recipe, job.cluster.gpu.arch, job.stack.casts
    if caster == "te" and recipe != "rowwise":
        return of_te(recipe, arch in TRANSPOSES and not local)
    if caster == "torchao" and job.kernels != "compiled" and recipe in ("current", "rowwise"):
        return OF_EAGER
    if caster == "xla":
        return of_xla(recipe, job.cluster.gpu.vendor != "google")
    compiled = of_compiler(recipe)
    if not job.narrow_weights or caster != "torchao":
        return compiled
    return compiled._replace(weight_forward=Cast(), weight_backward=COPIED)  # FSDP gathers the cast weight (float8/fsdp_utils.py)


class Elements(NamedTuple):
    """Elements per token of the inputs of a layer's products, by who made them, of the gradients of their results, and counts of inputs.

    whole: made by norms, and gradients of row-parallel products, on the tokens of a rank under sequence parallelism and gathered
    afterwards. normed, plain: other inputs, made by norms or not.
    """

    whole: float
    normed: Number
    plain: Number
    whole_gradients: float
    gradients: Number
    norms: int
    plains: int


def elements(job: Job, plan: Plan) -> Elements:
    """What a layer casts, without routed experts."""
    model, h = job.model, job.model.hidden
    mlp = 1 if model.ffn else 0
    inner = Number((model.heads * model.value_dim + model.ffn) / plan.tp)
    outer = (2 if model.gated else 1) * model.ffn / plan.tp
    if not model.kv_rank:
        projected = (model.heads + 2 * model.kv_heads) * model.head_dim / plan.tp
        return Elements(h * (1 + mlp), Number(0.0 * inner), inner, h * (1 + mlp), outer + projected, 1 + mlp, 1 + mlp)
    # latent attention: products down into the latent spaces on every rank, of its tokens, and up to heads from their norms
    region = where(plan.sequence_parallel > 0, plan.tp, 1)
    downs = 1 + bool(model.q_rank)
    ups = model.heads * (model.key_dim + model.head_dim + model.value_dim) / plan.tp
    normed, plain = Number(((model.q_rank or h) + model.kv_rank) / region), inner + downs * h / region
    gradients = outer + ups + (model.kv_rank + model.rope_dim + model.q_rank) / region
    return Elements(h * mlp, normed, plain, h * (1 + mlp), gradients, mlp + 2, 1 + mlp + downs)


def cast_bytes(job: Job, plan: Plan, backward: bool) -> Number:
    """Memory traffic per token of a layer's casts without those of weights and routed experts; bytes."""
    if not job.recipe:
        return Number(0.0)
    whole, local, e = casts(job), casts(job, local=True), elements(job, plan)
    if backward:
        sent = where(plan.sequence_parallel > 0, local.gradient.bytes / plan.tp + whole.gathered, whole.gradient.bytes)
        again = whole.again.bytes * (e.whole + e.normed + e.plain)
        turned = where(plan.sequence_parallel > 0, whole.gathered, 0.0) * e.whole  # inputs, gathered again
        return Number(sent * e.whole_gradients + whole.gradient.bytes * e.gradients + again + turned)
    made = where(plan.sequence_parallel > 0, local.normed.bytes / plan.tp, whole.normed.bytes)
    return Number(made * e.whole + whole.normed.bytes * e.normed + whole.plain.bytes * e.plain)


def cast_launches(job: Job, plan: Plan, backward: bool) -> float:
    """Kernels launched for a layer's casts, without those of routed experts; count."""
    if not job.recipe:
        return 0.0
    c, e = casts(job), elements(job, plan)
    products = e.norms + e.plains
    if backward:
        return (c.gradient.launches + c.again.launches + c.weight_backward.launches) * products
    return c.normed.launches * e.norms + c.plain.launches * e.plains + c.weight_forward.launches * products


def weight_bytes(job: Job, backward: bool) -> float:
    """Bytes moved per weight by the casts of each micro-batch."""
    if not job.recipe:
        return term("weight_cast", 0.0)
    c = casts(job)
    return term("weight_cast", (c.weight_backward if backward else c.weight_forward).bytes)


def expert_bytes(job: Job, plan: Plan, backward: bool) -> Number:
    """Memory traffic per copy of a token of the casts in routed experts; bytes."""
    if not job.recipe or not job.stack.narrow_experts:
        return Number(0.0)
    model, c = job.model, casts(job)
    middle, hidden = model.expert_ffn / plan.etp, model.hidden
    if backward:
        made = c.gradient.bytes * (hidden + (2 if model.gated else 1) * middle)
        return Number(made + c.again.bytes * (hidden + middle))
    return Number(c.plain.bytes * (hidden + middle))


def gathered_bytes(job: Job) -> float:
    """Bytes per element that tensor parallelism gathers: cast before by Transformer Engine, and by torchao with a scale per tensor
    (float8/float8_tensor_parallel.py). Sums are scattered in 16 bits.
    """
    if job.stack.casts == "te" or (job.stack.casts == "torchao" and job.recipe == "current"):
        return GATHERED.get(job.recipe, 2.0)
    return 2.0


def weight_gathered(job: Job) -> float:
    """Bytes per weight of an all-gather over data-parallel ranks: 8-bit weights of layers with a scale per tensor or block of 128 as they
    are; those scaled by rows and by columns are cast afterwards, from 16 bits (Megatron's reuse-grad-buf-for-mxfp8-param-ag).
    """
    whole = job.model.experts and not job.stack.narrow_experts
    if not job.narrow_weights or whole or job.recipe not in ("delayed", "current", "blockwise"):
        return term("weight_gathered", 4.0 if job.wide else 2.0)
    tables = embedding_parameters(job.model) + head_parameters(job.model)
    return term("weight_gathered", 1.0 + tables / total_parameters(job.model))


def expert_weight_bytes(job: Job) -> float:
    """Bytes moved per weight of routed experts by the casts of each micro-batch, forward and backward."""
    if not job.recipe or not job.stack.narrow_experts:
        return term("weight_cast", 0.0)
    c = casts(job)
    return term("weight_cast", c.weight_forward.bytes + c.weight_backward.bytes)


def step_bytes(job: Job) -> tuple[float, float]:
    """Bytes moved per weight by the casts of a step: of all weights on a rank, and of those that it updates."""
    if not job.recipe:
        return 0.0, 0.0
    c = casts(job)
    if job.narrow_weights and job.stack.casts == "torchao":
        return 0.0, 5.0  # its share of each weight: the maximum, and one copy
    if not c.weight_step or not job.narrow_weights or job.recipe == "mxfp8":  # blocks by rows and by columns are cast from 16 bits
        return c.weight_step, 0.0
    return c.gathered, casts(job, local=True).weight_step
