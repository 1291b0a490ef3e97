"""Recipes of training in 8 and 4 bits: how tensors are scaled. Which precision, stack and GPU has each. Without numpy."""

from __future__ import annotations

from typing import Protocol

from planner.errors import FieldError
from planner.specs.validate import choice

# delayed: a scale per tensor, from the maxima of earlier steps; current: per tensor, from its own maximum (torchao: tensorwise);
# rowwise: per row and per column; blockwise: 1 x 128 of inputs and gradients, 128 x 128 of weights (DeepSeek-V3, arXiv 2412.19437,
# Section 3.3.2); mxfp8: per 32 values; nvfp4: per 16 values in 4 bits, with random Hadamard transforms and stochastic rounding.
RECIPES = ("delayed", "current", "rowwise", "blockwise", "mxfp8", "nvfp4")
# The number format of a recipe's products, a key of FORMATS. No table of rowwise products is known: they are taken for those per tensor.
NUMBERS = {"delayed": "fp8", "current": "fp8", "rowwise": "fp8", "blockwise": "fp8_block", "mxfp8": "fp8_block", "nvfp4": "nvfp4"}
# Bytes of an element that is stored for the gradient of a weight: one copy, by columns (Transformer Engine, pytorch/module/linear.py).
STORED = dict.fromkeys(RECIPES, 1.0) | {"nvfp4": 0.5 + 1 / 16}
# Whose kernels cast: Transformer Engine's, those of torchao (fused by torch.compile, or one by one), or of XLA.
CASTERS = ("te", "torchao", "xla")
# Architectures whose units scale blocks of 32 values (Transformer Engine, pytorch/quantization.py: check_mxfp8_support has no GeForce);
# the units of others scale whole tensors, and blocks of 128 in software.
SCALES_BLOCKS = ("blackwell", "blackwell-ultra", "cdna4")
# Architectures of NVIDIA that multiply 8 bits only with both operands contiguous along the inner width: a copy of each is transposed
# (Transformer Engine, nvte_is_non_tn_fp8_gemm_supported).
TRANSPOSES = ("hopper", "ada", "blackwell-geforce")


class NarrowGpu(Protocol):
    """The GPU of a job, as far as a recipe needs it."""

    @property
    def name(self) -> str: ...
    @property
    def arch(self) -> str: ...


class NarrowStack(Protocol):
    """The recipes of a framework."""

    @property
    def title(self) -> str: ...
    @property
    def fp8_recipes(self) -> tuple[str, ...]: ...
    @property
    def usual_fp8_recipe(self) -> str: ...
    @property
    def blackwell_fp8_recipe(self) -> str: ...


def usual_recipe(precision: str, stack: NarrowStack, gpu: NarrowGpu) -> str:
    """The recipe that a stack has for a precision on a GPU; empty in 16 bits and more."""
    if precision == "fp4":
        return "nvfp4"
    if precision != "fp8":
        return ""
    return stack.blackwell_fp8_recipe if gpu.arch in SCALES_BLOCKS[:2] else stack.usual_fp8_recipe


def check_recipe(recipe: str, precision: str, stack: NarrowStack, gpu: NarrowGpu) -> None:
    """FieldError for a chosen recipe that the precision, the GPU or the stack does not have; an empty one is the usual one."""
    choice("fp8_recipe", recipe, ("", *RECIPES))
    if not recipe:
        return
    needed = "fp4" if recipe == "nvfp4" else "fp8"
    if precision != needed:
        raise FieldError("fp8_recipe", f"fp8_recipe {recipe} needs precision {needed}, not {precision}; free fp8_recipe")
    if recipe == "mxfp8" and gpu.arch not in SCALES_BLOCKS:
        raise FieldError("fp8_recipe", f"mxfp8 needs a Blackwell GPU of a data centre, not {gpu.name}; choose another fp8_recipe")
    if recipe == "blockwise" and not gpu.arch.startswith(("hopper", "blackwell", "cdna")):
        raise FieldError("fp8_recipe", f"blockwise needs a Hopper or Blackwell GPU, not {gpu.name}; choose another fp8_recipe")
    if recipe not in stack.fp8_recipes:
        known = ", ".join(stack.fp8_recipes) or "none"
        raise FieldError("fp8_recipe", f"{stack.title} has the recipes {known}, not {recipe}; free fp8_recipe")
