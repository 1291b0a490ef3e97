"""Presets: GPUs, cluster shapes, models and training stacks, one TOML file each, read into specs in base units.

`folders` locates the files; a user's preset takes precedence over a shipped one of the same name. Keys carry their unit (`memory_mib`,
`link_gb_s`, `nic_gbit_s`), specs do not. Every refusal is a FileError with the file and the key.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from planner.errors import FieldError, FileError, TmplanError, UnknownName
from planner.files.reader import expand_home
from planner.plaintext import quoted
from planner.presets import hf_config
from planner.presets.folders import SHIPPED as SHIPPED
from planner.presets.folders import find
from planner.presets.folders import listed as listed
from planner.presets.folders import names as names
from planner.presets.folders import user_folder as user_folder
from planner.presets.releases import Release as Release
from planner.presets.releases import check as check_release
from planner.presets.releases import first_month, values_at
from planner.presets.releases import listed as listed_releases
from planner.presets.toml_keys import Key, fill, read_toml, spec_keys
from planner.specs.hardware import Flash, Gemm, Gpu
from planner.specs.job import Selective, Stack
from planner.specs.model import Model
from planner.specs.products import NARROW, Products
from planner.specs.validate import checked

T = TypeVar("T")
# Values missing from a GPU's [gemm] table are derived from its peak and bandwidth, near what measured GPUs reach.
DERIVED_GEMM = {"overhead_us": 3.0, "peak_share": 0.82, "pad_m": 60.0, "pad_n": 60.0, "pad_k": 130.0, "hbm_share": 0.85}
# The same for its [flash_2]: half of the plateau of products with heads of 128, the pads as FlashAttention-2 has on A100 and H100.
DERIVED_FLASH = {"overhead_us": 5.0, "plateau_share": 0.58, "pad_rows": 14_000.0, "pad_keys": 160.0, "pad_width": 42.0}
ACTIVATIONS = (
    "norm_in", "linear_in", "latent", "qkv", "scores", "attention_out", "dropout_masks", "mlp_hidden", "act_out",
    "router", "expert_in", "expert_hidden", "expert_act", "expert_out",
)  # fmt: skip
PARTS = ("qkv", "attention", "projection", "mlp", "elementwise", "experts", "expert_act")


@dataclass(frozen=True)
class ClusterPreset:
    """The shape of a cluster; where a field is None the GPU's value applies."""

    name: str
    gpu: str  # a GPU preset
    gpus_per_node: int
    link_domain: int  # GPUs connected by the scale-up link
    link_bytes_s: float | None  # per GPU, one direction
    nic_bytes_s: float | None  # per GPU, one direction
    host_memory_bytes: float  # per node
    gpus: int  # default number of GPUs
    sources: tuple[str, ...] = ()
    pace: float = 1.0  # pace, host_pace and calibrated_runs: as in planner.specs.hardware.Cluster
    host_pace: float = 1.0
    calibrated_runs: int = 0

    def __post_init__(self) -> None:
        """FieldError for a count or a rate that no cluster has."""
        counts = {"gpus_per_node": (1, 65_536), "link_domain": (1, 65_536), "gpus": (1, 10_000_000), "calibrated_runs": (0, 1_000_000)}
        rates = {"link_bytes_s": (1e6, 1e15), "nic_bytes_s": (1e5, 1e15)}
        given = {name: limits for name, limits in rates.items() if getattr(self, name) is not None}
        checked(self, counts | given | {"host_memory_bytes": (2.0**30, 2.0**60), "pace": (0.05, 20), "host_pace": (0.05, 20)})


NAME = {"name": Key("name", str, 1.0, None), "sources": Key("sources", list)}
KEYS: dict[str, dict[str, Key]] = {
    "gpus": spec_keys(Gpu, NAME | {
        "tflops_bf16": Key("flops_bf16", float, 1e12), "tflops_fp8": Key("flops_fp8", float, 1e12, 0.0),
        "tflops_fp4": Key("flops_fp4", float, 1e12, 0.0), "tflops_tf32": Key("flops_tf32", float, 1e12, 0.0),
        "tflops_fp32": Key("flops_fp32", float, 1e12, 0.0),
        "memory_mib": Key("memory_bytes", float, 2.0**20), "memory_gib": Key("memory_bytes", float, 2.0**30),
        "hbm_gb_s": Key("hbm_bytes_s", float, 1e9), "link_gb_s": Key("link_bytes_s", float, 1e9),
        "nic_gbit_s": Key("nic_bytes_s", float, 1.25e8), "pcie_gb_s": Key("pcie_bytes_s", float, 1e9),
        "gemm": Key("gemm", dict, 1.0, {}), "flash_2": Key("flash_2", dict, 1.0, {}), "flash_3": Key("flash_3", dict, 1.0, {}),
        "narrow": Key("narrow", dict, 1.0, {}), "grouped": Key("grouped", dict, 1.0, {}),
    }),
    "clusters": spec_keys(ClusterPreset, NAME | {
        "link_gb_s": Key("link_bytes_s", float, 1e9, None), "nic_gbit_s": Key("nic_bytes_s", float, 1.25e8, None),
        "host_memory_gib": Key("host_memory_bytes", float, 2.0**30),
    }),
    "models": {name: key for name, key in spec_keys(Model, NAME).items() if name != "notes"},  # notes are for config.json
    "stacks": {name: key for name, key in spec_keys(Stack, NAME | {
        "context_gib": Key("context_bytes", float, 2.0**30), "workspace_gib": Key("workspace_bytes", float, 2.0**30, 0.09 * 2.0**30),
        "expert_workspace_gib": Key("expert_workspace_bytes", float, 2.0**30, 0.0),
        "host_experts_us": Key("host_experts_s", float, 1e-6, 0.0),
        "host_counts_us": Key("host_counts_s", float, 1e-6, 0.0), "host_expert_us": Key("host_expert_s", float, 1e-6, 0.0),
        "host_micro_batch_us": Key("host_micro_batch_s", float, 1e-6),
        "rank_loop_us": Key("rank_loop_s", float, 1e-6, 0.0), "step_fixed_ms": Key("step_fixed_s", float, 1e-3),
        "selective": Key("selective", dict, 1.0, {}), "before": Key("before", dict, 1.0, {}),
        "built_on": Key("built_on", str, 1.0, ""), "known_since": Key("known_since", str, 1.0, ""),
    }).items() if name != "released"},  # a user chooses it
}  # fmt: skip
GEMM_KEYS = {
    "overhead_us": Key("overhead_s", float, 1e-6, None), "tflops": Key("flops_s", float, 1e12, None),
    "pad_m": Key("pad_m", float, 1.0, DERIVED_GEMM["pad_m"]), "pad_n": Key("pad_n", float, 1.0, DERIVED_GEMM["pad_n"]),
    "pad_k": Key("pad_k", float, 1.0, DERIVED_GEMM["pad_k"]), "tb_s": Key("bytes_s", float, 1e12, None),
    "training_factor": Key("training", float, 1.0, 1.0), "source": Key("source", str, 1.0, ""),
}  # fmt: skip

FLASH_KEYS = {
    "overhead_us": Key("launch_s", float, 1e-6, DERIVED_FLASH["overhead_us"] * 1e-6), "tflops": Key("plateau_flops", float, 1e12, None),
    "pad_rows": Key("pad_rows", float, 1.0, DERIVED_FLASH["pad_rows"]), "pad_keys": Key("pad_keys", float, 1.0, DERIVED_FLASH["pad_keys"]),
    "pad_width": Key("pad_width", float, 1.0, DERIVED_FLASH["pad_width"]), "source": Key("source", str, 1.0, ""),
}  # fmt: skip

PRODUCT_KEYS = {
    "tflops": Key("flops_s", float, 1e12), "pad_m": Key("pad_m"), "pad_n": Key("pad_n"), "pad_k": Key("pad_k"),
    "tb_s": Key("bytes_s", float, 1e12), "source": Key("source", str, 1.0, ""),
}  # fmt: skip


def gpu(name_or_path: str | Path) -> Gpu:
    """The GPU of a preset name or file. FLOP/s, bytes, bytes/s."""
    return _spec("gpus", name_or_path, _gpu)


def cluster(name_or_path: str | Path) -> ClusterPreset:
    """The cluster shape of a preset name or file."""
    return _spec("clusters", name_or_path, _cluster)


def model(name_or_path: str | Path) -> Model:
    """The model of a preset name, a file, a Hugging Face config.json or the folder of one."""
    name = str(name_or_path)
    path = Path(expand_home(name))
    if name and os.path.lexists(path / "config.json") and name not in names("models"):
        return hf_config.read(path / "config.json")  # a model folder as downloaded from Hugging Face
    if name.lower().endswith(".json"):
        return hf_config.read(path)
    return _spec("models", name_or_path, lambda values, where: Model(**values))


def stack(name_or_path: str | Path) -> Stack:
    """The training stack of a preset name or file; FileError for an invalid key, also in a table of earlier releases."""
    newest = _spec("stacks", name_or_path, _stack)
    path = find("stacks", str(name_or_path))
    if path.parent != SHIPPED / "stacks":
        values = read_toml(path)
        dated = _releases(values, str(path))
        for release in dated:
            _build("stacks", values_at(values, dated, release.month[:-1]), path, _stack)  # sorts before the month
    return newest


def releases(name: str) -> tuple[Release, ...]:
    """The releases of a stack in which it changed, oldest first; FileError for an invalid table."""
    path = find("stacks", name)
    return _releases(read_toml(path), str(path))


def known_since(name: str) -> str:
    """The first month with known facts of a stack; empty where its file does not say."""
    return str(read_toml(find("stacks", name)).get("known_since", ""))


def release(name: str, released: str) -> str:
    """The release of a stack that a date, YYYY-MM or YYYY-MM-DD, falls in: its first month; empty for the oldest, and for no date."""
    return first_month(releases(name), released)


def stack_at(name: str, released: str) -> Stack:
    """A stack as of a date: its file, with the keys that differed before each later release; FileError for an invalid table."""
    path = find("stacks", name)
    values = read_toml(path)
    return _build("stacks", values_at(values, _releases(values, str(path)), released), path, _stack)


def stack_of_release(name: str, released: str) -> Stack:
    """A stack as a user chooses it: of a month, which its title says; the newest without one. FieldError before the first known month."""
    if not released:
        return stack(name)
    check_release(find("stacks", name).stem, known_since(name), released)
    dated = stack_at(name, released)
    return replace(dated, title=f"{dated.title} of {released}", released=released)


def _releases(values: Mapping[str, Any], where: str) -> tuple[Release, ...]:
    """The releases in the tables of a stack's file, with those of the stack that it is built on."""
    base = values.get("built_on", "")
    return listed_releases(values, where, listed_releases(read_toml(find("stacks", base)), base) if base else ())


def every(kind: str, read: Callable[[str], T]) -> tuple[dict[str, T], tuple[str, ...]]:
    """Every preset of a kind that `read` can read, by name, and a sentence for each other; an invalid one does not hide the rest."""
    specs: dict[str, T] = {}
    skipped = []
    for name in names(kind):
        try:
            specs[name] = read(name)
        except TmplanError as error:
            skipped.append(f"left out {name}: {error}")
    return specs, tuple(skipped)


def _spec(kind: str, name_or_path: str | Path, build: Callable[[dict[str, Any], str], T]) -> T:
    """The spec in a preset's file; FileError, with the file's path, for every refusal."""
    path = find(kind, str(name_or_path))
    table = read_toml(path)
    if {"schema", "job", "space"} <= table.keys():
        raise FileError(f"is a plan file, not a {kind.removesuffix('s')}; open it with `tmplan FILE`", where=str(path))
    return _build(kind, table, path, build)


def gpu_of(table: Mapping[str, Any], path: Path) -> Gpu:
    """The GPU defined by the tables of a file."""
    return _build("gpus", table, path, _gpu)


def _build(kind: str, table: Mapping[str, Any], path: Path, build: Callable[[dict[str, Any], str], T]) -> T:
    """The spec defined by the tables of a file; FileError with the path for an invalid one."""
    where = str(path)
    values = fill(table, KEYS[kind], where)
    values["name"] = values["name"] or path.stem
    try:
        return build(values, where)
    except FieldError as error:
        raise FileError(str(error), where="" if error.where else where) from None


def table(kind: str, name: str) -> dict[str, Any]:
    """The keys and values of a preset's file."""
    return dict(read_toml(find(kind, name)))


def _gpu(values: dict[str, Any], where: str) -> Gpu:
    """A GPU with its fits of products and attention, checked for plausibility."""
    gemm = _gemm(values, where)
    newest = _flash(values, "flash_3", gemm, where) if values["flash_3"] else None
    kernels = {"gemm": gemm, "flash_2": _flash(values, "flash_2", gemm, where), "flash_3": newest}
    narrow = _products(values["narrow"], NARROW, f"{where} [narrow")
    grouped = _products(values["grouped"], ("bf16", *NARROW), f"{where} [grouped")
    return Gpu(**values | kernels | {"narrow": narrow, "grouped": grouped}).believable()


def _products(tables: Mapping[str, Any], known: Iterable[str], where: str) -> tuple[Products, ...]:
    """The constants of products by number format: tables [narrow.fp8], [grouped.bf16] and so on."""
    formats = fill(tables, {name: Key(name, dict, 1.0, {}) for name in known}, f"{where}]")
    return tuple(Products(name, **fill(table, PRODUCT_KEYS, f"{where}.{name}]")) for name, table in formats.items() if table)


def _flash(values: Mapping[str, Any], kernel: str, gemm: Gemm, where: str) -> Flash:
    """A flash attention kernel of a GPU: its table; missing values are derived from the plateau of products."""
    table = fill(values[kernel], FLASH_KEYS, f"{where} [{kernel}]")
    if table["plateau_flops"] is not None:
        return Flash(**table)
    share = DERIVED_FLASH["plateau_share"]
    derivation = f"derived: {share:g} of the plateau of matrix products"
    return Flash(**table | {"plateau_flops": share * gemm.flops_s, "source": "; ".join(filter(None, [table["source"], derivation]))})


def _gemm(values: Mapping[str, Any], where: str) -> Gemm:
    """The GEMM fit of a GPU: its [gemm] table; missing values are derived from peak and bandwidth."""
    table = fill(values["gemm"], GEMM_KEYS, f"{where} [gemm]")
    source = table.pop("source")
    derived = {
        "overhead_s": DERIVED_GEMM["overhead_us"] * 1e-6,
        "flops_s": DERIVED_GEMM["peak_share"] * values["flops_bf16"],
        "bytes_s": DERIVED_GEMM["hbm_share"] * values["hbm_bytes_s"],
    }
    absent = [key for key in derived if table[key] is None]
    table |= {key: derived[key] for key in absent}
    derivation = f"derived: {DERIVED_GEMM['peak_share']:g} of the bf16 peak, {DERIVED_GEMM['hbm_share']:g} of the memory bandwidth"
    return Gemm(**table | {"source": "; ".join(filter(None, [source, derivation if absent else ""]))})


def _cluster(values: dict[str, Any], where: str) -> ClusterPreset:
    """A cluster shape; UnknownName where its GPU is not a preset."""
    if values["gpu"] not in names("gpus"):  # checked here, where the file is known
        raise UnknownName("gpu", values["gpu"], names("gpus"), where=where)
    return ClusterPreset(**values)


def _stack(values: dict[str, Any], where: str) -> Stack:
    """A stack with its [selective] table: shares of activations stored and of work repeated under selective recomputation."""
    for key in ("before", "built_on", "known_since"):  # of earlier releases: stack_at
        del values[key]
    tables = {"keep": Key("keep", dict, 1.0, {}), "repeat": Key("repeat", dict, 1.0, {})}
    selective = fill(values["selective"], tables, f"{where} [selective]")
    shares = {}
    for part, terms in (("keep", ACTIVATIONS), ("repeat", PARTS)):
        section = f"{where} [selective.{part}]"
        fill(selective[part], {term: Key(term, float, 1.0, 0.0) for term in terms}, section)
        if over := [term for term, share in selective[part].items() if share > 1]:
            raise FileError(f"key '{over[0]}' must be a share from 0 to 1, not {quoted(selective[part][over[0]])}", where=section)
        shares[part] = {term: float(share) for term, share in selective[part].items()}
    if not set(values["zero_stages"]) <= {0, 1, 2, 3}:
        raise FileError(f"key 'zero_stages' must list stages from 0 to 3, not {quoted(list(values['zero_stages']))}", where=where)
    return Stack(**values | {"selective": Selective(**shares)})
