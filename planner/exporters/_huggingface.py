"""Shared by the targets on PyTorch and Hugging Face: common refusals and notes, FSDP2 settings, YAML with comments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import yaml

from planner import plaintext
from planner.exporters._degrees import Degrees, degrees
from planner.exporters.registry import Request

MODEL = "your script loads the model: its architecture, dropout and attention must match the planned model"
PLACEHOLDERS = "learning rate, gradient clipping and momentum in the file are placeholders: tmplan does not plan them; set your own"
WHOLE_SEQUENCE = (
    "the file has no sequence parallelism: outside the tensor-parallel layers each rank stores activations of the whole sequence, "
    "which takes more memory than predicted"
)
OVERLAP = "the file does not overlap the experts' all-to-all with another micro-batch: the step is slower than predicted"
OPTIMIZERS = {"adamw": "adamw_torch_fused", "adamw-8bit": "adamw_torch_8bit"}  # bitsandbytes fails under FSDP2
MULTI_TOKEN = "the model's code determines whether multi-token prediction layers are trained; most implementations omit them"


def common_refusals(request: Request, title: str) -> Iterator[str]:
    """Refusals common to all these targets: changes to the training, and stages or kernels that no key of theirs selects."""
    job, d = request.job, degrees(request)
    if job.cluster.gpu.vendor == "google":
        yield f"{title} would need another backend for TPUs: choose a GPU"
    if d.pp > 1 or d.vpp > 1:
        yield f"{title} builds pipeline stages in code, not from a file: set pp to 1"
    if d.etp > 1:
        yield f"{title} does not split an expert over ranks: set etp to 1"
    if d.tp > 1 and job.model.kv_heads % d.tp:
        yield f"tp must divide the {job.model.kv_heads} key-value heads, {d.tp} does not: {title} does not replicate them"
    if job.precision == "fp4":
        yield f"{title} has no key for 4-bit training: set precision to bf16"
    if job.model.experts and job.capacity:
        yield f"{title} does not drop tokens: set capacity to 0"
    width = 1 if job.optimizer == "adamw-8bit" else 4
    if job.state_bytes != width:
        yield f"{title} stores each state of {job.optimizer} in {width} bytes: set state_bytes to {width}, not {job.state_bytes}"


def sharded_by_fsdp(request: Request, title: str) -> Iterator[str]:
    """Refusals common to targets that shard only with PyTorch's FSDP2."""
    job, d = request.job, degrees(request)
    if d.zero == 1:
        yield f"{title} shards with FSDP2, which never shards only the optimizer: choose ZeRO-2 or 3, or export to deepspeed"
    if d.zero == 0 and d.tp * d.cp > 1:
        yield f"{title} supports tensor and context parallelism only with FSDP2: choose ZeRO-2 or 3"
    if d.cp > 1 and job.sequence % (2 * d.cp):
        yield f"2 x cp must divide the sequence of {job.sequence:,}, {2 * d.cp} does not: change cp or the sequence"
    if job.optimizer == "sgd":
        yield f"{title} has SGD only without momentum, and tmplan assumes momentum: choose adamw"
    if job.offload_optimizer and d.zero == 0:
        yield f"{title} offloads only with FSDP2: choose ZeRO-2 or 3, or turn offload_optimizer off"
    if job.cluster.gpus % d.gpus_per_node:
        yield f"{job.cluster.gpus:,} GPUs do not fill whole nodes of {d.gpus_per_node}: use a multiple, or set gpus_per_node"


def adapter_notes(request: Request) -> Iterator[str]:
    """What a script must do to train adapters."""
    job = request.job
    where = {"all": "all linear layers", "attention": "the matrices of attention", "query-value": "queries and values"}[job.lora_targets]
    if job.frozen:
        yield f"your script must freeze the weights and add adapters: rank {job.lora_rank} on {where}"
    if job.tuning == "qlora":
        yield "your script must load the frozen weights in 4 bits: NF4 with double quantization, stored as bf16 under FSDP"


def performance_notes(request: Request, d: Degrees) -> Iterator[str]:
    """Notes on differences that affect only speed or memory, for every target."""
    job = request.job
    if d.sequence_parallel:
        yield WHOLE_SEQUENCE
    if job.overlap_experts and d.ep > 1:
        yield OVERLAP
    if job.model.mtp_layers:
        yield MULTI_TOKEN


def fsdp_notes(request: Request, d: Degrees) -> Iterator[str]:
    """Notes on differences between FSDP2 and the plan."""
    if d.tp > 1 and request.job.model.experts:
        yield "Hugging Face's tensor-parallel plans also split each expert over the tp ranks: communication and memory differ from the plan"
    if d.zero and request.job.gradient_bytes == 2:
        yield "FSDP2 stores gradients in fp32 with fp32 weights: 2 bytes per gradient more than predicted"
    if d.recompute in ("selective", "first"):
        yield f"recomputation is all or none here: the file recomputes every layer, the plan has {d.recompute}; slower, less memory"
    if request.job.offload_optimizer:
        yield "FSDP2 offloads weights and gradients with the optimizer: slower than predicted, less memory"


def fsdp_settings(request: Request, offload: str) -> dict[str, Any]:
    """The FSDP2 settings of the Trainer and of Axolotl; they differ in the name of the offload key."""
    d = degrees(request)
    return {
        "reshard_after_forward": d.zero == 3,
        offload: request.job.offload_optimizer,
        "activation_checkpointing": d.recompute != "none",
        "auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
        "cpu_ram_efficient_loading": d.tp == 1,
        "state_dict_type": "SHARDED_STATE_DICT",
    }


def yaml_file(values: Mapping[str, Any], lines: Iterable[str]) -> str:
    """The values as YAML below comments."""
    head = "".join(f"# {plaintext.line(line)}\n" for line in lines)
    body: str = yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=False, width=1000)
    return head + body
