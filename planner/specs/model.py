"""Architecture of a transformer: Model, a frozen dataclass without numpy. Widths are in elements.

It validates its fields on construction and raises FieldError with the name of the field.
"""

from __future__ import annotations

from dataclasses import dataclass

from planner.errors import FieldError
from planner.specs.validate import checked, choice


@dataclass(frozen=True)
class Model:
    """Architecture of a transformer. Widths in elements, `max_positions` in tokens."""

    name: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int
    vocab: int
    max_positions: int
    gated: bool = True  # SwiGLU or GeGLU: two matrices into the MLP intermediate
    tied: bool = False  # the head shares the embedding
    norm: str = "rmsnorm"  # or layernorm: gain and bias
    norms_per_layer: int = 2  # 4 with norms on outputs (Gemma 2), 1 shared by attention and MLP (Falcon-7B)
    positions: str = "rope"  # learned, alibi
    bias: bool = False  # on all linear layers
    qkv_bias: bool = False  # on query, key and value only (Qwen2)
    qk_norm: str = "none"  # head: a gain per head dimension (Qwen3); full: over all heads (OLMo 2)
    embedding_norm: bool = False  # a norm after the embedding (BLOOM)
    parallel_block: bool = False  # attention and MLP in parallel on one input (Falcon)
    dropout: bool = False  # dropout masks are stored for the backward pass (GPT-2, GPT-3)
    sliding_window: int = 0  # window of local layers in tokens; 0: all layers are global
    global_every: int = 1  # with a window: every n-th layer is global
    chunked: bool = False  # local layers attend within chunks of `sliding_window` tokens (Llama 4)
    sinks: bool = False  # a learned attention sink per head (gpt-oss)
    # multi-head latent attention (DeepSeek-V2): kv_rank 0 is multi-head or grouped-query attention
    kv_rank: int = 0  # compressed width of keys and values
    q_rank: int = 0  # compressed width of queries; 0: not compressed
    rope_dim: int = 0  # positional part of a query or key head, in addition to head_dim
    v_dim: int = 0  # width of a value head; 0: head_dim
    # mixture of experts; a dense model has experts 0
    experts: int = 0  # routed experts per sparse layer
    experts_per_token: int = 0  # routed experts per token
    expert_ffn: int = 0  # intermediate width of a routed expert
    shared_ffn: int = 0  # total intermediate width of the shared experts; 0: none
    shared_gate: bool = False  # a gate on the output of the shared experts (Qwen2-MoE)
    dense_layers: int = 0  # leading layers with a dense MLP of width ffn
    moe_every: int = 1  # after them every n-th layer is sparse (Llama 4 Maverick: 2)
    router_groups: int = 0  # groups of experts in group-limited routing; 0: not limited
    groups_per_token: int = 0  # groups per token (device- or node-limited routing)
    mtp_layers: int = 0  # layers of multi-token prediction, after the last layer
    published_parameters: float = 0.0  # published total without multi-token prediction; 0: unknown
    published_active: float = 0.0  # published active parameters with embedding and head; 0: unknown
    sources: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()  # assumptions where its file is incomplete, a sentence each, reported to the user

    def __post_init__(self) -> None:
        big = float(2**24)
        checked(self, {
            "layers": (1, 10_000), "hidden": (1, big), "heads": (1, 65_536), "kv_heads": (1, 65_536), "head_dim": (1, 65_536),
            "ffn": (0 if self.experts else 1, big), "vocab": (1, 2**28), "max_positions": (1, 2**34), "norms_per_layer": (1, 4),
            "sliding_window": (0, 2**34), "global_every": (1, 10_000), "kv_rank": (0, 2**20), "q_rank": (0, 2**20), "rope_dim": (0, 65_536),
            "v_dim": (0, 65_536), "experts": (0, 65_536), "experts_per_token": (0, 65_536), "expert_ffn": (0, big), "shared_ffn": (0, big),
            "dense_layers": (0, 10_000), "moe_every": (1, 10_000), "router_groups": (0, 65_536), "groups_per_token": (0, 65_536),
            "mtp_layers": (0, 100), "published_parameters": (0, 1e18), "published_active": (0, 1e18),
        })  # fmt: skip
        choice("norm", self.norm, ("rmsnorm", "layernorm"))
        choice("positions", self.positions, ("rope", "learned", "alibi"))
        choice("qk_norm", self.qk_norm, ("none", "head", "full"))
        if self.heads % self.kv_heads:
            raise FieldError("kv_heads", f"kv_heads must divide the {self.heads} heads, {self.kv_heads} does not")
        if self.rope_dim and not self.kv_rank:
            raise FieldError("rope_dim", "rope_dim is a part of latent attention and needs kv_rank; set both, or neither")
        if self.mtp_layers and not self.experts:
            raise FieldError("mtp_layers", "multi-token prediction is planned for mixtures of experts alone: set mtp_layers to 0")
        if self.experts:
            self._check_experts()

    def _check_experts(self) -> None:
        """FieldError for an impossible mixture of experts."""
        if not 1 <= self.experts_per_token <= self.experts:
            raise FieldError(
                "experts_per_token", f"experts_per_token must be from 1 to the {self.experts} experts, not {self.experts_per_token}"
            )
        if self.expert_ffn < 1:
            raise FieldError("expert_ffn", f"expert_ffn must be at least 1 with {self.experts} experts, not {self.expert_ffn}")
        if self.dense_layers > self.layers:
            raise FieldError("dense_layers", f"dense_layers must not exceed the {self.layers} layers, {self.dense_layers} does")
        if self.router_groups and not (self.experts % self.router_groups == 0 and 1 <= self.groups_per_token <= self.router_groups):
            raise FieldError(
                "router_groups",
                f"router_groups must divide the {self.experts} experts, and groups_per_token lie from 1 to router_groups, "
                f"not {self.router_groups} and {self.groups_per_token}",
            )

    @property
    def key_dim(self) -> int:
        """Width of a head of queries and keys."""
        return self.head_dim + self.rope_dim

    @property
    def value_dim(self) -> int:
        """Width of a head of values."""
        return self.v_dim or self.head_dim

    @property
    def sparse_layers(self) -> int:
        """Layers with routed experts, without those of multi-token prediction."""
        return (self.layers - self.dense_layers) // self.moe_every if self.experts else 0

    @property
    def global_layers(self) -> int:
        """Layers with full causal attention: every `global_every`-th, all without a window."""
        return self.layers // self.global_every if self.sliding_window else self.layers
