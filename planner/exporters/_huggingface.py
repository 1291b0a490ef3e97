"""Shared by the targets on PyTorch and Hugging Face: common refusals and notes, FSDP2 settings, YAML with comments."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import yaml

from planner import plaintext
from planner.exporters._degrees import Degrees, degrees
from planner.exporters._options import chosen, option_notes
from planner.exporters.registry import Request
from planner.specs.job import STATE_BYTES, Job

# Values of options that the Trainer and axolotl have.
HAD: Mapping[str, tuple[object, ...]] = {
    "kernels": ("fused", "compiled"), "loss_kernel": ("plain", "fused", "fused-linear"), "foreach": (False, True), "autocast": (True,),
}  # fmt: skip
MODEL = "your script loads the model: its architecture, dropout and attention must match the planned model"
PLACEHOLDERS = "learning rate, gradient clipping and momentum in the file are placeholders: tmplan does not plan them; set your own"
WHOLE_SEQUENCE = (
    "the file has no sequence parallelism: outside the tensor-parallel layers each rank stores activations of the whole sequence, "
    "which takes more memory than predicted"
)
OVERLAP = "the file does not overlap the experts' all-to-all with another micro-batch: the step is slower than predicted"
# Names of transformers' training_args.py, which axolotl takes too. bitsandbytes (paged, Lion) fails under FSDP2.
OPTIMIZERS = {
    "adamw": "adamw_torch_fused", "adamw-8bit": "adamw_torch_8bit", "adamw-8bit-paged": "paged_adamw_8bit", "adafactor": "adafactor",
    "lion": "lion_32bit", "sgd-plain": "sgd",
}  # fmt: skip
FOREACH = "adamw_torch"  # AdamW over lists of tensors
BITSANDBYTES = ("adamw-8bit-paged", "lion")
LIGER = ("rope", "rms_norm", "swiglu", "cross_entropy", "fused_linear_cross_entropy")  # kernels of Liger; off unless written
MULTI_TOKEN = "the model's code determines whether multi-token prediction layers are trained; most implementations omit them"


def common_refusals(request: Request, title: str, states: Collection[int] = ()) -> Iterator[str]:
    """Refusals common to all these targets: changes to the training, and stages or kernels that no key of theirs selects.

    states: bytes of an optimizer state that the target has in addition to the optimizer's.
    """
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
    width = STATE_BYTES[job.optimizer]
    if job.state_bytes not in (width, *states):
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
        yield f"{title} has SGD only without momentum: choose sgd-plain or adamw"
    elif job.optimizer not in OPTIMIZERS:
        yield f"{title} has no optimizer {job.optimizer}: choose adamw"
    if job.optimizer in BITSANDBYTES and d.zero:
        yield f"{title} has {job.optimizer} of bitsandbytes, which fails under FSDP2: choose adamw or adamw-8bit, or ZeRO-0"
    if job.optimizer_in_backward:
        yield f"{title} does not run the optimizer in the backward pass: set optimizer_in_backward to no"
    if (job.offload_optimizer or job.offload_parameters) and d.zero == 0:
        key = "offload_optimizer" if job.offload_optimizer else "offload_parameters"
        yield f"{title} offloads only with FSDP2: choose ZeRO-2 or 3, or turn {key} off"
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
    if request.job.offload_optimizer != request.job.offload_parameters:
        yield "FSDP2 offloads weights, gradients and the optimizer together: slower than predicted, less memory"


def optimizer_name(job: Job) -> str:
    """The optimizer's name in the Trainer and in axolotl."""
    return FOREACH if job.optimizer == "adamw" and job.foreach else OPTIMIZERS[job.optimizer]


def liger_kernels(job: Job) -> dict[str, bool]:
    """Liger's kernels, each on or off; empty where the job chooses none."""
    fused = chosen(job).get("kernels") == "fused"
    if not fused and job.loss_kernel not in ("fused", "fused-linear"):
        return {}
    on = {"cross_entropy": job.loss_kernel == "fused", "fused_linear_cross_entropy": job.loss_kernel == "fused-linear"}
    return {name: on.get(name, fused) for name in LIGER}


def script_notes(request: Request, written: Collection[str] = ()) -> Iterator[str]:
    """Notes on options that only the user's script or environment can set; written: those in the files of this target alone."""
    job = request.job
    had = {key for key, values in HAD.items() if getattr(job, key) in values}
    yield from option_notes(request, {*written, *had, "offload_parameters"}, script=True)


def fsdp_settings(request: Request, offload: str) -> dict[str, Any]:
    """The FSDP2 settings of the Trainer and of Axolotl; they differ in the name of the offload key."""
    d = degrees(request)
    return {
        "reshard_after_forward": d.zero == 3,
        offload: request.job.offload_optimizer or request.job.offload_parameters,
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
