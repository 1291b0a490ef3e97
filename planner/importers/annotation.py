"""The annotation in an export of tmplan with what the framework has no keys for: `layers 12, qk_norm head, attention flash-2`."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any

from planner import presets
from planner.document.fields import FIELDS, Value, parse
from planner.errors import TmplanError
from planner.exporters._annotation import READ_BACK
from planner.importers.sizes import APART
from planner.plaintext import named
from planner.specs.model import Model

LINE = re.compile(r"^# " + re.escape(READ_BACK) + r"(.{1,1000})$", re.MULTILINE)
ASSUMED = ("stack", "stack_release", *(f.key for f in FIELDS if f.group == "options"), "imbalance", "headroom", "overlap_experts")
KINDS = {f.name: f.type for f in fields(Model) if f.name not in APART}


def sizes_of(text: str) -> dict[str, Any] | None:
    """The sizes in a list of a Model's fields; None where it has anything else."""
    sizes: dict[str, Any] = {}
    for key, value in pairs(text):
        kind = KINDS.get(key)
        if kind == "int" and re.fullmatch(r"[0-9]{1,12}", value):
            sizes[key] = int(value)
        elif kind == "bool" and value in ("yes", "no"):
            sizes[key] = value == "yes"
        elif kind == "str" and re.fullmatch(r"[a-z]+", value):
            sizes[key] = value
        else:
            return None
    return sizes if {"layers", "hidden", "heads"} <= set(sizes) else None


def assumptions_of(text: str) -> tuple[dict[str, Value], list[str]]:
    """The fields of the job in a list, and its entries that are not understood, such as a stack without a preset here."""
    fields: dict[str, Value] = {}
    unread = []
    for key, value in pairs(text):
        try:
            if key not in ASSUMED or (key == "stack" and value not in presets.names("stacks")):
                raise ValueError
            fields[key] = parse(key, value)
        except (ValueError, TmplanError):
            unread.append(named(f"{READ_BACK}{key} {value}"))
    return fields, unread


def pairs(text: str) -> list[tuple[str, str]]:
    """Names and values of a list separated by commas."""
    return [(key, value) for key, _, value in (part.strip().partition(" ") for part in text.split(",") if part.strip())]
