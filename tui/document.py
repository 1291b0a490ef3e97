"""Edits of a document, each a pure step Document -> Document, and how its fields read.

The program holds one document and replaces it (`Program.edit`); an undo stack needs nothing more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from planner.errors import TmplanError
from planner.fields import load
from planner.inputs import FIELDS, Field, parse, shown, text
from planner.planfile import Document
from planner.space import AXES, NAMES
from planner.specs import GIB, Gpu, Model, Stack

AXIS_HELP = {
    "tp": ("Tensor", "tensor-parallel degree"),
    "pp": ("Pipeline", "pipeline stages"),
    "vpp": ("Virtual", "virtual stages a GPU: interleaved pipeline"),
    "cp": ("Context", "context-parallel degree: the sequence is split"),
    "dp": ("Data", "data-parallel replicas"),
    "dp_replicate": ("HSDP copies", "replicas between which nothing is sharded (HSDP)"),
    "zero": ("ZeRO", "sharding: 0 none, 1 optimizer, 2 gradients, 3 parameters (FSDP)"),
    "sequence_parallel": ("Seq. parallel", "sequence parallelism: yes, no"),
    "micro_batch": ("Micro-batch", "sequences in a micro-batch"),
    "recompute": ("Recompute", "activation recompute: none, selective, full, first"),
    "recompute_layers": ("First N layers", "layers recomputed in each virtual stage, where recompute is first"),
}


@dataclass(frozen=True)
class Entry:
    """One line of a form: a field of the inputs, or an axis of the search."""

    key: str
    label: str
    unit: str
    kind: str  # preset, int, float, choice, bool, axis
    help: str
    preset_kind: str = ""
    choices: tuple[str, ...] = ()


def _entry(f: Field) -> Entry:
    choices = ("yes", "no") if f.kind == "bool" else f.choices
    return Entry(f.key, f.label, f.unit, f.kind, f.help, f.preset_kind, choices)


def _axis(axis: str) -> Entry:
    label, help = AXIS_HELP.get(axis, (axis, axis))
    label = f"{label} {axis}" if len(axis) < 4 else label
    form = "* free, one, or several by commas" if axis in NAMES else "* free, 8, 1,2,4, <=16, >=2, 2..8"
    return Entry(axis, label, "", "axis", f"{help}: {form}")


ENTRIES: dict[str, tuple[Entry, ...]] = {
    group: tuple(_entry(f) for f in FIELDS if f.group == group) + (tuple(map(_axis, AXES)) if group == "batch" else ())
    for group in ("cluster", "model", "batch")
}
BY_KEY = {entry.key: entry for entries in ENTRIES.values() for entry in entries}


def set_text(document: Document, key: str, typed: str) -> Document:
    """The document with one field or axis as a person typed it; FieldError says what cannot be read."""
    if BY_KEY[key].kind == "axis":
        return replace(document, space=document.space.with_(key, typed))
    value = parse(key, typed)
    return replace(document, inputs=document.inputs.with_(key, None if value == "" else value))


def free(document: Document, key: str) -> Document:
    """The document with an axis left to the search, or a field back at its preset's value."""
    if BY_KEY[key].kind == "axis":
        return replace(document, space=document.space.with_(key, None))
    return replace(document, inputs=document.inputs.with_(key, None))


def texts(document: Document) -> dict[str, tuple[str, bool]]:
    """What every line of the forms reads, and whether a person set it."""
    found = {key: (text(key, value), set) for key, (value, set) in shown(document.inputs).items()}
    return found | {axis: (document.space.text(axis), not document.space[axis].free) for axis in AXES}


def about(key: str, name: str) -> str:
    """A few words on a preset, for the list it is chosen from; on one that cannot be planned, nothing."""
    try:
        spec = load(key, name)
    except TmplanError:
        return ""
    if isinstance(spec, Model):
        return f"{spec.layers} layers of {spec.hidden:,}, {spec.heads}/{spec.kv_heads} heads"
    if isinstance(spec, Gpu):
        return f"{spec.memory_bytes / GIB:.0f} GiB, {spec.flops_bf16 / 1e12:,.0f} TFLOP/s"
    if isinstance(spec, Stack):
        return spec.title
    return f"{spec.gpu}, {spec.gpus_per_node} a node, {spec.gpus:,} GPUs"
