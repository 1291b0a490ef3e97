"""DeepSpeed: `ds_config.json` for `deepspeed.initialize`."""

from __future__ import annotations

import json
from typing import Any

from planner.exporters._degrees import Degrees, degrees
from planner.exporters._huggingface import MODEL, PLACEHOLDERS, adapter_notes, common_refusals, performance_notes
from planner.exporters._options import chosen, option_notes
from planner.exporters.registry import Exported, Request, Target, register
from planner.specs.job import Job

MAIN = "ds_config.json"
TITLE = "DeepSpeed"
OPTIMIZERS = {"adamw": "AdamW", "lion": "Lion", "sgd": "SGD", "sgd-plain": "SGD", "muon": "Muon", "muon-sharded": "Muon"}
NVME = "/local_nvme"
WRITTEN = frozenset(("reduce_bytes", "autocast", "offload_parameters", "offload_nvme", "offload_checkpoints"))
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
    reasons = list(common_refusals(request, TITLE, states=(2, 4) if halved(job, d) else ()))
    if d.cp > 1:
        reasons.append("DeepSpeed splits sequences by heads (Ulysses), which is not context parallelism: set cp to 1")
    if job.precision == "fp8":
        reasons.append("DeepSpeed has no key for 8-bit training: set precision to bf16")
    if job.optimizer not in OPTIMIZERS:
        named = job.optimizer.replace("adamw-8bit", "8-bit AdamW")
        reasons.append(f"DeepSpeed cannot create {named} from a file, only in code: choose adamw")
    if job.optimizer.startswith("muon") and job.precision == "fp16":
        reasons.append("DeepSpeed's Muon trains in bf16: set precision to bf16")
    if d.zero == 0 and job.precision != "fp8" and job.gradient_bytes == 4:
        reasons.append("DeepSpeed without ZeRO stores gradients only in 16 bits: set gradient_bytes to 2, or choose ZeRO-1")
    if job.offload_optimizer and d.zero == 0:
        reasons.append("DeepSpeed offloads the optimizer only under ZeRO: choose ZeRO-1, 2 or 3, or turn offload_optimizer off")
    if job.offload_optimizer and job.optimizer in OPTIMIZERS and job.optimizer not in ("adamw", "lion"):
        reasons.append(f"DeepSpeed has no {OPTIMIZERS[job.optimizer]} on the host: choose adamw, or turn offload_optimizer off")
    if job.autocast and d.zero == 0:
        reasons.append("DeepSpeed's autocast is exported under ZeRO: choose ZeRO-1, 2 or 3, or set autocast to no")
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
    momentum = {"momentum": 0.9} if job.optimizer in ("sgd", "muon", "muon-sharded") else {}
    values: dict[str, Any] = {
        "train_batch_size": job.global_batch,
        "train_micro_batch_size_per_gpu": d.micro_batch,
        "gradient_accumulation_steps": d.micro_batches,
        "gradient_clipping": 1.0,
        "optimizer": {"type": OPTIMIZERS[job.optimizer], "params": {"lr": 1e-4, **momentum}},
        **precision(job, d),
        "data_types": {"grad_accum_dtype": "fp32" if job.gradient_bytes == 4 else job.precision},
        "zero_optimization": zero(request, d),
    }
    if job.optimizer.startswith("sgd") and d.zero:
        values["zero_allow_untested_optimizer"] = True
    if "reduce_bytes" in chosen(job):
        values["communication_data_type"] = "fp32" if job.reduce_bytes == 4 else job.precision
    if d.recompute != "none":
        values["activation_checkpointing"] = {"partition_activations": False, "cpu_checkpointing": job.offload_checkpoints}
    if d.tp > 1:
        values["tensor_parallel"] = {"autotp_size": d.tp}
    if d.ep > 1:
        values["expert_parallel"] = {"enabled": True, "autoep_size": d.ep, "expert_tensor_parallel_size": 1}
    return values


def halved(job: Job, d: Degrees) -> bool:
    """Whether master copies in bf16 are as planned: a copy of 2 bytes with ZeRO-1 and 2, with ZeRO-3 the weights themselves."""
    return job.precision == "bf16" and (d.zero, job.master_bytes) in ((1, 2), (2, 2), (3, 0))


def precision(job: Job, d: Degrees) -> dict[str, Any]:
    """Compute data type: torch's autocast over fp32 weights, or 16-bit weights with master copies."""
    if job.autocast:
        return {"torch_autocast": {"enabled": True, "dtype": {"bf16": "bfloat16", "fp16": "float16"}[job.precision]}}
    values: dict[str, Any] = {"enabled": True}
    if halved(job, d):
        values |= {"bf16_master_weights_and_grads": True, "bf16_optimizer_states": job.state_bytes == 2}
    return {job.precision: values}


def zero(request: Request, d: Degrees) -> dict[str, Any]:
    """Sharding and offloading; one rank that offloads weights needs stage 3, where they are divided over nothing."""
    job = request.job
    values: dict[str, Any] = {"stage": 3 if job.offload_parameters else d.zero}
    if d.zero:
        values["overlap_comm"] = True
    if d.zero == 3 and d.dp_replicate > 1:
        values["zero_hpz_partition_size"] = d.dp_shard
    if job.offload_nvme:
        values["offload_optimizer"] = {"device": "nvme", "nvme_path": NVME, "pin_memory": True}
    elif job.offload_optimizer:
        values["offload_optimizer"] = {"device": "cpu", "pin_memory": True}
    if job.offload_parameters:
        values["offload_param"] = {"device": "cpu", "pin_memory": True}
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
    if job.offload_nvme:
        sentences.append(f"nvme_path is a placeholder, {NVME}: set the folder of your NVMe drive")
    if job.optimizer.startswith("muon"):
        sentences.append("Muon needs every parameter tagged with use_muon: your script must tag the matrices")
    return [*sentences, *adapter_notes(request), *performance_notes(request, d), *option_notes(request, written(job, d), script=True)]


def written(job: Job, d: Degrees) -> set[str]:
    """Options that the file sets."""
    master = {"master_bytes"} if job.master_bytes == 4 or halved(job, d) else set()
    return master | ({"foreach"} if not job.foreach else set()) | WRITTEN


def write(request: Request) -> Exported:
    """The file; JSON has no comments, so the notes are returned next to it."""
    return Exported({MAIN: json.dumps(config(request), indent=2) + "\n"}, tuple(notes(request)))


TARGET = register(Target("deepspeed", TITLE, MAIN, "0.19.8", refusals, write))
