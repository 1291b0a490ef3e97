"""What a file of another framework came to: fields of a job, a plan, and what was not understood."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from planner.document.fields import Value
from planner.document.inputs import Inputs, resolve
from planner.document.planfile import Document
from planner.document.space import AXES, Bounds, Space
from planner.errors import FieldError, FileError
from planner.importers.sizes import preset_of, standing
from planner.specs.plan import Plan, from_named


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
    base: str = ""  # the preset that the model was made of, where the file names it


def inputs_of(found: Imported, where: str, model: str = "") -> Inputs:
    """The job a file describes, on the GPUs it tells, of the model named where one is; FileError where its sizes make no model."""
    named = model or str(found.job.get("model", ""))
    missing = [key for key in ("layers", "hidden", "heads") if key not in found.sizes]
    if missing and not named and not preset_of(found.sizes, found.base):
        raise FileError(f"does not tell the model's {', '.join(missing)}; name it with --model", where=where)
    name, changes = (named, {}) if named else standing(found.sizes, found.base)
    values: dict[str, Value] = {"stack": found.stack, "model": name, **changes}
    values |= {key: value for key, value in found.job.items() if key != "model"}
    if found.gpus:
        values["gpus"] = found.gpus
    if found.gpus_per_node:
        values["gpus_per_node"] = found.gpus_per_node
    return Inputs().with_all(values)


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
