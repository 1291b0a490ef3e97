"""Kinds of jobs whose errors are shown apart."""

from __future__ import annotations

from planner.specs.kinds import kinds
from tests.planner.jobs import small


def test_a_dense_job_on_hopper_is_of_no_kind() -> None:
    """Kinds are what differs from the bulk of runs."""
    assert list(kinds(small(gpu="h100-sxm"))) == []


def test_kinds_by_gpu_sequence_precision_and_tuning() -> None:
    """A job is of every kind that applies."""
    assert list(kinds(small(gpu="b200", precision="fp8"))) == ["fp8 and fp4", "Blackwell"]
    assert list(kinds(small(gpu="mi300x"))) == ["AMD"]
    assert list(kinds(small(stack="pytorch-fsdp", tuning="lora", sequence=32_768))) == ["32k tokens and more", "adapters"]
