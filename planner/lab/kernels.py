"""Stand-ins for kernels that a build of torch without CUDA lacks or composes of several: the same tensors are stored and returned.

Imported in the child process alone.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.distributed.tensor import DTensor

_composed_rms_norm = torch.nn.functional.rms_norm


def attention(
    query: Any, key: Any, value: Any, attn_mask: Any = None, dropout_p: float = 0.0, is_causal: bool = False,
    scale: float | None = None, enable_gqa: bool = False,
) -> Any:  # fmt: skip
    """scaled_dot_product_attention as the flash kernel has it: of (batch, heads, tokens, width); stores its inputs, its output and one
    fp32 number per query and head. Grouped key-value heads are read in place; a mask is taken as causal.
    """
    causal = is_causal or attn_mask is not None
    return torch.ops.aten._scaled_dot_product_flash_attention(query, key, value, dropout_p, causal, scale=scale)[0]


class FusedRMSNorm(torch.autograd.Function):
    """aten::_fused_rms_norm as CUDA has it: stores its input and one fp32 number per row."""

    @staticmethod
    def forward(ctx: Any, x: Any, weight: Any) -> Any:
        """The normalized rows."""
        ctx.save_for_backward(x, weight, x.new_empty((*x.shape[:-1], 1), dtype=torch.float32))
        return torch.empty_like(x)

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        """The gradients of the input and of the gain."""
        x, weight, _ = ctx.saved_tensors
        return torch.empty_like(x), None if weight is None else torch.empty_like(weight)


def rms_norm(x: Any, normalized_shape: Any, weight: Any = None, eps: float | None = None) -> Any:
    """torch.nn.functional.rms_norm; fused where CUDA's is: on plain tensors, the gain being of the input's type."""
    if isinstance(x, DTensor) or isinstance(weight, DTensor) or (weight is not None and weight.dtype != x.dtype):
        return _composed_rms_norm(x, normalized_shape, weight, eps)
    return FusedRMSNorm.apply(x, weight)


def replace() -> None:
    """Use the stand-ins in place of torch's functions of the same names."""
    torch.nn.functional.scaled_dot_product_attention = attention  # type: ignore[assignment]
    torch.nn.functional.rms_norm = rms_norm
