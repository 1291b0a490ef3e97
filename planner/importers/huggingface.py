"""DeepSpeed's JSON and accelerate's YAML as a job and a plan: sharding and accumulation. Neither has the model or the sequence length.

Keys: deepspeed/runtime/config.py, deepspeed/runtime/zero/config.py; accelerate/utils/dataclasses.py, accelerate/parallelism_config.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from planner.document.fields import Value
from planner.errors import FileError
from planner.exporters._huggingface import FOREACH, OPTIMIZERS
from planner.files.decode import json_object
from planner.importers import yaml_text
from planner.importers.config_values import choice, count, flag, table, unknown_keys
from planner.importers.imported import Imported
from planner.plaintext import quoted

DEEPSPEED = frozenset({
    "train_batch_size", "train_micro_batch_size_per_gpu", "gradient_accumulation_steps", "zero_optimization", "bf16", "fp16", "data_types",
    "tensor_parallel", "expert_parallel", "activation_checkpointing", "optimizer", "scheduler", "gradient_clipping", "steps_per_print",
    "torch_autocast", "wall_clock_breakdown", "zero_allow_untested_optimizer", "communication_data_type", "prescale_gradients",
})  # fmt: skip
ACCELERATE = frozenset({
    "compute_environment", "debug", "distributed_type", "downcast_bf16", "enable_cpu_affinity", "fsdp_config",
    "gradient_accumulation_steps", "machine_rank", "main_process_ip", "main_process_port", "main_training_function", "mixed_precision",
    "num_machines", "num_processes",
    "parallelism_config", "rdzv_backend", "same_network", "tpu_env", "tpu_use_cluster", "tpu_use_sudo", "use_cpu",
})  # fmt: skip
NAMES = {name: key for key, name in OPTIMIZERS.items()} | {"adamw_bnb_8bit": "adamw-8bit", "adamw_8bit": "adamw-8bit"}
GRADIENTS = {"bf16": "2", "fp16": "2", "fp32": "4"}  # bytes of an accumulated gradient
# Values of fsdp_reshard_after_forward, FSDP1's strategies among them -> ZeRO stage.
RESHARD = {
    "true": 3, "false": 2, "full_shard": 3, "shard_grad_op": 2, "no_shard": 0, "hybrid_shard": 3, "hybrid_shard_zero2": 2,
}  # fmt: skip


def read_deepspeed(text: str, where: str) -> Imported:
    """A DeepSpeed configuration; FileError where it is invalid, or "auto" where a number is needed."""
    config = json_object(text, where, once=True)  # DeepSpeed refuses a repeated key, too
    zero = table(config, "zero_optimization", where)
    stage = zero.get("stage", 0)
    if isinstance(stage, bool) or not isinstance(stage, int) or not 0 <= stage <= 3:
        raise FileError(f"key 'zero_optimization.stage' must be 0, 1, 2 or 3, not {quoted(stage)}", where=where)
    plan: dict[str, Any] = {"zero": stage, "micro_batch": count(config, "train_micro_batch_size_per_gpu", where)}
    plan["tp"] = count(table(config, "tensor_parallel", where), "autotp_size", where)
    experts = table(config, "expert_parallel", where)
    if flag(experts, "enabled", where):
        plan |= {"ep": count(experts, "autoep_size", where), "etp": count(experts, "expert_tensor_parallel_size", where)}
    job: dict[str, Any] = {"precision": "fp16" if flag(table(config, "fp16", where), "enabled", where) else "bf16"}
    steps = count(config, "gradient_accumulation_steps", where)
    gpus = 0
    if config.get("train_batch_size") is not None:
        job["global_batch"] = count(config, "train_batch_size", where)
        plan["dp"] = job["global_batch"] // (plan["micro_batch"] * steps)
        if plan["dp"] * plan["micro_batch"] * steps != job["global_batch"] or not plan["dp"]:
            raise FileError("train_batch_size must be train_micro_batch_size_per_gpu x gradient_accumulation_steps x ranks", where=where)
        gpus = plan["dp"] * plan["tp"]
        shard = count(zero, "zero_hpz_partition_size", where)
        if stage == 3 and 1 < shard < plan["dp"] and plan["dp"] % shard == 0:
            plan |= {"dp_shard": shard, "dp_replicate": plan["dp"] // shard}
    job |= _offloaded(zero, stage, where) | _widths(config, stage, where) | _optimizer(config, stage, where)
    if flag(table(config, "activation_checkpointing", where), "cpu_checkpointing", where):
        job["offload_checkpoints"] = True
    plan["sequence_parallel"] = 0
    plan["recompute"] = "full" if config.get("activation_checkpointing") is not None else "none"  # the model's code selects the layers
    unspecified = ("sequence_parallel",) if plan["tp"] > 1 else ()
    return Imported("DeepSpeed", "deepspeed", {}, job, plan, gpus, 0, unknown_keys(config, DEEPSPEED), unspecified)


def _offloaded(zero: Mapping[str, Any], stage: int, where: str) -> dict[str, Value]:
    """What DeepSpeed moves to host memory or NVMe; weights only with ZeRO-3."""
    job: dict[str, Value] = {}
    device = choice(table(zero, "offload_optimizer", where), "device", where)
    if device in ("cpu", "nvme"):
        job["offload_optimizer"] = True
    if device == "nvme":
        job["offload_nvme"] = True
    if stage == 3 and choice(table(zero, "offload_param", where), "device", where) in ("cpu", "nvme"):
        job["offload_parameters"] = True
    return job


def _widths(config: Mapping[str, Any], stage: int, where: str) -> dict[str, Value]:
    """Widths of gradients, their reduction, master copies and states; precision of autocast."""
    job: dict[str, Value] = {}
    dtype = choice(table(config, "data_types", where), "grad_accum_dtype", where)
    if dtype in GRADIENTS:
        job["gradient_bytes"] = GRADIENTS[dtype]
    reduced = choice(config, "communication_data_type", where)
    if reduced in GRADIENTS:
        job["reduce_bytes"] = GRADIENTS[reduced]
    if flag(autocast := table(config, "torch_autocast", where), "enabled", where):
        job |= {"autocast": True, "precision": "fp16" if choice(autocast, "dtype", where) == "float16" else "bf16"}
    low = table(config, "bf16", where)
    if stage and flag(low, "bf16_master_weights_and_grads", where):
        job["master_bytes"] = "0" if stage == 3 else "2"  # with ZeRO-3 the weights themselves
    if flag(low, "bf16_optimizer_states", where):
        job["state_bytes"] = "2"
    return job


def _optimizer(config: Mapping[str, Any], stage: int, where: str) -> dict[str, Value]:
    """The optimizer, where it is not AdamW; Muon with its states sharded under ZeRO."""
    optimizer = table(config, "optimizer", where)
    kind = choice(optimizer, "type", where).lower()
    if kind == "sgd":
        momentum = table(optimizer, "params", where).get("momentum")
        return {"optimizer": "sgd" if momentum else "sgd-plain"}
    return {"optimizer": {"lion": "lion", "muon": "muon-sharded" if stage else "muon"}[kind]} if kind in ("lion", "muon") else {}


def read_accelerate(text: str, where: str) -> Imported:
    """An accelerate configuration; FileError where it is invalid."""
    config = yaml_text.read(text, where)
    if not isinstance(config, dict):
        raise FileError("must be a mapping, as `accelerate config` writes it", where=where)
    fsdp, parallel = table(config, "fsdp_config", where), table(config, "parallelism_config", where)
    gpus, machines = count(config, "num_processes", where), count(config, "num_machines", where)
    if gpus % machines:
        raise FileError(f"num_processes {gpus:,} must be a multiple of num_machines {machines:,}", where=where)
    sizes = {axis: count(parallel, f"parallelism_config_{axis}_size", where) for axis in ("tp", "cp", "dp_replicate", "dp_shard")}
    if gpus % (sizes["tp"] * sizes["cp"]):
        raise FileError(f"num_processes {gpus:,} must be a multiple of tp {sizes['tp']:,} x cp {sizes['cp']:,}", where=where)
    plan: dict[str, Any] = {"tp": sizes["tp"], "cp": sizes["cp"], "dp": gpus // (sizes["tp"] * sizes["cp"])}
    stage, replicas = _fsdp(fsdp, machines, where)
    sharded = _text(config, "distributed_type", where) == "fsdp" or sizes["dp_shard"] > 1
    plan["zero"] = stage if sharded else 0
    if (replicas := max(replicas, sizes["dp_replicate"])) > 1:
        plan["dp_replicate"] = replicas
    if sizes["dp_shard"] > 1 and sizes["dp_shard"] * replicas != plan["dp"]:
        raise FileError(f"num_processes {gpus:,} must be tp x cp x dp_shard x dp_replicate of parallelism_config", where=where)
    plan["recompute"] = "full" if flag(fsdp, "fsdp_activation_checkpointing", where) else "none"
    plan["sequence_parallel"] = int(plan["tp"] > 1)
    job: dict[str, Any] = {"precision": {"fp16": "fp16", "fp8": "fp8"}.get(_text(config, "mixed_precision", where), "bf16")}
    if flag(fsdp, "fsdp_offload_params", where):
        job |= {"offload_optimizer": True} | ({"offload_parameters": True} if plan["zero"] == 3 else {})
    stack = "pytorch-fsdp" if sizes["tp"] == sizes["cp"] == 1 else "torchtitan"  # DTensor, with tensor parallelism
    unspecified = ("sequence_parallel",) if plan["tp"] > 1 else ()
    return Imported("accelerate", stack, {}, job, plan, gpus, gpus // machines, unknown_keys(config, ACCELERATE), unspecified)


def _fsdp(fsdp: Mapping[str, Any], machines: int, where: str) -> tuple[int, int]:
    """The ZeRO stage of an FSDP configuration, and its number of replicas."""
    strategy = _text(fsdp, "fsdp_reshard_after_forward", where) or "true"
    if strategy not in RESHARD:
        known = f"true, false or one of {', '.join(name.upper() for name in RESHARD if name not in ('true', 'false'))}"
        raise FileError(f"key 'fsdp_reshard_after_forward' must be {known}, not {quoted(strategy)}", where=where)
    return RESHARD[strategy], machines if strategy.startswith("hybrid") else 1


def _text(values: Mapping[str, Any], key: str, where: str) -> str:
    """A text in lower case; YAML reads an unquoted yes, no, true or false as a boolean."""
    value = values.get(key)
    return str(value).lower() if isinstance(value, bool) else choice(values, key, where).lower()


def with_trainer(imported: Imported, text: str, where: str) -> Imported:
    """An accelerate configuration with the Trainer's arguments: micro-batch, accumulation, recomputation without FSDP."""
    arguments = json_object(text, where)
    micro, steps = count(arguments, "per_device_train_batch_size", where), count(arguments, "gradient_accumulation_steps", where)
    plan = dict(imported.plan) | {"micro_batch": micro}
    if flag(arguments, "gradient_checkpointing", where):
        plan["recompute"] = "full"
    job = dict(imported.job) | {"global_batch": micro * steps * plan["dp"]}
    job |= _trainer(arguments, where)
    return replace(imported, plan=plan, job=job)


def _trainer(arguments: Mapping[str, Any], where: str) -> dict[str, Value]:
    """Optimizer, kernels and loss of the Trainer's arguments."""
    job: dict[str, Value] = {}
    optimizer = choice(arguments, "optim", where)
    if optimizer in NAMES and NAMES[optimizer] != "adamw":
        job["optimizer"] = NAMES[optimizer]
    if optimizer == FOREACH:
        job["foreach"] = True
    if flag(arguments, "torch_compile", where):
        job["kernels"] = "compiled"
    if flag(arguments, "use_liger_kernel", where):
        liger = {"rms_norm": True, "fused_linear_cross_entropy": True} | table(arguments, "liger_kernel_config", where)  # its defaults
        if flag(liger, "rms_norm", where):
            job["kernels"] = "fused"
        if flag(liger, "fused_linear_cross_entropy", where):
            job["loss_kernel"] = "fused-linear"
        elif flag(liger, "cross_entropy", where):
            job["loss_kernel"] = "fused"
    return job
