"""Shared by torchtitan, nanotron and MaxText: the shape of a model, jobs that none of them supports, safe comments."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from dataclasses import MISSING, fields
from typing import Any

from planner.specs.job import Job
from planner.specs.model import Model

APART = ("name", "sources", "published_parameters", "published_active", "max_positions", "mtp_layers")
SIZES = {"layers", "hidden", "heads", "kv_heads", "head_dim", "ffn", "vocab"}
EXPERTS = {"experts", "experts_per_token", "expert_ffn"}


def shape(model: Model) -> dict[str, Any]:
    """The fields of a model that differ from the defaults and affect training, without longest sequence and multi-token prediction."""
    named = {f.name: (getattr(model, f.name), f.default) for f in fields(model) if f.name not in APART}
    return {name: value for name, (value, default) in named.items() if default is MISSING or value != default}


def comment(lines: Iterable[str]) -> str:
    """Lines as comments of readable width; characters that could end a comment become spaces."""
    clean = ("".join(c if c.isprintable() else " " for c in line) for line in lines)
    return "".join(f"# {part}\n" for line in clean for part in textwrap.wrap(line, 118, break_on_hyphens=False))


def unsupported_jobs(job: Job, framework: str) -> list[str]:
    """Refusals of jobs that none of these frameworks would train as given."""
    pairs = (
        (job.frozen, f"{framework} is exported for full training, without adapters on frozen weights; set tuning to full"),
        (job.model.dropout, f"tmplan cannot enable dropout in {framework}; use a model without dropout"),
        (job.model.mtp_layers > 0, f"multi-token prediction cannot be exported to {framework}; set mtp_layers to 0"),
        (job.optimizer.startswith("adamw-8bit"), f"{framework} has no 8-bit AdamW; use adamw"),
    )
    return [sentence for holds, sentence in pairs if holds]
