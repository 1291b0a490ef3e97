"""What selective recomputation and offloading by modules keep and repeat: Megatron-Core's modules. Without numpy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Selective:
    """Selective recompute: the share of each activation that is stored, the share of each part of the forward pass that is repeated."""

    keep: Mapping[str, float] = field(default_factory=dict)  # activation term -> share stored; default 1
    repeat: Mapping[str, float] = field(default_factory=dict)  # qkv, attention, projection, mlp, elementwise -> share; default 0


# Megatron-Core's recompute modules -> share of each activation that stays in memory, and share of each part of the forward pass that is
# repeated (comments on recompute_modules in megatron/core/transformer/transformer_config.py). `layernorm` repeats only the norms, about a
# third of the element-wise time; `mla_up_proj` the up-projections, about half of the time of queries, keys and values. Both shares are
# estimates. `mlp` and `shared_experts` are the same here: the MLP of a sparse layer is its shared experts.
MODULES: Mapping[str, tuple[Mapping[str, float], Mapping[str, float]]] = {
    "core_attn": ({"scores": 0.0}, {"attention": 1.0}),
    "moe_act": ({"expert_act": 0.0}, {"expert_act": 1.0}),
    "layernorm": ({"linear_in": 0.0}, {"elementwise": 0.3}),
    "mla_up_proj": ({"qkv": 0.0}, {"qkv": 0.5}),
    "mlp": ({"mlp_hidden": 0.0, "act_out": 0.0}, {"mlp": 1.0}),
    "moe": ({"router": 0.0, "expert_in": 0.0, "expert_hidden": 0.0, "expert_act": 0.0, "expert_out": 0.0}, {"experts": 1.0}),
    "shared_experts": ({"mlp_hidden": 0.0, "act_out": 0.0}, {"mlp": 1.0}),
}
# Modules -> activations that are offloaded to the host until the backward pass (--offload-modules).
OFFLOADED: Mapping[str, tuple[str, ...]] = {
    "expert_fc1": ("expert_in",), "moe_act": ("expert_hidden", "expert_act"), "attn_norm": ("norm_in",), "mlp_norm": ("norm_in",),
    "qkv_linear": ("linear_in",), "core_attn": ("qkv", "scores"), "attn_proj": ("attention_out",),
}  # fmt: skip


def selective(modules: Iterable[str]) -> Selective:
    """The activations retained and the work repeated when these modules are recomputed. KeyError for other modules."""
    keep: dict[str, float] = {}
    repeat: dict[str, float] = {}
    for module in modules:
        retained, repeated = MODULES[module]
        keep |= retained
        repeat |= repeated
    return Selective(keep, repeat)
