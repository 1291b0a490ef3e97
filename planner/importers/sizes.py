"""The model a file describes: the preset it stands on, what is set on top of that, and what no field can hold.

Sizes are the attributes of a Model that a file tells, by name: those of the form, and traits, which a preset alone can lend.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import MISSING, fields
from typing import Any

from planner import presets
from planner.document.fields import Value
from planner.document.inputs import OVERRIDES_OF
from planner.specs.model import Model

# Sizes by which a preset is found, the most telling first.
SIZES = ("layers", "hidden", "heads", "kv_heads", "ffn", "vocab", "experts", "experts_per_token", "expert_ffn", "kv_rank", "dense_layers",
         "moe_every")  # fmt: skip
BASES = {True: "llama-3.1-8b", False: "gpt3-175b"}  # a model of sizes nobody knows stands on one of its kind: gated, or as GPT-3
VOCAB_PADS = 1024  # a vocabulary may have been padded by up to so many entries
FORM = OVERRIDES_OF["model"]  # the fields of the model's form
APART = ("name", "max_positions", "published_parameters", "published_active", "sources", "notes")  # which no size follows from


def whole(shape: Mapping[str, Any]) -> dict[str, Any]:
    """A shape that leaves out what stands at a Model's default, with all of it."""
    return {f.name: f.default for f in fields(Model) if f.name not in APART and f.default is not MISSING} | dict(shape)


def at(model: Model, key: str) -> Any:
    """A size of a model as files tell it: a value head's own width, and a window only where some layer has it."""
    if key == "v_dim":
        return model.value_dim if model.kv_rank else 0
    if key in ("sliding_window", "global_every") and (not model.sliding_window or model.global_every == 1):
        return 0 if key == "sliding_window" else 1
    return getattr(model, key)


def compared(sizes: Mapping[str, Any]) -> dict[str, Any]:
    """The sizes that say something of the model: no width of a dense MLP where every layer is sparse, nothing of experts without any."""
    said = dict(sizes)
    if not said.get("experts"):
        for key in ("experts_per_token", "expert_ffn", "shared_ffn", "shared_gate", "dense_layers", "moe_every", "router_groups",
                    "groups_per_token", "mtp_layers"):  # fmt: skip
            said.pop(key, None)
    elif not said.get("dense_layers") and said.get("moe_every", 1) == 1:
        said.pop("ffn", None)
    if not said.get("sliding_window", 1):
        said.pop("global_every", None)
    if said.get("kv_rank") and "head_dim" in said and not said.get("v_dim", 1):
        said["v_dim"] = said["head_dim"]
    return said


def preset_of(sizes: Mapping[str, Any], base: str = "") -> str:
    """The preset whose sizes are those told, the one named `base` before others, then the one of most traits; empty where none has them."""
    models, _ = presets.every("models", presets.model)  # one of the user's that cannot be read stops no other
    alike = {name: model for name, model in models.items() if _alike(model, sizes)}
    return base if base in alike else max(alike, key=lambda name: _agreeing(alike[name], sizes), default="")


def _alike(model: Model, sizes: Mapping[str, Any]) -> bool:
    """Whether a preset has every size that is told; a vocabulary may be padded."""
    said = compared(sizes)
    told = [key for key in SIZES if key in said and key != "vocab" and not (key == "ffn" and model.sparse_layers == model.layers)]
    if sizes.get("experts", 0) != model.experts:  # a file that tells of no experts is of a dense model
        return False
    if not {"layers", "hidden"} <= set(told) or any(at(model, key) != said[key] for key in told):
        return False
    return "vocab" not in said or 0 <= said["vocab"] - model.vocab < VOCAB_PADS


def _agreeing(model: Model, sizes: Mapping[str, Any]) -> tuple[int, int]:
    """How many traits, which a preset alone can lend, and how many sizes of the form a model has as told."""
    same = [key for key, value in compared(sizes).items() if at(model, key) == value]
    return sum(key not in FORM for key in same), sum(key in FORM for key in same)


def standing(sizes: Mapping[str, Any], base: str = "") -> tuple[str, dict[str, Value]]:
    """The preset that a file's sizes stand on, and the fields set on top of it.

    That is the preset with these sizes; else the one named `base`; else, among those of its kind, the one of most traits as told.
    """
    models, _ = presets.every("models", presets.model)
    name = preset_of(sizes, base) or (base if base in models else _nearest(models, sizes))
    said = compared(sizes) | {"experts": sizes.get("experts", 0)}
    changes = {key: value for key, value in said.items() if key in FORM and at(models[name], key) != value}
    follow = {key: said[key] for key in ("kv_heads", "head_dim") if key in said}  # they would follow other sizes that were changed
    return name, follow | changes if changes else {}


def _nearest(models: Mapping[str, Model], sizes: Mapping[str, Any]) -> str:
    """The preset that agrees most with sizes nobody knows, dense or sparse as they are; on equal terms the one of BASES."""
    first, experts = BASES[bool(sizes.get("gated", True))], int(sizes.get("experts", 0))
    positions = sizes.get("positions", models[first].positions)
    fit = [name for name in (first, *models) if models[name].positions == positions and _fits(models[name], experts)] or [first]
    return max(fit, key=lambda name: (bool(models[name].experts) == bool(experts), *_agreeing(models[name], sizes)))


def _fits(model: Model, experts: int) -> bool:
    """Whether a model's router can choose among so many experts."""
    return not (experts and model.router_groups and experts % model.router_groups)


def differing(sizes: Mapping[str, Any], model: Model, chosen: Collection[str] = ()) -> Iterator[str]:
    """What a file says of its model that the model planned with has otherwise, those chosen by hand apart; a sentence each."""
    said = compared(sizes) | ({"experts": sizes.get("experts", 0)} if sizes else {})
    for key, value in said.items():
        if key not in chosen and at(model, key) != value:
            yield f"the file says {key} {_text(value)}, and the model planned with, {model.name}, has {_text(at(model, key))}"


def _text(value: Any) -> str:
    """A size in words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)
