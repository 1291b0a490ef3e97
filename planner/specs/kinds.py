"""Kinds of jobs whose errors are shown apart: they differ from the bulk of measured runs, dense models on A100 and H100."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from planner.specs.job import Job

LONG = 32_768  # tokens of a sequence

KINDS: dict[str, Callable[[Job], bool]] = {
    "mixtures of experts": lambda job: bool(job.model.experts),
    "fp8 and fp4": lambda job: job.precision.startswith(("fp8", "fp4")),
    "32k tokens and more": lambda job: job.sequence >= LONG,
    "Blackwell": lambda job: job.cluster.gpu.arch.startswith("blackwell"),
    "AMD": lambda job: job.cluster.gpu.vendor.lower() == "amd",
    "TPU": lambda job: job.cluster.gpu.arch == "tpu",
    "consumer and workstation GPUs": lambda job: job.cluster.gpu.name.startswith("rtx"),
    "adapters": lambda job: job.tuning != "full",
}


def kinds(job: Job) -> Iterator[str]:
    """The kinds of a job, none for most."""
    return (name for name, applies in KINDS.items() if applies(job))
