"""DeepSpeed's buffers in round figures by hand: 1,000 parameters on a rank, 400 of them a table, buckets of 100 and sub-groups of 150."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from planner.cost import gathered, states
from planner.cost.shard import largest_tensor
from planner.dimensions import Bytes, Count, Parameters, Stage
from planner.specs.plan import Plan
from tests.planner.cost.hand_worked import FIRST_AND_LAST, round_job

FLAT = {"flat_states": True, "reduce_bucket": 100.0, "live_parameters": 300.0, "sub_group": 150.0}
JOB = round_job(stack=FLAT, gradient_bytes=2, reduce_bytes=2)
ALL, TABLE, LAYER = Parameters(1000.0), Parameters(400.0), Parameters(60.0)
EACH = [Plan(dp=4, dp_shard=4, zero=zero).column() for zero in range(4)]


def at(value: Any) -> list[float]:
    """The values of a column, or of stages, as plain numbers."""
    return [float(x) for x in np.asarray(value, float).reshape(-1)]


def of_each(function: Any, *arguments: Any, job: Any = JOB) -> list[float]:
    """The value of a formula at each ZeRO stage over four ranks."""
    return [at(function(job, plan, *arguments))[0] for plan in EACH]


def test_gradients_are_whole_tensors_below_zero_3() -> None:
    """2 · 1,000 whole; with the bucket's 2 · 100 under ZeRO-1; of a part the table whole under ZeRO-2; a quarter and the bucket under
    ZeRO-3, always live there. Offloaded they pass through room for a table below ZeRO-3, which lives all the time."""
    assert of_each(states.gradient_memory, ALL, Count(4), TABLE) == [2000, 2200, 800, 500 + 200]
    assert of_each(states.lasting_gradients, Bytes(7.0), TABLE) == [0, 0, 0, 7]
    moved = round_job(stack=FLAT, gradient_bytes=2, offload_optimizer=True)
    assert of_each(states.gradient_memory, ALL, Count(4), TABLE, job=moved) == [2000, 2200 + 800, 800, 200]
    assert of_each(states.lasting_gradients, Bytes(7.0), TABLE, job=moved) == [0, 800, 800, 7]
    assert of_each(states.lasting_gradients, Bytes(7.0), TABLE, job=round_job()) == [0, 0, 0, 0]


def test_fp32_gradients_are_accumulated_in_addition_up_to_zero_1() -> None:
    """4 + 2 bytes each of all weights up to ZeRO-1, the 4 all the time, and no copies in the step, but one of
    100 + 400 gradients in their all-reduce; above it 4 of a part."""
    wide = round_job(stack=FLAT, gradient_bytes=4, reduce_bytes=2)
    assert of_each(states.gradient_memory, ALL, Count(4), TABLE, job=wide) == [6000, 6000, 1000, 1000 + 200]
    assert of_each(states.lasting_gradients, Bytes(6.0), TABLE, job=wide) == [4, 4, 0, 6]
    assert of_each(states.step_temporaries, ALL, Count(4), TABLE, Bytes(0.0), job=wide)[:2] == [0, 0]
    assert of_each(gathered.embedding_gathered, Stage(0), TABLE, ALL, Count(4), TABLE, job=wide)[:2] == [4 * 500, 4 * 500]


def test_weights_are_gathered_until_so_many_live() -> None:
    """At the loss 2 · 300, of a head of 400 all; in a layer's backward pass 60 more; under ZeRO-2 the bucket, 2 · 100."""
    assert of_each(gathered.head_gathered, Stage(0), TABLE, ALL) == [0, 0, 0, 800]
    assert of_each(gathered.head_gathered, Stage(0), LAYER, ALL) == [0, 0, 0, 600]
    assert of_each(gathered.layers_gathered, LAYER, ALL) == [0, 0, 200, 2 * 360]


def test_the_embedding_ends_the_backward_pass() -> None:
    """An all-reduce copies 2 · 500, ZeRO-1 a part's gradients, a table's 2 · 400; ZeRO-2 has the bucket, ZeRO-3 the weights and a
    bucket's copy."""
    assert of_each(gathered.embedding_gathered, Stage(0), TABLE, ALL, Count(4), TABLE) == [1000, 800, 200 + 800, 1600 + 200]


def test_a_step_flattens_and_widens_the_gradients() -> None:
    """A part's gradients 2 · 400 and the norm of 250 in fp64; ZeRO-3 (2 + 4) · 150; less what gradients take already. Over lists of
    tensors the denominators replace the flat copy."""
    assert of_each(states.step_temporaries, ALL, Count(4), TABLE, Bytes(500.0))[1:] == [2300, 2300, 700 + 900 - 500]
    assert of_each(states.step_temporaries, ALL, Count(4), TABLE, Bytes(9000.0))[1:] == [0, 0, 0]
    lists = round_job(stack=FLAT, gradient_bytes=2, foreach=True)
    assert of_each(states.step_temporaries, ALL, Count(4), TABLE, Bytes(500.0), job=lists)[3] == 700 + 8 * 150 - 500
    moved = round_job(stack=FLAT, offload_optimizer=True)
    assert of_each(states.step_temporaries, ALL, Count(4), TABLE, Bytes(500.0), job=moved) == [0, 0, 0, 0]


@pytest.mark.parametrize(("embedding", "head", "expected"), [(400.0, 300.0, [400, 300]), (200.0, 300.0, [200, 300])])
def test_the_largest_tensor_is_the_table_of_the_stage(embedding: float, head: float, expected: list[float]) -> None:
    """The embedding on the first stage, the head on the last; of one stage the larger."""
    pair = Parameters(embedding), Parameters(head)
    assert at(largest_tensor(Plan(pp=2).column(), FIRST_AND_LAST, *pair)) == expected
    assert at(largest_tensor(Plan().column(), Stage(0), *pair)) == [max(expected)]
