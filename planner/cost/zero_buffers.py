"""Buffers of DeepSpeed's ZeRO optimizers: what they allocate in addition to sharded states, or in place of sharded gradients; bytes.

Read in DeepSpeed 0.19.8: runtime/zero/stage_1_and_2.py (buckets in setup_buckets, copy_grads_in_partition, get_grad_norm_direct, step),
stage3.py (grad_partitions_flat_buffer, _prepare_fp32_grad_for_sub_group), partitioned_param_coordinator.py (prefetching until
max_live_parameters are gathered), and runtime/bf16_optimizer.py, which serves up to ZeRO-1 where gradients are accumulated in fp32.
"""

from __future__ import annotations

from planner.dimensions import Bytes, Number, Parameters, maximum, minimum, select, where
from planner.specs.job import Job
from planner.specs.plan import Plan

HALF, FULL, DOUBLE = 2.0, 4.0, 8.0  # bytes of a value in 16, 32 and 64 bits


def bucket(job: Job) -> Bytes:
    """The buffer that gradients are reduced from; bytes."""
    return Bytes(HALF * job.stack.reduce_bucket)


def bucket_copy(job: Job, weights: Parameters) -> Bytes:
    """The flattened copy of a bucket in a reduction; bytes."""
    return Bytes(job.reduce_bytes * minimum(job.stack.reduce_bucket, weights))


def all_reduce_copy(job: Job, weights: Parameters, largest: Parameters) -> Bytes:
    """The flattened copy of gradients in an all-reduce of whole ones, as many as pass the bucket's size; bytes (engine.py)."""
    return Bytes(job.gradient_bytes * minimum(job.stack.reduce_bucket + largest, weights))


def passing(job: Job, largest: Parameters) -> Bytes:
    """Room on the device for the gradient of one weight on its way to the host, below ZeRO-3; bytes."""
    return Bytes((HALF if job.offload_optimizer else 0.0) * largest)


def accumulates(job: Job) -> bool:
    """Whether fp32 gradients of all weights live in addition to the 16-bit ones of a backward pass, up to ZeRO-1 (BF16_Optimizer)."""
    return job.gradient_bytes == FULL


def part_gradients(job: Job, weights: Parameters, shard_size: Number, largest: Parameters) -> Bytes:
    """Gradients of the part of the weights that a rank updates below ZeRO-3; a weight that the part cuts is whole; bytes."""
    return maximum(Bytes(job.gradient_bytes * weights) / shard_size, Bytes(HALF * largest))


def gradients(job: Job, plan: Plan, weights: Parameters, shard_size: Number, largest: Parameters) -> Bytes:
    """Gradients of a rank at the end of a backward pass, and the bucket where it lives as long: under ZeRO-1 and 3; bytes."""
    on_device = 0.0 if job.offload_optimizer else 1.0
    whole, sent = Bytes(job.gradient_bytes * weights), passing(job, largest)
    part = Bytes(on_device * part_gradients(job, weights, shard_size, largest)) + sent
    if accumulates(job):
        early = Bytes((FULL + HALF) * weights)
        below = where(plan.zero <= 1, early, part)
    else:
        below = select([plan.zero <= 0, plan.zero == 1], [whole, whole + bucket(job) + sent], part)
    return where(plan.zero >= 3, Bytes(on_device * whole / shard_size) + bucket(job), below)


def lasting(job: Job, plan: Plan, all_gradients: Bytes, largest: Parameters) -> Bytes:
    """Gradients and buffers of them that live all the time; bytes."""
    sent = passing(job, largest) * (plan.zero >= 1)
    if accumulates(job):
        sent = where(plan.zero <= 1, all_gradients * (FULL / (FULL + HALF)), sent)
    return where(plan.zero >= 3, all_gradients, sent)


def step_need(job: Job, plan: Plan, weights: Parameters, shard_size: Number, largest: Parameters) -> Bytes:
    """Gradients and temporaries of the optimizer's step: a norm in fp64, a flat copy of the gradients and one in fp32; bytes."""
    part = weights / shard_size
    flat = HALF + FULL if not job.foreach else 2 * FULL  # the denominators of torch's AdamW in place of the flat copy
    norm = Bytes(DOUBLE * minimum(part, largest))
    below = part_gradients(job, weights, shard_size, largest) + maximum(norm, Bytes(flat * part))
    fully = Bytes(job.gradient_bytes * part + flat * minimum(part, job.stack.sub_group)) + bucket(job)
    return where(plan.zero >= 3, fully, below)
