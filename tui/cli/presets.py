"""`tmplan models`, `gpus`, `clusters`, `stacks`: all presets, as a table or as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from planner import presets
from planner.presets import folders
from planner.specs import parameters
from planner.specs.hardware import GIB
from planner.specs.validate import choice
from tui.cli.answer import Answer, narrate
from tui.draw.aligned import aligned

Row = dict[str, Any]


def _model(spec: Any) -> Row:
    """Active parameters and experts are null for a dense model."""
    total, active = parameters.total_parameters(spec), parameters.active_parameters(spec)
    return {
        "name": spec.name, "parameters": total, "active": active if active < total else None, "layers": spec.layers, "hidden": spec.hidden,
        "heads": spec.heads, "kv_heads": spec.kv_heads, "head_dim": spec.head_dim, "ffn": spec.ffn, "experts": spec.experts or None,
        "vocab": spec.vocab,
        "max_positions": spec.max_positions, "gated": spec.gated, "tied": spec.tied, "norm": spec.norm, "positions": spec.positions,
    }  # fmt: skip


def _gpu(spec: Any) -> Row:
    return {
        "name": spec.name, "vendor": spec.vendor, "arch": spec.arch, "memory_gib": spec.memory_bytes / GIB,
        "tflops_bf16": spec.flops_bf16 / 1e12, "tflops_fp8": spec.flops_fp8 / 1e12, "hbm_gb_s": spec.hbm_bytes_s / 1e9,
        "link_gb_s": spec.link_bytes_s / 1e9, "link_domain": spec.link_domain, "nic_gbit_s": spec.nic_bytes_s / 1.25e8,
        "pcie_gb_s": spec.pcie_bytes_s / 1e9,
    }  # fmt: skip


def _cluster(spec: Any) -> Row:
    """The values of the preset itself; null where it uses those of its GPU."""
    link, nic = spec.link_bytes_s, spec.nic_bytes_s
    return {
        "name": spec.name, "gpu": spec.gpu, "gpus": spec.gpus, "gpus_per_node": spec.gpus_per_node, "link_domain": spec.link_domain,
        "link_gb_s": link / 1e9 if link else None, "nic_gbit_s": nic / 1.25e8 if nic else None,
        "host_memory_gib": spec.host_memory_bytes / GIB,
    }  # fmt: skip


def _stack(spec: Any) -> Row:
    return {
        "name": spec.name, "title": spec.title, "zero_stages": list(spec.zero_stages), "hsdp": spec.hsdp,
        "tensor_parallel": spec.tensor_parallel, "pipeline": spec.pipeline_zero_most >= 0, "interleaved": spec.interleaved,
        "context_parallel": spec.context_parallel, "sequence_parallel": spec.sequence_parallel,
        "gradient_bytes": spec.gradient_bytes, "attention": spec.attention, "schedules": list(spec.schedules),
        "expert_parallel": spec.expert_parallel, "expert_tensor": spec.expert_tensor,
    }  # fmt: skip


LISTED: Mapping[str, tuple[Callable[[str], Any], Callable[[Any], Row]]] = {
    "models": (presets.model, _model),
    "gpus": (presets.gpu, _gpu),
    "clusters": (presets.cluster, _cluster),
    "stacks": (presets.stack, _stack),
}


def list_presets(kind: str, format: str) -> Answer:
    """List all presets of a kind. One that cannot be read is reported on stderr and omitted, so that it does not hide the others."""
    choice("format", format, ("table", "json"))
    read, row = LISTED[kind]
    specs, left_out = presets.every(kind, read)
    for problem in (*folders.problems(), *left_out):
        narrate(f"tmplan: {problem}")
    rows = [row(spec) | {"name": name} | _months(kind, name) for name, spec in specs.items()]
    if format == "json":
        return Answer(json.dumps({"schema": 1, kind: rows}, indent=2) + "\n")
    return Answer(table(rows))


def _months(kind: str, name: str) -> Row:
    """The months of a stack's releases, by the name of its file, which the name in it may differ from."""
    return {"releases": [release.month for release in presets.releases(name)]} if kind == "stacks" else {}


def list_releases(name: str, format: str) -> Answer:
    """What came with each release of a stack, oldest first, the source of that, and the keys of its file that differed before."""
    choice("format", format, ("table", "json"))
    stack, since, releases = presets.stack(name), presets.known_since(name), presets.releases(name)
    if format == "json":
        changes = [{"month": each.month, "came": each.came, "source": each.source, "before": dict(each.before)} for each in releases]
        return Answer(json.dumps({"schema": 1, "stack": stack.name, "known_since": since, "releases": changes}, indent=2) + "\n")
    if not releases:
        return Answer(f"{stack.title}: no dated facts, the same in every release\n")
    lines = [f"{stack.title}, known from {since} on" if since else stack.title]
    for release in releases:
        before = ", ".join(f"{key} {written(key, value)}" for key, value in release.before.items())
        lines += [f"{release.month}  {release.came}", f"         before: {before}", f"         source: {release.source}"]
    return Answer("\n".join(lines) + "\n")


def table(rows: list[Row]) -> str:
    """Rows as aligned text: names left-aligned, numbers right-aligned."""
    if not rows:
        return "none\n"
    lines = [list(rows[0])] + [[written(key, value) for key, value in row.items()] for row in rows]
    left = [i for i, value in enumerate(rows[0].values()) if isinstance(value, str)]
    return "".join(f"{line}\n" for line in aligned(lines, left))


def written(key: str, value: Any) -> str:
    """One cell."""
    if key in ("parameters", "active") and value:
        return f"{value / 1e9:.2f}B" if value >= 1e9 else f"{value / 1e6:.0f}M"
    if isinstance(value, bool):
        return "yes" if value else "-"
    if isinstance(value, list):
        return ",".join(map(str, value)) or "-"
    return "-" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
