"""DeepSpeed's JSON and accelerate's YAML: how they shard and accumulate, as a job and a plan. Neither tells the model nor the sequence.

Keys: deepspeed/runtime/config.py, deepspeed/runtime/zero/config.py; accelerate/utils/dataclasses.py, accelerate/parallelism_config.py.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import yaml

from planner.errors import FileError
from planner.export._files import OPTIMIZERS
from planner.imports.imported import Imported, count, table

DEEPSPEED = frozenset({
    "train_batch_size", "train_micro_batch_size_per_gpu", "gradient_accumulation_steps", "zero_optimization", "bf16", "fp16", "data_types",
    "tensor_parallel", "expert_parallel", "activation_checkpointing", "optimizer", "scheduler", "gradient_clipping", "steps_per_print",
    "wall_clock_breakdown", "zero_allow_untested_optimizer", "communication_data_type", "prescale_gradients",
})  # fmt: skip
ACCELERATE = frozenset({
    "compute_environment", "debug", "distributed_type", "downcast_bf16", "enable_cpu_affinity", "fsdp_config",
    "gradient_accumulation_steps", "machine_rank", "main_process_ip", "main_process_port", "main_training_function", "mixed_precision",
    "num_machines", "num_processes",
    "parallelism_config", "rdzv_backend", "same_network", "tpu_env", "tpu_use_cluster", "tpu_use_sudo", "use_cpu",
})  # fmt: skip


def read_deepspeed(text: str, where: str) -> Imported:
    """A DeepSpeed configuration; FileError for what is damaged, "auto" where a number is needed, or impossible."""
    config = _object(text, where)
    zero = table(config, "zero_optimization")
    stage = zero.get("stage", 0)
    if isinstance(stage, bool) or stage not in (0, 1, 2, 3):
        raise FileError(f"key 'zero_optimization.stage' must be 0, 1, 2 or 3, not {stage!r}", where=where)
    plan: dict[str, Any] = {"zero": stage, "micro_batch": count(config, "train_micro_batch_size_per_gpu", where)}
    plan["tp"] = count(table(config, "tensor_parallel"), "autotp_size", where)
    experts = table(config, "expert_parallel")
    if experts.get("enabled"):
        plan |= {"ep": count(experts, "autoep_size", where), "etp": count(experts, "expert_tensor_parallel_size", where)}
    job: dict[str, Any] = {"precision": "fp16" if table(config, "fp16").get("enabled") else "bf16"}
    steps = count(config, "gradient_accumulation_steps", where)
    gpus = 0
    if "train_batch_size" in config:
        job["global_batch"] = count(config, "train_batch_size", where)
        plan["dp"] = job["global_batch"] // (plan["micro_batch"] * steps)
        if plan["dp"] * plan["micro_batch"] * steps != job["global_batch"] or not plan["dp"]:
            raise FileError("train_batch_size must be train_micro_batch_size_per_gpu x gradient_accumulation_steps x ranks", where=where)
        gpus = plan["dp"] * plan["tp"]
        shard = count(zero, "zero_hpz_partition_size", where)
        if stage == 3 and 1 < shard < plan["dp"] and plan["dp"] % shard == 0:
            plan |= {"dp_shard": shard, "dp_replicate": plan["dp"] // shard}
    if table(zero, "offload_optimizer").get("device") == "cpu":
        job["offload_optimizer"] = True
    if table(config, "data_types").get("grad_accum_dtype") in ("bf16", "fp16"):
        job["gradient_bytes"] = "2"
    plan["sequence_parallel"] = 0
    plan["recompute"] = "full" if "activation_checkpointing" in config else "none"  # of which layers the model's code says
    return Imported("DeepSpeed", "deepspeed", {}, job, plan, gpus, 0, [key for key in config if key not in DEEPSPEED])


def read_accelerate(text: str, where: str) -> Imported:
    """An accelerate configuration; FileError for what is damaged or impossible."""
    try:
        config = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # a date that is none; brackets without end
        raise FileError(f"is not valid YAML: {' '.join(str(error).split())}", where=where) from None
    if not isinstance(config, dict):
        raise FileError("must hold keys and values, as `accelerate config` writes them", where=where)
    fsdp, parallel = table(config, "fsdp_config"), table(config, "parallelism_config")
    gpus, machines = count(config, "num_processes", where), count(config, "num_machines", where)
    sizes = {axis: count(parallel, f"parallelism_config_{axis}_size", where) for axis in ("tp", "cp", "dp_replicate", "dp_shard")}
    plan: dict[str, Any] = {"tp": sizes["tp"], "cp": sizes["cp"], "dp": gpus // (sizes["tp"] * sizes["cp"])}
    sharded = str(config.get("distributed_type", "")).upper() == "FSDP" or sizes["dp_shard"] > 1
    reshard = fsdp.get("fsdp_reshard_after_forward", True)
    plan["zero"] = (3 if str(reshard).lower() not in ("false", "shard_grad_op") else 2) if sharded else 0
    if sizes["dp_replicate"] > 1:
        plan["dp_replicate"] = sizes["dp_replicate"]
    plan["recompute"] = "full" if fsdp.get("fsdp_activation_checkpointing") is True else "none"
    plan["sequence_parallel"] = int(plan["tp"] > 1)
    job: dict[str, Any] = {"precision": {"fp16": "fp16", "fp8": "fp8"}.get(str(config.get("mixed_precision")), "bf16")}
    if fsdp.get("fsdp_offload_params") is True:
        job["offload_optimizer"] = True
    left = [key for key in config if key not in ACCELERATE]
    stack = "pytorch-fsdp" if sizes["tp"] == sizes["cp"] == 1 else "torchtitan"  # the same DTensor code, with tensor parallelism
    return Imported("accelerate", stack, {}, job, plan, gpus, gpus // machines, left)


def with_trainer(found: Imported, text: str, where: str) -> Imported:
    """An accelerate configuration with what the Trainer's arguments beside it tell: micro-batch, accumulation, recompute without FSDP."""
    told = _object(text, where)
    micro, steps = count(told, "per_device_train_batch_size", where), count(told, "gradient_accumulation_steps", where)
    plan = dict(found.plan) | {"micro_batch": micro}
    if told.get("gradient_checkpointing") is True:
        plan["recompute"] = "full"
    job = dict(found.job) | {"global_batch": micro * steps * plan["dp"]}
    if told.get("optim") == OPTIMIZERS["adamw-8bit"]:
        job["optimizer"] = "adamw-8bit"
    return replace(found, plan=plan, job=job)


def _object(text: str, where: str) -> dict[str, Any]:
    """The one object of a JSON file."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FileError(f"is not valid JSON: {error}", where=where) from None
    if not isinstance(found, dict):
        raise FileError("must hold one JSON object", where=where)
    return found
