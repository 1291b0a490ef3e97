"""The registry of all input fields: name, unit, limits, and how their text is parsed and written.

The form, the command-line options and the plan file are all generated from FIELDS.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from planner import presets
from planner.document import training_run as training
from planner.errors import FieldError, FileError, UnknownName
from planner.plaintext import quoted
from planner.specs.hardware import GIB, LARGEST_GPUS, Gpu
from planner.specs.job import ATTENTIONS, OPTIMIZERS, PRECISIONS, Stack
from planner.specs.lora import TARGETS, TUNINGS
from planner.specs.model import Model
from planner.specs.options import KERNELS, LOSS_KERNELS, MODULES, modules

Value = int | float | str | bool
Spec = Gpu | Model | Stack | presets.ClusterPreset
SUFFIXES = {"k": 2**10, "m": 2**20, "b": 10**9, "t": 10**12}  # 8k tokens are 8,192, as in papers; 15t are 15e12
YES, NO = ("yes", "y", "true", "on", "1"), ("no", "n", "false", "off", "0")


@dataclass(frozen=True)
class Field:
    """One input field. `spec` and `attribute` name the value it sets; `scale` converts its unit to base units.

    `default` applies where neither the user nor a preset gives a value; None where a preset or a rule decides. `optional` fields accept an
    empty text, which selects the preset's value. `depends_on` names the field without which (0 or full) this one has no effect: forms then
    omit it.
    """

    key: str
    group: str  # cluster, model, batch; run: the training as a whole, on which no plan depends
    label: str
    kind: str  # preset, int, float, choice, bool
    help: str
    unit: str = ""
    spec: str = ""  # gpu, cluster, model, job, run
    attribute: str = ""
    scale: float = 1.0
    least: float = 1
    most: float = 2**34
    choices: tuple[str, ...] = ()
    preset_kind: str = ""
    default: Value | None = None
    optional: bool = False
    depends_on: str = ""

    @property
    def numbered(self) -> bool:
        """Whether the choices are numbers: text in the form, a number in a job."""
        return bool(self.choices) and all(choice.isdecimal() for choice in self.choices)


def _gpu(key: str, label: str, unit: str, attribute: str, scale: float, least: float, most: float, help: str) -> Field:
    return Field(key, "cluster", label, "float", help, unit, "gpu", attribute, scale, least, most)


def _link(key: str, label: str, unit: str, attribute: str, scale: float, least: float, most: float, help: str) -> Field:
    return Field(key, "cluster", label, "float", help, unit, "cluster", attribute, scale, least, most)


def _size(key: str, label: str, most: float, help: str) -> Field:
    return Field(key, "model", label, "int", help, "", "model", key, 1.0, 1, most)


def _count(key: str, label: str, most: float, help: str, depends_on: str = "experts") -> Field:
    """A model size that may be 0; most are those of a mixture of experts."""
    return Field(key, "model", label, "int", help, "", "model", key, 1.0, 0, most, depends_on=depends_on)


def _run(
    key: str, label: str, unit: str, attribute: str, scale: float, least: float, most: float, help: str, default: float | None = None
) -> Field:
    """A number of the training as a whole; optional where it has no default."""
    return Field(key, "run", label, "float", help, unit, "run", attribute, scale, least, most, default=default, optional=default is None)


FIELDS: tuple[Field, ...] = (
    Field("cluster", "cluster", "Cluster", "preset", "shape of the cluster; empty: custom", preset_kind="clusters", optional=True,
          default=""),
    Field("gpu", "cluster", "GPU", "preset", "accelerator", preset_kind="gpus", default="h100-sxm"),
    Field("gpus", "cluster", "GPUs", "int", "number of GPUs", "", "cluster", "gpus", 1.0, 1, LARGEST_GPUS, default=8),
    Field("gpus_per_node", "cluster", "GPUs per node", "int", "GPUs in a node", "", "cluster", "gpus_per_node", 1.0, 1, 65_536, default=8),
    Field("link_domain", "cluster", "Link domain", "int", "GPUs connected by the scale-up link (NVLink, xGMI, PCIe)", "GPUs",
          "cluster", "link_domain", 1.0, 1, 65_536),
    _link("link_gb_s", "Link", "GB/s", "link_bytes_s", 1e9, 1e-3, 1e6, "scale-up bandwidth per GPU, one direction"),
    _link("nic_gbit_s", "NIC", "Gb/s", "nic_bytes_s", 1.25e8, 1e-3, 8e6, "network bandwidth per GPU, one direction"),
    _gpu("memory_gib", "Memory", "GiB", "memory_bytes", GIB, 0.25, 2**20, "GPU memory as the driver reports it"),
    _gpu("hbm_gb_s", "HBM", "GB/s", "hbm_bytes_s", 1e9, 0.1, 1e7, "memory bandwidth of the GPU"),
    _gpu("tflops_bf16", "bf16", "TFLOP/s", "flops_bf16", 1e12, 1e-3, 1e8, "dense bf16 peak of the GPU"),
    _gpu("tflops_fp8", "fp8", "TFLOP/s", "flops_fp8", 1e12, 0, 1e8, "dense fp8 peak of the GPU; 0: none"),
    _gpu("pcie_gb_s", "PCIe", "GB/s", "pcie_bytes_s", 1e9, 1e-3, 1e6, "host link per GPU, one direction"),
    _link("host_memory_gib", "Host memory", "GiB", "host_memory_bytes", GIB, 1, 2**30, "host memory of a node"),
    Field("headroom", "cluster", "Headroom", "float", "share of GPU memory left free", "%", "job", "headroom", 0.01, 0, 95,
          default=0.0),
    Field("model", "model", "Model", "preset", "model: a preset, a Hugging Face config.json, or a model TOML",
          preset_kind="models", default="llama-3.1-405b"),
    _size("layers", "Layers", 10_000, "transformer layers"),
    _size("hidden", "Hidden", 2**24, "width of the residual stream"),
    _size("heads", "Heads", 65_536, "attention heads"),
    _size("kv_heads", "KV heads", 65_536, "key-value heads; equal to heads: MHA"),
    _size("head_dim", "Head dim", 65_536, "width of a head"),
    _size("ffn", "FFN", 2**24, "hidden width of the MLP"),
    _size("vocab", "Vocabulary", 2**28, "vocabulary size"),
    Field("gated", "model", "Gated MLP", "bool", "SwiGLU or GeGLU: gate and up projections", "", "model", "gated"),
    Field("tied", "model", "Tied head", "bool", "the output head shares the embedding", "", "model", "tied"),
    _count("experts", "Experts", 65_536, "routed experts of a sparse layer; 0: dense model", depends_on=""),
    _count("experts_per_token", "Experts/token", 65_536, "routed experts per token (top-k)"),
    _count("expert_ffn", "Expert FFN", 2**24, "hidden width of a routed expert"),
    _count("shared_ffn", "Shared FFN", 2**24, "total hidden width of the shared experts; 0: none"),
    _count("dense_layers", "Dense layers", 10_000, "leading layers with an MLP of width ffn instead of experts; 0: none"),
    _count("mtp_layers", "MTP layers", 100, "multi-token prediction layers; 0: none"),
    _count("kv_rank", "KV rank", 2**20, "latent width of keys and values in MLA; 0: no MLA", depends_on="kv_rank"),
    Field("stack", "batch", "Stack", "preset", "training framework", preset_kind="stacks", default="megatron-core"),
    Field("sequence", "batch", "Sequence", "int", "sequence length; 32k is 32,768", "tokens", "job", "sequence", default=8192),
    Field("global_batch", "batch", "Global batch", "int", "sequences per step", "sequences", "job", "global_batch", default=2048),
    Field("precision", "batch", "Precision", "choice", "compute data type", "", "job", "precision", choices=PRECISIONS, default="bf16"),
    Field("optimizer", "batch", "Optimizer", "choice", "optimizer", "", "job", "optimizer", choices=OPTIMIZERS, default="adamw"),
    Field("tuning", "batch", "Tuning", "choice", "trained weights: all; adapters on frozen weights; adapters on 4-bit weights", "", "job",
          "tuning", choices=TUNINGS, default="full"),
    Field("lora_rank", "batch", "LoRA rank", "int", "rank of the adapters; at most the hidden size", "", "job",
          "lora_rank", 1.0, 1, 65_536, default=16, depends_on="tuning"),
    Field("lora_targets", "batch", "LoRA on", "choice", "matrices with adapters: attention, its queries and values, or all", "", "job",
          "lora_targets", choices=TARGETS, default="attention", depends_on="tuning"),
    Field("gradient_bytes", "batch", "Gradients", "choice", "bytes per stored gradient; empty: the stack's", "bytes", "job",
          "gradient_bytes", choices=("2", "4"), optional=True),
    Field("state_bytes", "batch", "States", "choice", "bytes per optimizer state value; empty: the optimizer's", "bytes", "job",
          "state_bytes", choices=("1", "2", "4"), optional=True),
    Field("master_bytes", "batch", "Master copy", "choice", "bytes per weight of the fp32 master copy; 2: the bits that bf16 rounds "
          "off; 0: none, trained whole in 16 bits; empty: the stack's", "bytes", "job", "master_bytes", choices=("0", "2", "4"),
          optional=True),
    Field("reduce_bytes", "batch", "Reduction", "choice", "bytes per gradient in communication; empty: the stack's", "bytes", "job",
          "reduce_bytes", choices=("2", "4"), optional=True),
    Field("loss_kernel", "batch", "Loss", "choice", "cross-entropy: operations on whole logits; one kernel on them; chunks of tokens; "
          "one kernel with the head; empty: the stack's", "", "job", "loss_kernel", choices=LOSS_KERNELS, optional=True),
    Field("kernels", "batch", "Kernels", "choice", "element-wise operations: one kernel each, fused by hand, or by torch.compile; "
          "empty: the stack's", "", "job", "kernels", choices=KERNELS, optional=True),
    Field("autocast", "batch", "Autocast", "bool", "weights and residual stream in fp32, matrix products in 16 bits; empty: the "
          "stack's", "", "job", "autocast", optional=True),
    Field("foreach", "batch", "Foreach step", "bool", "the optimizer step as operations over lists of tensors, with temporaries; "
          "empty: the stack's", "", "job", "foreach", optional=True),
    Field("optimizer_in_backward", "batch", "In backward", "bool", "apply and free each gradient in the backward pass", "", "job",
          "optimizer_in_backward", default=False),
    Field("expandable_segments", "batch", "Expandable", "bool", "expandable segments of PyTorch's caching allocator", "", "job",
          "expandable_segments", default=False),
    Field("recompute_modules", "batch", "Modules", "text", "modules of selective recomputation, such as core_attn,moe_act; empty: "
          "the stack's", "", "job", "recompute_modules", default="", optional=True),
    Field("recompute_every", "batch", "Every k-th", "int", "full recomputation of every k-th layer", "layers", "job", "recompute_every",
          1.0, 1, 10_000, default=1),
    Field("fp8_parameters", "batch", "fp8 weights", "bool", "weights stored in 8 bits, with precision fp8", "", "job",
          "fp8_parameters", default=False),
    Field("attention", "batch", "Attention", "choice", "attention kernel; empty: the stack's", "", "job", "attention",
          choices=ATTENTIONS, optional=True),
    Field("offload_optimizer", "batch", "Offload", "bool", "store the optimizer states in host memory", "", "job", "offload_optimizer",
          default=False),
    Field("offload_parameters", "batch", "Offload weights", "bool", "store sharded weights in host memory", "", "job", "offload_parameters",
          default=False),
    Field("offload_activations", "batch", "Offload act.", "float", "share of the layers whose activations wait in host memory", "%", "job",
          "offload_activations", 0.01, 0, 100, default=0.0),
    Field("offload_checkpoints", "batch", "Offload ckpt", "bool", "store the inputs of recomputed layers in host memory", "", "job",
          "offload_checkpoints", default=False),
    Field("offload_nvme", "batch", "NVMe", "bool", "store offloaded optimizer states on NVMe", "", "job", "offload_nvme", default=False),
    Field("imbalance", "batch", "Imbalance", "float", "tokens of the most loaded expert-parallel rank over the mean; 1: even", "", "job",
          "imbalance", 1.0, 1, 100, default=1.0, depends_on="experts"),
    Field("capacity", "batch", "Capacity", "float", "capacity factor: tokens beyond it are dropped; 0: dropless", "", "job",
          "capacity", 1.0, 0, 100, default=0.0, depends_on="experts"),
    Field("overlap_experts", "batch", "Overlap A2A", "bool", "overlap the experts' all-to-all with another micro-batch, where stack "
          "and plan allow", "", "job", "overlap_experts", default=False, depends_on="experts"),
    Field("train_tokens", "run", "Tokens", "int", "training tokens, such as 15.6t; empty: from tokens per parameter", "tokens", "run",
          "train_tokens", most=10**18, optional=True),
    _run("tokens_per_parameter", "Tokens per param", "", "tokens_per_parameter", 1.0, 1e-3, 1e6, "training tokens per active parameter; "
         "20: Chinchilla", training.CHINCHILLA),
    _run("price_gpu_hour", "GPU-hour", "$", "price_gpu_hour", 1.0, 0, 1e6, "price per GPU-hour; empty: not given"),
    _run("deadline_days", "Deadline", "days", "deadline_s", training.DAY, 1e-3, 1e5, "days within which training must finish; the smallest "
         "cluster that does is searched; empty: none"),
    _run("board_w", "Board", "W", "power_w", 1.0, 1, 1e6, "power of a GPU board; empty: the preset's"),
    _run("pue", "PUE", "", "pue", 1.0, 1, 10, "power usage effectiveness: energy of the data centre over that of the boards", training.PUE),
    _run("co2_g_kwh", "CO2", "g/kWh", "co2_g_kwh", 1.0, 0, 1e4, "carbon intensity of the grid; empty: not given"),
    Field("served_tokens", "run", "Served", "int", "tokens served over the model's lifetime, such as 2t; 0: none", "tokens", "run",
          "served_tokens", least=0, most=10**18, default=0),
    _run("gpu_mtbf_hours", "MTBF per GPU", "h", "gpu_mtbf_s", 3600.0, 1e-3, 1e9, "mean time between failures per GPU, including its share "
         "of host and network", float(training.GPU_MTBF_HOURS)),
    _run("restart_minutes", "Restart", "min", "restart_s", 60.0, 0, 1e5, "minutes from a failure until training resumes",
         training.RESTART_MINUTES),
    _run("storage_gb_s", "Storage", "GB/s", "storage_bytes_s", 1e9, 1e-3, 1e8, "checkpoint write bandwidth of the whole job; empty: "
         "scaled by GPUs from Llama 3's"),
    _run("checkpoint_minutes", "Checkpoint", "min", "checkpoint_s", 60.0, 1e-3, 1e6, "minutes between checkpoints; empty: the optimal "
         "interval"),
)  # fmt: skip
BY_KEY = {f.key: f for f in FIELDS}
JOB_GROUPS = ("cluster", "model", "batch")  # the groups that define a job


def field_of(key: str) -> Field:
    """The field of a name; UnknownName with the closest match if there is none."""
    if key not in BY_KEY:
        raise UnknownName("field", str(key), BY_KEY)
    return BY_KEY[key]


def parse(key: str, text: str) -> Value:
    """The value of a field, in its own unit, from text the user typed.

    Integers: 8192, 8_192, 8,192, 8k, 1e3. Yes or no for a bool. An unknown preset or an unreadable file is refused here, so that what
    cannot be loaded never enters the form. FieldError (UnknownName) names the field.
    """
    f = field_of(key)
    text = text.strip()
    if f.optional and text.lower() in ("", "custom"):
        return ""
    if not text:
        raise FieldError(key, f"{key} is empty; it {_expectation(f)}")
    if f.kind == "preset":
        load(key, text)
        return text.lower() if text.lower() in presets.names(f.preset_kind) else text
    if f.kind in ("choice", "text"):
        return check(f, text.lower())
    if f.kind == "bool":
        if text.lower() not in YES + NO:
            raise FieldError(key, f"{key} must be yes or no, not {quoted(text)}")
        return text.lower() in YES
    return check(f, _number(f, text))


def _number(f: Field, text: str) -> int | float:
    """A number from its text, an integer if the field is one."""
    digits = text.lower()
    if f.unit and digits.endswith(f.unit.lower()):
        digits = digits[: -len(f.unit)].rstrip()
    factor = 1
    if f.kind == "int" and digits[-1:] in SUFFIXES:
        digits, factor = digits[:-1].rstrip(), SUFFIXES[digits[-1]]
    if re.fullmatch(r"[+-]?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?", digits):
        digits = digits.replace(",", "")
    if len(digits) > 60 or not re.fullmatch(r"[+-]?([0-9_]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|[+-]?(nan|inf|infinity)", digits):
        raise FieldError(f.key, f"{f.key} {_expectation(f)}, not {quoted(text)}")
    try:
        if re.fullmatch(r"[+-]?[0-9_]+", digits):
            return int(digits) * factor if f.kind == "int" else float(digits)
        value = float(digits) * factor
        if factor > 1 and math.isfinite(value) and math.isclose(value, round(value), rel_tol=1e-15):
            value = float(round(value))  # 15.6t is an integer number of tokens despite the rounding of the product
    except ValueError:
        raise FieldError(f.key, f"{f.key} {_expectation(f)}, not {quoted(text)}") from None
    return int(value) if f.kind == "int" and math.isfinite(value) and value == int(value) else value


def check(f: Field, value: object) -> Value:
    """The value unchanged if the field accepts it; FieldError, in the unit of the field, if not."""
    wrong = FieldError(f.key, f"{f.key} {_expectation(f)}, not {quoted(value)}")
    if f.kind in ("preset", "choice"):
        if not isinstance(value, str) or (f.kind == "choice" and value not in f.choices) or not value:
            raise wrong
        return value
    if f.kind == "bool":
        if not isinstance(value, bool):
            raise wrong
        return value
    if f.kind == "text":
        if not isinstance(value, str):
            raise wrong
        return ",".join(modules(value))
    if isinstance(value, bool) or not isinstance(value, int | float) or (f.kind == "int" and not isinstance(value, int)):
        raise wrong
    if (isinstance(value, float) and not math.isfinite(value)) or not f.least <= value <= f.most:
        raise wrong
    return value if f.kind == "int" else float(value)


def _expectation(f: Field) -> str:
    """What a field accepts, as a clause of a sentence."""
    if f.kind == "preset":
        return f"must be the name of a preset (see tmplan {f.preset_kind}) or a file"
    if f.kind == "choice":
        return f"must be one of {', '.join(f.choices)}"
    if f.kind == "text":
        return f"must list some of {', '.join(MODULES)}"
    if f.kind == "bool":
        return "must be yes or no"
    number = "a whole number" if f.kind == "int" else "a number"
    return f"must be {number} from {f.least:,.12g} to {f.most:,.12g}{' ' + f.unit if f.unit else ''}"


def text(key: str, value: Value) -> str:
    """A value as the form shows it; `parse` reads it back."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    return str(value)


def load(key: str, name: str) -> Spec:
    """The spec of a preset by field and name; errors carry the field's key (UnknownName, FieldError) or are Unsupported."""
    try:
        read: Callable[[str], Spec] = getattr(presets, key)
        return read(name)
    except FileError as error:
        raise FieldError(key, str(error)) from error
