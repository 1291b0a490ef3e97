"""torchtitan's TOML (0.2.x): parallelism, training and activation checkpointing as a job and a plan.

Keys: torchtitan/config/job_config.py (0.2.2). Its models are names of a registry, whose shapes the export to torchtitan lists.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from planner import presets
from planner.document.fields import Value
from planner.errors import FileError
from planner.exporters._keys_torchtitan import FLAVORS
from planner.exporters.torchtitan import OWN
from planner.exporters.torchtitan import SCHEDULES as WRITTEN
from planner.importers.imported import Imported
from planner.importers.read_back import KINDS, assumptions_of, pairs, sizes_of
from planner.importers.sizes import whole
from planner.importers.typed import MOST, count, flag, strange, table, word
from planner.plaintext import quoted

OURS = "tmplan: "  # what the description of an export begins with
SCHEDULES = {name: schedule for schedule, name in WRITTEN.items()} | {"Interleaved1F1B": "1f1b"}
DEGREES = {
    "tensor_parallel_degree": "tp", "pipeline_parallel_degree": "pp", "context_parallel_degree": "cp", "expert_parallel_degree": "ep",
    "expert_tensor_parallel_degree": "etp", "data_parallel_replicate_degree": "dp_replicate",
}  # fmt: skip
READ = {
    "parallelism": {*DEGREES, "data_parallel_shard_degree", "pipeline_parallel_schedule", "pipeline_parallel_layers_per_stage",
                    "pipeline_parallel_microbatch_size", "fsdp_reshard_after_forward", "pipeline_parallel_first_stage_less_layers",
                    "pipeline_parallel_last_stage_less_layers", "disable_loss_parallel", "enable_async_tensor_parallel",
                    "context_parallel_rotate_method", "module_fqns_per_model_part", "pipeline_parallel_expert_parallel_overlap"},
    "training": {"local_batch_size", "global_batch_size", "seq_len", "mixed_precision_param", "mixed_precision_reduce", "steps", "dtype",
                 "max_norm", "dataset", "dataset_path", "enable_cpu_offload", "gc_freq", "seed", "deterministic"},
    "activation_checkpoint": {"mode", "selective_ac_option"}, "model": {"name", "flavor", "hf_assets_path", "tokenizer_path", "converters"},
}  # fmt: skip
RECOMPUTES = ("none", "selective", "full")
SILENT = (
    "job",
    "profiling",
    "metrics",
    "optimizer",
    "lr_scheduler",
    "checkpoint",
    "comm",
    "validation",
    "compile",
    "experimental",
    "debug",
    "quantize",
)


def is_torchtitan(tables: Mapping[str, Any]) -> bool:
    """Whether a TOML file's tables are torchtitan's."""
    return isinstance(tables.get("parallelism"), dict) and isinstance(tables.get("training"), dict)


def read(tables: Mapping[str, Any], where: str) -> Imported:
    """The job and plan of a configuration's tables; FileError names what is impossible."""
    parallel, training = table(tables, "parallelism", where), table(tables, "training", where)
    plan: dict[str, Any] = {axis: count(parallel, key, where) for key, axis in DEGREES.items() if key in parallel}
    shard = _or_left(parallel, "data_parallel_shard_degree", where)
    replicas, rest = plan.get("dp_replicate", 1), plan.get("tp", 1) * plan.get("pp", 1) * plan.get("cp", 1)
    if shard > 0:
        plan |= {"dp": shard * replicas, "dp_shard": shard}
    sharded = shard == -1 or shard * plan.get("cp", 1) > 1
    keep = word(parallel, "fsdp_reshard_after_forward", where, "default", ("default", "always", "never"))
    pipelined = plan.get("pp", 1) > 1
    plan["zero"] = 0 if not sharded else 2 if keep == "never" or (keep == "default" and pipelined) else 3
    sizes, base, told, left = _model(tables, where)
    plan |= _schedule(parallel, int(sizes.get("layers", 0)), where)
    local = count(training, "local_batch_size", where, 8)
    plan["micro_batch"] = count(parallel, "pipeline_parallel_microbatch_size", where, 1) if pipelined else local
    plan["sequence_parallel"] = int(plan.get("tp", 1) > 1)
    mode = word(table(tables, "activation_checkpoint", where), "mode", where, "selective", (*RECOMPUTES, "memory_budget"))
    plan["recompute"] = mode if mode in RECOMPUTES else "selective"
    job: dict[str, Any] = {"sequence": count(training, "seq_len", where, 2048)}
    if (batch := _or_left(training, "global_batch_size", where)) > 0:
        job["global_batch"] = batch
    elif shard > 0:
        job["global_batch"] = local * plan["dp"]
    if flag(training, "enable_cpu_offload", where):
        job["offload_optimizer"] = True
    if flag(parallel, "pipeline_parallel_expert_parallel_overlap", where) and plan.get("schedule") == "dualpipev":
        job["overlap_experts"] = True
    if any("float8" in name for name in _texts(table(tables, "model", where), "converters", where)):
        job["precision"] = "fp8"
    left += [f"[{name}]" for name in strange(tables, {*READ, *SILENT})]
    left += [name for part, keys in READ.items() for name in strange(table(tables, part, where), keys, f"[{part}] ")]
    if not sizes:
        model = table(tables, "model", where)
        flavored = f"name {quoted(model.get('name'))}, flavor {quoted(model.get('flavor'))}"
        left.append(f"[model] {flavored}: no preset; name one with --model")
    stack, gpus = str(told.pop("stack", "torchtitan")), rest * plan["dp"] if shard > 0 else 0
    return Imported("torchtitan", stack, sizes, told | job, plan, gpus, 0, left, base=base)


def _or_left(values: Mapping[str, Any], key: str, where: str) -> int:
    """A count, or -1 where it is left to what follows from the others."""
    value = values.get(key, -1)
    if isinstance(value, bool) or not isinstance(value, int) or not (value == -1 or 1 <= value <= MOST):
        raise FileError(f"key '{key}' must be -1, or from 1 to {MOST:,}, not {quoted(value)}", where=where)
    return value


def _texts(values: Mapping[str, Any], key: str, where: str) -> list[str]:
    """A list of texts, empty where it is absent."""
    found = values.get(key, [])
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        raise FileError(f"key '{key}' must be a list of texts, not {quoted(found)}", where=where)
    return found


def _model(tables: Mapping[str, Any], where: str) -> tuple[Mapping[str, Any], str, dict[str, Value], list[str]]:
    """Sizes, the preset they were made of, fields of the job, and what is not understood, from the flavor and tmplan's description.

    The sizes are a registered flavor's; of tmplan's own flavor those that the description tells. Empty where neither is known.
    """
    model, described = table(tables, "model", where), word(table(tables, "job", where), "description", where)
    kind, flavor = word(model, "name", where), word(model, "flavor", where)
    registered = next((known.shape for known in FLAVORS if known.flavor and (known.model, known.flavor) == (kind, flavor)), None)
    if not described.startswith(OURS):
        return whole(registered) if registered else {}, "", {}, []
    name, _, listed = described.removeprefix(OURS).partition("; ")
    assumed = ", ".join(f"{key} {value}" for key, value in pairs(listed) if key not in KINDS)
    job, left = assumptions_of(assumed) if assumed else ({}, [])
    base = name if name in presets.names("models") else ""
    if registered:
        return whole(registered), base, job, left
    if flavor != OWN:
        return {}, "", job, left
    sizes = sizes_of(", ".join(f"{key} {value}" for key, value in pairs(listed) if key in KINDS))
    if sizes is not None:
        return whole(sizes), base, job, left
    if base:
        left.append(f"[job] description tells no sizes of {base}, which may have been changed: those of the preset are taken")
        shape = presets.model(base)
        return {f.name: getattr(shape, f.name) for f in fields(shape) if f.name in KINDS}, base, job, left
    return {}, "", job, left


def _schedule(parallel: Mapping[str, Any], layers: int, where: str) -> dict[str, Any]:
    """Schedule and virtual stages: V schedules have two a rank, an interleaved one those that its modules or its layers make, else two."""
    pp = count(parallel, "pipeline_parallel_degree", where)
    if pp == 1:
        return {"schedule": "1f1b", "vpp": 1}
    name = word(parallel, "pipeline_parallel_schedule", where, "1F1B", SCHEDULES)
    vpp, parts = 1 if name == "1F1B" else 2, parallel.get("module_fqns_per_model_part", [])
    if not isinstance(parts, list):
        raise FileError(f"key 'module_fqns_per_model_part' must be a list, not {quoted(parts)}", where=where)
    if parts:
        vpp = max(1, len(parts) // pp)
    elif layers and "pipeline_parallel_layers_per_stage" in parallel:
        vpp = max(1, -(-(layers + 2) // count(parallel, "pipeline_parallel_layers_per_stage", where)) // pp)  # with embedding and head
    return {"schedule": SCHEDULES[name], "vpp": vpp}
