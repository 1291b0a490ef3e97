"""What a file of another framework came to: fields of a job, a plan, and what was not understood."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from planner import presets
from planner.architecture import Model
from planner.errors import FieldError, FileError
from planner.fields import Value
from planner.inputs import BELONGS, Inputs, resolve
from planner.plan import Plan, from_named
from planner.planfile import Document
from planner.space import AXES, Bounds, Space

# Sizes by which a preset is found, the most telling first; and the fields of the form that make another model of it.
SIZES = ("layers", "hidden", "heads", "kv_heads", "ffn", "vocab", "experts", "experts_per_token", "expert_ffn", "kv_rank")
BASES = {True: "llama-3.1-8b", False: "gpt3-175b"}  # a model of sizes nobody knows stands on one of its kind: gated, or as GPT-3
VOCAB_PADS = 1024  # a vocabulary may have been padded by up to so many entries


@dataclass(frozen=True)
class Imported:
    """A file read: the framework, the model's sizes, fields of the job, fields of the plan by name, the GPUs told, what is left over."""

    framework: str
    stack: str
    sizes: Mapping[str, Any] = field(default_factory=dict)
    job: Mapping[str, Value] = field(default_factory=dict)
    plan: Mapping[str, Any] = field(default_factory=dict)
    gpus: int = 0  # 0: not told
    gpus_per_node: int = 0
    not_understood: Sequence[str] = ()
    untold: Sequence[str] = ()  # fields of the plan that such a file cannot hold: they stand as its framework has them


def preset_of(sizes: Mapping[str, Any]) -> str:
    """The preset whose sizes are those told; empty where none has them."""
    models, _ = presets.every("models", presets.model)  # one of the user's that cannot be read stops no other
    return next((name for name, model in models.items() if _alike(model, sizes)), "")


def _alike(model: Model, sizes: Mapping[str, Any]) -> bool:
    """Whether a preset has every size that is told; a vocabulary may be padded."""
    told = [
        key
        for key in SIZES
        if key in sizes and key != "vocab" and not (key == "ffn" and model.experts and model.sparse_layers == model.layers)
    ]
    if sizes.get("experts", 0) != model.experts:  # a file that tells of no experts is of a dense model
        return False
    if not {"layers", "hidden"} <= set(told) or any(getattr(model, key) != sizes[key] for key in told):
        return False
    return "vocab" not in sizes or 0 <= sizes["vocab"] - model.vocab < VOCAB_PADS


def inputs_of(found: Imported, where: str, model: str = "") -> Inputs:
    """The job a file describes, on the GPUs it tells, of the model named where one is; FileError where its sizes make no model."""
    name = model or str(found.job.get("model", "")) or preset_of(found.sizes)
    values: dict[str, Value] = {"stack": found.stack, "model": name or BASES[bool(found.sizes.get("gated", True))]}
    if not name:
        values |= {key: value for key, value in found.sizes.items() if key in FORM}
    values |= {key: value for key, value in found.job.items() if key != "model"}
    if found.gpus:
        values["gpus"] = found.gpus
    if found.gpus_per_node:
        values["gpus_per_node"] = found.gpus_per_node
    missing = [key for key in ("layers", "hidden", "heads") if key not in found.sizes]
    if missing and not name:
        raise FileError(f"does not tell the model's {', '.join(missing)}; name it with --model", where=where)
    return Inputs().with_all(values)


FORM = BELONGS["model"]  # the fields of the model's form


def document_of(found: Imported, inputs: Inputs) -> Document:
    """A document of the job and the plan: the plan pinned axis by axis. FieldError where job or plan cannot be."""
    job = resolve(inputs)
    told = dict(found.plan)
    world, model_parallel = job.cluster.gpus, math.prod(int(told.get(axis, 1)) for axis in ("tp", "pp", "cp"))
    if world % model_parallel or ("dp" in told and world != model_parallel * int(told["dp"])):
        degrees = " x ".join(f"{axis} {told[axis]:,}" for axis in ("tp", "pp", "cp", "dp") if axis in told)
        raise FieldError("gpus", f"{world:,} GPUs cannot be divided by the file's {degrees}; --gpus says how many there are")
    told.setdefault("dp", world // model_parallel)
    told |= _sharding(told)
    plan = from_named(told, where="the file's plan")
    space = Space({axis: Bounds((int(getattr(plan, axis)),)) for axis in pinned(plan)})
    return Document(inputs, space, plan)


def pinned(plan: Plan) -> Iterator[str]:
    """The axes a plan pins: all but those that say nothing for it."""
    for axis in AXES:
        if axis == "recompute_layers" and not plan.recompute_layers:
            continue
        if axis == "dp_replicate" and not plan.zero:
            continue
        yield axis


def _sharding(told: Mapping[str, Any]) -> dict[str, int]:
    """ZeRO stage, dp_shard and dp_replicate that follow from dp, and what the file told of any; over one rank nothing is sharded."""
    dp, cp, zero = int(told["dp"]), int(told.get("cp", 1)), int(told.get("zero", 0))
    replicas = int(told.get("dp_replicate", 0)) or (dp // int(told["dp_shard"]) if told.get("dp_shard") else 1)
    if zero and (not replicas or dp % replicas):
        what = f"{replicas:,} replicated groups" if replicas else f"groups of {told['dp_shard']:,}"
        raise FieldError("dp_replicate", f"dp {dp:,} cannot be divided into the file's {what}; --gpus says how many GPUs there are")
    if not zero or dp // replicas * cp == 1:
        return {"zero": 0, "dp_shard": 1, "dp_replicate": dp}
    return {"zero": zero, "dp_shard": dp // replicas, "dp_replicate": replicas}
