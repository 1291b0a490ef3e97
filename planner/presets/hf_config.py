"""Hugging Face config.json files as Models.

Families differ in their key names and in what their code does without a key: an extra norm, a bias, a tied head. Both are in `hf_families`;
an unknown model_type is read as a Llama (gated MLP, RMSNorm, rotary positions), which most are, and the model's notes say so.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from planner.errors import FieldError, FileError, Unsupported
from planner.files import decode, reader
from planner.plaintext import named, quoted
from planner.presets import hf_moe
from planner.presets.hf_families import FAMILIES, FAMILY_KEYS, KEYS, MULTIPLE_OF_HIDDEN, SAME, SWITCHED, assumed
from planner.presets.hf_keys import Config, count, flag, per_layer, size, text
from planner.specs.model import Model

NOT_PLANNED = {
    "block_configs": "layers that differ from each other",
    "global_head_dim": "layers that differ from each other",
    "ffn_config": "layers described by other keys",
    "index_topk": "sparse attention",
    "linear_attn_config": "linear attention",
    "linear_num_value_heads": "linear attention",
    "hybrid_override_pattern": "state-space layers",
    "layers_block_type": "state-space layers",
    "attn_layer_period": "state-space layers",
    "mamba_d_state": "state-space layers",
}
ATTENTION = ("full_attention", "sliding_attention", "chunked_attention")
ENCODERS = ("bert", "roberta", "xlm-roberta", "distilbert", "albert", "electra", "deberta", "deberta-v2", "modernbert", "vit", "clip")
LARGEST = 2**22  # bytes; labels and module lists make some files long
MOST_LAYERS = 10_000  # the limit of Model
NO_GLOBAL_LAYER = MOST_LAYERS  # more than any number of layers: all are local


def read(path: Path) -> Model:
    """The Model of a config.json. FileError with file and key, Unsupported for an architecture that cannot be planned."""
    config = _load(path)
    outer = config.get("text_config")
    if isinstance(outer, dict):  # a multimodal model: its language part
        shared: dict[str, Any] = {key: config[key] for key in ("model_type", "tie_word_embeddings", "_name_or_path") if key in config}
        config = shared | outer
    path_or_id = config.get("_name_or_path")
    name = named(path_or_id.rstrip("/").rsplit("/", 1)[-1] if isinstance(path_or_id, str) else "") or _name_from(path)
    _refuse(config, name)
    return model_of(config, name, str(path))


def model_of(config: Config, name: str, where: str) -> Model:
    """The Model of a decoder-only configuration; `where` is the file named in errors."""
    model_type = text(config, "model_type")
    kind = SAME.get(model_type, model_type)
    family = dict(FAMILIES.get(kind, {}))
    keys = KEYS | FAMILY_KEYS.get(kind, {})
    sizes: dict[str, Any] = {}  # integers, None where neither the file nor the family gives one
    for field in keys:
        width, usual = size(config, keys[field], where), family.pop(field, None)
        sizes[field] = usual if width is None else width
    if sizes["ffn"] is None and kind in MULTIPLE_OF_HIDDEN and sizes["hidden"]:
        sizes["ffn"] = 4 * sizes["hidden"]
    countable = sizes["layers"] is not None and sizes["layers"] <= MOST_LAYERS
    sparse = hf_moe.experts(config, kind, sizes["layers"], name, where) if countable else {}
    if sparse and not sparse["dense_layers"] and sparse["moe_every"] == 1:
        sizes["ffn"] = sizes["ffn"] or 0  # no dense layer exists
    for field, width in sizes.items():
        if width is None and field not in ("kv_heads", "head_dim"):
            raise FileError(f"key '{keys[field][0]}' is missing", where=where)
    if kind == "falcon":
        family |= _falcon(config, sizes)
    sizes["kv_heads"] = sizes["kv_heads"] or sizes["heads"]
    if latent := hf_moe.latent(config, kind, where):  # keys and values are expanded per head; head_dim has another meaning
        sizes |= latent | {"kv_heads": sizes["heads"]}
    if sizes["head_dim"] is None:
        if sizes["hidden"] % sizes["heads"]:
            raise FileError(
                f"key 'head_dim' is missing, and {quoted(sizes['heads'])} heads do not divide hidden_size {quoted(sizes['hidden'])}",
                where=where,
            )
        sizes["head_dim"] = sizes["hidden"] // sizes["heads"]
    traits = _traits(config, kind, family, where) | _window(config, kind, family, sizes["layers"], name, where)
    if not sparse:  # transformers trains dense models that have such layers (MiMo-7B) without them
        traits["mtp_layers"] = 0
    try:
        return Model(name=name, **sizes, **sparse, **(family | traits), sources=(where,), notes=assumed(model_type, where))
    except FieldError as error:
        raise FileError(str(error), where=where) from None


def _load(path: Path) -> dict[str, Any]:
    """The JSON object of a file; FileError with line and column where it is invalid."""
    text = reader.text(path, LARGEST, f"is larger than {LARGEST:,} bytes; a config.json is a few thousand")
    return decode.json_object(text, str(path), "one JSON object, as a Hugging Face config.json does")


def _name_from(path: Path) -> str:
    """A model's name from its file: the stem, or the folder's name for config.json."""
    return path.stem if path.stem != "config" else path.absolute().parent.name


def _refuse(config: Config, name: str) -> None:
    """Raise Unsupported for anything but a decoder-only transformer with layers of one shape."""
    kind = text(config, "model_type")
    if config.get("is_encoder_decoder") is True or kind in ENCODERS:
        raise Unsupported(f"{name} is not a decoder-only transformer ({named(kind) or 'encoder-decoder'}); tmplan supports no other")
    for key, what in NOT_PLANNED.items():
        if config.get(key):
            raise _not_planned(name, what, key)


def _not_planned(name: str, what: str, key: str) -> Unsupported:
    """The Unsupported error for an architecture with the given feature."""
    return Unsupported(f"{name} has {what} (key '{key}'); tmplan supports full, local and latent attention in layers of one shape")


def _falcon(config: Config, sizes: dict[str, Any]) -> dict[str, Any]:
    """Falcon's key-value heads and norms, which depend on which of its two decoder architectures it has."""
    new = config.get("new_decoder_architecture") is True
    parallel = new or config.get("parallel_attn", True) is True
    if not new:  # num_kv_heads is present but ignored
        sizes["kv_heads"] = 1 if config.get("multi_query", True) is True else sizes["heads"]
    shared = parallel and (not new or config.get("num_ln_in_parallel_attn") == 1)
    positions = "alibi" if config.get("alibi") is True else "rope"
    return {"parallel_block": parallel, "norms_per_layer": 1 if shared else 2, "positions": positions}


def _traits(config: Config, kind: str, family: Config, where: str) -> dict[str, Any]:
    """Tied head, biases and multi-token prediction layers: from the file, else the family's defaults."""
    usual_bias = family.get("bias", False)
    bias = flag(config, {"starcoder2": "use_bias", "falcon": "bias", "gpt_neox": "attention_bias"}.get(kind, "mlp_bias"), usual_bias, where)
    traits: dict[str, Any] = {
        "tied": flag(config, "tie_word_embeddings", family.get("tied", False), where),
        "bias": bias,
        "qkv_bias": not bias and flag(config, "attention_bias", family.get("qkv_bias", False), where),
        "mtp_layers": count(config, ("num_nextn_predict_layers", "num_mtp_layers"), 0, where),
    }
    if kind == "glm4_moe":
        traits["qk_norm"] = "head" if flag(config, "use_qk_norm", False, where) else "none"
    if kind == "gpt_neox":
        traits["parallel_block"] = flag(config, "use_parallel_residual", True, where)
    if kind == "gpt2":
        traits["dropout"] = bool(config.get("resid_pdrop", 0.1))
    return traits


def _window(config: Config, kind: str, family: Config, layers: int, name: str, where: str) -> dict[str, Any]:
    """Window size of the local layers and the period of global layers; zero where the file switches the window off."""
    chunked = bool(family.get("chunked", False))
    usual = family.get("sliding_window", 4096 if kind in SWITCHED else 0)
    window = count(config, ("attention_chunk_size" if chunked else "sliding_window",), usual, where)
    every = _global_every(config, kind, family, layers, name, where)
    if not window or every == 1 or not flag(config, "use_sliding_window", kind not in SWITCHED, where):
        return {"sliding_window": 0, "global_every": 1, "chunked": False}
    return {"sliding_window": window, "global_every": every, "chunked": chunked}


def _global_every(config: Config, kind: str, family: Config, layers: int, name: str, where: str) -> int:
    """The period of global layers; a list of layers gives the period with the nearest number of global layers."""
    kinds = per_layer(config, "layer_types", layers, where)
    unplaced = per_layer(config, "no_rope_layers", layers, where) if kind == "llama4_text" else None  # 0: global, without rotary positions
    if kinds is not None:
        if odd := [other for other in kinds if other not in ATTENTION]:
            raise _not_planned(name, f"layers of the kind {quoted(odd[0])}", "layer_types")
        global_layers = kinds.count("full_attention")
    elif unplaced is not None:
        global_layers = unplaced.count(0)
    elif kind in SWITCHED:
        global_layers = min(layers, count(config, ("max_window_layers",), 0, where))
    else:
        period = size(config, ("sliding_window_pattern", "no_rope_layer_interval"), where)
        return period or family.get("global_every") or NO_GLOBAL_LAYER
    if not global_layers:
        return NO_GLOBAL_LAYER
    return min(layers // global_layers, layers // global_layers + 1, key=lambda every: abs(layers // every - global_layers))
