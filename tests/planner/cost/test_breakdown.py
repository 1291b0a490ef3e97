"""Parts of a step and of memory by hand: 12 micro-batches."""

from __future__ import annotations

import numpy as np
import pytest

from planner.cost import breakdown
from tests.planner.cost.hand_figures import SPARSE, given_plain_numbers, round_job

by_hand = given_plain_numbers(breakdown)
JOB = round_job()


def test_a_part_of_a_step_is_that_of_the_slowest_stage_for_every_micro_batch() -> None:
    """12 times compute 1, recomputation 2, tensor 3, context 4, all-to-all 5 s; the host 6 s and 7 s once a step."""
    assert by_hand.compute_part(12.0, 1.0) == 12
    assert by_hand.recompute_part(12.0, 2.0) == 24
    assert by_hand.tp_part(12.0, 3.0) == 36
    assert by_hand.cp_part(12.0, 4.0) == 48
    assert by_hand.ep_part(12.0, 5.0) == 60
    assert by_hand.host_part(12.0, 6.0, 7.0) == 12 * 6 + 7


@pytest.mark.parametrize(("exposed", "seconds"), [(0.5, 12 * 2 * 0.5 * (3 * 4 + 10)), (1.3, 0), (0.0, 12 * 2 * (3 * 4 + 10))])
def test_tensor_parallel_traffic_hidden_by_hand(exposed: float, seconds: float) -> None:
    """Forward and backward of three layers of 4 s and of sparse ones of 10 s, as far as it is not exposed: never less than none."""
    assert by_hand.hidden_tp(round_job(tp_exposed=exposed), 12.0, 3, 4.0, 10.0) == pytest.approx(seconds)
    assert by_hand.hidden_tp(JOB, 12.0, 3, 4.0) == pytest.approx(12 * 2 * 0.5 * 12)


def test_context_parallel_traffic_hidden_by_hand() -> None:
    """Of 3 x 4 s of a layer 5 s are exposed: 7 s of three layers and 10 s of sparse ones; none where more is exposed than sent."""
    assert by_hand.hidden_cp(12.0, 3, 4.0, 5.0, 10.0) == 12 * (3 * 7 + 10)
    assert by_hand.hidden_cp(12.0, 3, 4.0, 5.0) == 12 * 3 * 7
    assert by_hand.hidden_cp(12.0, 3, 4.0, 13.0) == 0


def test_data_parallel_and_expert_traffic_hidden_by_hand() -> None:
    """Of 3 + 5 + 12 x 2 s 7 s are exposed; of 12 x 3 x (4 + 6) s all-to-all 100 s, and none where more is exposed than sent."""
    assert by_hand.hidden_dp(3.0, 5.0, 2.0, 12.0, 7.0) == 3 + 5 + 24 - 7
    assert by_hand.hidden_ep(12.0, 3, 4.0, 6.0, 100.0) == 360 - 100
    assert by_hand.hidden_ep(12.0, 3, 4.0, 6.0, 400.0) == 0


def test_memory_beyond_live_tensors_by_hand() -> None:
    """Half of 8,000 bytes allocated, 1,000 bytes of context; workspaces as given."""
    assert by_hand.slack_bytes(JOB, 8000.0) == 4000
    assert by_hand.context_memory(JOB).tolist() == [1000]
    assert by_hand.workspace_memory(round_job(SPARSE), 300.0).tolist() == [300]
    assert np.shape(by_hand.context_memory(JOB)) == (1,)
