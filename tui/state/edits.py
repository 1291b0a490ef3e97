"""Edits of a document, each a pure function Document -> Document, and the texts of its fields.

The program holds one document and replaces it (`Program.edit`), which is all that undo requires.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from planner.document.fields import JOB_GROUPS, load
from planner.document.inputs import FIELDS, Field, model_of, parse, shown, stack_of, text
from planner.document.planfile import Document
from planner.document.space import AXES, NAMES, Bounds, Space
from planner.errors import FieldError, TmplanError
from planner.report.number_text import write_size
from planner.specs.hardware import GIB, Gpu
from planner.specs.job import RECOMPUTES, Job, Stack
from planner.specs.model import Model
from planner.specs.plan import Plan
from tui.state import axes

NOTHING = ("", "0", "no", "full")  # values of a field that make its dependent fields irrelevant
Texts = Mapping[str, tuple[str, bool]]  # the text of every line of the forms, and whether the user set it


@dataclass(frozen=True)
class Entry:
    """One line of a form: a field of the inputs, or an axis of the search."""

    key: str
    label: str
    unit: str
    kind: str  # preset, int, float, choice, bool, text, axis
    help: str
    preset_kind: str = ""
    choices: tuple[str, ...] = ()


def _entry(f: Field) -> Entry:
    choices = ("yes", "no") if f.kind == "bool" else f.choices
    return Entry(f.key, f.label, f.unit, f.kind, f.help, f.preset_kind, choices)


def _axis(axis: str) -> Entry:
    return Entry(axis, axes.label(axis), "", "axis", axes.about(axis))


ENTRIES: dict[str, tuple[Entry, ...]] = {
    group: tuple(_entry(f) for f in FIELDS if f.group == group) + (tuple(map(_axis, AXES)) if group == "batch" else ())
    for group in (*JOB_GROUPS, "run")
}
BY_KEY = {entry.key: entry for entries in ENTRIES.values() for entry in entries}


def set_text(document: Document, key: str, typed: str) -> Document:
    """The document with one field or axis set from text; FieldError if the text cannot be parsed."""
    if BY_KEY[key].kind == "axis":
        return replace(document, space=document.space.with_(key, typed))
    value = parse(key, typed)
    return replace(document, inputs=document.inputs.with_(key, None if value == "" else value))


def free(document: Document, key: str) -> Document:
    """The document with an axis left to the search, or a field reset to its preset's value."""
    if BY_KEY[key].kind == "axis":
        return replace(document, space=document.space.with_(key, None))
    return replace(document, inputs=document.inputs.with_(key, None))


def adopted(document: Document, job: Job, plan: Plan) -> Document:
    """The document with every axis fixed to a plan's value; axes that do not apply to the job or the plan stay free."""
    silent = axes.idle(job.model.experts > 0, job.stack) | ({"dp_replicate"} if not plan.zero else set())
    bounds = {axis: Bounds((int(getattr(plan, axis)),)) for axis in AXES if axis not in silent}
    if RECOMPUTES[plan.recompute] != "first":
        bounds.pop("recompute_layers", None)
    return replace(document, space=Space(bounds), plan=plan)


def texts(document: Document) -> Texts:
    """The text of every line of the forms, and whether the user set it."""
    fields = {key: (text(key, value), set) for key, (value, set) in shown(document.inputs).items()}
    return fields | {axis: (document.space.text(axis), not document.space[axis].free) for axis in AXES}


def listed(document: Document, texts: Texts) -> dict[str, tuple[Entry, ...]]:
    """The lines of each form, without those that do not apply to this job, such as expert parallelism of a dense model.

    A line that the user set is always included, so that it can be reset.
    """
    silent = {f.key for f in FIELDS if f.depends_on and not _counts(document, texts, f)} | _idle(document, texts)
    return {group: tuple(e for e in entries if e.key not in silent or texts[e.key][1]) for group, entries in ENTRIES.items()}


def _counts(document: Document, texts: Texts, f: Field) -> bool:
    """Whether a field applies: what it depends on has a value with which it has an effect, or it is a size that the model has."""
    if f.depends_on in AXES:
        return any(document.space.allows(f.depends_on, NAMES[f.depends_on][name]) for name in f.with_values)
    if f.with_values:
        return texts[f.depends_on][0] in f.with_values
    model_size = f.spec == "model" and texts[f.key][0] not in NOTHING
    return model_size or texts[f.depends_on][0] not in NOTHING


def _idle(document: Document, texts: Texts) -> frozenset[str]:
    """The axes that do not apply to this job."""
    try:
        stack = stack_of(document.inputs)
    except TmplanError:
        return frozenset()
    return axes.idle(texts["experts"][0] not in ("", "0"), stack)


def size(document: Document) -> str:
    """The number of parameters of the model, total and active; empty if the model is not valid."""
    try:
        model = model_of(document.inputs)
    except TmplanError:
        return ""
    return write_size(model) if model.experts else f"{write_size(model)} parameters"


def notes(document: Document) -> list[str]:
    """Assumptions on the model where its file lacks values, one sentence each; none if the model is not valid."""
    try:
        model = model_of(document.inputs)
    except TmplanError:
        return []
    return ["".join(char if char.isprintable() else "?" for char in note) for note in model.notes]


def about(key: str, name: str) -> str:
    """A short description of a preset for the list of choices; empty if it is not valid."""
    try:
        spec = load(key, name)
    except FieldError:
        return "cannot be read; choose it to see why"
    except TmplanError:
        return ""
    if isinstance(spec, Model):
        experts = f", {spec.experts} experts" if spec.experts else ""
        return f"{write_size(spec)}, {spec.layers} layers of {spec.hidden:,}, {spec.heads}/{spec.kv_heads} heads{experts}"
    if isinstance(spec, Gpu):
        return f"{spec.memory_bytes / GIB:.0f} GiB, {spec.flops_bf16 / 1e12:,.0f} TFLOP/s"
    if isinstance(spec, Stack):
        return spec.title
    return f"{spec.gpu}, {spec.gpus_per_node} per node, {spec.gpus:,} GPUs"
