"""The model that Megatron-LM's options describe, with Megatron-LM's defaults for absent options."""

from __future__ import annotations

import re
from typing import Any

from planner.importers.layer_pattern import dense_and_every
from planner.importers.megatron_options import SIZES, Options
from planner.plaintext import named

# Sizes of latent attention: their options and Megatron-LM's defaults.
LATENT = {"q_rank": ("q-lora-rank", 0), "head_dim": ("qk-head-dim", 128), "rope_dim": ("qk-pos-emb-head-dim", 64),
          "v_dim": ("v-head-dim", 128)}  # fmt: skip


def sizes(options: Options) -> tuple[dict[str, Any], list[str]]:
    """The attributes of a Model that the options give, and what of them is not understood; traits without an option are omitted."""
    fields: dict[str, Any] = {field: count for option, field in SIZES.items() if (count := options.integer(option, 0)) is not None}
    if not fields:
        return fields, []
    fields["gated"], fields["tied"] = "swiglu" in options, "untie-embeddings-and-output-weights" not in options
    latent = "multi-latent-attention" in options
    if "group-query-attention" in options:
        fields["kv_heads"] = options.integer("num-query-groups") or 1
    elif "heads" in fields:
        fields["kv_heads"] = fields["heads"]
    if latent:
        fields.setdefault("kv_rank", 512)
        fields |= {field: options.integer(option, 0) or usual for field, (option, usual) in LATENT.items()}
    else:
        fields |= {"kv_rank": 0, "q_rank": 0, "rope_dim": 0, "v_dim": 0}
        if fields.get("hidden") and fields.get("heads"):
            fields.setdefault("head_dim", fields["hidden"] // fields["heads"])
    if fields.get("hidden") and "ffn" not in fields:
        fields["ffn"] = int(4 * fields["hidden"] * 2 / 3 / 64) * 64 if fields["gated"] else 4 * fields["hidden"]
    if fields.get("experts"):
        fields = {"expert_ffn": fields.get("ffn", 0), "experts_per_token": 2, "shared_ffn": 0, "mtp_layers": 0} | fields
        fields |= {"shared_gate": "moe-shared-expert-gate" in options, "router_groups": options.integer("moe-router-num-groups", 0) or 0}
        fields["groups_per_token"] = options.integer("moe-router-group-topk", 0) or 0
    fields |= _traits(options, latent)
    if not fields.get("experts"):
        return fields, []
    frequency = options.joined("moe-layer-freq") or "1"
    pattern = dense_and_every(frequency, int(fields.get("layers", 0)))
    if pattern is None:
        problem = "not leading dense layers followed by sparse layers at a fixed period; every layer is assumed sparse"
        return fields, [named(f"--moe-layer-freq {frequency}: {problem}")]
    return fields | {"dense_layers": pattern[0], "moe_every": pattern[1]}, []


def _traits(options: Options, latent: bool) -> dict[str, Any]:
    """Attributes that no input field sets: norms, biases, positions, windows. Those without a Megatron-LM option are absent features."""
    window = re.fullmatch(r"\(?([0-9]{1,10}),0\)?", options.joined("window-size"))
    fields: dict[str, Any] = {
        "qk_norm": "head" if "qk-layernorm" in options and not latent else "none", "bias": "disable-bias-linear" not in options,
        "qkv_bias": "add-qkv-bias" in options, "sinks": options.equals("softmax-type", "learnable"),
        "sliding_window": int(window[1]) if window else 0, "norms_per_layer": 2, "embedding_norm": False, "parallel_block": False,
        "chunked": False,
    }  # fmt: skip
    if window and options.first("window-attn-skip-freq").isdecimal():
        fields["global_every"] = options.integer("window-attn-skip-freq") or 1
    if (norm := options.joined("normalization").lower()) in ("rmsnorm", "layernorm"):
        fields["norm"] = norm
    positions = {"rope": "rope", "learned_absolute": "learned"}.get(options.joined("position-embedding-type"))
    if positions:
        fields["positions"] = positions
    if positions == "learned" and (most := options.integer("max-position-embeddings")):
        fields["max_positions"] = most
    if rate := options.first("hidden-dropout"):
        fields["dropout"] = not re.fullmatch(r"0(\.0*)?", rate)
    return fields
