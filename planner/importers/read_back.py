"""What an export of tmplan told its import beside the framework's own keys: `layers 12, qk_norm head, attention flash-2`."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any

from planner import presets
from planner.document.fields import Value, parse
from planner.errors import TmplanError
from planner.exporters._read_back import READ_BACK
from planner.importers.sizes import APART
from planner.plaintext import named
from planner.specs.model import Model

LINE = re.compile(r"^# " + re.escape(READ_BACK) + r"(.{1,1000})$", re.MULTILINE)
ASSUMED = ("stack", "attention", "gradient_bytes", "imbalance", "headroom", "overlap_experts")
KINDS = {f.name: f.type for f in fields(Model) if f.name not in APART}


def sizes_of(text: str) -> dict[str, Any] | None:
    """The sizes that a list of a Model's fields holds; None where it holds anything else."""
    found: dict[str, Any] = {}
    for key, value in pairs(text):
        kind = KINDS.get(key)
        if kind == "int" and re.fullmatch(r"[0-9]{1,12}", value):
            found[key] = int(value)
        elif kind == "bool" and value in ("yes", "no"):
            found[key] = value == "yes"
        elif kind == "str" and re.fullmatch(r"[a-z]+", value):
            found[key] = value
        else:
            return None
    return found if {"layers", "hidden", "heads"} <= set(found) else None


def assumptions_of(text: str) -> tuple[dict[str, Value], list[str]]:
    """Fields of the job that a list holds, and what of it is not understood: a stack that is no preset here among them."""
    found: dict[str, Value] = {}
    left = []
    for key, value in pairs(text):
        try:
            if key not in ASSUMED or (key == "stack" and value not in presets.names("stacks")):
                raise ValueError
            found[key] = parse(key, value)
        except (ValueError, TmplanError):
            left.append(named(f"{READ_BACK}{key} {value}"))
    return found, left


def pairs(text: str) -> list[tuple[str, str]]:
    """Names and values of a list with commas between."""
    return [(key, value) for key, _, value in (part.strip().partition(" ") for part in text.split(",") if part.strip())]
