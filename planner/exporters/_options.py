"""The options of a job that differ from its framework's usual ones: what an export writes, notes or refuses of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from planner.document.fields import FIELDS, Value
from planner.document.inputs import following
from planner.exporters._degrees import Degrees, degrees
from planner.exporters.registry import Request
from planner.specs.job import Job

OPTIONS = tuple(f for f in FIELDS if f.group == "options")
# What a file without an option does not do; {} is the value. Options such as the width of a gradient are handled by each target.
PHRASES: Mapping[str, str] = {
    "kernels": "select {} element-wise kernels",
    "cuda_graphs": "run {} in CUDA graphs",
    "loss_kernel": "select the {} loss kernel",
    "reduce_bytes": "set the reduction of gradients to {} bytes",
    "master_bytes": "set the master copies to {} bytes per weight",
    "autocast": "set autocast to {}",
    "fp8_parameters": "store weights in 8 bits",
    "fp8_recipe": "select the fp8 recipe {}",
    "foreach": "set the foreach step of the optimizer to {}",
    "moe_dispatcher": "send tokens to experts by {}",
    "optimizer_in_backward": "run the optimizer in the backward pass",
    "tp_overlap": "hide tensor-parallel communication behind {}",
    "pipeline_layout": "place the layers of the pipeline as {}",
    "recompute_modules": "select {} for recomputation",
    "recompute_every": "select one layer in {} for recomputation",
    "offload_nvme": "offload optimizer states to NVMe",
    "offload_parameters": "offload weights",
    "offload_activations": "offload activations of {} % of the layers",
    "offload_checkpoints": "offload the inputs of recomputed layers",
    "expandable_segments": "enable expandable segments",
}
# Options without which a plan would not fit as predicted; refused where a framework has none and no script could add them.
NEEDED = ("fp8_parameters", "optimizer_in_backward", "offload_nvme", "offload_parameters", "offload_activations", "offload_checkpoints",
          "pipeline_layout")  # fmt: skip
ALLOCATOR = "PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True"


def chosen(job: Job) -> dict[str, Value]:
    """The options of a job, in the units of their fields, that differ from the usual ones of its stack and optimizer."""
    usual = following(job.stack, job.optimizer)
    values: dict[str, Any] = {}
    for f in OPTIONS:
        value = getattr(job, f.attribute)
        now = float(f"{value / f.scale:.12g}") if f.kind == "float" else value
        if now != usual.get(f.key, f.default):
            values[f.key] = now
    return values


def relevant(request: Request) -> dict[str, Value]:
    """The same, without those that have no effect on the plan: of recomputation that the plan does not do."""
    d, values = degrees(request), chosen(request.job)
    silent = {"recompute_modules": d.recompute != "selective", "recompute_every": d.recompute != "full",
              "moe_dispatcher": d.ep == 1, "tp_overlap": d.tp == 1, "pipeline_layout": d.pp == 1,
              "offload_checkpoints": d.recompute not in ("full", "first")}  # fmt: skip
    return {key: value for key, value in values.items() if not silent.get(key)}


def lacking(request: Request, title: str, written: Collection[str]) -> Iterator[str]:
    """Refusals of options that a framework without scripts lacks, and without which the plan would not fit as predicted."""
    for key, value in relevant(request).items():
        if key in NEEDED and key not in written:
            off = {"offload_activations": f"set {key} to 0", "pipeline_layout": f"free {key}"}.get(key, f"set {key} to no")
            yield f"{title} does not {phrase(key, value)}: {off}"


def option_notes(request: Request, written: Collection[str], script: bool = False) -> Iterator[str]:
    """Notes on options that are not in the files; script: whether the user's script can set them, and must compute the stack's loss."""
    usual = {"loss_kernel": request.job.loss_kernel} if script and request.job.loss_kernel != "plain" else {}
    for key, value in (usual | relevant(request)).items():
        if key == "expandable_segments" and key not in written:
            yield f"start with {ALLOCATOR} in the environment, as planned"
        elif key in PHRASES and key not in written and (script or key not in NEEDED):
            how = "your script must, else memory differs from the prediction" if script else "memory differs from the prediction"
            yield f"the file does not {phrase(key, value)}: {how}"


def phrase(key: str, value: Value) -> str:
    """What an option does, as part of a sentence."""
    text = "yes" if value is True else "no" if value is False else f"{value:g}" if isinstance(value, float) else str(value)
    return PHRASES[key].format(text.replace(",", ", "))


def offloaded_layers(request: Request, d: Degrees) -> int:
    """Layers of a stage whose activations are offloaded, to the nearest; without a pipeline."""
    return round(request.job.offload_activations * request.job.model.layers / d.pp)
