"""DeepSpeed: ZeRO-1, 2 and 3 on models of Hugging Face transformers, with what is offloaded on the host.

Read with DeepSpeed 0.19.8. Values that depend on data, such as norms and overflows of gradients, are constants; their temporaries are made.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any

import torch

from planner.degrees import MODEL_PARALLEL
from planner.lab import adapt, device, kernels
from planner.lab.frameworks import huggingface
from planner.lab.record import LabError
from planner.lab.task import Task
from planner.lab.tracker import Tracker

os.environ |= {"DS_ACCELERATOR": "cuda", "DS_SKIP_CUDA_CHECK": "1"}


@contextlib.contextmanager
def a_gpu() -> Iterator[None]:
    """torch.cuda.is_available is true within: DeepSpeed asks when it is imported and when its optimizers are made."""
    before, torch.cuda.is_available = torch.cuda.is_available, lambda: True
    try:
        yield
    finally:
        torch.cuda.is_available = before


with a_gpu():
    import deepspeed
    import deepspeed.runtime.bf16_optimizer as sixteen_bits
    import deepspeed.runtime.zero.partition_parameters as partitions
    import deepspeed.runtime.zero.partitioned_param_coordinator as coordinator
    import deepspeed.runtime.zero.stage3 as stage_3
    import deepspeed.runtime.zero.stage_1_and_2 as stages_1_and_2
    import deepspeed.runtime.zero.utils as zero_utils
    import deepspeed.utils.logging

READ = (  # fields of a job
    *("gradient_bytes", "loss_kernel", "optimizer", "foreach", "kernels", "offload_optimizer", "offload_parameters"),
    *("master_bytes", "state_bytes"),
)
OPTIMIZERS: dict[str, tuple[str, dict[str, Any]]] = {
    "adamw": ("AdamW", {"torch_adam": True}),
    "sgd": ("SGD", {"momentum": 0.9}),
    "sgd-plain": ("SGD", {}),
}
FLAT = {"bit16_groups_flat": "params", "lp_param_buffer": "params", "bf16_groups_flat": "params"} | dict.fromkeys(
    ("single_partition_of_fp32_groups", "fp32_partitioned_groups_flat", "fp32_groups_flat_partition"), "optimizer"
) | dict.fromkeys(("grad_partitions_flat_buffer", "fp32_groups_gradients_flat"), "grads")  # fmt: skip


def run(task: Task, tracker: Tracker) -> None:
    """Run the task."""
    check(task, tracker)
    fake = device.start(task.world, task.rank)
    kernels.replace()
    adapt.convert_by_replacing()
    install(tracker)
    with fake, tracker:
        tracker.progress("building the model")
        dtype = torch.float16 if task.job["precision"] == "fp16" else torch.bfloat16
        with partitioned(task):
            model = huggingface.build(task, tracker, dtype, "cuda")
        huggingface.use_loss(huggingface.base_of(model), task.job["loss_kernel"])
        tracker.parameters(model)
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        with a_gpu():
            engine, *_ = deepspeed.initialize(model=model, config=configuration(task), model_parameters=trained)
        label(tracker, engine.optimizer)
        tracker.empty_cache()
        tokens = torch.zeros(task.plan["micro_batch"], task.job["sequence"], dtype=torch.long, device="cuda")
        for step in range(task.steps):
            tracker.progress(f"step {step + 1} of {task.steps}")
            train_step(task, tracker, engine, tokens)


def check(task: Task, tracker: Tracker) -> None:
    """LabError for what DeepSpeed cannot run on a CPU; notes for what stands in."""
    plan = task.plan
    for axis in (*MODEL_PARALLEL, "ep"):
        if plan[axis] > 1:
            raise LabError(f"verify runs DeepSpeed with {axis} 1, not {plan[axis]}")
    if plan["zero"] < 1 or plan["dp_replicate"] > 1:
        raise LabError("verify runs DeepSpeed with zero 1, 2 or 3, sharded over all data-parallel ranks")
    if task.job["optimizer"] not in OPTIMIZERS:
        raise LabError(f"verify runs DeepSpeed with the optimizers {', '.join(OPTIMIZERS)}, not {task.job['optimizer']}")
    if plan["zero"] == 3 and task.job["loss_kernel"] == "fused-linear":
        raise LabError("a kernel of head and loss reads the head's weights outside of its module, which ZeRO-3 has partitioned by then")
    if task.job["offload_nvme"]:
        raise LabError("verify runs DeepSpeed with an optimizer on the device or on the host, not on NVMe")
    for sentence in task.ignored(READ):
        tracker.note(sentence)


def configuration(task: Task) -> dict[str, Any]:
    """The configuration of DeepSpeed; sizes of buffers are its defaults."""
    job, host = task.job, {"device": "cpu"}
    zero: dict[str, Any] = {"stage": task.plan["zero"]}
    if job["offload_optimizer"]:
        zero["offload_optimizer"] = host
    if job["offload_parameters"]:
        zero["offload_param"] = host
    name, settings = OPTIMIZERS[job["optimizer"]]
    values: dict[str, Any] = {
        "train_micro_batch_size_per_gpu": task.plan["micro_batch"], "gradient_accumulation_steps": task.micro_batches,
        "fp16" if job["precision"] == "fp16" else "bf16": {"enabled": True}, "zero_optimization": zero, "gradient_clipping": 1.0,
        "zero_force_ds_cpu_optimizer": False, "zero_allow_untested_optimizer": True,
        "optimizer": {"type": name, "params": {"lr": 1e-4, **settings}},
    }  # fmt: skip
    if name == "AdamW" and not job["offload_optimizer"]:
        values["optimizer"]["params"]["foreach" if job["foreach"] else "fused"] = True
    if job["gradient_bytes"] == 4:
        values["data_types"] = {"grad_accum_dtype": "fp32"}
    return values


def partitioned(task: Task) -> Any:
    """Under ZeRO-3 weights are partitioned while the model is built, as transformers builds it."""
    if task.plan["zero"] < 3:
        return contextlib.nullcontext()
    with a_gpu():
        return deepspeed.zero.Init(config_dict_or_path=configuration(task), enabled=True)


def label(tracker: Tracker, optimizer: Any) -> None:
    """Name the flat buffers of a ZeRO optimizer."""
    for name, kind in FLAT.items():
        held = getattr(optimizer, name, None)
        for tensor in held if isinstance(held, list) else [held]:
            if isinstance(tensor, torch.Tensor):
                tracker.label(tensor, kind)


def train_step(task: Task, tracker: Tracker, engine: Any, tokens: Any) -> None:
    """The micro-batches of a step and its update."""
    for _ in range(task.micro_batches):
        with tracker.training():
            loss = engine(input_ids=tokens, labels=tokens, use_cache=False).loss
            engine.backward(loss)
            del loss
        with tracker.updating():
            engine.step()
    optimizer = engine.optimizer
    tracker.states(getattr(optimizer, "optimizer", optimizer))
    tracker.end_step()


def install(tracker: Tracker) -> None:
    """Replace what asks other ranks or the device, and label gathered weights."""
    import torch._subclasses.fake_tensor as fake_tensor

    fake_tensor.init_gpu_context = lambda *_: None
    deepspeed.utils.logging.logger.setLevel("ERROR")
    for optimizer in (stages_1_and_2.DeepSpeedZeroOptimizer, stage_3.DeepSpeedZeroOptimizer_Stage3):
        constant(optimizer, "has_overflow", lambda: False)
        constant(optimizer, "complete_grad_norm_calculation_for_cpu_offload", one)
        for name in ("update_offload_overflow_tracker", "update_offload_overflow_tracker_for_param_grad"):
            constant(optimizer, name, lambda: None)
        for name, value in (("scaled_global_norm", one), ("_get_norm_groups", list), ("unscale_and_clip_grads", lambda: None)):
            until_data(optimizer, name, value)
    for module in (stages_1_and_2, stage_3, sixteen_bits):
        constant(module, "is_invalid_grad_norm", lambda: False)
        constant(module, "combine_grad_norm_groups", one)
        constant(module, "get_global_norm_of_tensors", one)
    for module in (coordinator, zero_utils):
        for name in ("assert_ints_same_as_other_ranks", "assert_lst_len_same_as_other_ranks"):
            constant(module, name, lambda: None)
    for handle in (partitions.AllGatherHandle, partitions.AllGatherCoalescedHandle):
        label_gathered(tracker, handle)


def one() -> Any:
    """A norm of 1 on the host."""
    return torch.tensor(1.0)


def constant(owner: Any, name: str, value: Callable[[], Any]) -> None:
    """Let a function or method that exists return a value."""
    if hasattr(owner, name):
        setattr(owner, name, lambda *_, **__: value())


def until_data(owner: Any, name: str, value: Callable[[], Any]) -> None:
    """Let a method run until it needs a tensor's value, which fake tensors lack, and return a value then."""
    method = getattr(owner, name, None)
    if method is None:
        return

    def run_until(*args: Any, **kwargs: Any) -> Any:
        try:
            return method(*args, **kwargs)
        except Exception:
            return value()

    setattr(owner, name, run_until)


def label_gathered(tracker: Tracker, handle: Any) -> None:
    """Label the weights that a handle has waited for."""
    wait = handle.wait

    def waited(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = wait(self, *args, **kwargs)
        for parameter in getattr(self, "params", None) or [self._AllGatherHandle__param]:
            tracker.label(parameter.data, "gathered")
        return result

    handle.wait = waited
