"""Experts and latent attention of a Hugging Face config.json.

The families' key names for the same quantities, the defaults of their configuration classes for optional keys, and their several notations
of sparse layers. All reduce to two numbers of a Model: leading dense layers, and the period of sparse layers after them.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from planner.errors import FileError, Unsupported
from planner.presets.hf_keys import Config, count, integers, per_layer, size

# By field of Model; `shared` is the number of shared experts, each as wide as a routed one.
LATENT = {"kv_rank": 512, "q_rank": 1536, "head_dim": 128, "rope_dim": 64, "v_dim": 128}
DEFAULTS: dict[str, dict[str, Any]] = {
    "mixtral": {"experts": 8, "experts_per_token": 2},
    "qwen2_moe": {"experts": 60, "experts_per_token": 4, "expert_ffn": 1408, "shared_ffn": 5632},
    "qwen3_moe": {"experts": 128, "experts_per_token": 8, "expert_ffn": 768},
    "deepseek_v2": LATENT | {"experts": 64, "expert_ffn": 1407, "shared": 2, "topk_method": "greedy"},
    "deepseek_v3": LATENT | {
        "experts": 256, "experts_per_token": 8, "expert_ffn": 2048, "shared": 1, "dense_layers": 3, "router_groups": 8,
        "groups_per_token": 4,
    },
    "glm4_moe": {"experts": 128, "experts_per_token": 8, "expert_ffn": 1408, "shared": 1, "dense_layers": 1},
    "gpt_oss": {"experts": 128, "experts_per_token": 4},
    "llama4_text": {"experts": 16, "experts_per_token": 1, "shared": 1},
    "olmoe": {"experts": 64, "experts_per_token": 8},
    "ernie4_5_moe": {"experts": 64, "experts_per_token": 6, "expert_ffn": 1536, "shared": 2, "dense_layers": 1},
}  # fmt: skip
GATED = ("qwen2_moe",)  # a gate on the shared experts, in the code without a key
EXPERTS = ("num_local_experts", "n_routed_experts", "num_experts", "moe_num_experts", "num_routed_experts")
PER_TOKEN = ("num_experts_per_tok", "moe_k")
SHARED = ("n_shared_experts", "num_shared_experts", "moe_num_shared_experts")
SHARED_WIDTH = ("shared_expert_intermediate_size", "shared_intermediate_size")
# Period of sparse layers, the last of each period being sparse; with moe_layer_freq the first.
LAST_OF = ("decoder_sparse_step", "interleave_moe_layer_step", "moe_layer_interval")
PATTERNS = ("mlp_only_layers", "moe_layers", "mlp_layer_types", "moe_layer_freq", *LAST_OF)


def latent(config: Config, kind: str, where: str) -> dict[str, int]:
    """Widths of multi-head latent attention, including the part of a head without positions; empty where the model has none."""
    usual = DEFAULTS.get(kind, {})
    rank = count(config, ("kv_lora_rank",), usual.get("kv_rank", 0), where)
    if not rank:
        return {}
    widths = {"head_dim": "qk_nope_head_dim", "rope_dim": "qk_rope_head_dim", "v_dim": "v_head_dim"}
    sizes = {field: _required(size(config, (key,), where) or usual.get(field), key, where) for field, key in widths.items()}
    return {"kv_rank": rank, "q_rank": count(config, ("q_lora_rank",), usual.get("q_rank", 0), where)} | sizes


def experts(config: Config, kind: str, layers: int, name: str, where: str) -> dict[str, Any]:
    """A Model's fields of its mixture of experts; empty where every layer is dense."""
    usual = DEFAULTS.get(kind, {})
    number = count(config, EXPERTS, usual.get("experts", 0), where)
    sparse = _sparse(config, usual, layers, where) if number else []
    if not sparse:
        return {}
    arrangement = _regular(sparse, layers)
    if arrangement is None:
        key = next((key for key in PATTERNS if config.get(key)), "first_k_dense_replace")
        raise Unsupported(
            f"{name} has {len(sparse)} sparse layers in an irregular order (key '{key}'); "
            f"tmplan supports leading dense layers followed by sparse layers at a fixed period"
        )
    width = size(config, ("moe_intermediate_size",), where) or usual.get("expert_ffn") or size(config, ("intermediate_size",), where)
    width = _required(width, "moe_intermediate_size", where)
    shared = count(config, SHARED, usual.get("shared", 0), where) * width
    shared = count(config, SHARED_WIDTH, usual.get("shared_ffn", shared), where)
    return {
        "experts": number,
        "experts_per_token": _required(size(config, PER_TOKEN, where) or usual.get("experts_per_token"), PER_TOKEN[0], where),
        "expert_ffn": width,
        "shared_ffn": shared,
        "shared_gate": shared > 0 and kind in GATED,
        "dense_layers": arrangement[0],
        "moe_every": arrangement[1],
    } | _groups(config, usual, where)


def _groups(config: Config, usual: dict[str, Any], where: str) -> dict[str, int]:
    """Groups among which a token's experts are limited; none for one group or greedy selection."""
    groups = count(config, ("n_group",), usual.get("router_groups", 0), where)
    if groups < 2 or config.get("topk_method", usual.get("topk_method")) == "greedy":
        return {}
    return {"router_groups": groups, "groups_per_token": count(config, ("topk_group",), usual.get("groups_per_token", 0), where)}


def _sparse(config: Config, usual: dict[str, Any], layers: int, where: str) -> list[int]:
    """The indices of the layers with experts, from any of the families' notations."""
    listed = integers(config, "moe_layers", where)
    if listed is not None:
        return [i for i in range(layers) if i in listed]
    kinds = per_layer(config, "mlp_layer_types", layers, where)
    if kinds is not None:
        return [i for i, kind in enumerate(kinds) if kind == "sparse"]
    if isinstance(config.get("moe_layer_freq"), list):  # an integer in some families, a list of 0 and 1 in others
        return [i for i, sparse in enumerate(per_layer(config, "moe_layer_freq", layers, where) or []) if sparse]
    dense = integers(config, "mlp_only_layers", where) or ()
    first = count(config, ("first_k_dense_replace", "moe_layer_start_index"), usual.get("dense_layers", 0), where)
    first_of, last_of = size(config, ("moe_layer_freq",), where) or 1, size(config, LAST_OF, where) or 1
    last = config.get("moe_layer_end_index")
    end = last + 1 if isinstance(last, int) and 0 <= last < layers else layers
    return [i for i in range(first, end) if i % first_of == 0 and (i + 1) % last_of == 0 and i not in dense]


def _regular(sparse: list[int], layers: int) -> tuple[int, int] | None:
    """Number of leading dense layers and the period of sparse layers after them; None for any other arrangement."""
    first = sparse[0]
    every = sparse[1] - first if len(sparse) > 1 else layers - first
    if any(after - before != every for before, after in pairwise(sparse)):
        return None
    leading = range(max(0, first - every + 1), first + 1)
    return next(((dense, every) for dense in leading if (layers - dense) // every == len(sparse)), None)


def _required(value: int | None, key: str, where: str) -> int:
    """The value; FileError where it is None."""
    if value is None:
        raise FileError(f"key '{key}' is missing", where=where)
    return value
