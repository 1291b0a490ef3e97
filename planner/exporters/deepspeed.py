"""DeepSpeed: `ds_config.json`, all of it numbers, for `deepspeed.initialize`."""

from __future__ import annotations

import json
from typing import Any

from planner.exporters._degrees import degrees
from planner.exporters._files import MODEL, PLACEHOLDERS, adapter_notes, kept_apart, never
from planner.exporters.registry import Exported, Request, Target, register

MAIN = "ds_config.json"
TITLE = "DeepSpeed"
GROUPS = (
    "zero_hpz_partition_size keeps a second copy of the 16-bit weights in each group and shards gradients and states over all ranks: "
    "less memory than predicted for whole groups, more traffic between them"
)
PRESETS = (
    "AutoEP finds the experts of Mixtral, Qwen3-MoE, Qwen3.5-MoE, DeepSeek-V2 and V3 and MiniMax-M3 by itself; "
    "another model needs its patterns under expert_parallel"
)


def refusals(request: Request) -> list[str]:
    """Why DeepSpeed cannot run this plan from a file."""
    job, d = request.job, degrees(request)
    reasons = list(never(request, TITLE))
    if d.cp > 1:
        reasons.append("DeepSpeed splits sequences by heads (Ulysses), which is not context parallelism: set cp to 1")
    if job.precision == "fp8":
        reasons.append("DeepSpeed has no key for training in 8 bits: set precision to bf16")
    if job.optimizer == "adamw-8bit":
        reasons.append("DeepSpeed builds no 8-bit AdamW from a file, it takes one made in code: choose adamw")
    if d.zero == 0 and job.precision != "fp8" and job.gradient_bytes == 4:
        reasons.append("DeepSpeed without ZeRO keeps gradients in 16 bits alone: set gradient_bytes to 2, or choose ZeRO-1")
    if job.offload_optimizer and d.zero == 0:
        reasons.append("DeepSpeed offloads the optimizer under ZeRO alone: choose ZeRO-1, 2 or 3, or turn offload_optimizer off")
    if job.offload_optimizer and job.optimizer == "sgd":
        reasons.append("DeepSpeed has no SGD on the host: choose adamw, or turn offload_optimizer off")
    return reasons + groups(request) + experts(request)


def groups(request: Request) -> list[str]:
    """Why the replicated groups of this plan cannot be written."""
    d = degrees(request)
    if not d.zero or d.dp_replicate == 1:
        return []
    if d.zero < 3:
        return ["DeepSpeed replicates sharded groups with ZeRO-3 alone (zero_hpz_partition_size): set dp_replicate to 1, or choose ZeRO-3"]
    if d.tp > 1:
        return ["DeepSpeed's groups of zero_hpz_partition_size are neighbours, which tensor parallelism takes: set dp_replicate or tp to 1"]
    if d.ep > 1:
        return ["DeepSpeed's AutoEP refuses zero_hpz_partition_size: set dp_replicate to 1"]
    return []


def experts(request: Request) -> list[str]:
    """Why the experts of this plan cannot be laid as it says."""
    job, d = request.job, degrees(request)
    reasons = []
    if job.model.experts and d.tp > 1 and d.ep == 1:
        reasons.append("DeepSpeed divides experts too where tp is above 1 and ep is 1: take ep above 1, or set tp to 1")
    if d.ep > 1 and d.tp > 1 and job.offload_optimizer:
        reasons.append("DeepSpeed takes no offload with ep and tp together: turn offload_optimizer off, or set tp to 1")
    if d.ep > 1 and d.tp > 1 and d.zero == 3:
        reasons.append("DeepSpeed takes no ZeRO-3 with ep and tp together: choose ZeRO-1 or 2, or set tp to 1")
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
    """What the file does not say."""
    job, d = request.job, degrees(request)
    found = [MODEL, PLACEHOLDERS, f"sequences of {job.sequence:,} tokens and {d.world:,} processes are up to your script and launcher"]
    if d.recompute != "none":
        layers = f"the first {d.recompute_layers:,} layers" if d.recompute == "first" else "attention alone"
        what = "every layer" if d.recompute == "full" else layers
        found.append(
            f"the file sets how activations are recomputed, not that they are: your model must checkpoint {what} itself, "
            "or it takes more memory than predicted"
        )
    if d.zero == 3 and d.dp_replicate > 1:
        found.append(GROUPS)
    if d.ep > 1:
        found.append(PRESETS)
    return [*found, *adapter_notes(request), *kept_apart(request, d)]


def write(request: Request) -> Exported:
    """The file; JSON has no comments, so the notes stand beside it."""
    return Exported({MAIN: json.dumps(config(request), indent=2) + "\n"}, tuple(notes(request)))


TARGET = register(Target("deepspeed", TITLE, MAIN, "0.19.8", refusals, write))
