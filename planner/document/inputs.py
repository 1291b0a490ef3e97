"""Inputs: the values that the user set, and the Job that results with presets and defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from planner.document.fields import BY_KEY, FIELDS, Field, Spec, Value, check, field_of, load, parse, text
from planner.document.training_run import Run, resolved
from planner.errors import FieldError, TmplanError
from planner.presets import ClusterPreset
from planner.specs.hardware import Cluster, Gpu
from planner.specs.job import STATE_BYTES, WIDE, Job, Stack
from planner.specs.model import Model
from planner.specs.products import Products

__all__ = ["BY_KEY", "EXAMPLE", "FIELDS", "Field", "Inputs", "Recorded", "Value", "field_of", "parse", "resolve", "shown", "text", "used"]

GPU_FIGURES = ("link_domain", "link_gb_s", "nic_gbit_s", "memory_gib", "hbm_gb_s", "tflops_bf16", "tflops_fp8", "pcie_gb_s")
MEASURED = ("measured_reduce_gb_s", "measured_gather_gb_s")
OVERRIDES_OF = {  # choosing another preset drops the values set over the former one
    "cluster": ("gpu", "gpus", "gpus_per_node", "host_memory_gib", *GPU_FIGURES, *MEASURED, "board_w"),
    "gpu": (*GPU_FIGURES, *MEASURED, "board_w"),
    "model": (*(f.key for f in FIELDS if f.spec == "model"), "pipeline_layout"),
    "stack": (
        "gradient_bytes",
        "attention",
        "master_bytes",
        "reduce_bytes",
        "loss_kernel",
        "kernels",
        "autocast",
        "foreach",
        "recompute_modules",
        "moe_dispatcher",
        "fp8_recipe",
        "tp_overlap",
        "pipeline_layout",
    ),
}
DEFAULTS: Mapping[str, Value] = {f.key: f.default for f in FIELDS if f.default is not None}
T = TypeVar("T")


@dataclass(frozen=True)
class Recorded:
    """Presets and defaults recorded in a plan file: they replace the current ones, so that a file reproduces its numbers."""

    presets: Mapping[tuple[str, str], Spec] = field(default_factory=dict)  # (field, name) -> spec
    defaults: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class Inputs:
    """The values that were set, by field; every other field has its preset's value or its default.

    Hashable. Empty text is not stored: an optional field set to it counts as not set.
    """

    values: Mapping[str, Value] = field(default_factory=dict)
    recorded: Recorded = field(default_factory=Recorded, repr=False)

    def __post_init__(self) -> None:
        for key in self.values:
            field_of(key)
        object.__setattr__(self, "values", {f.key: self.values[f.key] for f in FIELDS if self.values.get(f.key, "") != ""})

    def __hash__(self) -> int:
        return hash(tuple(self.values.items()))

    def with_(self, key: str, value: Value | None) -> Inputs:
        """A copy with one field set, or reset to its preset (None). Choosing another preset drops the values set over the former."""
        field_of(key)
        values = dict(self.values)
        if key in OVERRIDES_OF and _name(self, key) != _name(Inputs(values | {key: "" if value is None else value}, self.recorded), key):
            values = {k: v for k, v in values.items() if k not in OVERRIDES_OF[key]}
        values.pop(key, None)
        return Inputs(values if value is None else values | {key: value}, self.recorded)

    def with_all(self, changes: Mapping[str, Value | None]) -> Inputs:
        """A copy with several fields set, presets before the values set over them."""
        for key in changes:
            field_of(key)
        inputs = self
        for f in sorted(FIELDS, key=lambda f: f.kind != "preset"):
            inputs = inputs.with_(f.key, changes[f.key]) if f.key in changes else inputs
        return inputs


EXAMPLE = Inputs({"gpu": "h100-sxm", "gpus": 16384, "model": "llama-3.1-405b", "stack": "megatron-core", "global_batch": 2048})


def default(inputs: Inputs, key: str) -> Value:
    """The default of a field: the recorded one, else the current one."""
    return inputs.recorded.defaults.get(key, DEFAULTS[key])


def used(inputs: Inputs) -> dict[tuple[str, str], Spec]:
    """Every preset that these inputs use, by field and name."""
    names = {key: _name(inputs, key) for key in ("cluster", "gpu", "model", "stack")}
    return {(key, name): _load(inputs, key, name) for key, name in names.items() if name}


def resolve(inputs: Inputs) -> Job:
    """The job of these inputs; FieldError, UnknownName or Unsupported name the field at fault."""
    values = {key: check(BY_KEY[key], value) for key, value in inputs.values.items()}
    model = _model(inputs, values)
    cluster = _cluster(inputs, values)
    stack = stack_of(inputs)
    job = {f.attribute: _base(f, values.get(f.key, default(inputs, f.key))) for f in FIELDS if f.spec == "job" and f.default is not None}
    if "sequence" not in values and model.positions == "learned":
        job["sequence"] = min(job["sequence"], model.max_positions)
    followed = {**following(stack, job["optimizer"]), **(IN_FP32 if job["precision"] in WIDE else {})}
    job |= {key: _base(BY_KEY[key], values.get(key, value)) for key, value in followed.items()}
    return Job(model, cluster, stack, **job)


def run_of(inputs: Inputs, job: Job) -> Run:
    """The training run of this job as a whole; FieldError names the field at fault."""
    fields = [f for f in FIELDS if f.spec == "run"]
    given = {f.key: inputs.values.get(f.key, default(inputs, f.key) if f.key in DEFAULTS else "") for f in fields}
    return resolved(job, {f.attribute: _base(f, check(f, given[f.key])) for f in fields if given[f.key] != ""})


def stack_of(inputs: Inputs) -> Stack:
    """The stack of these inputs; UnknownName or FieldError where it cannot be read."""
    stack = _load(inputs, "stack", _name(inputs, "stack"))
    assert isinstance(stack, Stack)
    return stack


IN_FP32: Mapping[str, Value] = {
    "gradient_bytes": 4,
    "master_bytes": 0,
    "reduce_bytes": 4,
    "autocast": False,
}  # the weight is the master copy


def following(stack: Stack, optimizer: str) -> dict[str, Value]:
    """Values of those optional job fields that follow from the stack and the optimizer."""
    return {
        "gradient_bytes": stack.gradient_bytes, "state_bytes": STATE_BYTES[optimizer], "attention": stack.attention,
        "master_bytes": int(stack.master_bytes), "reduce_bytes": stack.gradient_reduce_bytes, "loss_kernel": stack.loss_kernel,
        "kernels": stack.kernels, "autocast": stack.autocast, "foreach": stack.foreach,
    }  # fmt: skip


def model_of(inputs: Inputs) -> Model:
    """The model of these inputs; FieldError, UnknownName or Unsupported name the field at fault."""
    return _model(inputs, {key: check(BY_KEY[key], value) for key, value in inputs.values.items() if BY_KEY[key].group == "model"})


def _model(inputs: Inputs, values: Mapping[str, Value]) -> Model:
    """The model with its dimensions overridden; published parameter counts are dropped with any override.

    kv_heads follows heads where the preset has equal numbers (MHA), and where attention becomes latent. head_dim follows hidden / heads
    where the preset has that ratio, except under latent attention, whose head width is independent.
    """
    preset = _load(inputs, "model", _name(inputs, "model"))
    assert isinstance(preset, Model)
    changes = _overrides("model", values)
    hidden, heads = changes.get("hidden", preset.hidden), changes.get("heads", preset.heads)
    latent = changes.get("kv_rank", preset.kv_rank) > 0
    follows = preset.kv_heads == preset.heads or (latent and not preset.kv_rank)
    if "kv_heads" not in changes and follows and heads != preset.kv_heads:
        changes["kv_heads"] = heads
    if "head_dim" not in changes and not latent and preset.heads * preset.head_dim == preset.hidden and heads * preset.head_dim != hidden:
        if hidden % heads:
            raise FieldError(
                "heads", f"{heads:,} heads do not divide a hidden size of {hidden:,}; set head_dim too, or another number of heads"
            )
        changes["head_dim"] = hidden // heads
    if preset.kv_rank and not latent:
        changes |= {"q_rank": 0, "rope_dim": 0, "v_dim": 0}
    _check_experts(preset, changes)
    return replace(preset, **changes, published_parameters=0.0, published_active=0.0) if changes else preset


def _check_experts(preset: Model, changes: Mapping[str, Any]) -> None:
    """FieldError for experts without their other sizes, or in a number that the preset's router groups do not divide."""
    experts, needed = changes.get("experts", preset.experts), ("experts_per_token", "expert_ffn")
    sizes = {key: changes.get(key, getattr(preset, key)) for key in needed}
    missing = [key for key, size in sizes.items() if not size]
    if missing and experts and sizes["experts_per_token"] <= experts:  # Model itself refuses too many experts per token
        raise FieldError(missing[0], f"a model with {experts:,} experts needs {' and '.join(missing)} too; set {missing[0]}")
    if preset.router_groups and experts % preset.router_groups:
        groups = f"its router selects among {preset.router_groups} groups of experts"
        raise FieldError("experts", f"experts must be a multiple of {preset.router_groups} for {preset.name}: {groups}; {experts:,} is not")


def _gpu(inputs: Inputs, values: Mapping[str, Value]) -> Gpu:
    """The GPU with its figures overridden. The fitted rates of products and attention scale with the overridden peaks.

    fp8 and fp4 peaks scale with the bf16 peak unless they are set too.
    """
    preset = _load(inputs, "gpu", _name(inputs, "gpu"))
    assert isinstance(preset, Gpu)
    changes = _overrides("gpu", values)
    if not changes:
        return preset
    faster = changes.get("flops_bf16", preset.flops_bf16) / preset.flops_bf16
    wider = changes.get("hbm_bytes_s", preset.hbm_bytes_s) / preset.hbm_bytes_s
    gemm = replace(preset.gemm, flops_s=preset.gemm.flops_s * faster, bytes_s=preset.gemm.bytes_s * wider)
    flash = {
        name: replace(kernel, plateau_flops=kernel.plateau_flops * faster)
        for name, kernel in (("flash_2", preset.flash_2), ("flash_3", preset.flash_3))
        if kernel
    }
    narrow = {"flops_fp8": preset.flops_fp8 * faster, "flops_fp4": preset.flops_fp4 * faster} | changes
    peaks = {"fp8": "flops_fp8", "fp8_block": "flops_fp8", "nvfp4": "flops_fp4"}

    def scaled(table: Products) -> Products:
        peak = peaks.get(table.numbers, "flops_bf16")
        ratio = narrow.get(peak, preset.flops_bf16) / getattr(preset, peak)
        return replace(table, flops_s=table.flops_s * ratio, bytes_s=table.bytes_s * wider)

    present = {key: [t for t in getattr(preset, key) if narrow.get(peaks.get(t.numbers, ""), 1.0)] for key in ("narrow", "grouped")}
    tables = {key: tuple(scaled(table) for table in given) for key, given in present.items()}
    return replace(preset, **narrow | flash | tables, gemm=gemm)


def _cluster(inputs: Inputs, given: Mapping[str, Value]) -> Cluster:
    """The cluster: the preset's shape, or nodes of 8 GPUs with the GPU's links; then the overrides."""
    gpu = _gpu(inputs, given)
    shape = _shape(inputs)
    overrides = _overrides("cluster", given)
    gpus = int(overrides.pop("gpus", None) or (shape.gpus if shape else default(inputs, "gpus")))
    node = int(overrides.pop("gpus_per_node", None) or _usual_node(inputs, shape))
    if gpus > node and gpus % node:
        below = gpus // node * node
        raise FieldError("gpus", f"{gpus:,} GPUs do not fill nodes of {node:,}; use {below:,} or {below + node:,}")
    same = shape is not None and shape.gpu == _name(inputs, "gpu")  # another GPU in the same chassis has different links
    values: dict[str, Any] = {"link_domain": _domain(gpu, node), "link_bytes_s": gpu.link_bytes_s, "nic_bytes_s": gpu.nic_bytes_s}
    if shape:
        values |= {"nic_bytes_s": shape.nic_bytes_s or gpu.nic_bytes_s, "host_memory_bytes": shape.host_memory_bytes}
    if shape and same:
        values |= {"link_domain": shape.link_domain, "link_bytes_s": shape.link_bytes_s or gpu.link_bytes_s}
        values |= {"pace": shape.pace, "host_pace": shape.host_pace, "calibrated_runs": shape.calibrated_runs}
    return Cluster(shape.name if shape else gpu.name, gpu, gpus, min(node, gpus), **(values | overrides))


def node_size(inputs: Inputs) -> int:
    """GPUs per node of these inputs (a small cluster may use a part of a node); FieldError where it is undetermined."""
    value = inputs.values.get("gpus_per_node")
    return int(_usual_node(inputs, _shape(inputs)) if value is None else check(BY_KEY["gpus_per_node"], value))


def _usual_node(inputs: Inputs, shape: ClusterPreset | None) -> Value:
    """GPUs per node where none are set."""
    return shape.gpus_per_node if shape else default(inputs, "gpus_per_node")


def _domain(gpu: Gpu, node: int) -> int:
    """GPUs in one scale-up domain: the GPU's where that is a rack; at most a node otherwise; the node itself over PCIe."""
    if gpu.link_domain == 1:
        return node
    return gpu.link_domain if gpu.link_domain > 8 else min(gpu.link_domain, node)


def _shape(inputs: Inputs) -> ClusterPreset | None:
    """The cluster preset, None where none is chosen."""
    name = _name(inputs, "cluster")
    spec = _load(inputs, "cluster", name) if name else None
    assert spec is None or isinstance(spec, ClusterPreset)
    return spec


def _name(inputs: Inputs, key: str) -> str:
    """The name of the preset that a field selects; a cluster preset implies its GPU."""
    name = inputs.values.get(key)
    if name is None and key == "gpu" and "cluster" in inputs.values:
        shape = _try(lambda: _shape(inputs))
        name = shape.gpu if shape else None
    return str(default(inputs, key) if name is None else name)


def _load(inputs: Inputs, key: str, name: str) -> Spec:
    """A preset, as recorded in the plan file where it is; a recorded stack is of one release."""
    recorded, released = inputs.recorded.presets.get((key, name)), str(inputs.values.get("stack_release", "")) if key == "stack" else ""
    if recorded and (not isinstance(recorded, Stack) or recorded.released == released):
        return recorded
    return load(key, name, released)


def _base(f: Field, value: Value) -> Any:
    """A value in base units; the number of a choice among numbers."""
    if f.numbered:
        return int(value)
    return value * f.scale if f.scale != 1.0 and not isinstance(value, str) else value


def _overrides(spec: str, values: Mapping[str, Value]) -> dict[str, Any]:
    """The values set over one spec, by its attributes, in base units."""
    return {BY_KEY[key].attribute: _base(BY_KEY[key], value) for key, value in values.items() if BY_KEY[key].spec == spec}


def _try(make: Any) -> Any:
    """The result of a call, None where it raises TmplanError."""
    try:
        return make()
    except TmplanError:
        return None


def shown(inputs: Inputs) -> dict[str, tuple[Value, bool]]:
    """The value of every field and whether it was set; "" where an inconsistent state leaves it undetermined. Never raises."""
    valid = {key: value for key, value in inputs.values.items() if _try(lambda k=key, v=value: check(BY_KEY[k], v)) is not None}
    stack = _try(lambda: stack_of(inputs))
    model = _try(lambda: _model(inputs, valid)) or _try(lambda: _load(inputs, "model", _name(inputs, "model")))
    specs: dict[str, Any] = {"model": model, "gpu": _try(lambda: _gpu(inputs, valid)), "cluster": _try(lambda: _cluster(inputs, valid))}
    job = _try(lambda: resolve(inputs))
    specs |= {"job": job, "run": _try(lambda: run_of(inputs, job)) if job else None}
    of_stack = following(stack, str(valid.get("optimizer", default(inputs, "optimizer")))) if stack else {}
    result: dict[str, tuple[Value, bool]] = {}
    for f in FIELDS:
        value: Any = ""
        spec = specs.get(f.spec)
        if f.key in inputs.values:
            value = inputs.values[f.key]
        elif f.kind == "preset":
            value = _name(inputs, f.key)
        elif spec is not None and getattr(spec, f.attribute) is not None:
            value = _unit(f, getattr(spec, f.attribute))
        elif f.key in of_stack:
            value = of_stack[f.key] if f.kind == "bool" else str(of_stack[f.key])
        elif f.default is not None:
            value = default(inputs, f.key)
        result[f.key] = (value, f.key in inputs.values)
    return result


def _unit(f: Field, value: Any) -> Value:
    """A value of a spec in the field's unit, without the rounding error of converting there and back."""
    if f.kind == "float":
        return float(f"{value / f.scale:.12g}")
    return str(value) if f.kind == "choice" else value
