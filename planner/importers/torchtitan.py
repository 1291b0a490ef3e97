"""torchtitan's TOML (0.2.x): parallelism, training and activation checkpointing as a job and a plan.

Keys: torchtitan/config/job_config.py (0.2.2). Models are names in a registry, whose shapes the torchtitan exporter lists.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from planner import presets
from planner.document.fields import Value
from planner.errors import FileError
from planner.exporters._keys_torchtitan import FLAVORS
from planner.exporters.torchtitan import CUSTOM_FLAVOR
from planner.exporters.torchtitan import SCHEDULES as EXPORTED
from planner.importers.annotation import KINDS, assumptions_of, pairs, sizes_of
from planner.importers.config_values import MOST, choice, count, flag, table, unknown_keys
from planner.importers.imported import Imported
from planner.importers.sizes import with_defaults
from planner.plaintext import quoted

DESCRIPTION = "tmplan: "  # beginning of the description in an export
SCHEDULES = {name: schedule for schedule, name in EXPORTED.items()} | {"Interleaved1F1B": "1f1b"}
DEGREES = {
    "tensor_parallel_degree": "tp", "pipeline_parallel_degree": "pp", "context_parallel_degree": "cp", "expert_parallel_degree": "ep",
    "expert_tensor_parallel_degree": "etp", "data_parallel_replicate_degree": "dp_replicate",
}  # fmt: skip
READ = {
    "parallelism": {*DEGREES, "data_parallel_shard_degree", "pipeline_parallel_schedule", "pipeline_parallel_layers_per_stage",
                    "pipeline_parallel_microbatch_size", "fsdp_reshard_after_forward", "pipeline_parallel_first_stage_less_layers",
                    "pipeline_parallel_last_stage_less_layers", "disable_loss_parallel", "enable_async_tensor_parallel",
                    "context_parallel_rotate_method", "module_fqns_per_model_part", "pipeline_parallel_expert_parallel_overlap",
                    "expert_parallel_comm_backend"},
    "training": {"local_batch_size", "global_batch_size", "seq_len", "mixed_precision_param", "mixed_precision_reduce", "steps", "dtype",
                 "max_norm", "dataset", "dataset_path", "enable_cpu_offload", "gc_freq", "seed", "deterministic"},
    "activation_checkpoint": {"mode", "selective_ac_option"}, "model": {"name", "flavor", "hf_assets_path", "tokenizer_path", "converters"},
}  # fmt: skip
RECOMPUTES = ("none", "selective", "full")
IGNORED = (
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
    """The job and plan of a configuration's tables; FileError names an invalid value."""
    parallel, training = table(tables, "parallelism", where), table(tables, "training", where)
    plan: dict[str, Any] = {axis: count(parallel, key, where) for key, axis in DEGREES.items() if key in parallel}
    shard = _count_or_rest(parallel, "data_parallel_shard_degree", where)
    replicas, rest = plan.get("dp_replicate", 1), plan.get("tp", 1) * plan.get("pp", 1) * plan.get("cp", 1)
    if shard > 0:
        plan |= {"dp": shard * replicas, "dp_shard": shard}
    sharded = shard == -1 or shard * plan.get("cp", 1) > 1
    reshard = choice(parallel, "fsdp_reshard_after_forward", where, "default", ("default", "always", "never"))
    pipelined = plan.get("pp", 1) > 1
    plan["zero"] = 0 if not sharded else 2 if reshard == "never" or (reshard == "default" and pipelined) else 3
    sizes, base, annotated, unread = _model(tables, where)
    plan |= _schedule(parallel, int(sizes.get("layers", 0)), where)
    local = count(training, "local_batch_size", where, 8)
    plan["micro_batch"] = count(parallel, "pipeline_parallel_microbatch_size", where, 1) if pipelined else local
    plan["sequence_parallel"] = int(plan.get("tp", 1) > 1)
    mode = choice(table(tables, "activation_checkpoint", where), "mode", where, "selective", (*RECOMPUTES, "memory_budget"))
    plan["recompute"] = mode if mode in RECOMPUTES else "selective"
    every = choice(table(tables, "activation_checkpoint", where), "selective_ac_option", where, "2")  # 0.2.2's default
    if mode == "selective" and every.isdecimal() and int(every) > 0:
        plan["recompute"] = "full"
    job: dict[str, Any] = {"sequence": count(training, "seq_len", where, 2048)}
    if (batch := _count_or_rest(training, "global_batch_size", where)) > 0:
        job["global_batch"] = batch
    elif shard > 0:
        job["global_batch"] = local * plan["dp"]
    if plan["recompute"] == "full" and mode == "selective" and int(every) > 1:
        job["recompute_every"] = int(every)
    job |= _options(tables, training, where)
    if job.get("offload_optimizer") and plan["zero"] == 3 and not annotated:
        job["offload_parameters"] = True
    if flag(parallel, "pipeline_parallel_expert_parallel_overlap", where) and plan.get("schedule") == "dualpipev":
        job["overlap_experts"] = True
    sent = choice(parallel, "expert_parallel_comm_backend", where, "standard", ("standard", "deepep", "hybridep"))
    if sent != "standard":
        job["moe_dispatcher"] = sent
    job |= _narrow(tables, where)
    if flag(parallel, "enable_async_tensor_parallel", where) and plan.get("tp", 1) > 1:
        job["tp_overlap"] = "products"
    unread += [f"[{name}]" for name in unknown_keys(tables, {*READ, *IGNORED})]
    unread += [name for part, keys in READ.items() for name in unknown_keys(table(tables, part, where), keys, f"[{part}] ")]
    if not sizes:
        model = table(tables, "model", where)
        identity = f"name {quoted(model.get('name'))}, flavor {quoted(model.get('flavor'))}"
        unread.append(f"[model] {identity}: no preset; choose the model with --model")
    stack, gpus = str(annotated.pop("stack", "torchtitan")), rest * plan["dp"] if shard > 0 else 0
    return Imported("torchtitan", stack, sizes, annotated | job, plan, gpus, 0, unread, base=base)


def _options(tables: Mapping[str, Any], training: Mapping[str, Any], where: str) -> dict[str, Value]:
    """The options that decide memory: offloading, compilation, the optimizer's implementation, weights without a master copy."""
    job: dict[str, Value] = {}
    if flag(training, "enable_cpu_offload", where):
        job |= {"offload_optimizer": True}
    compiled, optimizer = table(tables, "compile", where), table(tables, "optimizer", where)
    if flag(compiled, "enable", where) and "model" in _texts(compiled, "components", where, ["model", "loss"]):
        job["kernels"] = "compiled"
    if choice(optimizer, "implementation", where, "fused") == "foreach":
        job["foreach"] = True
    if flag(optimizer, "early_step_in_backward", where):
        job["optimizer_in_backward"] = True
    if choice(training, "dtype", where, "float32") == "bfloat16":
        job["master_bytes"] = "0"
    return job


def _narrow(tables: Mapping[str, Any], where: str) -> dict[str, Value]:
    """Precision and recipe of the converters of linear layers to 8 bits; without a recipe_name scales are per tensor (0.2.2)."""
    converters = _texts(table(tables, "model", where), "converters", where)
    linear = table(table(tables, "quantize", where), "linear", where)
    if any("linear.mx" in name for name in converters):
        return {"precision": "fp8", "fp8_recipe": "mxfp8"}
    if not any("float8" in name for name in converters):
        return {}
    float8 = table(linear, "float8", where)
    recipe = choice(float8, "recipe_name", where, "tensorwise", ("tensorwise", "rowwise", "rowwise_with_gw_hp"))
    job: dict[str, Value] = {"precision": "fp8", "fp8_recipe": "current" if recipe == "tensorwise" else "rowwise"}
    if flag(float8, "enable_fsdp_float8_all_gather", where) and recipe == "tensorwise":
        job["fp8_parameters"] = True
    return job


def _count_or_rest(values: Mapping[str, Any], key: str, where: str) -> int:
    """A count, or -1 for the value that follows from the others."""
    value = values.get(key, -1)
    if isinstance(value, bool) or not isinstance(value, int) or not (value == -1 or 1 <= value <= MOST):
        raise FileError(f"key '{key}' must be -1, or from 1 to {MOST:,}, not {quoted(value)}", where=where)
    return value


def _texts(values: Mapping[str, Any], key: str, where: str, default: Sequence[str] = ()) -> list[str]:
    """A list of texts, the default where it is absent."""
    texts = values.get(key, list(default))
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise FileError(f"key '{key}' must be a list of texts, not {quoted(texts)}", where=where)
    return texts


def _model(tables: Mapping[str, Any], where: str) -> tuple[Mapping[str, Any], str, dict[str, Value], list[str]]:
    """Sizes, base preset, fields of the job and what is not understood, from the flavor and tmplan's description.

    The sizes of a registered flavor, or of tmplan's custom flavor those in the description. Empty where neither is known.
    """
    model, described = table(tables, "model", where), choice(table(tables, "job", where), "description", where)
    kind, flavor = choice(model, "name", where), choice(model, "flavor", where)
    registered = next((known.shape for known in FLAVORS if known.flavor and (known.model, known.flavor) == (kind, flavor)), None)
    if not described.startswith(DESCRIPTION):
        return with_defaults(registered) if registered else {}, "", {}, []
    name, _, entries = described.removeprefix(DESCRIPTION).partition("; ")
    assumed = ", ".join(f"{key} {value}" for key, value in pairs(entries) if key not in KINDS)
    job, unread = assumptions_of(assumed) if assumed else ({}, [])
    base = name if name in presets.names("models") else ""
    if registered:
        return with_defaults(registered), base, job, unread
    if flavor != CUSTOM_FLAVOR:
        return {}, "", job, unread
    sizes = sizes_of(", ".join(f"{key} {value}" for key, value in pairs(entries) if key in KINDS))
    if sizes is not None:
        return with_defaults(sizes), base, job, unread
    if base:
        unread.append(f"[job] description has no sizes of {base}, which may have been overridden; the preset's are used")
        shape = presets.model(base)
        return {f.name: getattr(shape, f.name) for f in fields(shape) if f.name in KINDS}, base, job, unread
    return {}, "", job, unread


def _schedule(parallel: Mapping[str, Any], layers: int, where: str) -> dict[str, Any]:
    """Schedule and virtual stages: 2 per rank for V schedules, for an interleaved one from its modules or layers, else 2."""
    pp = count(parallel, "pipeline_parallel_degree", where)
    if pp == 1:
        return {"schedule": "1f1b", "vpp": 1}
    name = choice(parallel, "pipeline_parallel_schedule", where, "1F1B", SCHEDULES)
    vpp, parts = 1 if name == "1F1B" else 2, parallel.get("module_fqns_per_model_part", [])
    if not isinstance(parts, list):
        raise FileError(f"key 'module_fqns_per_model_part' must be a list, not {quoted(parts)}", where=where)
    if parts:
        vpp = max(1, len(parts) // pp)
    elif layers and "pipeline_parallel_layers_per_stage" in parallel:
        vpp = max(1, -(-(layers + 2) // count(parallel, "pipeline_parallel_layers_per_stage", where)) // pp)  # including embedding and head
    return {"schedule": SCHEDULES[name], "vpp": vpp}
