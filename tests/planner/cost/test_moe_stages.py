"""Stages that hold dense and sparse layers, by hand: two dense layers and three sparse ones on four pipeline ranks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from planner.cost import moe_stages as mixed
from planner.specs.job import SCHEDULES
from planner.specs.plan import Plan
from tests.planner.cost.hand_figures import SPARSE, given_plain_numbers, round_job

by_hand = given_plain_numbers(mixed)
FOUR = np.arange(4)[:, None]
PIPELINE = Plan(pp=4, tp=4)
ZB_V = Plan(pp=4, vpp=2, schedule=SCHEDULES.index("zb-v"))
AHEAD = round_job(replace(SPARSE, mtp_layers=1))


def listed(column: object) -> list[float]:
    """A column of stages x 1 as a plain list."""
    return [float(value) for value in np.ravel(np.asarray(column))]


def test_the_largest_layer_is_dense_or_sparse() -> None:
    """A dense layer of 9 parameters, or 4 around experts of 6: 10; or of 3: 9."""
    assert by_hand.largest_layer(9.0, 4.0, 6.0) == 10
    assert by_hand.largest_layer(9.0, 4.0, 3.0) == 9


def test_both_kinds_of_layer_keep_and_repeat() -> None:
    """3 + 4 bytes stored, 5 + 6 s repeated."""
    assert by_hand.held_by_both(3.0, 4.0) == 7
    assert by_hand.repeated_by_both(5.0, 6.0) == 11


@pytest.mark.parametrize(("dense", "sparse", "bytes_"), [(2, 3, 8), (2, 0, 5), (0, 3, 8), (0, 0, 0)])
def test_the_working_set_is_that_of_a_layer_the_stage_holds(dense: int, sparse: int, bytes_: float) -> None:
    """A dense layer at hand needs 5 bytes, a sparse one 8; a stage without one needs none of it."""
    assert by_hand.mixed_working(dense, sparse, 5.0, 8.0) == bytes_
    assert by_hand.mixed_working(dense, sparse, 8.0, 5.0) == (8 if dense else 5 if sparse else 0)


def test_projections_of_multi_token_prediction_by_hand() -> None:
    """1,000 / 4 tokens x 1,000 x 2,000 at 10^6 FLOP/s and a launch, three passes, on a cluster twice as slow; for each layer ahead."""
    once = 3 * 2 * (0.5 + 2 * 250 * 1000 * 2000 / 1e6)
    assert by_hand.mtp_seconds(AHEAD, PIPELINE, 1000.0) == pytest.approx(once)
    assert by_hand.mtp_seconds(round_job(replace(SPARSE, mtp_layers=2)), PIPELINE, 1000.0) == pytest.approx(2 * once)
    assert by_hand.mtp_seconds(round_job(SPARSE), PIPELINE, 1000.0) == 0


def test_compute_of_both_kinds_of_layer_by_hand() -> None:
    """2 x (1 + 2) + 3 x (4 + 8) = 42 s; the embedding adds 16 s to the first rank, two heads of 32 s and 64 s of projections to the last,
    or to the first where stages run back up."""
    given = (2, 3, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
    assert listed(by_hand.mixed_compute(AHEAD, PIPELINE, FOUR, *given)) == [42 + 16, 42, 42, 42 + 2 * 32 + 64]
    assert listed(by_hand.mixed_compute(round_job(SPARSE), PIPELINE, FOUR, *given)) == [42 + 16, 42, 42, 42 + 32 + 64]
    assert listed(by_hand.mixed_compute(AHEAD, ZB_V, FOUR, *given)) == [42 + 16 + 2 * 32 + 64, 42, 42, 42]


def test_host_time_of_both_kinds_of_layer_by_hand() -> None:
    """2 layers that wait 0.5 s, 3 that wait 2 s, and 0.25 s a micro-batch on a host that takes twice as long: 7.5 s."""
    assert by_hand.mixed_host(round_job(SPARSE), 2, 3, 0.5, 2.0) == 2 * 0.5 + 3 * 2 + 2 * 0.25


def test_tensor_parallel_traffic_of_both_kinds_of_layer_by_hand() -> None:
    """Two layers of 9 s and three of 6 s are 36 s; embedding and head add half of 8 s each."""
    assert listed(by_hand.mixed_tp(PIPELINE, FOUR, 2, 3, 8.0, 9.0, 6.0)) == [36 + 4, 36, 36, 36 + 4]
    assert listed(by_hand.mixed_tp(ZB_V, FOUR, 2, 3, 8.0, 9.0, 6.0)) == [36 + 8, 36, 36, 36]


def test_context_parallel_traffic_and_the_sum_of_the_parts_by_hand() -> None:
    """Five layers of 3 s; parts of 1, 2, 4, 8 and 16 s."""
    assert by_hand.mixed_cp(2, 3, 3.0) == 15
    assert by_hand.mixed_work(1.0, 2.0, 4.0, 8.0, 16.0) == 31


def test_the_heaviest_stage_decides_for_the_optimizer() -> None:
    """Of stages of 3 and 5 bytes, and 4 and 1 of experts, the first is the heavier: 7 bytes."""
    assert listed(by_hand.heaviest_optimizer(np.array([[3.0], [5.0]]), np.array([[4.0], [1.0]]))) == [7]
