"""Properties of mixtures of experts in a runs file: from a preset with the same sizes, from a run's note, and from columns.

A note may contain arguments of Megatron-LM's command line (`--kv-lora-rank=512`); they override the preset, columns override both.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from planner import presets
from planner.runs.row import Row, cell, flag, number
from planner.specs.model import Model

# Fields of a Model with a column, by which presets are matched; ffn only if the preset has a dense layer.
SIZES = ("layers", "hidden", "heads", "ffn", "vocab", "experts", "experts_per_token", "expert_ffn")
COMPLETE = 7  # sizes that are compared for a model cut to fewer layers
# Fields taken from that preset: those without a column, then those of columns that may be blank.
TAKEN = (
    "kv_rank", "q_rank", "rope_dim", "v_dim", "dense_layers", "moe_every", "router_groups", "groups_per_token", "sliding_window",
    "global_every", "chunked", "sinks", "qk_norm", "qkv_bias", "shared_gate", "bias", "norm", "norms_per_layer", "embedding_norm",
    "parallel_block", "positions",
    "kv_heads", "head_dim", "ffn", "experts_per_token", "expert_ffn", "shared_ffn",
)  # fmt: skip
# The recipes of Megatron-Bridge, and of NeMo before it, train the published multi-token prediction layers of a model (recipes/deepseek/
# deepseek_v3.py: mtp_num_layers = 1, unchanged in its performance recipes for H100 and B200; models/deepseek/deepseek_v3_bridge.py:
# those of the model's config). The FLOPs per token in its tables of results agree: 260 GFLOP in DeepSeek-V3 rows without a remark or
# with "w/ MTP", 250 with "w/o MTP".
TRAIN_MTP = ("nemo", "nemo-tuned")
WITHOUT_MTP = re.compile(r"w/o MTP|without MTP|(?<![a-z])no[-_ ]MTP", re.IGNORECASE)
LEADING_DENSE = re.compile(r"(\d{1,3}) leading dense layer")
WITH_MTP = re.compile(r"w/ MTP|with MTP", re.IGNORECASE)
# Names of a preset's properties in `assumed`.
TRAITS: Mapping[str, str] = {
    "kv_rank": "latent attention", "dense_layers": "{} dense layer{s}", "moe_every": "experts in one layer of {}",
    "mtp_layers": "{} layer{s} of multi-token prediction", "router_groups": "{} groups of experts",
    "sliding_window": "windows of {} tokens", "sinks": "attention sinks", "qk_norm": "norms of queries and keys",
    "qkv_bias": "biases on queries, keys and values", "shared_ffn": "shared experts", "shared_gate": "a gate on them", "bias": "biases",
}  # fmt: skip
SAME_DISPATCHER = {"flex": "deepep", "standard": "alltoall", "all-to-all": "alltoall", "all-gather": "allgather"}
# Imbalance without forced balance: with experts, exchanges and routing three fifths of a step, it makes Qwen3 30B-A3B 23 % slower on H100
# and on GB200 (Megatron-Bridge's performance recipes and verification cards of the same layouts).
NATURAL = 1.35
# Pattern in a note -> fields of a Job: the distribution of tokens over the experts, and the overlap of their all-to-all.
ROUTING: tuple[tuple[str, Mapping[str, Any]], ...] = (
    (r"natural MoE routing", {"imbalance": NATURAL}),
    (r"force-balanced", {"imbalance": 1.0}),
    (r"[Tt]oken-?drop(?!less)", {"capacity": 1.0}),  # Megatron-Bridge's apply_moe_token_drop, padded to capacity
    (r"EP overlap on|overlap[-_]moe[-_]expert[-_]parallel[-_]comm\W+True", {"overlap_experts": True}),
)
ARGUMENT = re.compile(r"--([\w-]+)=([^\s;]+)")
NUMBERS = {
    "mtp-num-layers": "mtp_layers", "moe-router-topk": "experts_per_token", "moe-ffn-hidden-size": "expert_ffn",
    "moe-shared-expert-intermediate-size": "shared_ffn",
}  # fmt: skip
# Latent attention, with the defaults of the command line (megatron/training/arguments.py, _add_mla_args). The config class,
# MLATransformerConfig, has 512 for both ranks; the command line overrides them.
LATENT = {
    "kv-lora-rank": ("kv_rank", 32), "q-lora-rank": ("q_rank", 0), "qk-head-dim": ("head_dim", 128),
    "qk-pos-emb-head-dim": ("rope_dim", 64), "v-head-dim": ("v_dim", 128),
}  # fmt: skip
FLAGS = (
    ("disable-bias-linear", "bias", False), ("add-qkv-bias", "qkv_bias", True), ("moe-shared-expert-gate", "shared_gate", True),
)  # fmt: skip
NORMS = {"RMSNorm": "rmsnorm", "LayerNorm": "layernorm"}
POSITIONS = {"rope": "rope", "learned_absolute": "learned"}
REPEATED = re.compile(r"\[([01](?:,[01])*)\](?:\*(\d{1,4}))?")


@lru_cache(maxsize=4)
def _mixtures(_folder: Path) -> Mapping[tuple[int, ...], tuple[Model, ...]]:
    """Presets of mixtures of experts by hidden width and experts; read once per folder of user presets."""
    by_sizes: dict[tuple[int, ...], tuple[Model, ...]] = {}
    for model in presets.every("models", presets.model)[0].values():  # the command reports invalid presets
        if model.experts:
            key = (model.hidden, model.experts)
            by_sizes[key] = (*by_sizes.get(key, ()), model)
    return by_sizes


def like(sizes: Mapping[str, int]) -> Model | None:
    """The first preset with these sizes, which may be incomplete; else one with more layers and the other sizes, cut to fewer; None if no
    preset has them.
    """
    candidates = _mixtures(presets.user_folder()).get((sizes["hidden"], sizes["experts"]), ())
    for cut in (False, True):
        for model in candidates:
            compared = [name for name in SIZES if name in sizes and (name != "ffn" or model.sparse_layers < model.layers)]
            differing = [name for name in compared if getattr(model, name) != sizes[name]]
            if not differing or (cut and differing == ["layers"] and sizes["layers"] < model.layers and len(compared) >= COMPLETE):
                return model
    return None


def taken(preset: Model, stack: str, text: str) -> dict[str, Any]:
    """The fields that a run's model takes from its preset; multi-token prediction depends on the stack and the text of the run."""
    trains = bool(WITH_MTP.search(text)) or stack in TRAIN_MTP
    mtp = preset.mtp_layers if trains and not WITHOUT_MTP.search(text) else 0
    leading = {"dense_layers": int(first[1])} if (first := LEADING_DENSE.search(text)) else {}
    return {name: getattr(preset, name) for name in TAKEN} | {"mtp_layers": mtp} | leading


def named(preset: Model, changed: Collection[str], model: Model) -> str:
    """A short description of the properties a model has from its preset."""
    has = {name: value for name in TRAITS if name in changed and (value := getattr(model, name)) not in (0, "none")}
    parts = [TRAITS[name].format(value, s="s" * (value != 1)) for name, value in has.items()]
    return f"{', '.join(parts)} as {preset.name}".strip()


def arguments(note: str) -> dict[str, Any]:
    """The fields of a Model set by the arguments in a note."""
    given = dict(ARGUMENT.findall(note))
    fields: dict[str, Any] = {name: int(given[key]) for key, name in NUMBERS.items() if _counts(given, key)}
    if _counts(given, "moe-router-num-groups") and _counts(given, "moe-router-group-topk"):
        fields |= {"router_groups": int(given["moe-router-num-groups"]), "groups_per_token": int(given["moe-router-group-topk"])}
    for key, name, value in FLAGS:
        if given.get(key) == "True":
            fields[name] = value
    for key, name, known in (("normalization", "norm", NORMS), ("position-embedding-type", "positions", POSITIONS)):
        if given.get(key) in known:
            fields[name] = known[given[key]]
    if given.get("qk-layernorm") == "True" and not latent(note):  # latent attention always has norms of its latent vectors
        fields["qk_norm"] = "head"
    return fields | latent(note) | _sparse(given.get("moe-layer-freq", ""))


def latent(note: str) -> dict[str, Any]:
    """The widths of latent attention by the arguments in a note; empty for plain attention."""
    given = dict(ARGUMENT.findall(note))
    if given.get("multi-latent-attention") != "True":
        return {}
    return {name: int(given[key]) if _counts(given, key) else usual for key, (name, usual) in LATENT.items()}


def _counts(given: Mapping[str, str], key: str) -> bool:
    """Whether an argument is given and is a count."""
    return bool(re.fullmatch(r"[0-9]{1,9}", given.get(key, "")))


def _sparse(pattern: str) -> dict[str, int]:
    """The layers with experts from `--moe-layer-freq`: one in N, or a pattern `([0]*3+[1]*12)`, irregular ones only by their number."""
    if re.fullmatch(r"[0-9]{1,4}", pattern):
        return {"dense_layers": 0, "moe_every": max(1, int(pattern))}
    layers = [digit for digits, times in REPEATED.findall(pattern) for digit in digits.split(",") * int(times or 1)]
    if not layers:
        return {}
    outer = re.search(r"\)\*([0-9]{1,4})$", pattern)
    if outer and layers == ["0"] * (len(layers) - 1) + ["1"]:
        return {"dense_layers": 0, "moe_every": len(layers)}
    return {"dense_layers": layers.count("0") * int(outer[1] if outer else 1), "moe_every": 1}


def dispatcher(row: Row) -> str:
    """The dispatcher of tokens to experts given in a row; empty without one."""
    given = cell(row, "moe_dispatcher").lower()
    return SAME_DISPATCHER.get(given, given)


def routing(row: Row) -> dict[str, Any]:
    """The fields of a Job set by a row's columns and its note on the routing of experts; empty (balanced, dropless) without them."""
    note = cell(row, "note")
    fields: dict[str, Any] = {}
    for pattern, changes in ROUTING:
        if re.search(pattern, note):
            fields |= changes
    factor = dict(ARGUMENT.findall(note)).get("moe-expert-capacity-factor", "")
    if re.fullmatch(r"\d{1,2}(\.\d{1,6})?", factor):
        fields["capacity"] = float(factor)
    if cell(row, "capacity_factor"):
        fields["capacity"] = number(row, "capacity_factor")
    unpadded = bool(factor) and "moe-pad-expert-input-to-capacity" not in note
    if (overlap := flag(row, "moe_overlap")) is not None:
        fields["overlap_experts"] = overlap
    if chosen := dispatcher(row):
        fields["moe_dispatcher"] = chosen
    if (balanced := flag(row, "moe_balanced")) is not None:
        fields["imbalance"] = 1.0 if balanced else NATURAL
    if unpadded and (capacity := fields.pop("capacity")):  # Megatron-LM pads on demand; otherwise a capacity bounds the load
        fields["imbalance"] = max(1.0, min(capacity, fields.get("imbalance", NATURAL)))
    return fields
