"""Memory of pairs of a pipeline and a sharding, against the formulas of a plan."""

from __future__ import annotations

import numpy as np
import pytest

from planner.cost import pair_memory as pairs
from planner.cost import stage_cost as stages
from planner.cost import step_cost as step
from planner.dimensions import Bytes
from planner.document.inputs import EXAMPLE, resolve
from planner.specs.job import Job
from planner.specs.plan import Plan

PIPELINES = Plan(
    pp=np.array([1, 1, 4, 4, 8]),
    tp=np.array([8, 4, 8, 2, 1]),
    micro_batch=np.array([1, 2, 4, 1, 1]),
    recompute=np.array([0, 2, 0, 1, 2]),
    **{name: np.ones(5, np.int64) for name in ("vpp", "cp", "ep", "etp", "dp_shard", "dp_replicate")},
    **{name: np.zeros(5, np.int64) for name in ("zero", "schedule", "recompute_layers", "sequence_parallel")},
    dp=np.array([16, 32, 4, 16, 16]),
)
ROWS = np.repeat(np.arange(5), 4)
ZERO = np.tile(np.arange(4), 5)


def plans(zero: object) -> Plan:
    """The pipelines each with a sharding: none, of optimizer states, of gradients, of weights."""
    few = PIPELINES.take(ROWS)
    return few.with_(
        zero=np.asarray(zero), dp_shard=np.where(np.asarray(zero) > 0, few.dp, 1), dp_replicate=np.where(np.asarray(zero) > 0, 1, few.dp)
    )


def sides(job: Job, *, folded: bool) -> tuple[pairs.Left, pairs.Right, Plan]:
    """The addends of the pipelines and of their shardings, a row each."""
    every = plans(ZERO)
    cost = stages.edge_cost(job, PIPELINES)
    sharding = step.sharding(job, every)
    right = pairs.right(job, step.folded(sharding) if folded else sharding, folded=folded)
    lives = (stages.folded if folded else stages.live)(job, PIPELINES, cost)
    return pairs.left(job, lives, cost, right), right, every


@pytest.mark.parametrize("expandable", [False, True])
@pytest.mark.parametrize("stack", ["megatron-core", "torchtitan", "transformers", "deepspeed", "nanotron", "pytorch-fsdp"])
def test_memory_of_pairs_is_that_of_their_plans(stack: str, expandable: bool) -> None:
    """Addends of both sides give what the formulas of a plan give, for every sharding of every pipeline."""
    job = resolve(EXAMPLE.with_all({"stack": stack, "gpus": 128, "model": "llama-3.1-8b", "expandable_segments": expandable}))
    left, right, every = sides(job, folded=False)
    cost = stages.edge_cost(job, every)
    expected = step.device(job, stages.pipeline(job, every, cost), step.sharding(job, every))
    assert np.asarray(pairs.device(job, left, ROWS, right, np.arange(len(every)))) == pytest.approx(np.asarray(expected), rel=1e-12)


@pytest.mark.parametrize("expandable", [False, True])
@pytest.mark.parametrize("stack", ["megatron-core", "nanotron"])
def test_memory_in_one_phase_is_that_of_the_fullest(stack: str, expandable: bool) -> None:
    """Where the phases of shardings do not differ one addend of each side gives the same."""
    job = resolve(EXAMPLE.with_all({"stack": stack, "gpus": 128, "model": "llama-3.1-8b", "expandable_segments": expandable}))
    left, right, every = sides(job, folded=True)
    same = np.flatnonzero(step.foldable(job, step.sharding(job, every)))
    assert len(same) >= 10
    expected = step.device(job, stages.pipeline(job, every, stages.edge_cost(job, every)), step.sharding(job, every))
    assert np.asarray(pairs.device(job, left, ROWS[same], right, same)) == pytest.approx(np.asarray(expected)[:, same], rel=1e-12)


def test_a_column_of_zeros_becomes_a_number() -> None:
    """So that no pair gathers it."""
    assert np.ndim(pairs.nonzero(Bytes(np.zeros(3)))) == 0
    assert np.ndim(pairs.nonzero(Bytes(np.array([0.0, 1.0])))) == 1
