"""DeepSpeed: `ds_config.json` for `deepspeed.initialize`."""

from __future__ import annotations

import json
from typing import Any

from planner.exporters._degrees import degrees
from planner.exporters._huggingface import MODEL, PLACEHOLDERS, adapter_notes, common_refusals, performance_notes
from planner.exporters.registry import Exported, Request, Target, register

MAIN = "ds_config.json"
TITLE = "DeepSpeed"
GROUPS = (
    "zero_hpz_partition_size stores a second copy of the 16-bit weights in each group and shards gradients and states over all ranks: "
    "less memory than predicted for replicated groups, more communication between them"
)
PRESETS = (
    "AutoEP detects the experts of Mixtral, Qwen3-MoE, Qwen3.5-MoE, DeepSeek-V2 and V3 and MiniMax-M3; "
    "other models need their patterns under expert_parallel"
)


def refusals(request: Request) -> list[str]:
    """Why DeepSpeed cannot run this plan from a file."""
    job, d = request.job, degrees(request)
    reasons = list(common_refusals(request, TITLE))
    if d.cp > 1:
        reasons.append("DeepSpeed splits sequences by heads (Ulysses), which is not context parallelism: set cp to 1")
    if job.precision == "fp8":
        reasons.append("DeepSpeed has no key for 8-bit training: set precision to bf16")
    if job.optimizer == "adamw-8bit":
        reasons.append("DeepSpeed cannot create 8-bit AdamW from a file, only in code: choose adamw")
    if d.zero == 0 and job.precision != "fp8" and job.gradient_bytes == 4:
        reasons.append("DeepSpeed without ZeRO stores gradients only in 16 bits: set gradient_bytes to 2, or choose ZeRO-1")
    if job.offload_optimizer and d.zero == 0:
        reasons.append("DeepSpeed offloads the optimizer only under ZeRO: choose ZeRO-1, 2 or 3, or turn offload_optimizer off")
    if job.offload_optimizer and job.optimizer == "sgd":
        reasons.append("DeepSpeed has no SGD on the host: choose adamw, or turn offload_optimizer off")
    return reasons + groups(request) + experts(request)


def groups(request: Request) -> list[str]:
    """Why the replicated groups of this plan cannot be exported."""
    d = degrees(request)
    if not d.zero or d.dp_replicate == 1:
        return []
    if d.zero < 3:
        return ["DeepSpeed replicates sharded groups only with ZeRO-3 (zero_hpz_partition_size): set dp_replicate to 1, or choose ZeRO-3"]
    if d.tp > 1:
        return ["DeepSpeed's zero_hpz_partition_size groups consecutive ranks, as tensor parallelism does: set dp_replicate or tp to 1"]
    if d.ep > 1:
        return ["DeepSpeed's AutoEP refuses zero_hpz_partition_size: set dp_replicate to 1"]
    return []


def experts(request: Request) -> list[str]:
    """Why the experts of this plan cannot be placed as planned."""
    job, d = request.job, degrees(request)
    reasons = []
    if job.model.experts and d.tp > 1 and d.ep == 1:
        reasons.append("DeepSpeed splits experts over tp where ep is 1: set ep above 1, or tp to 1")
    if d.ep > 1 and d.tp > 1 and job.offload_optimizer:
        reasons.append("DeepSpeed has no offload with ep and tp together: turn offload_optimizer off, or set tp to 1")
    if d.ep > 1 and d.tp > 1 and d.zero == 3:
        reasons.append("DeepSpeed has no ZeRO-3 with ep and tp together: choose ZeRO-1 or 2, or set tp to 1")
    return reasons


def config(request: Request) -> dict[str, Any]:
    """The file as nested values."""
    job, d = request.job, degrees(request)
    zero: dict[str, Any] = {"stage": d.zero}
    if d.zero:
        zero["overlap_comm"] = True
    if d.zero == 3 and d.dp_replicate > 1:
        zero["zero_hpz_partition_size"] = d.dp_shard
    if job.offload_optimizer:
        zero["offload_optimizer"] = {"device": "cpu", "pin_memory": True}
    momentum = {"momentum": 0.9} if job.optimizer == "sgd" else {}
    values: dict[str, Any] = {
        "train_batch_size": job.global_batch,
        "train_micro_batch_size_per_gpu": d.micro_batch,
        "gradient_accumulation_steps": d.micro_batches,
        "gradient_clipping": 1.0,
        "optimizer": {"type": "SGD" if momentum else "AdamW", "params": {"lr": 1e-4, **momentum}},
        job.precision: {"enabled": True},
        "data_types": {"grad_accum_dtype": "fp32" if job.gradient_bytes == 4 else job.precision},
        "zero_optimization": zero,
    }
    if momentum and d.zero:
        values["zero_allow_untested_optimizer"] = True
    if d.recompute != "none":
        values["activation_checkpointing"] = {"partition_activations": False, "cpu_checkpointing": False}
    if d.tp > 1:
        values["tensor_parallel"] = {"autotp_size": d.tp}
    if d.ep > 1:
        values["expert_parallel"] = {"enabled": True, "autoep_size": d.ep, "expert_tensor_parallel_size": 1}
    return values


def notes(request: Request) -> list[str]:
    """Notes on what the file does not express."""
    job, d = request.job, degrees(request)
    sentences = [MODEL, PLACEHOLDERS, f"your script sets sequences of {job.sequence:,} tokens, your launcher {d.world:,} processes"]
    if d.recompute != "none":
        layers = f"the first {d.recompute_layers:,} layers" if d.recompute == "first" else "only attention"
        part = "every layer" if d.recompute == "full" else layers
        sentences.append(
            f"the file configures recomputation without enabling it: your model must checkpoint {part} itself, "
            "else it takes more memory than predicted"
        )
    if d.zero == 3 and d.dp_replicate > 1:
        sentences.append(GROUPS)
    if d.ep > 1:
        sentences.append(PRESETS)
    return [*sentences, *adapter_notes(request), *performance_notes(request, d)]


def write(request: Request) -> Exported:
    """The file; JSON has no comments, so the notes are returned next to it."""
    return Exported({MAIN: json.dumps(config(request), indent=2) + "\n"}, tuple(notes(request)))


TARGET = register(Target("deepspeed", TITLE, MAIN, "0.19.8", refusals, write))
