"""Hugging Face accelerate with FSDP2: `accelerate.yaml` for its launcher, `trainer_args.json` for the Trainer it launches."""

from __future__ import annotations

import json
from typing import Any

from planner.exporters._degrees import degrees
from planner.exporters._huggingface import (
    MODEL,
    adapter_notes,
    common_refusals,
    fsdp_notes,
    fsdp_settings,
    liger_kernels,
    optimizer_name,
    performance_notes,
    script_notes,
    sharded_by_fsdp,
    yaml_file,
)
from planner.exporters.registry import Exported, Request, Target, register

MAIN = "accelerate.yaml"
TRAINER_FILE = "trainer_args.json"
TITLE = "accelerate"
HOW = (
    "start with `accelerate launch --config_file accelerate.yaml`; only it has the degrees, only trainer_args.json the batch and the "
    "optimizer: without the Trainer, pass them to your data loader and Accelerator"
)
RING = "accelerate's context parallelism needs PyTorch's scaled dot product attention: load the model with sdpa"


def refusals(request: Request) -> list[str]:
    """Why accelerate cannot launch this plan."""
    job, d = request.job, degrees(request)
    reasons = [*common_refusals(request, TITLE), *sharded_by_fsdp(request, TITLE)]
    if d.ep > 1:
        reasons.append("accelerate has no expert parallelism: set ep to 1")
    if job.precision == "fp8":
        reasons.append("accelerate's fp8 needs a library and a recipe that a plan does not specify: set precision to bf16")
    return reasons


def launcher(request: Request) -> dict[str, Any]:
    """The configuration of `accelerate launch`."""
    job, d = request.job, degrees(request)
    values: dict[str, Any] = {
        "compute_environment": "LOCAL_MACHINE",
        "distributed_type": "FSDP" if d.zero else "MULTI_GPU" if d.world > 1 else "NO",
        "mixed_precision": job.precision,
        "num_machines": d.nodes,
        "num_processes": d.world,
        "machine_rank": 0,
        "main_training_function": "main",
        "use_cpu": False,
    }
    if not d.zero:
        return values
    values["fsdp_config"] = {
        "fsdp_version": 2,
        "fsdp_reshard_after_forward": d.zero == 3,
        "fsdp_offload_params": job.offload_optimizer or job.offload_parameters,
        "fsdp_activation_checkpointing": d.recompute != "none",
        "fsdp_auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
        "fsdp_cpu_ram_efficient_loading": d.tp == 1,
        "fsdp_state_dict_type": "SHARDED_STATE_DICT",
    }
    values["parallelism_config"] = {
        "parallelism_config_dp_replicate_size": d.dp_replicate,
        "parallelism_config_dp_shard_size": d.dp_shard,
        "parallelism_config_tp_size": d.tp,
        "parallelism_config_cp_size": d.cp,
    }
    if d.cp > 1:
        values["parallelism_config"]["parallelism_config_cp_comm_strategy"] = "allgather"
    return values


def trainer(request: Request) -> dict[str, Any]:
    """The TrainingArguments of the Trainer."""
    job, d = request.job, degrees(request)
    recomputes = d.recompute != "none"
    values: dict[str, Any] = {
        "per_device_train_batch_size": d.micro_batch,
        "gradient_accumulation_steps": d.micro_batches,
        "bf16": job.precision == "bf16",
        "fp16": job.precision == "fp16",
        "optim": optimizer_name(job),
    }
    if kernels := liger_kernels(job):
        values |= {"use_liger_kernel": True, "liger_kernel_config": kernels}
    if job.kernels == "compiled":
        values["torch_compile"] = True
    if not d.zero:
        return values | ({"gradient_checkpointing": True} if recomputes else {})  # under FSDP the Trainer requires FSDP's setting
    values["fsdp"] = True
    values["fsdp_config"] = {"version": 2, **fsdp_settings(request, "cpu_offload")}
    return values


def notes(request: Request) -> list[str]:
    """Notes on what the files do not express."""
    job, d = request.job, degrees(request)
    sentences = [MODEL, HOW, f"sequences of {job.sequence:,} tokens, learning rate and number of steps are set by your script"]
    if d.nodes > 1:
        sentences.append("on each machine pass its --machine_rank, and on all --main_process_ip and --main_process_port of the first")
    if d.cp > 1:
        sentences.append(RING)
    return [*sentences, *adapter_notes(request), *fsdp_notes(request, d), *performance_notes(request, d), *script_notes(request)]


def write(request: Request) -> Exported:
    """Both files."""
    sentences = tuple(notes(request))
    files = {
        MAIN: yaml_file(launcher(request), (f"accelerate {TARGET.version}", *request.about, *sentences)),
        TRAINER_FILE: json.dumps(trainer(request), indent=2) + "\n",
    }
    return Exported(files, sentences)


TARGET = register(Target("accelerate", TITLE, MAIN, "1.15.0", refusals, write))
