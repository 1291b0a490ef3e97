"""torchtitan's TOML (0.2.x): parallelism, training and activation checkpointing as a job and a plan.

Keys: torchtitan/config/job_config.py (0.2.2). Its models are names of a registry, whose shapes the export to torchtitan lists.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any

from planner import presets
from planner.errors import FileError
from planner.export._keys_torchtitan import FLAVORS
from planner.export.torchtitan import OWN
from planner.export.torchtitan import SCHEDULES as WRITTEN
from planner.imports.imported import SIZES, Imported, count, table

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


def read(text: str, where: str) -> Imported:
    """The job and plan of a configuration; FileError names what is damaged or impossible."""
    try:
        tables = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise FileError(f"is not valid TOML: {error}", where=where) from None
    parallel, training = table(tables, "parallelism"), table(tables, "training")
    plan: dict[str, Any] = {axis: count(parallel, key, where) for key, axis in DEGREES.items() if key in parallel}
    shard = parallel.get("data_parallel_shard_degree", -1)
    if not isinstance(shard, int) or isinstance(shard, bool) or not (shard == -1 or shard >= 1):
        raise FileError(f"key 'parallelism.data_parallel_shard_degree' must be -1 or at least 1, not {shard!r}", where=where)
    replicas, rest = plan.get("dp_replicate", 1), plan.get("tp", 1) * plan.get("pp", 1) * plan.get("cp", 1)
    if shard > 0:
        plan |= {"dp": shard * replicas, "dp_shard": shard}
    sharded = shard == -1 or shard * plan.get("cp", 1) > 1
    keep = parallel.get("fsdp_reshard_after_forward", "default")
    pipelined = plan.get("pp", 1) > 1
    plan["zero"] = 0 if not sharded else 2 if keep == "never" or (keep == "default" and pipelined) else 3
    sizes = _sizes(tables)
    plan |= _schedule(parallel, int(sizes.get("layers", 0)), where)
    local = count(training, "local_batch_size", where, 8)
    plan["micro_batch"] = count(parallel, "pipeline_parallel_microbatch_size", where, 1) if pipelined else local
    plan["sequence_parallel"] = int(plan.get("tp", 1) > 1)
    mode = table(tables, "activation_checkpoint").get("mode", "selective")
    plan["recompute"] = mode if mode in ("none", "selective", "full") else "selective"
    job: dict[str, Any] = {"sequence": count(training, "seq_len", where, 2048)}
    if training.get("global_batch_size", -1) != -1:
        job["global_batch"] = count(training, "global_batch_size", where)
    elif shard > 0:
        job["global_batch"] = local * plan["dp"]
    if training.get("enable_cpu_offload") is True:
        job["offload_optimizer"] = True
    if parallel.get("pipeline_parallel_expert_parallel_overlap") is True and plan.get("schedule") == "dualpipev":
        job["overlap_experts"] = True
    if any("float8" in str(name) for name in table(tables, "model").get("converters", ())):
        job["precision"] = "fp8"
    left = [f"[{name}]" for name in tables if name not in READ and name not in SILENT]
    left += [f"[{name}] {key}" for name, keys in READ.items() for key in table(tables, name) if key not in keys]
    if not sizes:
        model = table(tables, "model")
        left.append(f"[model] name {model.get('name')!r}, flavor {model.get('flavor')!r}: no preset; name one with --model")
    return Imported("torchtitan", "torchtitan", sizes, job, plan, rest * plan["dp"] if shard > 0 else 0, 0, left)


def _sizes(tables: Mapping[str, Any]) -> Mapping[str, Any]:
    """The shape of a registered flavor; of tmplan's own, that of the preset its export names; empty where neither is known."""
    model, told = table(tables, "model"), str(table(tables, "job").get("description", ""))
    for known in FLAVORS:
        if known.flavor and (known.model, known.flavor) == (model.get("name"), model.get("flavor")):
            return known.shape
    name = told.removeprefix("tmplan: ")
    if model.get("flavor") == OWN and name in presets.names("models"):
        return {key: getattr(presets.model(name), key) for key in SIZES}
    return {}


def _schedule(parallel: Mapping[str, Any], layers: int, where: str) -> dict[str, Any]:
    """Schedule and virtual stages: V schedules have two a rank, an interleaved one those that its modules or its layers make, else two."""
    name, pp = str(parallel.get("pipeline_parallel_schedule", "1F1B")), int(parallel.get("pipeline_parallel_degree", 1))
    if pp == 1:
        return {"schedule": "1f1b", "vpp": 1}
    if name not in SCHEDULES:
        raise FileError(f"key 'pipeline_parallel_schedule' must be one of {', '.join(SCHEDULES)}, not {name[:40]!r}", where=where)
    vpp, parts = 1 if name == "1F1B" else 2, parallel.get("module_fqns_per_model_part")
    if isinstance(parts, list) and parts:
        vpp = max(1, len(parts) // pp)
    elif layers and "pipeline_parallel_layers_per_stage" in parallel:
        vpp = max(1, -(-(layers + 2) // count(parallel, "pipeline_parallel_layers_per_stage", where)) // pp)  # with embedding and head
    return {"schedule": SCHEDULES[name], "vpp": vpp}
