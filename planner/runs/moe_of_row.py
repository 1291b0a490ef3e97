"""What the columns of a runs file do not tell of a mixture of experts: read from a preset of the same sizes and from a run's note.

A note may carry the arguments of Megatron-LM's command line (`--kv-lora-rank=512`); they count before the preset, columns before both.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from planner import presets
from planner.specs.model import Model

# Fields of a Model that a column tells, and by which a preset is found; ffn only where the preset has a dense layer to use it.
SIZES = ("layers", "hidden", "heads", "ffn", "vocab", "experts", "experts_per_token", "expert_ffn")
# What is taken from that preset: fields that no column tells, then those of columns that may be blank.
TAKEN = (
    "kv_rank", "q_rank", "rope_dim", "v_dim", "dense_layers", "moe_every", "router_groups", "groups_per_token", "sliding_window",
    "global_every", "chunked", "sinks", "qk_norm", "qkv_bias", "shared_gate", "bias", "norm", "norms_per_layer", "embedding_norm",
    "parallel_block", "positions",
    "kv_heads", "head_dim", "ffn", "experts_per_token", "expert_ffn", "shared_ffn",
)  # fmt: skip
# Megatron-Bridge's recipes, and NeMo's before them, train the layers of multi-token prediction that a model was published with (recipes/
# deepseek/deepseek_v3.py: mtp_num_layers = 1, kept by its performance recipes for H100 and B200; models/deepseek/deepseek_v3_bridge.py:
# those of the model's config). The FLOP a token in its tables of results say the same of each release: 260 GFLOP where a DeepSeek-V3 row
# tells nothing or "w/ MTP", 250 where it tells "w/o MTP".
TRAIN_MTP = ("nemo", "nemo-tuned")
WITHOUT_MTP = re.compile(r"w/o MTP|without MTP|(?<![a-z])no[-_ ]MTP", re.IGNORECASE)
WITH_MTP = re.compile(r"w/ MTP|with MTP", re.IGNORECASE)
# What a preset's traits are called where they were assumed.
TRAITS: Mapping[str, str] = {
    "kv_rank": "latent attention", "dense_layers": "{} dense layer{s}", "moe_every": "experts in one layer of {}",
    "mtp_layers": "{} layer{s} of multi-token prediction", "router_groups": "{} groups of experts",
    "sliding_window": "windows of {} tokens", "sinks": "attention sinks", "qk_norm": "norms of queries and keys",
    "qkv_bias": "biases on queries, keys and values", "shared_ffn": "shared experts", "shared_gate": "a gate on them", "bias": "biases",
}  # fmt: skip
# Words of a note -> what they say of a Job: who gets how many tokens, and what hides their way there.
ROUTING: tuple[tuple[str, Mapping[str, Any]], ...] = (
    (r"natural MoE routing", {"imbalance": 1.1}),  # a router that balances itself: a moderate guess
    (r"force-balanced", {"imbalance": 1.0}),
    (r"[Tt]oken-?drop(?!less)", {"capacity": 1.0}),  # Megatron-Bridge's apply_moe_token_drop, padded to capacity
    (r"EP overlap on|overlap[-_]moe[-_]expert[-_]parallel[-_]comm\W+True", {"overlap_experts": True}),
)
ARGUMENT = re.compile(r"--([\w-]+)=([^\s;]+)")
NUMBERS = {
    "mtp-num-layers": "mtp_layers", "moe-router-topk": "experts_per_token", "moe-ffn-hidden-size": "expert_ffn",
    "moe-shared-expert-intermediate-size": "shared_ffn",
}  # fmt: skip
# Latent attention, with the defaults of the command line (megatron/training/arguments.py, _add_mla_args). The class behind it,
# MLATransformerConfig, has 512 for both ranks; the command line sets them over.
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
    """Presets of mixtures of experts by layers, hidden width and experts; read once for each folder of a user's own."""
    found: dict[tuple[int, ...], tuple[Model, ...]] = {}
    for model in presets.every("models", presets.model)[0].values():  # the command says what is left out
        if model.experts:
            key = (model.layers, model.hidden, model.experts)
            found[key] = (*found.get(key, ()), model)
    return found


def like(sizes: Mapping[str, int]) -> Model | None:
    """The preset that has these sizes, as far as they are told; None where there is none."""
    near = _mixtures(presets.user_folder()).get((sizes["layers"], sizes["hidden"], sizes["experts"]), ())
    for model in near:
        counts = [name for name in SIZES if name in sizes and (name != "ffn" or model.sparse_layers < model.layers)]
        if all(getattr(model, name) == sizes[name] for name in counts):
            return model
    return None


def taken(preset: Model, stack: str, words: str) -> dict[str, Any]:
    """The fields that a run's model takes from its preset, by the stack that ran it and the words beside it."""
    trains = bool(WITH_MTP.search(words)) or stack in TRAIN_MTP
    mtp = preset.mtp_layers if trains and not WITHOUT_MTP.search(words) else 0
    return {name: getattr(preset, name) for name in TAKEN} | {"mtp_layers": mtp}


def named(preset: Model, changed: Collection[str], model: Model) -> str:
    """In short words, what a model has from its preset."""
    has = {name: value for name in TRAITS if name in changed and (value := getattr(model, name)) not in (0, "none")}
    parts = [TRAITS[name].format(value, s="s" * (value != 1)) for name, value in has.items()]
    return f"{', '.join(parts)} as {preset.name}".strip()


def arguments(note: str) -> dict[str, Any]:
    """The fields of a Model that the arguments in a note tell."""
    given = dict(ARGUMENT.findall(note))
    found: dict[str, Any] = {name: int(given[key]) for key, name in NUMBERS.items() if _counts(given, key)}
    if _counts(given, "moe-router-num-groups") and _counts(given, "moe-router-group-topk"):
        found |= {"router_groups": int(given["moe-router-num-groups"]), "groups_per_token": int(given["moe-router-group-topk"])}
    for key, name, value in FLAGS:
        if given.get(key) == "True":
            found[name] = value
    for key, name, known in (("normalization", "norm", NORMS), ("position-embedding-type", "positions", POSITIONS)):
        if given.get(key) in known:
            found[name] = known[given[key]]
    if given.get("qk-layernorm") == "True" and not latent(note):  # latent attention has the norms of its latent spaces in any case
        found["qk_norm"] = "head"
    return found | latent(note) | _sparse(given.get("moe-layer-freq", ""))


def latent(note: str) -> dict[str, Any]:
    """The widths of latent attention that the arguments in a note tell; none where it has plain attention."""
    given = dict(ARGUMENT.findall(note))
    if given.get("multi-latent-attention") != "True":
        return {}
    return {name: int(given[key]) if _counts(given, key) else usual for key, (name, usual) in LATENT.items()}


def _counts(given: Mapping[str, str], key: str) -> bool:
    """Whether an argument is there and a count."""
    return bool(re.fullmatch(r"[0-9]{1,9}", given.get(key, "")))


def _sparse(pattern: str) -> dict[str, int]:
    """Which layers have experts: one in so many, or `([0]*3+[1]*12)`; where they stand in no such order, how many have none."""
    if re.fullmatch(r"[0-9]{1,4}", pattern):
        return {"dense_layers": 0, "moe_every": max(1, int(pattern))}
    layers = [digit for digits, times in REPEATED.findall(pattern) for digit in digits.split(",") * int(times or 1)]
    if not layers:
        return {}
    outer = re.search(r"\)\*([0-9]{1,4})$", pattern)
    if outer and layers == ["0"] * (len(layers) - 1) + ["1"]:
        return {"dense_layers": 0, "moe_every": len(layers)}
    return {"dense_layers": layers.count("0") * int(outer[1] if outer else 1), "moe_every": 1}


def virtual_stages(note: str) -> int:
    """The stages of the pipeline layout in a note, over all ranks: `Et*3|(tt|)*6mL` are 8. 0: none is told."""
    layout = dict(ARGUMENT.findall(note)).get("pipeline-model-parallel-layout", "")
    bars = re.sub(r"\(([^()]*)\)(?:\*(\d{1,4}))?", lambda found: "|" * (found[1].count("|") * int(found[2] or 1)), layout)
    return bars.count("|") + 1 if layout else 0


def routing(note: str) -> dict[str, Any]:
    """The fields of a Job that a note tells of a mixture of experts; balanced and dropless where it tells nothing."""
    found: dict[str, Any] = {}
    for words, changes in ROUTING:
        if re.search(words, note):
            found |= changes
    factor = dict(ARGUMENT.findall(note)).get("moe-expert-capacity-factor", "")
    return found | ({"capacity": float(factor)} if re.fullmatch(r"\d{1,2}(\.\d{1,6})?", factor) else {})
