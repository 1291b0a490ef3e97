"""A Hugging Face config.json read as a Model.

Families differ in the names of their keys and in what their code does without a key: a norm more, a bias, a tied head. Both
stand in `FAMILIES`; a model_type not in it is read as a Llama (gated MLP, RMSNorm, rotary positions), which most are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from planner.errors import FieldError, FileError, Unsupported
from planner.specs import Model

# What a family's code does, and the defaults of its configuration class for keys that a file may leave out.
LAYERNORM: dict[str, Any] = {"norm": "layernorm", "gated": False}
FAMILIES: dict[str, dict[str, Any]] = {
    "qwen2": {"qkv_bias": True},
    "qwen3": {"qk_norm": "head"},
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
}  # fmt: skip
SAME = {"gemma3": "gemma3_text", "RefinedWeb": "falcon", "RefinedWebModel": "falcon"}
MULTIPLE_OF_HIDDEN = ("gpt2", "bloom", "falcon")  # ffn is 4 x hidden where the file does not say
# field -> the keys it goes by, the commonest first
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
EXPERTS = ("num_local_experts", "n_routed_experts", "num_experts", "moe_num_experts", "num_routed_experts")
NOT_PLANNED = {
    "kv_lora_rank": "multi-head latent attention",
    "block_configs": "layers that differ from each other",
    "linear_num_value_heads": "linear attention",
    "hybrid_override_pattern": "state-space layers",
    "layers_block_type": "state-space layers",
    "attn_layer_period": "state-space layers",
}
ENCODERS = ("bert", "roberta", "xlm-roberta", "distilbert", "albert", "electra", "deberta", "deberta-v2", "modernbert", "vit", "clip")
NO_GLOBAL_LAYER = 10_000  # the most a Model takes: every layer is local


def read(path: Path) -> Model:
    """The Model a config.json describes. FileError naming file and key, Unsupported for what cannot be planned."""
    config = _load(path)
    outer = config.get("text_config")
    if isinstance(outer, dict):  # a model that also sees or hears: its language part
        shared: dict[str, Any] = {key: config[key] for key in ("model_type", "tie_word_embeddings", "_name_or_path") if key in config}
        config = shared | outer
    name = str(config.get("_name_or_path") or "").rstrip("/").rsplit("/", 1)[-1] or _named_by(path)
    _refuse(config, name)
    return model_of(config, name, str(path))


def model_of(config: Mapping[str, Any], name: str, where: str) -> Model:
    """The Model of a dense, decoder-only configuration; `where` names its file in refusals."""
    kind = str(config.get("model_type", "llama"))
    kind = SAME.get(kind, kind)
    family = dict(FAMILIES.get(kind, {}))
    sizes: dict[str, Any] = {}  # whole numbers, or None where neither the file nor the family says
    for field in KEYS:
        size, usual = _size(config, field, where), family.pop(field, None)
        sizes[field] = usual if size is None else size
    if sizes["ffn"] is None and kind in MULTIPLE_OF_HIDDEN and sizes["hidden"]:
        sizes["ffn"] = 4 * sizes["hidden"]
    for field, size in sizes.items():
        if size is None and field not in ("kv_heads", "head_dim"):
            raise FileError(f"key '{KEYS[field][0]}' is missing", where=where)
    if kind == "falcon":
        family |= _falcon(config, sizes)
    sizes["kv_heads"] = sizes["kv_heads"] or sizes["heads"]
    if sizes["head_dim"] is None:
        if sizes["hidden"] % sizes["heads"]:
            raise FileError(
                f"key 'head_dim' is missing, and {sizes['heads']} heads do not divide hidden_size {sizes['hidden']}", where=where
            )
        sizes["head_dim"] = sizes["hidden"] // sizes["heads"]
    traits = _traits(config, kind, family, where) | _window(config, family, sizes["layers"], where)
    try:
        return Model(name=name, **sizes, **(family | traits), sources=(where,))
    except FieldError as error:
        raise FileError(str(error), where=where) from None


def _load(path: Path) -> dict[str, Any]:
    """The JSON object of a file; FileError with line and column where it is damaged."""
    where = str(path)
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FileError(f"cannot be read: {error.strerror or error}", where=where) from None
    except json.JSONDecodeError as error:
        raise FileError(f"line {error.lineno}, column {error.colno} is not valid JSON: {error.msg}", where=where) from None
    except UnicodeDecodeError as error:
        raise FileError(f"is not UTF-8 text (byte {error.start})", where=where) from None
    except (ValueError, RecursionError) as error:
        raise FileError(f"cannot be read as JSON: {error}", where=where) from None
    if not isinstance(config, dict):
        raise FileError("must hold one JSON object, as a Hugging Face config.json does", where=where)
    return config


def _named_by(path: Path) -> str:
    """A model's name from its file: the folder's where the file is called config.json."""
    return path.stem if path.stem != "config" else path.absolute().parent.name


def _refuse(config: Mapping[str, Any], name: str) -> None:
    """Unsupported for what is no dense decoder-only transformer."""
    kind = str(config.get("model_type", ""))
    nested = config.get("ffn_config")
    experts = [config.get(key) for key in EXPERTS] + ([nested.get(key) for key in EXPERTS] if isinstance(nested, dict) else [])
    if any(isinstance(n, int) and n > 0 for n in experts) or "moe" in kind or kind == "mixtral":
        raise Unsupported(f"{name} is a mixture of experts; tmplan plans dense models so far: try llama-3.1-70b")
    if config.get("is_encoder_decoder") is True or kind in ENCODERS:
        raise Unsupported(f"{name} is not a decoder-only transformer ({kind or 'encoder-decoder'}); tmplan plans no other so far")
    for key, what in NOT_PLANNED.items():
        if config.get(key):
            raise Unsupported(f"{name} has {what} (key '{key}'); tmplan plans plain attention in equal layers so far")


def _size(config: Mapping[str, Any], field: str, where: str) -> int | None:
    """A dimension under the first of its keys that is there; None where none is, or it is null."""
    for key in KEYS[field]:
        value = config.get(key)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise FileError(f"key '{key}' must be a whole number of at least 1, not {value!r}", where=where)
        return value
    return None


def _flag(config: Mapping[str, Any], key: str, default: bool, where: str) -> bool:
    """A yes or no; null and absent are the family's default."""
    value = config.get(key)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise FileError(f"key '{key}' must be true or false, not {value!r}", where=where)
    return value


def _falcon(config: Mapping[str, Any], sizes: dict[str, int | None]) -> dict[str, Any]:
    """Falcon's own: key-value heads and norms depend on which of its two decoder architectures it is."""
    new = config.get("new_decoder_architecture") is True
    parallel = new or config.get("parallel_attn", True) is True
    if not new:  # num_kv_heads is written, and ignored
        sizes["kv_heads"] = 1 if config.get("multi_query", True) is True else sizes["heads"]
    shared = parallel and (not new or config.get("num_ln_in_parallel_attn") == 1)
    positions = "alibi" if config.get("alibi") is True else "rope"
    return {"parallel_block": parallel, "norms_per_layer": 1 if shared else 2, "positions": positions}


def _traits(config: Mapping[str, Any], kind: str, family: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Tied head and biases: what the file says, else the family's way."""
    own_bias = family.get("bias", False)
    bias = _flag(config, {"starcoder2": "use_bias", "falcon": "bias", "gpt_neox": "attention_bias"}.get(kind, "mlp_bias"), own_bias, where)
    traits: dict[str, Any] = {
        "tied": _flag(config, "tie_word_embeddings", family.get("tied", False), where),
        "bias": bias,
        "qkv_bias": not bias and _flag(config, "attention_bias", family.get("qkv_bias", False), where),
    }
    if kind == "gpt_neox":
        traits["parallel_block"] = _flag(config, "use_parallel_residual", True, where)
    if kind == "gpt2":
        traits["dropout"] = bool(config.get("resid_pdrop", 0.1))
    return traits


def _window(config: Mapping[str, Any], family: Mapping[str, Any], layers: int, where: str) -> dict[str, int]:
    """The local layers' window and how often a layer is global; none where the file switches it off."""
    absent = "sliding_window" not in config
    window = family.get("sliding_window", 0) if absent else config["sliding_window"] or 0
    if isinstance(window, bool) or not isinstance(window, int):
        raise FileError(f"key 'sliding_window' must be a whole number or null, not {window!r}", where=where)
    kinds = config.get("layer_types")
    if isinstance(kinds, list) and kinds:
        whole = sum(kind == "full_attention" for kind in kinds)
        every = max(1, round(layers / whole)) if whole else NO_GLOBAL_LAYER
    else:
        told = config.get("sliding_window_pattern") or family.get("global_every") or NO_GLOBAL_LAYER
        every = told if isinstance(told, int) else NO_GLOBAL_LAYER
    if not window or every == 1 or config.get("use_sliding_window") is False:
        return {"sliding_window": 0, "global_every": 1}
    return {"sliding_window": window, "global_every": every}
