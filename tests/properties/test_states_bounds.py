"""Model states are bound by what there is to share: under ZeRO-3 the ranks together hold the whole, and more ranks never need more each."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner import presets
from planner.cost.evaluate import evaluate
from planner.specs.hardware import GIB
from planner.specs.job import Job
from planner.specs.options import OPTIMIZERS
from planner.specs.parameters import total_parameters
from planner.specs.plan import Plan
from tests.planner.jobs import small
from tests.properties.strategies import SETTINGS

MODELS = ("llama-3.2-1b", "llama-3.1-8b", "qwen2.5-7b", "gpt3-175b", "gemma-2-2b", "bloom-176b")


@st.composite
def sharded(draw: st.DrawFn) -> tuple[Job, int, int]:
    """A dense job on a stack with ZeRO-3 and any optimizer, a power of two of data-parallel ranks, and a micro-batch."""
    fully = [name for name in presets.names("stacks") if 3 in presets.stack(name).zero_stages]
    stack = draw(st.sampled_from(fully))
    optimizer = draw(st.sampled_from([name for name in OPTIMIZERS if name in presets.stack(stack).optimizers]))
    ranks = 2 ** draw(st.integers(1, 9))
    job = small(model=draw(st.sampled_from(MODELS)), stack=stack, optimizer=optimizer, gpus=1024, global_batch=1024, sequence=1024)
    return job, ranks, draw(st.sampled_from((1, 2)))


def of(job: Job, ranks: int, zero: int, micro_batch: int = 1) -> dict[str, float]:
    """The parts of a plan over some data-parallel ranks."""
    plan = Plan(dp=ranks, dp_shard=ranks if zero else 1, zero=zero, micro_batch=micro_batch)
    fitted = replace(job, cluster=replace(job.cluster, gpus=ranks), global_batch=1024)
    return {name: float(np.max(part)) for name, part in evaluate(fitted, plan).memory_parts.named().items()}


@settings(SETTINGS, max_examples=40)
@given(sharded())
def test_the_ranks_of_zero_3_together_hold_the_states_once(drawn: tuple[Job, int, int]) -> None:
    """Weights and optimizer states times the ranks are those of one rank, which holds all of them."""
    job, ranks, _ = drawn
    alone, shared = of(job, 1, 0), of(job, ranks, 3)
    for name in ("optimizer", "parameters"):
        if not job.stack.master_is_parameter or name == "optimizer":
            assert shared[name] * ranks == pytest.approx(alone[name], rel=1e-6)


@settings(SETTINGS, max_examples=40)
@given(sharded(), st.sampled_from((1, 2, 3)))
def test_more_ranks_never_need_more_memory_each(drawn: tuple[Job, int, int], zero: int) -> None:
    """Twice the ranks that shard, each with the same micro-batch: no more memory on any of them."""
    job, ranks, micro_batch = drawn
    if zero not in job.stack.zero_stages:
        return
    fewer, more = of(job, ranks, zero, micro_batch), of(job, 2 * ranks, zero, micro_batch)
    assert sum(more.values()) <= sum(fewer.values()) * (1 + 1e-9)


@settings(SETTINGS, max_examples=40)
@given(sharded())
def test_a_higher_stage_never_has_more_states(drawn: tuple[Job, int, int]) -> None:
    """Weights and optimizer states fall, or stay, from each ZeRO stage of a framework to the next."""
    job, ranks, _ = drawn
    held = [of(job, ranks, zero) for zero in job.stack.zero_stages if zero]
    states = [parts["parameters"] + parts["optimizer"] for parts in held]
    assert all(later <= earlier * (1 + 1e-9) for earlier, later in pairwise(states))


@settings(SETTINGS, max_examples=40)
@given(sharded())
def test_no_part_exceeds_what_its_owner_can_hold(drawn: tuple[Job, int, int]) -> None:
    """Gathered weights are at most all weights and buffers of gradients, states at most 18 bytes a weight and a bucket."""
    job, ranks, _ = drawn
    parts, weights = of(job, ranks, 3), total_parameters(job.model) * 1.02  # a padded vocabulary
    buffers = 2 * 2 * job.stack.reduce_bucket
    assert parts["gathered"] <= (2 + job.reduce_bytes) * weights + buffers
    assert parts["parameters"] + parts["gradients"] + parts["optimizer"] <= 18 * weights + buffers


def test_175_billion_weights_on_128_ranks_take_23_gib_each() -> None:
    """2 bytes of a weight, 4 of its gradient and 12 of its states over 128 ranks of ZeRO-3, and DeepSpeed's bucket."""
    job = small(model="gpt3-175b", stack="megatron-deepspeed", gpus=128, global_batch=128, sequence=2048)
    parts = of(replace(job, cluster=replace(job.cluster, gpus=128)), 128, 3)
    states = parts["parameters"] + parts["gradients"] + parts["optimizer"] - 2 * job.stack.reduce_bucket
    assert states / GIB == pytest.approx(18 * 175e9 / 128 / GIB, rel=0.02)
    assert 22 < states / GIB < 24
