"""The model of an imported file: the preset it is based on, the fields set over it, and differences that no field can express.

Sizes are attributes of a Model given by the file: those of input fields, and traits, which only a preset can supply.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import MISSING, fields
from typing import Any

from planner import presets
from planner.document.fields import Value
from planner.document.inputs import OVERRIDES_OF
from planner.specs.model import Model

# Sizes that identify a preset, the most distinctive first.
SIZES = ("layers", "hidden", "heads", "kv_heads", "ffn", "vocab", "experts", "experts_per_token", "expert_ffn", "kv_rank", "dense_layers",
         "moe_every")  # fmt: skip
BASES = {True: "llama-3.1-8b", False: "gpt3-175b"}  # the base of a model with unknown sizes: gated, or like GPT-3
VOCAB_PADS = 1024  # most entries by which a vocabulary may be padded
FIELDS = OVERRIDES_OF["model"]  # the sizes with an input field
APART = ("name", "max_positions", "published_parameters", "published_active", "sources", "notes")  # not sizes


def with_defaults(shape: Mapping[str, Any]) -> dict[str, Any]:
    """A shape completed by the defaults of a Model."""
    return {f.name: f.default for f in fields(Model) if f.name not in APART and f.default is not MISSING} | dict(shape)


def size_of(model: Model, key: str) -> Any:
    """A size of a model in the notation of files: value width of MLA only, and a window only where some layer is local."""
    if key == "v_dim":
        return model.value_dim if model.kv_rank else 0
    if key in ("sliding_window", "global_every") and (not model.sliding_window or model.global_every == 1):
        return 0 if key == "sliding_window" else 1
    return getattr(model, key)


def compared(sizes: Mapping[str, Any]) -> dict[str, Any]:
    """The sizes that matter for the model: without the dense width where every layer is sparse, without expert sizes where none is."""
    relevant = dict(sizes)
    if not relevant.get("experts"):
        for key in ("experts_per_token", "expert_ffn", "shared_ffn", "shared_gate", "dense_layers", "moe_every", "router_groups",
                    "groups_per_token", "mtp_layers"):  # fmt: skip
            relevant.pop(key, None)
    elif not relevant.get("dense_layers") and relevant.get("moe_every", 1) == 1:
        relevant.pop("ffn", None)
    if not relevant.get("sliding_window", 1):
        relevant.pop("global_every", None)
    if relevant.get("kv_rank") and "head_dim" in relevant and not relevant.get("v_dim", 1):
        relevant["v_dim"] = relevant["head_dim"]
    return relevant


def preset_of(sizes: Mapping[str, Any], base: str = "") -> str:
    """The preset with the given sizes: `base` if it matches, else the one with most matching traits; empty where none matches."""
    models, _ = presets.every("models", presets.model)  # an unreadable user preset does not hide the others
    alike = {name: model for name, model in models.items() if _alike(model, sizes)}
    return base if base in alike else max(alike, key=lambda name: _agreeing(alike[name], sizes), default="")


def _alike(model: Model, sizes: Mapping[str, Any]) -> bool:
    """Whether a preset has every given size; the vocabulary may be padded."""
    relevant = compared(sizes)
    given = [key for key in SIZES if key in relevant and key != "vocab" and not (key == "ffn" and model.sparse_layers == model.layers)]
    if sizes.get("experts", 0) != model.experts:  # a file without experts describes a dense model
        return False
    if not {"layers", "hidden"} <= set(given) or any(size_of(model, key) != relevant[key] for key in given):
        return False
    return "vocab" not in relevant or 0 <= relevant["vocab"] - model.vocab < VOCAB_PADS


def _agreeing(model: Model, sizes: Mapping[str, Any]) -> tuple[int, int]:
    """Number of matching traits, which only a preset can supply, and of matching sizes with an input field."""
    same = [key for key, value in compared(sizes).items() if size_of(model, key) == value]
    return sum(key not in FIELDS for key in same), sum(key in FIELDS for key in same)


def base_and_overrides(sizes: Mapping[str, Any], base: str = "") -> tuple[str, dict[str, Value]]:
    """The preset on which a file's sizes are based, and the fields set over it.

    The preset with these sizes; else the one named `base`; else, among those of its kind, the one with most matching traits.
    """
    models, _ = presets.every("models", presets.model)
    name = preset_of(sizes, base) or (base if base in models else _nearest(models, sizes))
    relevant = compared(sizes) | {"experts": sizes.get("experts", 0)}
    changes = {key: value for key, value in relevant.items() if key in FIELDS and size_of(models[name], key) != value}
    dependent = {key: relevant[key] for key in ("kv_heads", "head_dim") if key in relevant}  # else they would follow the overridden sizes
    return name, dependent | changes if changes else {}


def _nearest(models: Mapping[str, Model], sizes: Mapping[str, Any]) -> str:
    """The preset that agrees most with unknown sizes, dense or sparse as they are; the one of BASES on a tie."""
    first, experts = BASES[bool(sizes.get("gated", True))], int(sizes.get("experts", 0))
    positions = sizes.get("positions", models[first].positions)
    fit = [name for name in (first, *models) if models[name].positions == positions and _fits(models[name], experts)] or [first]
    return max(fit, key=lambda name: (bool(models[name].experts) == bool(experts), *_agreeing(models[name], sizes)))


def _fits(model: Model, experts: int) -> bool:
    """Whether a model's router groups divide the number of experts."""
    return not (experts and model.router_groups and experts % model.router_groups)


def differing(sizes: Mapping[str, Any], model: Model, chosen: Collection[str] = ()) -> Iterator[str]:
    """A sentence for each size in the file that the planned model does not have, except those chosen by the user."""
    relevant = compared(sizes) | ({"experts": sizes.get("experts", 0)} if sizes else {})
    for key, value in relevant.items():
        if key not in chosen and size_of(model, key) != value:
            yield f"the file has {key} {_text(value)}, the planned model {model.name} has {_text(size_of(model, key))}"


def _text(value: Any) -> str:
    """A size as text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)
