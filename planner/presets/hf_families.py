"""Model families by Hugging Face's model_type: what the code of each does, and the keys of its sizes."""

from __future__ import annotations

from typing import Any

from planner.plaintext import PATH, named, quoted
from planner.presets import hf_moe

# What a family's code does, and the defaults of its configuration class for optional keys.
LAYERNORM: dict[str, Any] = {"norm": "layernorm", "gated": False}
FAMILIES: dict[str, dict[str, Any]] = {
    "qwen2": {"qkv_bias": True},
    "qwen2_moe": {"qkv_bias": True},
    "qwen3": {"qk_norm": "head"},
    "qwen3_moe": {"qk_norm": "head"},
    "mistral": {"kv_heads": 8, "sliding_window": 4096},
    "mixtral": {"kv_heads": 8},
    "glm4_moe": {"kv_heads": 8},
    "gpt_oss": {"kv_heads": 8, "head_dim": 64, "bias": True, "sinks": True, "sliding_window": 128, "global_every": 2},
    "llama4_text": {"kv_heads": 8, "head_dim": 128, "ffn": 16384, "chunked": True, "sliding_window": 8192, "global_every": 4},
    "ernie4_5_moe": {"tied": True, "kv_heads": 4},
    "gemma": {"tied": True, "head_dim": 256},
    "gemma2": {"tied": True, "head_dim": 256, "norms_per_layer": 4, "sliding_window": 4096, "global_every": 2},
    "gemma3_text": {
        "tied": True, "head_dim": 256, "norms_per_layer": 4, "qk_norm": "head", "sliding_window": 4096, "global_every": 6,
        "heads": 8, "kv_heads": 4, "vocab": 262_208, "max_positions": 131_072,
    },
    "gpt2": LAYERNORM | {"tied": True, "positions": "learned", "bias": True},
    "gpt_neox": LAYERNORM | {"bias": True, "parallel_block": True},
    "bloom": LAYERNORM | {"tied": True, "positions": "alibi", "bias": True, "embedding_norm": True, "max_positions": 2048},
    "falcon": LAYERNORM | {"tied": True, "max_positions": 2048},
    "nemotron": LAYERNORM,
    "starcoder2": LAYERNORM | {"tied": True, "bias": True},
    "olmo2": {"qk_norm": "full"},
    "olmo3": {"qk_norm": "full", "global_every": 4},
    "olmoe": {"qk_norm": "full"},
    "flex_olmo": {"qk_norm": "full"},
    "dots1": {"qk_norm": "head"},
}  # fmt: skip
SAME = {
    "gemma3": "gemma3_text", "RefinedWeb": "falcon", "RefinedWebModel": "falcon", "llama4": "llama4_text", "kimi_k2": "deepseek_v3",
    "qwen3_vl_text": "qwen3", "qwen3_vl_moe_text": "qwen3_moe",
}  # fmt: skip
SWITCHED = ("qwen2", "qwen2_moe", "qwen3", "qwen3_moe", "dots1")  # the window applies only where the file enables it
MULTIPLE_OF_HIDDEN = ("gpt2", "bloom", "falcon")  # ffn defaults to 4 x hidden
# field -> its keys, the most common first
KEYS: dict[str, tuple[str, ...]] = {
    "layers": ("num_hidden_layers", "n_layer"),
    "hidden": ("hidden_size", "n_embd", "n_embed"),
    "heads": ("num_attention_heads", "n_head"),
    "vocab": ("vocab_size",),
    "ffn": ("intermediate_size", "n_inner", "ffn_hidden_size"),
    "kv_heads": ("num_key_value_heads", "num_kv_heads", "n_head_kv"),
    "head_dim": ("head_dim", "kv_channels"),
    "max_positions": ("max_position_embeddings", "n_positions", "seq_length"),
}
FAMILY_KEYS: dict[str, dict[str, tuple[str, ...]]] = {"llama4_text": {"ffn": ("intermediate_size_mlp",)}}
KNOWN = frozenset({"llama", "phi3", *FAMILIES, *SAME, *hf_moe.DEFAULTS})  # phi3 stores its matrices differently, and is a Llama


def assumed(kind: str, where: str) -> tuple[str, ...]:
    """The note on a model whose model_type is unknown or missing; none for known ones."""
    if kind in KNOWN:
        return ()
    unknown = f"model_type {quoted(kind)} is not known" if kind else "model_type is missing"
    read = "it was read as a Llama (gated MLP, RMSNorm, rotary positions): check its sizes, or write a model TOML"
    return (f"{named(where, PATH)}: {unknown}; {read}",)
