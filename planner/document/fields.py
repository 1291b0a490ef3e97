"""The registry of every field a person can set: its name, unit, limits, and how its text is read and written.

The form on the screen, the options of the command line and the plan file are all made from FIELDS.
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

Value = int | float | str | bool
Spec = Gpu | Model | Stack | presets.ClusterPreset
SUFFIXES = {"k": 2**10, "m": 2**20, "b": 10**9, "t": 10**12}  # 8k tokens are 8,192, as in every paper, and 15t are 15e12
YES, NO = ("yes", "y", "true", "on", "1"), ("no", "n", "false", "off", "0")


@dataclass(frozen=True)
class Field:
    """One field. `spec` and `attribute` name what it sets, `scale` turns its unit into base units.

    `default` is what it stands at when neither the user nor a preset says; None where a preset or a rule decides.
    `optional` fields take an empty text, which means: as the preset has it. `beside` names the field without which, while it is 0 or
    full, this one says nothing: forms leave it out then.
    """

    key: str
    group: str  # cluster, model, batch; run: of the training as a whole, which no plan depends on
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
    beside: str = ""

    @property
    def numbered(self) -> bool:
        """Whether it is a choice among numbers: text in the form, a number in a job."""
        return bool(self.choices) and all(choice.isdecimal() for choice in self.choices)


def _gpu(key: str, label: str, unit: str, attribute: str, scale: float, least: float, most: float, help: str) -> Field:
    return Field(key, "cluster", label, "float", help, unit, "gpu", attribute, scale, least, most)


def _link(key: str, label: str, unit: str, attribute: str, scale: float, least: float, most: float, help: str) -> Field:
    return Field(key, "cluster", label, "float", help, unit, "cluster", attribute, scale, least, most)


def _size(key: str, label: str, most: float, help: str) -> Field:
    return Field(key, "model", label, "int", help, "", "model", key, 1.0, 1, most)


def _count(key: str, label: str, most: float, help: str, beside: str = "experts") -> Field:
    """A size that may be none; most are those of a mixture of experts."""
    return Field(key, "model", label, "int", help, "", "model", key, 1.0, 0, most, beside=beside)


def _run(
    key: str, label: str, unit: str, attribute: str, scale: float, least: float, most: float, help: str, default: float | None = None
) -> Field:
    """A number of the training as a whole; without a default it may be left open."""
    return Field(key, "run", label, "float", help, unit, "run", attribute, scale, least, most, default=default, optional=default is None)


FIELDS: tuple[Field, ...] = (
    Field("cluster", "cluster", "Cluster", "preset", "shape of the cluster; empty: custom", preset_kind="clusters", optional=True,
          default=""),
    Field("gpu", "cluster", "GPU", "preset", "accelerator", preset_kind="gpus", default="h100-sxm"),
    Field("gpus", "cluster", "GPUs", "int", "GPUs in all", "", "cluster", "gpus", 1.0, 1, LARGEST_GPUS, default=8),
    Field("gpus_per_node", "cluster", "GPUs a node", "int", "GPUs in one node", "", "cluster", "gpus_per_node", 1.0, 1, 65_536, default=8),
    Field("link_domain", "cluster", "Link domain", "int", "GPUs that reach each other over the scale-up link (NVLink, xGMI, PCIe)", "GPUs",
          "cluster", "link_domain", 1.0, 1, 65_536),
    _link("link_gb_s", "Link", "GB/s", "link_bytes_s", 1e9, 1e-3, 1e6, "scale-up link of a GPU, one way"),
    _link("nic_gbit_s", "NIC", "Gb/s", "nic_bytes_s", 1.25e8, 1e-3, 8e6, "network of a GPU, one way"),
    _gpu("memory_gib", "Memory", "GiB", "memory_bytes", GIB, 0.25, 2**20, "memory of a GPU as the driver offers it"),
    _gpu("hbm_gb_s", "HBM", "GB/s", "hbm_bytes_s", 1e9, 0.1, 1e7, "memory bandwidth of a GPU"),
    _gpu("tflops_bf16", "bf16", "TFLOP/s", "flops_bf16", 1e12, 1e-3, 1e8, "dense bf16 rate of a GPU"),
    _gpu("tflops_fp8", "fp8", "TFLOP/s", "flops_fp8", 1e12, 0, 1e8, "dense fp8 rate of a GPU; 0: none"),
    _gpu("pcie_gb_s", "PCIe", "GB/s", "pcie_bytes_s", 1e9, 1e-3, 1e6, "link of a GPU to its host, one way"),
    _link("host_memory_gib", "Host memory", "GiB", "host_memory_bytes", GIB, 1, 2**30, "memory of a node's host"),
    Field("headroom", "cluster", "Headroom", "float", "share of the GPU's memory to leave free", "%", "job", "headroom", 0.01, 0, 95,
          default=0.0),
    Field("model", "model", "Model", "preset", "model: a preset, a config.json of Hugging Face, or a model TOML",
          preset_kind="models", default="llama-3.1-405b"),
    _size("layers", "Layers", 10_000, "transformer layers"),
    _size("hidden", "Hidden", 2**24, "width of the residual stream"),
    _size("heads", "Heads", 65_536, "attention heads"),
    _size("kv_heads", "KV heads", 65_536, "key and value heads; as many as heads: MHA"),
    _size("head_dim", "Head dim", 65_536, "width of one head"),
    _size("ffn", "FFN", 2**24, "middle width of the MLP"),
    _size("vocab", "Vocabulary", 2**28, "tokens in the vocabulary"),
    Field("gated", "model", "Gated MLP", "bool", "SwiGLU or GeGLU: two matrices into the MLP's middle", "", "model", "gated"),
    Field("tied", "model", "Tied head", "bool", "the head shares the embedding", "", "model", "tied"),
    _count("experts", "Experts", 65_536, "routed experts of a sparse layer; 0: a dense model", beside=""),
    _count("experts_per_token", "Experts a token", 65_536, "routed experts that a token visits (top-k)"),
    _count("expert_ffn", "Expert FFN", 2**24, "middle width of one routed expert"),
    _count("shared_ffn", "Shared FFN", 2**24, "middle width of the shared experts together; 0: none"),
    _count("dense_layers", "Dense layers", 10_000, "first layers without experts, their MLP of width ffn; 0: none"),
    _count("mtp_layers", "MTP layers", 100, "layers of multi-token prediction behind the last; 0: none"),
    _count("kv_rank", "KV rank", 2**20, "width to which latent attention (MLA) compresses keys and values; 0: plain", beside="kv_rank"),
    Field("stack", "batch", "Stack", "preset", "training framework", preset_kind="stacks", default="megatron-core"),
    Field("sequence", "batch", "Sequence", "int", "tokens in a sequence; 32k is 32,768", "tokens", "job", "sequence", default=8192),
    Field("global_batch", "batch", "Global batch", "int", "sequences in a step", "sequences", "job", "global_batch", default=2048),
    Field("precision", "batch", "Precision", "choice", "compute type", "", "job", "precision", choices=PRECISIONS, default="bf16"),
    Field("optimizer", "batch", "Optimizer", "choice", "optimizer", "", "job", "optimizer", choices=OPTIMIZERS, default="adamw"),
    Field("tuning", "batch", "Tuning", "choice", "what is trained: all weights; adapters on frozen ones; or on ones in 4 bits", "", "job",
          "tuning", choices=TUNINGS, default="full"),
    Field("lora_rank", "batch", "LoRA rank", "int", "inner width of the adapters; the hidden size at most", "", "job",
          "lora_rank", 1.0, 1, 65_536, default=16, beside="tuning"),
    Field("lora_targets", "batch", "LoRA on", "choice", "matrices with adapters: of attention, its queries and values, or all", "", "job",
          "lora_targets", choices=TARGETS, default="attention", beside="tuning"),
    Field("gradient_bytes", "batch", "Gradients", "choice", "bytes of a gradient as kept; empty: the stack's", "bytes", "job",
          "gradient_bytes", choices=("2", "4"), optional=True),
    Field("state_bytes", "batch", "States", "choice", "bytes of each optimizer state; empty: the optimizer's", "bytes", "job",
          "state_bytes", choices=("1", "2", "4"), optional=True),
    Field("attention", "batch", "Attention", "choice", "attention kernel; empty: the stack's", "", "job", "attention",
          choices=ATTENTIONS, optional=True),
    Field("offload_optimizer", "batch", "Offload", "bool", "keep the optimizer's states in host memory", "", "job", "offload_optimizer",
          default=False),
    Field("imbalance", "batch", "Imbalance", "float", "tokens on the rank whose experts get the most, over the mean; 1: even", "", "job",
          "imbalance", 1.0, 1, 100, default=1.0, beside="experts"),
    Field("capacity", "batch", "Capacity", "float", "capacity factor of an expert: more tokens are dropped; 0: dropless", "", "job",
          "capacity", 1.0, 0, 100, default=0.0, beside="experts"),
    Field("overlap_experts", "batch", "Overlap A2A", "bool", "hide the experts' all-to-all behind another micro-batch, where stack and "
          "plan allow", "", "job", "overlap_experts", default=False, beside="experts"),
    Field("train_tokens", "run", "Tokens", "int", "tokens to train on, such as 15.6t; empty: tokens a parameter", "tokens", "run",
          "train_tokens", most=10**18, optional=True),
    _run("tokens_per_parameter", "Tokens a param", "", "tokens_per_parameter", 1.0, 1e-3, 1e6, "tokens to train on for each parameter "
         "that a token visits; 20: Chinchilla", training.CHINCHILLA),
    _run("price_gpu_hour", "GPU-hour", "$", "price_gpu_hour", 1.0, 0, 1e6, "price of a GPU for an hour; empty: not told"),
    _run("deadline_days", "Deadline", "days", "deadline_s", training.DAY, 1e-3, 1e5, "days in which training must end, for the smallest "
         "cluster that does; empty: none"),
    _run("board_w", "Board", "W", "power_w", 1.0, 1, 1e6, "power of a GPU's board; empty: the preset's"),
    _run("pue", "PUE", "", "pue", 1.0, 1, 10, "energy of the whole building over that of the boards", training.PUE),
    _run("co2_g_kwh", "CO2", "g/kWh", "co2_g_kwh", 1.0, 0, 1e4, "CO2 of a kilowatt-hour of the grid; empty: not told"),
    Field("served_tokens", "run", "Served", "int", "tokens to serve over the model's life, such as 2t; 0: none", "tokens", "run",
          "served_tokens", least=0, most=10**18, default=0),
    _run("gpu_mtbf_hours", "MTBF of a GPU", "h", "gpu_mtbf_s", 3600.0, 1e-3, 1e9, "hours between two failures that one GPU causes, host "
         "and network with it", float(training.GPU_MTBF_HOURS)),
    _run("restart_minutes", "Restart", "min", "restart_s", 60.0, 0, 1e5, "minutes from a failure to training again",
         training.RESTART_MINUTES),
    _run("storage_gb_s", "Storage", "GB/s", "storage_bytes_s", 1e9, 1e-3, 1e8, "rate at which the whole job writes a checkpoint; empty: "
         "its share of what Llama 3 had"),
    _run("checkpoint_minutes", "Checkpoint", "min", "checkpoint_s", 60.0, 1e-3, 1e6, "minutes between checkpoints; empty: the best "
         "interval"),
)  # fmt: skip
BY_KEY = {f.key: f for f in FIELDS}
JOB_GROUPS = ("cluster", "model", "batch")  # the groups that make a job


def field_of(key: str) -> Field:
    """The field of this name; UnknownName with the nearest if there is none."""
    if key not in BY_KEY:
        raise UnknownName("field", str(key), BY_KEY)
    return BY_KEY[key]


def parse(key: str, text: str) -> Value:
    """The value of a field from what a person typed, in the field's own unit.

    Whole numbers: 8192, 8_192, 8,192, 8k, 1e3. Yes or no for a bool. An unknown preset or a file that cannot be read is
    refused here, so that what cannot be loaded never enters the form. FieldError (UnknownName) names the field.
    """
    f = field_of(key)
    text = text.strip()
    if f.optional and text.lower() in ("", "custom"):
        return ""
    if not text:
        raise FieldError(key, f"{key} is empty; it {_wanted(f)}")
    if f.kind == "preset":
        load(key, text)
        return text.lower() if text.lower() in presets.names(f.preset_kind) else text
    if f.kind == "choice":
        return check(f, text.lower())
    if f.kind == "bool":
        if text.lower() not in YES + NO:
            raise FieldError(key, f"{key} must be yes or no, not {quoted(text)}")
        return text.lower() in YES
    return check(f, _number(f, text))


def _number(f: Field, text: str) -> int | float:
    """A number from its text, whole if the field is."""
    bare = text.lower()
    if f.unit and bare.endswith(f.unit.lower()):
        bare = bare[: -len(f.unit)].rstrip()
    times = 1
    if f.kind == "int" and bare[-1:] in SUFFIXES:
        bare, times = bare[:-1].rstrip(), SUFFIXES[bare[-1]]
    if re.fullmatch(r"[+-]?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?", bare):
        bare = bare.replace(",", "")
    if len(bare) > 60 or not re.fullmatch(r"[+-]?([0-9_]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|[+-]?(nan|inf|infinity)", bare):
        raise FieldError(f.key, f"{f.key} {_wanted(f)}, not {quoted(text)}")
    try:
        if re.fullmatch(r"[+-]?[0-9_]+", bare):
            return int(bare) * times if f.kind == "int" else float(bare)
        value = float(bare) * times
        if times > 1 and math.isfinite(value) and math.isclose(value, round(value), rel_tol=1e-15):
            value = float(round(value))  # 15.6t is a whole number of tokens, whatever the product was rounded to
    except ValueError:
        raise FieldError(f.key, f"{f.key} {_wanted(f)}, not {quoted(text)}") from None
    return int(value) if f.kind == "int" and math.isfinite(value) and value == int(value) else value


def check(f: Field, value: object) -> Value:
    """The value itself if the field can take it; FieldError in the field's own unit if not."""
    wrong = FieldError(f.key, f"{f.key} {_wanted(f)}, not {quoted(value)}")
    if f.kind in ("preset", "choice"):
        if not isinstance(value, str) or (f.kind == "choice" and value not in f.choices) or not value:
            raise wrong
        return value
    if f.kind == "bool":
        if not isinstance(value, bool):
            raise wrong
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or (f.kind == "int" and not isinstance(value, int)):
        raise wrong
    if (isinstance(value, float) and not math.isfinite(value)) or not f.least <= value <= f.most:
        raise wrong
    return value if f.kind == "int" else float(value)


def _wanted(f: Field) -> str:
    """What the field would take, for a sentence."""
    if f.kind == "preset":
        return f"must be the name of a preset (see tmplan {f.preset_kind}) or a file"
    if f.kind == "choice":
        return f"must be one of {', '.join(f.choices)}"
    if f.kind == "bool":
        return "must be yes or no"
    number = "a whole number" if f.kind == "int" else "a number"
    return f"must be {number} from {f.least:,.12g} to {f.most:,.12g}{' ' + f.unit if f.unit else ''}"


def text(key: str, value: Value) -> str:
    """A value as the form shows it, and as `parse` reads it back."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    return str(value)


def load(key: str, name: str) -> Spec:
    """The spec a preset field names; errors carry the field's key (UnknownName, FieldError) or are Unsupported."""
    try:
        read: Callable[[str], Spec] = getattr(presets, key)
        return read(name)
    except FileError as error:
        raise FieldError(key, str(error)) from error
