"""What the targets built on PyTorch and Hugging Face share: what none of them takes, what FSDP2 is told, comments of YAML."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import yaml

from planner import plaintext
from planner.exporters._degrees import Degrees, degrees
from planner.exporters.registry import Request

MODEL = "the model is loaded by your script: its architecture, dropout and attention are set there, and must be those planned for"
PLACEHOLDERS = "tmplan plans no learning rate, no gradient clipping and no momentum: those in the file are placeholders; put your own"
WHOLE_SEQUENCE = (
    "sequence parallelism is not in the file: between the products of tensor parallelism each rank keeps the whole sequence, "
    "which takes more memory than predicted"
)
OVERLAP = "hiding the experts' all-to-all behind another micro-batch is not in the file: expect the step to be slower than predicted"
OPTIMIZERS = {"adamw": "adamw_torch_fused", "adamw-8bit": "adamw_torch_8bit"}  # the Trainer's names; bitsandbytes' 8 bits fail under FSDP2
AHEAD = "whether the layers of multi-token prediction are trained is up to the model's own code, and most leave them out"


def never(request: Request, title: str) -> Iterator[str]:
    """Reasons that hold for every target here: what changes the training, or what its stages and kernels cannot be told."""
    job, d = request.job, degrees(request)
    if job.cluster.gpu.vendor == "google":
        yield f"{title} would need another backend for TPUs: choose a GPU"
    if d.pp > 1 or d.vpp > 1:
        yield f"a pipeline cannot be written in a file of {title}, its stages are built in code: set pp to 1"
    if d.etp > 1:
        yield f"{title} lays each expert whole on a rank: set etp to 1"
    if d.tp > 1 and job.model.kv_heads % d.tp:
        yield f"tp must divide the {job.model.kv_heads} key-value heads, {d.tp} does not: {title} does not repeat them"
    if job.precision == "fp4":
        yield f"{title} has no key for training in 4 bits: set precision to bf16"
    if job.model.experts and job.capacity:
        yield f"{title} drops no tokens: set capacity to 0"
    wanted = 1 if job.optimizer == "adamw-8bit" else 4
    if job.state_bytes != wanted:
        yield f"{title} keeps each state of {job.optimizer} in {wanted} bytes: set state_bytes to {wanted}, not {job.state_bytes}"


def sharded_by_fsdp(request: Request, title: str) -> Iterator[str]:
    """Reasons that hold for targets that shard with PyTorch's FSDP2 alone."""
    job, d = request.job, degrees(request)
    if d.zero == 1:
        yield f"{title} shards with FSDP2, which never shards the optimizer alone: choose ZeRO-2 or 3, or export to deepspeed"
    if d.zero == 0 and d.tp * d.cp > 1:
        yield f"{title} takes tensor and context parallelism beside FSDP2 alone: choose ZeRO-2 or 3"
    if d.cp > 1 and job.sequence % (2 * d.cp):
        yield f"twice cp must divide the sequence of {job.sequence:,}, {2 * d.cp} does not: change cp or the sequence"
    if job.optimizer == "sgd":
        yield f"{title} offers SGD without momentum alone, and tmplan plans for one with it: choose adamw"
    if job.offload_optimizer and d.zero == 0:
        yield f"{title} offloads what FSDP2 shards alone: choose ZeRO-2 or 3, or turn offload_optimizer off"
    if job.cluster.gpus % d.gpus_per_node:
        yield f"{job.cluster.gpus:,} GPUs do not fill whole nodes of {d.gpus_per_node}: take a multiple, or set gpus_per_node"


def adapter_notes(request: Request) -> Iterator[str]:
    """What a script must do where adapters are trained."""
    job = request.job
    where = {"all": "all linear layers", "attention": "the matrices of attention", "query-value": "queries and values"}[job.lora_targets]
    if job.frozen:
        yield f"your script must freeze the weights and add the adapters: rank {job.lora_rank} on {where}"
    if job.tuning == "qlora":
        yield "your script must load the frozen weights in 4 bits: NF4 with double quantization, stored as bf16 under FSDP"


def kept_apart(request: Request, d: Degrees) -> Iterator[str]:
    """Notes on what changes speed or memory alone, whatever the target."""
    job = request.job
    if d.sequence_parallel:
        yield WHOLE_SEQUENCE
    if job.overlap_experts and d.ep > 1:
        yield OVERLAP
    if job.model.mtp_layers:
        yield AHEAD


def fsdp_notes(request: Request, d: Degrees) -> Iterator[str]:
    """Notes on what FSDP2 does otherwise than planned."""
    if d.tp > 1 and request.job.model.experts:
        yield "Hugging Face's plans for tensor parallelism divide each expert over the tp ranks too: other traffic and memory than planned"
    if d.zero and request.job.gradient_bytes == 2:
        yield "FSDP2 keeps gradients in fp32 beside fp32 weights: expect 2 bytes a gradient more than predicted"
    if d.recompute in ("selective", "first"):
        yield f"recompute is all or nothing here: the file recomputes every layer, where the plan has it {d.recompute}; slower, less memory"
    if request.job.offload_optimizer:
        yield "FSDP2 offloads weights and gradients together with the optimizer: slower than predicted, less memory"


def fsdp_settings(request: Request, offload: str) -> dict[str, Any]:
    """What the Trainer and Axolotl take of FSDP2; they differ in the name of its offload."""
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
    """The values as YAML under comments."""
    head = "".join(f"# {plaintext.line(line)}\n" for line in lines)
    body: str = yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=False, width=1000)
    return head + body
