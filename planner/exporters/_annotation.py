"""The annotation of an export: what the framework has no keys for, as a comment or description that `tmplan import` reads."""

from __future__ import annotations

from collections.abc import Collection

from planner.document.fields import Value, text
from planner.exporters._common import shape
from planner.exporters._options import chosen
from planner.specs.job import Job

READ_BACK = "read back by tmplan import: "  # beginning of the line; files of earlier versions have it too


def sizes(job: Job) -> str:
    """The shape of the model, each size by name."""
    return _listed(shape(job.model))


def assumptions(job: Job, usual: str, written: Collection[str]) -> str:
    """The fields of a job that affect its prediction and have no key in the file; empty where all are the framework's defaults.

    usual: the stack that the importer assumes; written: the fields that the file's keys set.
    """
    fields: dict[str, Value] = {"stack": job.stack.name} if job.stack.name != usual else {}
    if job.stack.released:
        fields["stack_release"] = job.stack.released
    fields |= {key: value for key, value in chosen(job).items() if key not in written}
    for key, value, standard in (("imbalance", job.imbalance, 1.0), ("headroom", job.headroom, 0.0)):
        if value != standard:
            fields[key] = float(f"{100 * value:.12g}") if key == "headroom" else value
    if job.overlap_experts and "overlap_experts" not in written:
        fields["overlap_experts"] = True
    return _listed(fields)


def _listed(values: dict[str, Value]) -> str:
    """Names and values separated by commas."""
    return ", ".join(f"{key} {text(key, value).replace(',', ' ')}" for key, value in values.items())
