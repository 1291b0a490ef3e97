"""The result of reading another framework's file, and the job and plan made from it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from planner.degrees import MODEL_PARALLEL, WORLD
from planner.document.fields import Value
from planner.document.inputs import Inputs, resolve
from planner.document.planfile import Document
from planner.document.space import AXES, Bounds, Space
from planner.errors import FieldError, FileError
from planner.importers.megatron_pipeline import without_usual_layout
from planner.importers.sizes import base_and_overrides, preset_of
from planner.specs.plan import Plan, from_named


@dataclass(frozen=True)
class Imported:
    """The content of a file: framework, stack, model sizes, fields of job and plan, GPUs, and what was not understood."""

    framework: str
    stack: str
    sizes: Mapping[str, Any] = field(default_factory=dict)
    job: Mapping[str, Value] = field(default_factory=dict)
    plan: Mapping[str, Any] = field(default_factory=dict)
    gpus: int = 0  # 0: not given
    gpus_per_node: int = 0
    not_understood: Sequence[str] = ()
    unspecified: Sequence[str] = ()  # fields of the plan that the format lacks: the framework's defaults
    base: str = ""  # the preset that the model is based on, where the file names it


def inputs_of(imported: Imported, where: str, model: str = "") -> Inputs:
    """The inputs of a file's job, with the model named where one is; FileError where the file has too few sizes for a model."""
    name = model or str(imported.job.get("model", ""))
    missing = [key for key in ("layers", "hidden", "heads") if key not in imported.sizes]
    if missing and not name and not preset_of(imported.sizes, imported.base):
        raise FileError(f"does not specify the model's {', '.join(missing)}; choose the model with --model", where=where)
    base, changes = (name, {}) if name else base_and_overrides(imported.sizes, imported.base)
    values: dict[str, Value] = {"stack": imported.stack, "model": base, **changes}
    values |= {key: value for key, value in imported.job.items() if key != "model"}
    if imported.gpus:
        values["gpus"] = imported.gpus
    if imported.gpus_per_node:
        values["gpus_per_node"] = imported.gpus_per_node
    return Inputs().with_all(values)


def document_of(imported: Imported, inputs: Inputs) -> Document:
    """A document of the job with the plan pinned axis by axis; FieldError for an impossible job or plan."""
    job = resolve(inputs)
    fields = dict(imported.plan)
    world, model_parallel = job.cluster.gpus, math.prod(int(fields.get(axis, 1)) for axis in MODEL_PARALLEL)
    if world % model_parallel or ("dp" in fields and world != model_parallel * int(fields["dp"])):
        degrees = " x ".join(f"{axis} {fields[axis]:,}" for axis in WORLD if axis in fields)
        raise FieldError("gpus", f"{world:,} GPUs cannot be divided by the file's {degrees}; set their number with --gpus")
    fields.setdefault("dp", world // model_parallel)
    fields |= _sharding(fields)
    plan = from_named(fields, where="the file's plan")
    space = Space({axis: Bounds((int(getattr(plan, axis)),)) for axis in pinned(plan)})
    return Document(without_usual_layout(inputs, job, plan), space, plan)


def pinned(plan: Plan) -> Iterator[str]:
    """The axes to pin for a plan: all except those without effect on it."""
    for axis in AXES:
        if axis == "recompute_layers" and not plan.recompute_layers:
            continue
        if axis == "dp_replicate" and not plan.zero:
            continue
        yield axis


def _sharding(fields: Mapping[str, Any]) -> dict[str, int]:
    """ZeRO stage, dp_shard and dp_replicate, from dp and the file's values; over one rank nothing is sharded."""
    dp, cp, zero = int(fields["dp"]), int(fields.get("cp", 1)), int(fields.get("zero", 0))
    replicas = int(fields.get("dp_replicate", 0)) or (dp // int(fields["dp_shard"]) if fields.get("dp_shard") else 1)
    if zero and (not replicas or dp % replicas):
        what = f"{replicas:,} replicated groups" if replicas else f"groups of {fields['dp_shard']:,}"
        raise FieldError("dp_replicate", f"dp {dp:,} cannot be divided into the file's {what}; set the number of GPUs with --gpus")
    if not zero or dp // replicas * cp == 1:
        return {"zero": 0, "dp_shard": 1, "dp_replicate": dp}
    return {"zero": zero, "dp_shard": dp // replicas, "dp_replicate": replicas}
