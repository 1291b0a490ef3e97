"""Stand-ins for what Megatron-Core takes from apex, TransformerEngine, its compiled functions, and from data: the same tensors are stored.

Flash attention and norms store their inputs, their output and one or two fp32 numbers per row; element-wise chains that Megatron compiles
(jit_fuser) are one kernel, from their inputs to their output; FusedAdam makes its two states alone; grouped products store
their input and add gradients of weights in place. Experts receive equal numbers of tokens.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import megatron.core.fusions.fused_bias_gelu as gelu
import megatron.core.fusions.fused_bias_swiglu as swiglu
import megatron.core.fusions.fused_softmax as fused_softmax
import megatron.core.models.backends as backends
import megatron.core.tensor_parallel as tensor_parallel
import megatron.core.tensor_parallel.random as randomness
import megatron.core.transformer.attention as attention
import megatron.core.transformer.dot_product_attention as core_attention
import megatron.core.transformer.moe.experts as experts
import megatron.core.transformer.moe.grouped_gemm_util as grouped_gemm
import megatron.core.transformer.moe.moe_utils as moe_utils
import megatron.core.transformer.moe.token_dispatcher as dispatcher
import megatron.core.transformer.multi_latent_attention as latent_attention
import megatron.core.transformer.torch_norm as torch_norm
import megatron.core.transformer.transformer_block as block
import numpy as np
import torch

from planner.lab import kernels
from planner.lab.tracker import Tracker


class Norm(torch.nn.Module):
    """The norms of apex and TransformerEngine; weights are marked for sequence parallelism."""

    def __init__(self, config: Any, hidden_size: int, eps: float = 1e-5, **_: Any) -> None:
        super().__init__()
        self.rms = config.normalization == "RMSNorm"
        self.weight = self._gain(config, hidden_size)
        self.bias = None if self.rms else self._gain(config, hidden_size)

    def _gain(self, config: Any, hidden_size: int) -> torch.nn.Parameter:
        gain = torch.nn.Parameter(torch.empty(hidden_size, dtype=config.params_dtype, device="cuda"))
        gain.sequence_parallel = config.sequence_parallel  # type: ignore[attr-defined]
        return gain

    def forward(self, x: Any) -> Any:
        """The normalized rows."""
        if self.rms:
            return kernels.FusedRMSNorm.apply(x, self.weight)
        return torch.nn.functional.layer_norm(x, self.weight.shape, self.weight, self.bias)


class Flash(torch.autograd.Function):
    """Flash attention of (tokens, batch, heads, width); values may be narrower than keys, and key-value heads fewer."""

    @staticmethod
    def forward(ctx: Any, query: Any, key: Any, value: Any) -> Any:
        """The output, of the width of values."""
        tokens, batch, heads, _ = query.shape
        output = query.new_empty(tokens, batch, heads, value.shape[-1])
        ctx.save_for_backward(query, key, value, output, query.new_empty(batch, heads, tokens, dtype=torch.float32))
        return output

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        """The gradients of query, key and value."""
        return tuple(torch.empty_like(x, memory_format=torch.contiguous_format) for x in ctx.saved_tensors[:3])


class Softmax(torch.autograd.Function):
    """Megatron's masked softmax kernel: stores its output, and writes the gradient of its input over that of its output."""

    @staticmethod
    def forward(ctx: Any, scores: Any) -> Any:
        """The weights."""
        weights = torch.empty_like(scores)
        ctx.save_for_backward(weights)
        return weights

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        """The gradient, in place."""
        return gradient


class GroupedProduct(torch.autograd.Function):
    """TransformerEngine's GroupedLinear with gradients of weights accumulated in place; one expert's is passed to the buffer."""

    @staticmethod
    def forward(ctx: Any, x: Any, weights: Any) -> Any:
        """The rows of every expert times its weight."""
        ctx.save_for_backward(x, weights)
        return x.new_empty(x.shape[0], weights.shape[2])

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        """The gradient of the rows."""
        x, weights = ctx.saved_tensors
        result = torch.empty_like(x)
        weights.new_empty(weights.shape[1:])
        return result, None


class FusedAdam(torch.optim.AdamW):
    """Adam in one kernel: two states per parameter, of `state_dtype`, and no temporaries."""

    state_dtype = torch.float32

    def __init__(self, *args: Any, adam_w_mode: bool = True, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Make the states where there are none."""
        for parameter in (p for group in self.param_groups for p in group["params"]):
            state = self.state[parameter]
            if parameter.grad is not None and not state:
                state.update({name: torch.empty_like(parameter, dtype=self.state_dtype) for name in ("exp_avg", "exp_avg_sq")})


class Generators:
    """The tracker of random states, which a device that does nothing has none of."""

    def is_initialized(self) -> bool:
        """Whether seeds are set."""
        return True

    def add(self, *_: Any) -> None:
        """Set a seed."""

    set_states = add

    def get_states(self) -> dict[str, Any]:
        """The states by name."""
        return {}

    def fork(self, *_: Any) -> Any:
        """A context with another state."""
        return contextlib.nullcontext()


def install(*, flash: bool) -> None:
    """Put the stand-ins in place."""
    backends.LocalSpecProvider.layer_norm = lambda *_, **__: Norm
    torch_norm.WrappedTorchNorm = block.LayerNormImpl = Norm
    fused_softmax.FusedScaleMaskSoftmax.forward = lambda self, scores, *_, **__: Softmax.apply(scores)
    _attention(flash=flash)
    _element_wise()
    _random_states()
    latent_attention.HAVE_TE = False  # its classes are None here
    moe_utils.te_general_gemm = None


def _attention(*, flash: bool) -> None:
    """Core attention of any widths, recomputed without the mask's type; the ring of context parallelism is around it."""
    module = core_attention.DotProductAttention
    make = module.__init__

    def init(self: Any, config: Any, *args: Any, k_channels: Any = None, v_channels: Any = None, **kwargs: Any) -> None:
        degree, config.context_parallel_size = config.context_parallel_size, 1
        try:
            make(self, config, *args, **kwargs)
        finally:
            config.context_parallel_size = degree

    def forward(self: Any, query: Any, key: Any, value: Any, *_: Any, **__: Any) -> Any:
        return Flash.apply(query, key, value).flatten(2)

    def checkpointed(self: Any, query: Any, key: Any, value: Any, mask: Any, *_: Any, attn_mask_type: Any = None, **__: Any) -> Any:
        run = partial(self.core_attention, attn_mask_type=attn_mask_type)
        return tensor_parallel.checkpoint(run, False, query, key, value, mask)

    module.__init__ = init
    attention.Attention._checkpointed_attention_forward = checkpointed
    if flash:
        module.forward = forward


def _element_wise() -> None:
    """The activation functions that Megatron compiles."""

    def half(y: Any, *_: Any) -> Any:
        return y.new_empty(*y.shape[:-1], y.shape[-1] // 2)

    swiglu.swiglu = swiglu.bias_swiglu = swiglu.weighted_swiglu = half
    swiglu.swiglu_back = swiglu.bias_swiglu_back = lambda _, y, *__: torch.empty_like(y)
    swiglu.weighted_swiglu_back = lambda _, y, weights: (torch.empty_like(y), torch.empty_like(weights))
    gelu.bias_gelu = lambda _, y: torch.empty_like(y)
    gelu.bias_gelu_back = lambda _, __, y: torch.empty_like(y)


def _random_states() -> None:
    """States of random generators, which recomputation saves."""
    randomness._CUDA_RNG_STATE_TRACKER, randomness._CUDA_RNG_STATE_TRACKER_INITIALIZED = Generators(), True
    randomness._get_cuda_rng_state = randomness._set_cuda_rng_state = randomness._set_all_rng_states = lambda *_, **__: None
    randomness._get_all_rng_states = lambda *_: (None, None, {})
    if not hasattr(randomness, "FP8GlobalStateManager"):  # of TransformerEngine
        randomness.FP8GlobalStateManager = SimpleNamespace(is_fp8_enabled=lambda: False)


def install_experts(tracker: Tracker, imbalance: float) -> None:
    """Grouped products, and the counts of balanced routing; imbalance: tokens that this rank receives over the mean."""
    operations = SimpleNamespace(gmm=lambda x, weights, counts, trans_b=False: GroupedProduct.apply(x, weights))
    for module in (grouped_gemm, experts.gg):
        module.ops = operations
        module.grouped_gemm_is_available = lambda: True
        module.assert_grouped_gemm_is_available = lambda: None
    make = experts.GroupedMLP.__init__

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        make(self, *args, **kwargs)
        if self.config.gated_linear_unit:
            self.activation_func_with_probs = lambda x, probabilities: swiglu.WeightedSwiGLUFunction.apply(x, probabilities, False)

    def preprocess(self: Any, routing_map: Any) -> Any:
        return _counts(self, int(routing_map.size(0)), imbalance, tracker)

    experts.GroupedMLP.__init__ = init
    kind = dispatcher.MoEAlltoAllTokenDispatcher
    original = kind.preprocess
    kind.preprocess = lambda self, routing_map: (original if self.drop_and_pad else preprocess)(self, routing_map)
    kind._maybe_dtoh_and_synchronize = lambda self, point, counts=None: counts


def _counts(self: Any, tokens: int, imbalance: float, tracker: Tracker) -> Any:
    """Set a dispatcher's counts of tokens; those of each expert of the rank."""
    copies, local, ranks = tokens * self.config.moe_router_topk, self.num_local_experts, self.tp_size * self.ep_size
    each = round(copies / self.num_experts * imbalance)  # tokens that a rank sends to each expert of this rank
    self.num_out_tokens = tracker.selected = copies
    order = np.arange(self.num_experts * self.tp_size)
    self.sort_input_by_local_experts = order.reshape(-1, local).T.ravel()
    self.restore_output_by_local_experts = order.reshape(local, -1).T.ravel()
    if ranks > 1:
        self.input_splits = np.full(self.ep_size, copies // self.ep_size)
        self.output_splits = np.full(self.ep_size, each * local)
        self.output_splits_tp = np.full(self.tp_size, each * local * self.ep_size)
    elif imbalance != 1:
        each = copies // self.num_experts  # every expert is here
    if local > 1:
        self.num_global_tokens_per_local_expert = np.full((ranks, local), each)
    return np.full(local, each * ranks)


@contextlib.contextmanager
def coalesced(*_: Any, **__: Any) -> Iterator[Any]:
    """torch's manager of coalesced collectives, whose work is done at once."""
    yield SimpleNamespace(wait=lambda: None)
