"""What an export tells tmplan's own import in words the framework passes over: a comment, or a description."""

from __future__ import annotations

from planner.document.fields import Value, text
from planner.exporters._tables import shape
from planner.specs.job import Job

READ_BACK = "read back by tmplan import: "  # what the line of a script begins with


def sizes(job: Job) -> str:
    """The shape of the model, each part by its name."""
    return _listed(shape(job.model))


def assumptions(job: Job, usual: str, overlaps: bool) -> str:
    """What of a job its prediction rests on and no key of the file holds, by fields; empty where it is as the framework has it.

    usual: the stack that an import takes unless told; overlaps: whether the file says that experts' traffic is overlapped.
    """
    stack = job.stack
    found: dict[str, Value] = {}
    if stack.name != usual:
        found["stack"] = stack.name
    if job.attention != stack.attention:
        found["attention"] = job.attention
    for key, value, standard in (
        ("gradient_bytes", job.gradient_bytes, stack.gradient_bytes), ("imbalance", job.imbalance, 1.0), ("headroom", job.headroom, 0.0),
    ):  # fmt: skip
        if value != standard:
            found[key] = float(f"{100 * value:.12g}") if key == "headroom" else value
    if job.overlap_experts and not overlaps:
        found["overlap_experts"] = True
    return _listed(found)


def _listed(values: dict[str, Value]) -> str:
    """Names and values, with commas between."""
    return ", ".join(f"{key} {text(key, value)}" for key, value in values.items())
