"""Memory of the caching allocator and of the device, from live tensors; bytes."""

from __future__ import annotations

from planner.dimensions import Bytes
from planner.formula.trace import formula
from planner.specs.job import Job


@formula("(1 + σ_a) · M + X", "tmplan", "allocator slack and context: measured, in the stack's file")
def device_bytes(job: Job, allocated_bytes: Bytes) -> Bytes:
    """Memory in use as the device reports it: live tensors, the slack of the caching allocator, and the context; bytes."""
    return (1.0 + job.stack.allocator_slack) * allocated_bytes + job.stack.context_bytes


def reserved_bytes(job: Job, allocated_bytes: Bytes) -> Bytes:
    """Memory held by the caching allocator: live tensors and slack; bytes."""
    return (1.0 + job.stack.allocator_slack) * allocated_bytes
