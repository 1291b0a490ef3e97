"""A model's architecture: Model, frozen and validated. Widths count elements.

Checks itself when made and raises FieldError naming the field. Nothing here needs numpy.
"""

from __future__ import annotations

from dataclasses import dataclass

from planner.errors import FieldError
from planner.specs.validate import checked, choice


@dataclass(frozen=True)
class Model:
    """A transformer's architecture. Widths count elements, `max_positions` tokens."""

    name: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int
    vocab: int
    max_positions: int
    gated: bool = True  # SwiGLU or GeGLU: two matrices into the MLP's middle
    tied: bool = False  # the head shares the embedding
    norm: str = "rmsnorm"  # or layernorm: gain and bias
    norms_per_layer: int = 2  # 4 where a block norms its outputs too (Gemma 2), 1 where both halves share one (Falcon-7B)
    positions: str = "rope"  # learned, alibi
    bias: bool = False  # on every linear layer
    qkv_bias: bool = False  # on query, key and value alone (Qwen2)
    qk_norm: str = "none"  # head: one gain a head dimension (Qwen3); full: over all heads (OLMo 2)
    embedding_norm: bool = False  # a norm behind the embedding (BLOOM)
    parallel_block: bool = False  # attention and MLP side by side on one input (Falcon)
    dropout: bool = False  # dropout masks are kept for the backward pass (GPT-2, GPT-3)
    sliding_window: int = 0  # tokens a local layer looks back; 0: every layer is global
    global_every: int = 1  # with a window: one layer in so many is global
    chunked: bool = False  # a local layer looks back to the start of its chunk of `sliding_window` tokens (Llama 4)
    sinks: bool = False  # a learned logit a head that takes attention away from every key (gpt-oss)
    # multi-head latent attention (DeepSeek-V2): kv_rank 0 is plain attention
    kv_rank: int = 0  # width that keys and values are compressed to
    q_rank: int = 0  # width that queries are compressed to; 0: not compressed
    rope_dim: int = 0  # of a query or key head, the part that carries positions, beside head_dim
    v_dim: int = 0  # width of a value head; 0: head_dim
    # mixture of experts: experts 0 is dense
    experts: int = 0  # routed experts of a sparse layer
    experts_per_token: int = 0  # of these, how many a token visits
    expert_ffn: int = 0  # middle width of one routed expert
    shared_ffn: int = 0  # middle width of the shared experts together; 0: none
    shared_gate: bool = False  # a gate on the shared experts' output (Qwen2-MoE)
    dense_layers: int = 0  # the first layers, whose MLP is dense, of width ffn
    moe_every: int = 1  # behind them, one layer in so many is sparse (Llama 4 Maverick: 2)
    router_groups: int = 0  # groups of experts among which a token chooses first; 0: it does not
    groups_per_token: int = 0  # of these, how many a token's experts may lie in (device- or node-limited routing)
    mtp_layers: int = 0  # layers that predict tokens further ahead, behind the last (multi-token prediction)
    published_parameters: float = 0.0  # the publisher's total, without the layers of multi-token prediction; 0: not told
    published_active: float = 0.0  # of these, what a token visits, embedding and head with it; 0: not told
    sources: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()  # what was assumed where its file does not tell, a sentence each, to be said to whoever plans with it

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
        """FieldError for a mixture of experts that cannot be."""
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
        """Layers with routed experts, those of multi-token prediction apart."""
        return (self.layers - self.dense_layers) // self.moe_every if self.experts else 0

    @property
    def global_layers(self) -> int:
        """Layers whose attention sees everything before it: every `global_every`-th, all where there is no window."""
        return self.layers // self.global_every if self.sliding_window else self.layers
