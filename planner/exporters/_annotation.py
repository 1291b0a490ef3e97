"""The annotation of an export: what the framework has no keys for, as a comment or description that `tmplan import` reads."""

from __future__ import annotations

from planner.document.fields import Value, text
from planner.exporters._common import shape
from planner.specs.job import Job

READ_BACK = "read back by tmplan import: "  # beginning of the line; files of earlier versions have it too


def sizes(job: Job) -> str:
    """The shape of the model, each size by name."""
    return _listed(shape(job.model))


def assumptions(job: Job, usual: str, overlaps: bool) -> str:
    """The fields of a job that affect its prediction and have no key in the file; empty where all are the framework's defaults.

    usual: the stack that the importer assumes; overlaps: whether the file's keys set the overlap of the experts' all-to-all.
    """
    stack = job.stack
    fields: dict[str, Value] = {}
    if stack.name != usual:
        fields["stack"] = stack.name
    if job.attention != stack.attention:
        fields["attention"] = job.attention
    for key, value, standard in (
        ("gradient_bytes", job.gradient_bytes, stack.gradient_bytes), ("imbalance", job.imbalance, 1.0), ("headroom", job.headroom, 0.0),
    ):  # fmt: skip
        if value != standard:
            fields[key] = float(f"{100 * value:.12g}") if key == "headroom" else value
    if job.overlap_experts and not overlaps:
        fields["overlap_experts"] = True
    return _listed(fields)


def _listed(values: dict[str, Value]) -> str:
    """Names and values separated by commas."""
    return ", ".join(f"{key} {text(key, value)}" for key, value in values.items())
