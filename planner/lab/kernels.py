"""Stand-ins for kernels that a build of torch without CUDA lacks or composes of several: the same tensors are stored and returned.

Imported in the child process alone.
"""

from __future__ import annotations

from typing import Any

import torch

FUSED = ("silu_backward", "_fused_rms_norm", "_fused_rms_norm_backward")  # single kernels of CUDA; elsewhere composed of many
_library: list[torch.library.Library] = []  # a library that is freed takes its kernels along


def attention(
    query: Any, key: Any, value: Any, attn_mask: Any = None, dropout_p: float = 0.0, is_causal: bool = False,
    scale: float | None = None, enable_gqa: bool = False,
) -> Any:  # fmt: skip
    """scaled_dot_product_attention as the flash kernel has it: of (batch, heads, tokens, width); stores its inputs, its output and one
    fp32 number per query and head. Grouped key-value heads are read in place; a mask is taken as causal.
    """
    causal = is_causal or attn_mask is not None
    if value.shape[-1] != query.shape[-1]:  # latent attention: cuDNN's kernel takes values of another width
        return torch.ops.aten._scaled_dot_product_cudnn_attention(query, key, value, None, True, dropout_p, causal, scale=scale)[0]
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


def replace() -> None:
    """Use the stand-in for attention in place of torch's function, and name the kernels that a build for CUDA has."""
    torch.nn.functional.scaled_dot_product_attention = attention  # type: ignore[assignment]
    if torch.version.cuda is None and not _library:
        library = torch.library.Library("aten", "IMPL")
        for name in FUSED:
            library.impl(name, lambda *_, **__: None, "CUDA")
        _library.append(library)
