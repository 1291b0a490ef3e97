"""Choices of a job that decide what a framework allocates: loss kernel, element-wise kernels, optimizer, offloading, recomputed modules.

The values of each choice, and the checks of their combinations. Without numpy.
"""

from __future__ import annotations

from typing import Protocol

from planner.errors import FieldError
from planner.plaintext import quoted
from planner.specs.dispatchers import DISPATCHERS
from planner.specs.validate import choice, whole

# Cross-entropy of the logits: as separate operations; as one kernel over whole logits; over chunks of the tokens, head and loss together;
# as one kernel with the head (Liger, Apple's cut cross-entropy), which never stores whole logits.
LOSS_KERNELS = ("plain", "fused", "chunked", "fused-linear")
KERNELS = ("eager", "fused", "compiled")  # element-wise operations: one kernel each; fused by hand; fused by torch.compile
# What runs in CUDA graphs: the router and the preparation of the dispatch; with the attention part of layers; whole layers but for routed
# experts without a capacity; the whole step.
CUDA_GRAPHS = ("none", "router", "attention-router", "layers", "full")
# Products that hide tensor-parallel communication: none; those of the backward pass (Megatron's asynchronous all-gather and
# reduce-scatter); all (user buffers, --tp-comm-overlap; torch's asynchronous tensor parallelism).
TP_OVERLAPS = ("none", "backward", "products")
OPERATIONS = ("norm", "rotary", "activation", "permute")  # of a layer, that are fused or not
OPTIMIZERS = ("adamw", "adamw-8bit", "adamw-8bit-paged", "adafactor", "lion", "sgd", "sgd-plain", "muon", "muon-sharded")
# Bytes of each optimizer state of a parameter, by default.
STATE_BYTES = dict.fromkeys(OPTIMIZERS, 4) | {"adamw-8bit": 1, "adamw-8bit-paged": 1}
WIDTHS = {"gradient_bytes": (2, 4), "state_bytes": (1, 2, 4), "master_bytes": (0, 2, 4), "reduce_bytes": (2, 4)}
MODULES = ("core_attn", "moe_act", "layernorm", "mla_up_proj", "mlp", "moe", "shared_experts")  # Megatron-Core's recompute_modules


# The size of the model without which a module does not exist.
NEEDED = {"mla_up_proj": "kv_rank", "moe": "experts", "moe_act": "experts", "shared_experts": "shared_ffn"}


class Supported(Protocol):
    """The choices that a stack supports."""

    @property
    def title(self) -> str: ...
    @property
    def optimizers(self) -> tuple[str, ...]: ...
    @property
    def loss_kernels(self) -> tuple[str, ...]: ...
    @property
    def recompute_modules(self) -> tuple[str, ...]: ...
    @property
    def cuda_graphs(self) -> tuple[str, ...]: ...
    @property
    def steps_in_backward(self) -> bool: ...
    @property
    def dispatchers(self) -> tuple[str, ...]: ...
    @property
    def tp_overlap(self) -> str: ...
    @property
    def tp_overlaps(self) -> tuple[str, ...]: ...


class Options(Protocol):
    """The fields of a job that are checked here."""

    @property
    def stack(self) -> Supported: ...
    @property
    def model(self) -> object: ...
    @property
    def precision(self) -> str: ...

    @property
    def loss_kernel(self) -> str: ...
    @property
    def kernels(self) -> str: ...
    @property
    def cuda_graphs(self) -> str: ...
    @property
    def optimizer(self) -> str: ...
    @property
    def moe_dispatcher(self) -> str: ...
    @property
    def tp_overlap(self) -> str: ...
    @property
    def recompute_modules(self) -> str: ...
    @property
    def recompute_every(self) -> int: ...
    @property
    def offload_optimizer(self) -> bool: ...
    @property
    def offload_nvme(self) -> bool: ...
    @property
    def fp8_parameters(self) -> bool: ...
    @property
    def optimizer_in_backward(self) -> bool: ...


def modules(names: str) -> tuple[str, ...]:
    """The recomputed modules in a list separated by commas or spaces, in the order of MODULES; FieldError for an unknown one."""
    words = set(names.replace(",", " ").split())
    if unknown := sorted(words - set(MODULES)):
        raise FieldError("recompute_modules", f"recompute_modules may list {', '.join(MODULES)}, not {quoted(unknown[0])}")
    return tuple(name for name in MODULES if name in words)


def check_options(job: Options) -> None:
    """FieldError for an unknown choice, or for choices that exclude each other."""
    choice("loss_kernel", job.loss_kernel, LOSS_KERNELS)
    choice("kernels", job.kernels, KERNELS)
    choice("cuda_graphs", job.cuda_graphs, CUDA_GRAPHS)
    choice("optimizer", job.optimizer, OPTIMIZERS)
    modules(job.recompute_modules)
    choice("moe_dispatcher", job.moe_dispatcher, ("", *DISPATCHERS))
    choice("tp_overlap", job.tp_overlap, ("", *TP_OVERLAPS))
    for key, widths in WIDTHS.items():
        if getattr(job, key) not in widths:
            raise FieldError(key, f"{key} must be one of {', '.join(map(str, widths))}, not {getattr(job, key)}")
    whole("recompute_every", job.recompute_every, 1, 10_000)
    _check_pairs(job)
    _check_stack(job, job.stack)


def _check_pairs(job: Options) -> None:
    """FieldError for choices that exclude each other."""
    if job.offload_nvme and not job.offload_optimizer:
        raise FieldError("offload_nvme", "offload_nvme moves offloaded optimizer states to NVMe; set offload_optimizer to yes")
    if job.fp8_parameters and job.precision != "fp8":
        raise FieldError("fp8_parameters", f"fp8_parameters needs precision fp8, not {job.precision}; set precision to fp8")
    if job.offload_optimizer and job.optimizer == "adamw-8bit-paged":
        paged = "adamw-8bit-paged moves its states to host memory itself"
        raise FieldError("offload_optimizer", f"{paged}; set offload_optimizer to no")
    for name in modules(job.recompute_modules):
        if name in NEEDED and not getattr(job.model, NEEDED[name]):
            raise FieldError("recompute_modules", f"recompute_modules {name} needs a model with {NEEDED[name]}; leave it out")


def _check_stack(job: Options, stack: Supported) -> None:
    """FieldError for a choice that the framework does not have."""
    if job.optimizer not in stack.optimizers:
        narrow = "; for states of 8 bits set state_bytes to 1" if job.optimizer.startswith("adamw-8bit") else ""
        known = f"{stack.title} has the optimizers {', '.join(stack.optimizers)}, not {job.optimizer}"
        raise FieldError("optimizer", f"{known}{narrow}")
    if job.loss_kernel not in stack.loss_kernels:
        known = f"{stack.title} has the loss kernels {', '.join(stack.loss_kernels)}"
        raise FieldError("loss_kernel", f"{known}, not {job.loss_kernel}")
    if job.cuda_graphs not in stack.cuda_graphs:
        known = f"{stack.title} has the CUDA graphs {', '.join(stack.cuda_graphs)}"
        raise FieldError("cuda_graphs", f"{known}, not {job.cuda_graphs}")
    if job.moe_dispatcher and job.moe_dispatcher not in stack.dispatchers:
        known = f"{stack.title} sends tokens to experts by {' or '.join(stack.dispatchers)}"
        raise FieldError("moe_dispatcher", f"{known}, not {job.moe_dispatcher}; free moe_dispatcher")
    if job.tp_overlap not in ("", *(kinds := dict.fromkeys((stack.tp_overlap, *stack.tp_overlaps)))):
        raise FieldError("tp_overlap", f"{stack.title} has the tp_overlap {' or '.join(kinds)}, not {job.tp_overlap}; free tp_overlap")
    for name in modules(job.recompute_modules):
        if name not in stack.recompute_modules:
            known = f"has the modules {', '.join(stack.recompute_modules)}" if stack.recompute_modules else "selects no modules"
            raise FieldError("recompute_modules", f"{stack.title} {known} for recomputation, not {name}; free recompute_modules")
    if job.optimizer_in_backward and not stack.steps_in_backward:
        raise FieldError("optimizer_in_backward", f"{stack.title} has no optimizer in the backward pass; set optimizer_in_backward to no")
