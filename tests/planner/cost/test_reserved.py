"""Memory of the caching allocator and of the device."""

from __future__ import annotations

import numpy as np
import pytest

from planner.cost import reserved
from planner.dimensions import Bytes, Count, Parameters, Tokens
from planner.specs.plan import Plan
from tests.planner.cost.hand_worked import FIRST_AND_LAST, round_job

MAIN = {"main_gradients": True}
EDGES = Parameters(1000.0), Parameters(500.0)  # of the embedding, the head


def at(value: object) -> list[float]:
    """The values of a column, or of stages, as plain numbers."""
    return [float(x) for x in np.asarray(value, float).reshape(-1)]


def test_the_device_shows_slack_and_context() -> None:
    """A quarter more than is live, and 7 bytes of context."""
    job, none = round_job(), [Bytes(0.0)] * 7
    slack = reserved.slack_bytes(job, Bytes(100.0), *none)
    assert slack == 25
    assert reserved.reserved_bytes(Bytes(100.0), slack) == 125
    assert reserved.device_bytes(job, Bytes(125.0)) == 132
    assert reserved.least_device(job, Bytes(100.0)) == 132
    assert reserved.slack_bytes(round_job(expandable_segments=True), Bytes(100.0), *none) == 0


@pytest.mark.parametrize(
    ("activations", "edge", "largest", "weights", "moments", "expected"),
    [
        (50, 8, 20, 30, 40, 8),  # the largest gradient again: moments fill what the loss leaves
        (50, 8, 20, 30, 5, 20 - 5),  # the largest tensor of the loss again, less the moments in what is free
        (10, 8, 20, 30, 5, 30 - 10 + 20 - 5),  # segments of the first weights that activations do not use
        (10, 8, 8, 30, 5, 30 - 10 + 8 - 5),
    ],
)
def test_under_megatron_the_largest_request_needs_a_new_segment(
    activations: float, edge: float, largest: float, weights: float, moments: float, expected: float
) -> None:
    """What stays unused of the first weights' segments, and the largest request of the second step, less the moments made before it."""
    values = (Bytes(float(value)) for value in (activations, edge, largest, weights, moments, 0, 0))
    assert reserved.slack_bytes(round_job(stack=MAIN), Bytes(100.0), *values) == expected


def test_what_megatron_requests() -> None:
    """The distributed optimizer's buffer replaces 2 · 70 bytes of weights; 8 of 12 bytes of states are moments; gradients of 2 · 1,000 of
    the embedding and 2 · 500 of the head; 4 · 30 · 1,000 of fp32 logits at the head."""
    job, plan = round_job(stack=MAIN), Plan(pp=2, dp=4, dp_shard=4, zero=1).column()
    assert reserved.largest_request(Bytes(20.0), Bytes(8.0)) == 20
    assert reserved.rank_weights(Parameters(50.0), Parameters(20.0)) == 70
    assert at(reserved.first_weights(job, plan, Parameters(70.0))) == [140]
    assert at(reserved.first_weights(job, plan.with_(zero=np.array([0])), Parameters(70.0))) == [0]
    assert reserved.moments_bytes(job, Bytes(120.0), Bytes(60.0)) == pytest.approx(120)
    assert at(reserved.edge_request(job, plan, FIRST_AND_LAST, *EDGES)) == [2000, 1000]
    assert at(reserved.loss_request(job, plan, FIRST_AND_LAST, Tokens(30.0))) == [0, 120_000]


def test_other_stacks_and_frozen_weights_request_nothing_of_it() -> None:
    """Their allocator's slack is a share of what is live; frozen weights stay where they are."""
    plan = Plan(dp=4, dp_shard=4, zero=1).column()
    assert set(at(reserved.loss_request(round_job(), plan, FIRST_AND_LAST, Tokens(30.0)))) == {0}
    for job in (round_job(), round_job(stack=MAIN, tuning="lora")):
        assert at(reserved.first_weights(job, plan, Parameters(70.0))) == [0]
        assert set(at(reserved.edge_request(job, plan, FIRST_AND_LAST, *EDGES))) == {0}


def test_a_plan_has_room_for_live_tensors() -> None:
    """The limit less 7 of context: four fifths of it with a quarter of slack; under Megatron new segments are counted apart."""
    limit = round_job().memory_limit - 7
    assert reserved.room_for_live(round_job()) == pytest.approx(limit / 1.25)
    assert reserved.room_for_live(round_job(stack=MAIN)) == pytest.approx(limit)
    assert reserved.takes_new(round_job(stack=MAIN))
    assert not reserved.takes_new(round_job(stack=MAIN, expandable_segments=True)) and not reserved.takes_new(round_job())


def test_segments_of_tables_stay_where_weights_are_gathered() -> None:
    """10 bytes per parameter of the larger table under full sharding; none below it, where slack is a share of what is live."""
    job = round_job(stack={"edge_slack": 10.0, "hsdp_least": 2})
    sharded = Plan(dp=4, dp_shard=4, zero=3).column()
    assert at(reserved.table_segments(job, sharded, FIRST_AND_LAST[:1], *EDGES)) == [10_000]
    assert at(reserved.table_segments(job, sharded.with_(zero=np.array([2])), FIRST_AND_LAST[:1], *EDGES)) == [0]
    root = round_job(stack={"edge_slack": 10.0, "hsdp_least": 2, "root_gathered": True})
    assert at(reserved.table_segments(root, sharded.with_(zero=np.array([2])), FIRST_AND_LAST[:1], *EDGES)) == [10_000]
    assert reserved.slack_share(job) == 0


def test_free_segments_are_returned_before_memory_runs_out() -> None:
    """Of 10,000 bytes of such segments those remain that fit next to live tensors, and never less than the stack's share of these."""
    job = round_job(stack={"edge_slack": 10.0})
    rest = (*[Bytes(0.0)] * 5, Bytes(10_000.0), Bytes(0.0))
    room = job.memory_limit - job.stack.context_bytes
    assert reserved.slack_bytes(job, Bytes(100.0), *rest) == 10_000
    assert reserved.slack_bytes(job, Bytes(room - 2000.0), *rest) == pytest.approx(max(2000, 0.25 * (room - 2000)))
    assert reserved.slack_bytes(job, Bytes(2 * room), *rest) == pytest.approx(0.25 * 2 * room)


FLAT = {"flat_states": True, "reduce_bucket": 100.0, "sub_group": 150.0}


def test_under_deepspeed_streams_and_large_tensors_have_segments_for_themselves() -> None:
    """A quarter of what is live, 20 of the narrow logits, 7 of other streams, and a tensor of the step that is larger than twice the
    20."""
    zero, job = Bytes(0.0), round_job(stack=FLAT)
    for block, expected in ((40.0, 25 + 20 + 7), (41.0, 25 + 20 + 7 + 41)):
        assert reserved.slack_bytes(job, Bytes(100.0), zero, zero, Bytes(20.0), zero, zero, Bytes(7.0), Bytes(block)) == expected


def test_what_deepspeed_requests() -> None:
    """2 · 30 · 1,000 of logits in 16 bits; under ZeRO-3 pools of 2 · (400 + 60) and 2 · 100; in the step 4 · 150 of a sub-group, below 8 ·
    250 for the norm of a table, nothing where gradients are in fp32 or the optimizer is offloaded."""
    job, table, layer, weights = round_job(stack=FLAT, gradient_bytes=2), Parameters(400.0), Parameters(60.0), Parameters(1000.0)
    plan = Plan(pp=2, dp=4, dp_shard=4, zero=1).column()
    assert at(reserved.loss_request(job, plan, FIRST_AND_LAST, Tokens(30.0))) == [0, 60_000]
    assert at(reserved.loss_request(round_job(stack=FLAT, loss_kernel="fused"), plan, FIRST_AND_LAST, Tokens(30.0))) == [0, 0]
    each = [Plan(dp=4, dp_shard=4, zero=zero).column() for zero in range(4)]
    assert [at(reserved.stream_pools(job, stage, table, layer, weights))[0] for stage in each] == [0, 0, 0, 920 + 200]
    assert [at(reserved.step_block(job, stage, weights, Count(4), table))[0] for stage in each] == [0, 2000, 2000, 600]
    wide, moved = round_job(stack=FLAT), round_job(stack=FLAT, offload_optimizer=True)
    assert at(reserved.step_block(wide, each[1], weights, Count(4), table)) == [0]
    assert at(reserved.step_block(moved, each[3], weights, Count(4), table)) == [0]
