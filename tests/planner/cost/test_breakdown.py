"""Parts of a step and of memory by hand: 12 micro-batches."""

from __future__ import annotations

import numpy as np

from planner.cost import breakdown, parts, records
from planner.dimensions import Seconds
from tests.planner.cost.hand_figures import SPARSE, given_plain_numbers, round_job

by_hand = given_plain_numbers(breakdown)
JOB = round_job()
OTHERS = ("recompute", "bubble", "pp", "optimizer", "straggler")


def test_a_part_of_a_step_is_that_of_the_slowest_stage_for_every_micro_batch() -> None:
    """12 times compute 1, recomputation 2, tensor 3, context 4, all-to-all 5 s; the host 6 s and 7 s once a step."""
    assert by_hand.compute_part(12.0, 1.0) == 12
    assert by_hand.recompute_part(12.0, 2.0) == 24
    assert by_hand.tp_part(12.0, 3.0) == 36
    assert by_hand.cp_part(12.0, 4.0) == 48
    assert by_hand.ep_part(12.0, 5.0) == 60
    assert by_hand.host_part(12.0, 6.0, 7.0) == 12 * 6 + 7


def test_tensor_parallel_traffic_hidden_by_hand() -> None:
    """Of 4 s forward, 4 s backward and 2 s of inputs gathered again 7 s are exposed: 3 s of three layers and 10 s of sparse ones; none
    where more is exposed than sent."""
    assert by_hand.hidden_tp(12.0, 3, 4.0, 2.0, 7.0, 10.0) == 12 * (3 * 3 + 10)
    assert by_hand.hidden_tp(12.0, 3, 4.0, 2.0, 7.0, 0.0) == 12 * 3 * 3
    assert by_hand.hidden_tp(12.0, 3, 4.0, 2.0, 11.0, 0.0) == 0


def test_context_parallel_traffic_hidden_by_hand() -> None:
    """Of 3 x 4 s of a layer 5 s are exposed: 7 s of three layers and 10 s of sparse ones; none where more is exposed than sent."""
    assert by_hand.hidden_cp(12.0, 3, 4.0, 5.0, 10.0) == 12 * (3 * 7 + 10)
    assert by_hand.hidden_cp(12.0, 3, 4.0, 5.0, 0.0) == 12 * 3 * 7
    assert by_hand.hidden_cp(12.0, 3, 4.0, 13.0, 0.0) == 0


def test_data_parallel_and_expert_traffic_hidden_by_hand() -> None:
    """Of 3 + 5 + 12 x 2 s 7 s are exposed; of 12 x 3 x (4 + 6) s all-to-all 100 s, and none where more is exposed than sent."""
    assert by_hand.hidden_dp(3.0, 5.0, 2.0, 12.0, 7.0) == 3 + 5 + 24 - 7
    assert by_hand.hidden_ep(12.0, 3, 4.0, 6.0, 100.0) == 360 - 100
    assert by_hand.hidden_ep(12.0, 3, 4.0, 6.0, 400.0) == 0


def test_memory_beyond_live_tensors_by_hand() -> None:
    """1,000 bytes of context; workspaces of 300 bytes, and 70 more for grouped products since Hopper."""
    assert by_hand.context_memory(JOB).tolist() == [1000]
    assert by_hand.workspace_memory(round_job(SPARSE, workspace_bytes=300.0, expert_workspace_bytes=70.0)).tolist() == [370]
    assert by_hand.workspace_memory(round_job(workspace_bytes=300.0, expert_workspace_bytes=70.0)).tolist() == [300]
    assert np.shape(by_hand.context_memory(JOB)) == (1,)


def test_hidden_communication_of_a_stage_by_hand() -> None:
    """Three dense layers that send 4 + 4 + 2 s, 7 s of it exposed, and two sparse ones that send 10 + 10 + 5 s, 15 s exposed, 3 x 2 s
    around the ring, 1 s of it exposed, 5 + 6 s of all-to-all; for 12 micro-batches."""
    plain = given_plain_numbers(records)
    zeros = dict.fromkeys(records.LayerCost._fields, 0.0)
    dense = plain.LayerCost(**(zeros | {"tp_forward": 4.0, "tp_again": 2.0, "tp_layer": 7.0, "cp_forward": 3.0, "cp_layer": 2.0}))
    ring = {"cp_forward": 2.0, "cp_layer": 1.0}
    sparse = plain.LayerCost(
        **(zeros | ring | {"tp_forward": 10.0, "tp_again": 5.0, "tp_layer": 15.0, "ep_forward": 5.0, "ep_backward": 6.0})
    )
    seconds = {"reduce_once": 3.0, "gather_once": 5.0, "reduce_each": 2.0}
    shared = plain.Exchange(**seconds, ends_each=0.0, copies_each=0.0, loops_each=0.0, optimizer_seconds=0.0)
    exposed = parts.StepParts(**dict.fromkeys(("compute", "host", "tp", "cp", *OTHERS), 0.0), dp=7.0, ep=100.0)  # type: ignore[arg-type]
    both = by_hand.hidden_parts(12.0, (3, 2), plain.Kinds(dense, sparse), shared, exposed)
    assert (both.tp, both.cp) == (12 * (3 * 3 + 2 * 10), 12 * (3 * 7 + 2 * 5))
    assert (both.dp, both.ep) == (3 + 5 + 12 * 2 - 7, 12 * 2 * 11 - 100)
    alone = by_hand.hidden_parts(12.0, (3, None), plain.Kinds(dense, None), shared, exposed)
    assert (alone.tp, alone.cp, alone.dp, alone.ep) == (12 * 9, 12 * 3 * 7, 25, None)


def test_the_parts_of_a_step_by_hand() -> None:
    """12 micro-batches of 1, 2, 3, 4 and 5 s and 6 s of recomputation on the slowest stage, 7 s on the host once per step; bubble, sends,
    gradients, optimizer and straggler as given."""
    work = parts.WorkParts(*map(Seconds, (1.0, 2.0, 3.0, 4.0, 5.0)))
    tail = records.Tail(*map(Seconds, (10.0, 20.0, 30.0, 40.0, 7.0)))
    seconds = by_hand.step_parts(12.0, work, 6.0, tail, 50.0).named()
    expected = {"compute": 12, "host": 24 + 7, "tp": 36, "cp": 48, "ep": 60, "recompute": 72, "bubble": 10, "pp": 20, "dp": 30}
    assert seconds == expected | {"optimizer": 40, "straggler": 50}
