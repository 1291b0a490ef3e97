"""DeepSpeed's ZeRO-0 to 3 on models of Hugging Face transformers, with its defaults; offload of optimizer states and weights.

Read with deepspeed 0.19.8. Values that depend on data (norms of gradients, overflows) are replaced once what they allocate has been made.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

os.environ.update(DS_ACCELERATOR="cuda", DS_SKIP_CUDA_CHECK="1")  # before it is imported

import torch
import torch._subclasses.fake_tensor as fake_tensor

fake_tensor.init_gpu_context = lambda *_: None
torch.cuda.is_available = lambda: True

import deepspeed  # noqa: E402
import deepspeed.runtime.zero.partitioned_param_coordinator as coordinator  # noqa: E402
import deepspeed.runtime.zero.stage3 as stage_3  # noqa: E402
import deepspeed.runtime.zero.stage_1_and_2 as stages_1_and_2  # noqa: E402
import deepspeed.runtime.zero.utils as zero_utils  # noqa: E402

from planner.lab import adapt, device, kernels  # noqa: E402
from planner.lab.frameworks import huggingface  # noqa: E402
from planner.lab.record import LabError  # noqa: E402
from planner.lab.task import Task  # noqa: E402
from planner.lab.tracker import Tracker  # noqa: E402

torch.cuda.is_available = lambda: False  # of frameworks that would call a device

READ = (  # fields of a job
    *("gradient_bytes", "loss_kernel", "optimizer", "foreach", "offload_optimizer", "offload_parameters", "kernels"),
    *("master_bytes", "state_bytes"),
)
FLAT = ("single_partition_of_fp32_groups", "fp32_partitioned_groups_flat")  # master copies of ZeRO-1 and 2, and of ZeRO-3


def run(task: Task, tracker: Tracker) -> None:
    """Run the task."""
    check(task, tracker)
    fake = device.start(task.world, task.rank)
    kernels.replace()
    adapt.convert_by_replacing()
    without_data()
    dtype = torch.float16 if task.job["precision"] == "fp16" else torch.bfloat16
    with fake, tracker:
        tracker.progress("building the model")
        model = huggingface.build(task, tracker, dtype, "cuda")
        huggingface.use_loss(huggingface.base_of(model), task.job["loss_kernel"])
        tracker.parameters(model)
        tracker.progress("partitioning the model")
        engine = partitioned(task, model)
        label(tracker, engine)
        tokens = torch.zeros(task.plan["micro_batch"], task.job["sequence"], dtype=torch.long, device="cuda")
        for step in range(task.steps):
            tracker.progress(f"step {step + 1} of {task.steps}")
            train_step(task, tracker, engine, tokens)


def check(task: Task, tracker: Tracker) -> None:
    """LabError for what the lab does not run; notes for what stands in."""
    for axis in ("tp", "pp", "cp", "ep", "dp_replicate"):
        if task.plan[axis] > 1 and not (axis == "dp_replicate" and not task.plan["zero"]):
            raise LabError(f"verify runs DeepSpeed with {axis} 1, not {task.plan[axis]}")
    if task.job["optimizer"] != "adamw":
        raise LabError(f"verify runs DeepSpeed with the optimizer adamw, not {task.job['optimizer']}")
    for sentence in task.ignored(READ):
        tracker.note(sentence)


def without_data() -> None:
    """Replace what reads values of tensors, or asks other ranks."""
    one = functools.partial(torch.tensor, 1.0)
    for kind in (stages_1_and_2.DeepSpeedZeroOptimizer, stage_3.DeepSpeedZeroOptimizer_Stage3):
        kind.has_overflow = lambda *_, **__: False
        values: dict[str, Callable[[], Any]] = {"scaled_global_norm": one, "_get_norm_groups": list, "unscale_and_clip_grads": lambda: None}
        for name, value in values.items():
            if hasattr(kind, name):
                setattr(kind, name, until_data(getattr(kind, name), value))
        kind.complete_grad_norm_calculation_for_cpu_offload = lambda *_, **__: one()
        for name in ("update_offload_overflow_tracker", "update_offload_overflow_tracker_for_param_grad"):
            setattr(kind, name, lambda *_, **__: None)
    for module in (stages_1_and_2, stage_3):
        module.is_invalid_grad_norm = lambda *_: False
        module.combine_grad_norm_groups = lambda *_: one()
    for module in (coordinator, zero_utils):
        for name in ("assert_ints_same_as_other_ranks", "assert_lst_len_same_as_other_ranks"):
            if hasattr(module, name):
                setattr(module, name, lambda *_, **__: None)


def until_data(function: Callable[..., Any], value: Callable[[], Any]) -> Callable[..., Any]:
    """The function, and a value in place of its result where it needs the data of a fake tensor."""

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except Exception:  # of many types: no fake tensor has data
            return value()

    return run


def options(task: Task) -> dict[str, Any]:
    """DeepSpeed's configuration: its defaults, and what the job sets."""
    zero: dict[str, Any] = {"stage": task.plan["zero"]}
    if task.job["offload_optimizer"]:
        zero["offload_optimizer"] = {"device": "cpu", "pin_memory": True}
    if task.job["offload_parameters"]:
        zero["offload_param"] = {"device": "cpu", "pin_memory": True}
    adam = {} if task.job["offload_optimizer"] else {"fused": not task.job["foreach"]}
    result = {
        "train_micro_batch_size_per_gpu": task.plan["micro_batch"], "gradient_accumulation_steps": task.micro_batches,
        "fp16" if task.job["precision"] == "fp16" else "bf16": {"enabled": True}, "zero_optimization": zero, "gradient_clipping": 1.0,
        "zero_force_ds_cpu_optimizer": False, "optimizer": {"type": "AdamW", "params": {"lr": 1e-4, "torch_adam": True, **adam}},
    }  # fmt: skip
    return result | ({"data_types": {"grad_accum_dtype": "fp32"}} if task.job["gradient_bytes"] == 4 else {})


def partitioned(task: Task, model: Any) -> Any:
    """The engine of a model, whose making looks for a device."""
    torch.cuda.is_available = lambda: True
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    engine, *_ = deepspeed.initialize(model=model, config=options(task), model_parameters=trained)
    torch.cuda.is_available = lambda: False
    return engine


def label(tracker: Tracker, engine: Any) -> None:
    """Name the kinds of weights, which partitioning has moved to flat buffers, and of their master copies."""
    for parameter in engine.module.parameters():
        tracker.label(getattr(parameter, "ds_tensor", parameter).data, "params")
    for name in FLAT:
        for flat in getattr(engine.optimizer, name, ()):
            tracker.label(flat, "optimizer")


def train_step(task: Task, tracker: Tracker, engine: Any, tokens: Any) -> None:
    """The micro-batches of a step; the engine updates after the last."""
    for _ in range(task.micro_batches):
        with tracker.training():
            loss = engine(input_ids=tokens, labels=tokens, use_cache=False).loss
            engine.backward(loss)
            del loss
        with tracker.updating():
            engine.step()
    inner = getattr(engine.optimizer, "optimizer", engine.optimizer)
    tracker.states(inner)
    tracker.end_step()
