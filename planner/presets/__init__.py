"""Presets: GPUs, cluster shapes, models and training stacks, one TOML file a thing, read into specs in base units.

`presetfolders` says where they lie; where a shipped one and a user's own have a name the user's counts. Keys carry
their unit (`memory_mib`, `link_gb_s`, `nic_gbit_s`), specs do not. Every refusal is a FileError naming the file and the key.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from planner.errors import FieldError, FileError, TmplanError, UnknownName
from planner.files.reader import expand_home
from planner.plaintext import quoted
from planner.presets import hf_config as hfconfig
from planner.presets.folders import SHIPPED as SHIPPED
from planner.presets.folders import find
from planner.presets.folders import listed as listed
from planner.presets.folders import names as names
from planner.presets.folders import user_folder as user_folder
from planner.presets.toml_keys import Key, fill, own_keys, read_toml
from planner.specs.hardware import Gemm, Gpu
from planner.specs.job import Selective, Stack
from planner.specs.model import Model
from planner.specs.validate import checked

T = TypeVar("T")
# What a GPU's [gemm] table does not give is derived from its peak and its memory: about what the measured ones reach.
DERIVED_GEMM = {"overhead_us": 3.0, "peak_share": 0.82, "pad_m": 60.0, "pad_n": 60.0, "pad_k": 130.0, "hbm_share": 0.85}
DERIVED_FLASH = 0.5
ACTIVATIONS = (
    "norm_in", "linear_in", "latent", "qkv", "scores", "attention_out", "dropout_masks", "mlp_hidden", "act_out",
    "router", "expert_in", "expert_hidden", "expert_act", "expert_out",
)  # fmt: skip
PARTS = ("qkv", "attention", "projection", "mlp", "elementwise", "experts", "expert_act")


@dataclass(frozen=True)
class ClusterPreset:
    """The shape of a cluster; what it does not say (None) is the GPU's."""

    name: str
    gpu: str  # a GPU preset
    gpus_per_node: int
    link_domain: int  # GPUs that reach each other over the scale-up link
    link_bytes_s: float | None  # one way, a GPU
    nic_bytes_s: float | None  # one way, a GPU
    host_memory_bytes: float  # a node
    gpus: int  # the world size to start from
    sources: tuple[str, ...] = ()
    pace: float = 1.0  # of the device, of the host, and the measured runs they rest on: as in planner.specs.hardware.Cluster
    host_pace: float = 1.0
    calibrated_runs: int = 0

    def __post_init__(self) -> None:
        """FieldError for a count or a rate that no cluster has."""
        counts = {"gpus_per_node": (1, 65_536), "link_domain": (1, 65_536), "gpus": (1, 10_000_000), "calibrated_runs": (0, 1_000_000)}
        rates = {"link_bytes_s": (1e6, 1e15), "nic_bytes_s": (1e5, 1e15)}
        told = {name: limits for name, limits in rates.items() if getattr(self, name) is not None}
        checked(self, counts | told | {"host_memory_bytes": (2.0**30, 2.0**60), "pace": (0.05, 20), "host_pace": (0.05, 20)})


NAME = {"name": Key("name", str, 1.0, None), "sources": Key("sources", list)}
KEYS: dict[str, dict[str, Key]] = {
    "gpus": own_keys(Gpu, NAME | {
        "tflops_bf16": Key("flops_bf16", float, 1e12), "tflops_fp8": Key("flops_fp8", float, 1e12, 0.0),
        "tflops_fp4": Key("flops_fp4", float, 1e12, 0.0),
        "memory_mib": Key("memory_bytes", float, 2.0**20), "memory_gib": Key("memory_bytes", float, 2.0**30),
        "hbm_gb_s": Key("hbm_bytes_s", float, 1e9), "link_gb_s": Key("link_bytes_s", float, 1e9),
        "nic_gbit_s": Key("nic_bytes_s", float, 1.25e8), "pcie_gb_s": Key("pcie_bytes_s", float, 1e9),
        "flash_fraction": Key("flash_fraction", float, 1.0, DERIVED_FLASH),
        "gemm": Key("gemm", dict, 1.0, {}),
    }),
    "clusters": own_keys(ClusterPreset, NAME | {
        "link_gb_s": Key("link_bytes_s", float, 1e9, None), "nic_gbit_s": Key("nic_bytes_s", float, 1.25e8, None),
        "host_memory_gib": Key("host_memory_bytes", float, 2.0**30),
    }),
    "models": {name: key for name, key in own_keys(Model, NAME).items() if name != "notes"},  # a TOML leaves nothing to be assumed
    "stacks": own_keys(Stack, NAME | {
        "context_gib": Key("context_bytes", float, 2.0**30), "workspace_gib": Key("workspace_bytes", float, 2.0**30, 0.09 * 2.0**30),
        "expert_workspace_gib": Key("expert_workspace_bytes", float, 2.0**30, 0.0),
        "host_layer_us": Key("host_layer_s", float, 1e-6), "host_experts_us": Key("host_experts_s", float, 1e-6, 0.0),
        "host_counts_us": Key("host_counts_s", float, 1e-6, 0.0),
        "host_tp_us": Key("host_tp_s", float, 1e-6),
        "host_micro_batch_us": Key("host_micro_batch_s", float, 1e-6), "step_fixed_ms": Key("step_fixed_s", float, 1e-3),
        "selective": Key("selective", dict, 1.0, {}),
    }),
}  # fmt: skip
GEMM_KEYS = {
    "overhead_us": Key("overhead_s", float, 1e-6, None), "tflops": Key("flops_s", float, 1e12, None),
    "pad_m": Key("pad_m", float, 1.0, DERIVED_GEMM["pad_m"]), "pad_n": Key("pad_n", float, 1.0, DERIVED_GEMM["pad_n"]),
    "pad_k": Key("pad_k", float, 1.0, DERIVED_GEMM["pad_k"]), "tb_s": Key("bytes_s", float, 1e12, None),
    "training_factor": Key("training", float, 1.0, 1.0), "source": Key("source", str, 1.0, ""),
}  # fmt: skip


def gpu(name_or_path: str | Path) -> Gpu:
    """A GPU by name or file. FLOP/s, bytes, bytes/s."""
    return _spec("gpus", name_or_path, _gpu)


def cluster(name_or_path: str | Path) -> ClusterPreset:
    """A cluster's shape by name or file."""
    return _spec("clusters", name_or_path, _cluster)


def model(name_or_path: str | Path) -> Model:
    """A model by name, by file, or from a Hugging Face config.json or the folder of one."""
    name = str(name_or_path)
    path = Path(expand_home(name))
    if name and os.path.lexists(path / "config.json") and name not in names("models"):
        return hfconfig.read(path / "config.json")  # a folder of a model as Hugging Face has it
    if name.lower().endswith(".json"):
        return hfconfig.read(path)
    return _spec("models", name_or_path, lambda values, where: Model(**values))


def stack(name_or_path: str | Path) -> Stack:
    """A training stack by name or file."""
    return _spec("stacks", name_or_path, _stack)


def every(kind: str, read: Callable[[str], T]) -> tuple[dict[str, T], tuple[str, ...]]:
    """Every preset of a kind that `read` can read, by name, and a sentence for each that it cannot: a damaged one hides no other."""
    specs: dict[str, T] = {}
    left_out = []
    for name in names(kind):
        try:
            specs[name] = read(name)
        except TmplanError as error:
            left_out.append(f"left out {name}: {error}")
    return specs, tuple(left_out)


def _spec(kind: str, name_or_path: str | Path, build: Callable[[dict[str, Any], str], T]) -> T:
    """Find the file, read it, and make the spec; whatever the spec refuses is told with the file's name."""
    path = find(kind, str(name_or_path))
    table = read_toml(path)
    if {"schema", "job", "space"} <= table.keys():
        raise FileError(f"is a plan file, not a {kind.removesuffix('s')}; open it with `tmplan FILE`", where=str(path))
    return _made(kind, table, path, build)


def gpu_of(table: Mapping[str, Any], path: Path) -> Gpu:
    """The GPU that a file of these tables would hold."""
    return _made("gpus", table, path, _gpu)


def _made(kind: str, table: Mapping[str, Any], path: Path, build: Callable[[dict[str, Any], str], T]) -> T:
    """The spec of a file's tables."""
    where = str(path)
    values = fill(table, KEYS[kind], where)
    values["name"] = values["name"] or path.stem
    try:
        return build(values, where)
    except FieldError as error:
        raise FileError(str(error), where="" if error.where else where) from None


def table(kind: str, name: str) -> dict[str, Any]:
    """What the file of a preset says, key by key."""
    return dict(read_toml(find(kind, name)))


def _gpu(values: dict[str, Any], where: str) -> Gpu:
    return Gpu(**values | {"gemm": _gemm(values, where)}).believable()


def _gemm(values: Mapping[str, Any], where: str) -> Gemm:
    """What a GPU's matrix products cost: its [gemm] table, and derived from peak and memory what that does not give."""
    table = fill(values["gemm"], GEMM_KEYS, f"{where} [gemm]")
    told = table.pop("source")
    derived = {
        "overhead_s": DERIVED_GEMM["overhead_us"] * 1e-6,
        "flops_s": DERIVED_GEMM["peak_share"] * values["flops_bf16"],
        "bytes_s": DERIVED_GEMM["hbm_share"] * values["hbm_bytes_s"],
    }
    absent = [key for key in derived if table[key] is None]
    table |= {key: derived[key] for key in absent}
    guess = f"derived: {DERIVED_GEMM['peak_share']:g} of the bf16 peak, {DERIVED_GEMM['hbm_share']:g} of the memory bandwidth"
    return Gemm(**table | {"source": "; ".join(filter(None, [told, guess if absent else ""]))})


def _cluster(values: dict[str, Any], where: str) -> ClusterPreset:
    if values["gpu"] not in names("gpus"):  # said here, where the file is known, not when the GPU is read
        raise UnknownName("gpu", values["gpu"], names("gpus"), where=where)
    return ClusterPreset(**values)


def _stack(values: dict[str, Any], where: str) -> Stack:
    """A stack, with its table of what selective recompute keeps and repeats."""
    tables = {"keep": Key("keep", dict, 1.0, {}), "repeat": Key("repeat", dict, 1.0, {})}
    given = fill(values["selective"], tables, f"{where} [selective]")
    shares = {}
    for part, terms in (("keep", ACTIVATIONS), ("repeat", PARTS)):
        place = f"{where} [selective.{part}]"
        fill(given[part], {term: Key(term, float, 1.0, 0.0) for term in terms}, place)
        if over := [term for term, share in given[part].items() if share > 1]:
            raise FileError(f"key '{over[0]}' must be a share from 0 to 1, not {quoted(given[part][over[0]])}", where=place)
        shares[part] = {term: float(share) for term, share in given[part].items()}
    if not set(values["zero_stages"]) <= {0, 1, 2, 3}:
        raise FileError(f"key 'zero_stages' must list stages from 0 to 3, not {quoted(list(values['zero_stages']))}", where=where)
    return Stack(**values | {"selective": Selective(**shares)})
