"""Hugging Face transformers on one GPU, under DistributedDataParallel, or under FSDP2 as Accelerate and TRL use it; PEFT's adapters."""

from __future__ import annotations

from typing import Any

import torch
from torch.distributed.device_mesh import init_device_mesh

from planner.degrees import MODEL_PARALLEL
from planner.lab import adapt, device, kernels
from planner.lab.frameworks import huggingface
from planner.lab.record import LabError
from planner.lab.task import Task
from planner.lab.tracker import Tracker

READ = (  # fields of a job
    *("master_bytes", "gradient_bytes", "state_bytes", "reduce_bytes", "autocast", "loss_kernel", "optimizer", "foreach"),
    *("optimizer_in_backward", "kernels"),
)
OPTIMIZERS = ("adamw", "sgd", "sgd-plain")


def run(task: Task, tracker: Tracker) -> None:
    """Run the task."""
    check(task, tracker)
    fake = device.start(task.world, task.rank)
    kernels.replace()
    adapt.label_gathered(tracker.making)
    sharded = task.plan["zero"] > 0 and task.world > 1
    mesh = meshes(task) if sharded else None
    with fake, tracker:
        tracker.progress("building the model")
        whole = whole_in_16_bits(task)
        model = huggingface.build(task, tracker, torch.bfloat16 if whole else torch.float32, "meta" if sharded else "cuda")
        base = huggingface.base_of(model)
        if sharded:
            shard(task, base, model, mesh, whole=whole)
        huggingface.use_loss(base, task.job["loss_kernel"])
        called = model if sharded or task.world == 1 else torch.nn.parallel.DistributedDataParallel(model)
        tracker.parameters(model)
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        optimizers = optimizers_of(task, trained)
        tokens = torch.zeros(task.plan["micro_batch"], task.job["sequence"], dtype=torch.long, device="cuda")
        for step in range(task.steps):
            tracker.progress(f"step {step + 1} of {task.steps}")
            train_step(task, tracker, called, tokens, trained, optimizers, sharded=sharded)


def check(task: Task, tracker: Tracker) -> None:
    """LabError for what transformers cannot run on a CPU; notes for what stands in."""
    plan = task.plan
    for axis in (*MODEL_PARALLEL, "ep"):
        if plan[axis] > 1:
            raise LabError(f"verify runs transformers with {axis} 1, not {plan[axis]}")
    if task.job["optimizer"] not in OPTIMIZERS:
        raise LabError(f"verify runs transformers with the optimizers {', '.join(OPTIMIZERS)}, not {task.job['optimizer']}")
    for sentence in task.ignored(READ):
        tracker.note(sentence)


def whole_in_16_bits(task: Task) -> bool:
    """Whether weights are loaded in bf16: those that are trained without a master copy, and frozen ones."""
    return not task.job["autocast"] and (task.job["master_bytes"] == 0 or task.job["tuning"] != "full")


def meshes(task: Task) -> Any:
    """The mesh of data-parallel ranks: groups that shard, replicated."""
    replicas, shards = task.plan["dp_replicate"], task.plan["dp_shard"]
    if replicas == 1:
        return init_device_mesh("cuda", (shards,))
    return init_device_mesh("cuda", (replicas, shards), mesh_dim_names=("replicate", "shard"))


def shard(task: Task, base: Any, model: Any, mesh: Any, *, whole: bool) -> None:
    """Shard each layer and the rest, as Accelerate and TRL do."""
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    reduce = torch.float32 if task.job["reduce_bytes"] == 4 else torch.bfloat16
    policy = MixedPrecisionPolicy(param_dtype=None if whole else torch.bfloat16, reduce_dtype=reduce)
    for module in (*huggingface.blocks(base), model):
        fully_shard(module, mesh=mesh, mp_policy=policy, reshard_after_forward=task.plan["zero"] == 3)
    model.to_empty(device="cuda")


def optimizers_of(task: Task, trained: list[Any]) -> list[Any]:
    """The optimizer; one per weight where each is updated in the backward pass."""
    groups = [[parameter] for parameter in trained] if task.job["optimizer_in_backward"] else [trained]
    return [one_optimizer(task, group) for group in groups]


def one_optimizer(task: Task, parameters: list[Any]) -> Any:
    """An optimizer of torch: AdamW in one kernel or by operations over lists of tensors, SGD by default."""
    if task.job["optimizer"] == "adamw":
        return torch.optim.AdamW(parameters, lr=1e-4, **{"foreach" if task.job["foreach"] else "fused": True})
    return torch.optim.SGD(parameters, lr=1e-4, momentum=0.0 if task.job["optimizer"] == "sgd-plain" else 0.9)


def train_step(task: Task, tracker: Tracker, model: Any, tokens: Any, trained: list[Any], optimizers: list[Any], *, sharded: bool) -> None:
    """The micro-batches of a step and its update."""
    if task.job["optimizer_in_backward"] and not tracker.steps:
        update_in_backward(tracker, trained, optimizers)
    for _ in range(task.micro_batches):
        with tracker.training():
            with torch.autocast("cuda", dtype=torch.bfloat16, enabled=task.job["autocast"] and not sharded):
                loss = model(input_ids=tokens, labels=tokens, use_cache=False).loss
            loss.backward()
            del loss
        tracker.gradients(trained)
    if not task.job["optimizer_in_backward"]:
        with tracker.updating():
            optimizers[0].step()
    for optimizer in optimizers:
        tracker.states(optimizer)
        optimizer.zero_grad(set_to_none=True)
    tracker.end_step()


def update_in_backward(tracker: Tracker, trained: list[Any], optimizers: list[Any]) -> None:
    """Apply and free each gradient once it is accumulated."""

    def hook(optimizer: Any) -> Any:
        def apply(parameter: Any) -> None:
            optimizer.step()
            parameter.grad = None

        return apply

    for parameter, optimizer in zip(trained, optimizers, strict=True):
        parameter.register_post_accumulate_grad_hook(hook(optimizer))
