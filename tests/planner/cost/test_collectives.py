"""Seconds of collectives on the links their groups use, against values computed by hand.

Round figures: a link of 1e9 B/s, 0.8 of it for long messages of many ranks; a network of 1e8 B/s per GPU, half of it for long messages;
nodes of 8. Latencies: 0.001 s on a node, 0.002 between nodes, and 0.004 for each of them or 0.003 for each doubling of them.
"""

from __future__ import annotations

import numpy as np
import pytest

from planner.cost import collectives
from planner.dimensions import Bytes, Count, Number
from planner.specs.job import Job
from tests.planner.cost.hand_worked import round_job

JOB = round_job()


def gather(members: int, stride: int, message: float, job: Job = JOB, pieces: int = 1) -> float:
    """Seconds of an all-gather."""
    return float(np.max(collectives.gather_seconds(job, Count(members), Count(stride), Bytes(message), Number(pieces))))


def all_reduce(members: int, stride: int, message: float, job: Job = JOB, pieces: int = 1) -> float:
    """Seconds of an all-reduce."""
    return float(np.max(collectives.all_reduce_seconds(job, Count(members), Count(stride), Bytes(message), Number(pieces))))


@pytest.mark.parametrize(("members", "stride", "near"), [(8, 1, 8), (16, 1, 8), (2, 4, 2), (4, 4, 2), (16, 8, 1), (3, 3, 2), (4, 16, 1)])
def test_members_share_a_node_as_their_stride_lets_them(members: int, stride: int, near: int) -> None:
    """Of a node's 8 ranks every stride-th belongs to the group: 8 // 3 = 2; at least the rank itself."""
    assert collectives.inside(JOB.cluster, Count(members), Count(stride)) == near


def test_a_ring_on_a_node_carries_all_but_one_share_over_the_link() -> None:
    """Thakur et al. 2005, Section 4.4 (from memory): 1.5e9 · 7 / 8 bytes at 0.8 · (1 - 1 / 16) · 1e9 = 7.5e8 B/s are 1.75 s; an
    all-reduce does it twice. Two ranks reach 0.8 · 3 / 4."""
    assert gather(8, 1, 1.5e9) == pytest.approx(1.75 + 0.001)
    assert all_reduce(8, 1, 1.5e9) == pytest.approx(2 * 1.75 + 0.001)
    assert gather(2, 1, 1.2e9) == pytest.approx(0.6e9 / 6e8 + 0.001)


def test_a_ring_over_nodes_crosses_through_the_nic_of_each_member() -> None:
    """Sixteen ranks: 1.6e9 · 15 / 16 bytes take 2 s over the link and 1.5e9 / (8 · 5e7) = 3.75 s over eight NICs, and the slower counts.
    Four ranks on four nodes: 3e8 / 5e7 = 6 s."""
    assert gather(16, 1, 1.6e9) == pytest.approx(3.75 + 0.001 + 0.002 + 0.004 * 2)
    assert gather(4, 8, 4e8) == pytest.approx(6 + 0.002 + 0.004 * 4)
    assert gather(3, 3, 3e8) == pytest.approx(2e8 / 1e8 + 0.001 + 0.002 + 0.004 * 2)  # two ranks of a node, and one of the next
    slow = round_job(cluster={"link_bytes_s": 1e8})
    assert gather(16, 1, 1.6e9, slow) == pytest.approx(20 + 0.001 + 0.002 + 0.004 * 2)


def test_an_all_reduce_over_nodes_takes_the_shorter_of_ring_and_tree() -> None:
    """Two nodes: two passes of 0.004 · 2 along a ring, or 0.003 along a tree; four: 0.003 · 2. Where latency grows little by
    node the ring: 2 · 0.0001 · 4."""
    assert all_reduce(16, 1, 1.6e9) == pytest.approx(2 * 3.75 + 0.001 + 0.002 + 0.003)
    assert all_reduce(4, 8, 4e8) == pytest.approx(2 * 6 + 0.002 + 0.003 * 2)
    assert all_reduce(4, 8, 4e8, round_job(constants={"node_hop": 1e-4})) == pytest.approx(2 * 6 + 0.002 + 2 * 1e-4 * 4)


def test_each_message_of_several_pays_the_latency() -> None:
    """Three pieces take the bytes once and three latencies of 0.001 s."""
    assert gather(8, 1, 1.5e9, pieces=3) == pytest.approx(1.75 + 3 * 0.001)
    assert all_reduce(8, 1, 1.5e9, pieces=3) == pytest.approx(2 * 1.75 + 3 * 0.001)


def test_a_group_of_one_sends_nothing() -> None:
    """No bytes, no latency, on whatever stride."""
    assert gather(1, 1, 1e9) == all_reduce(1, 64, 1e9) == 0


def test_collectives_measured_on_the_cluster_give_the_latency_of_its_nodes() -> None:
    """What 6.4e8 bytes over all 8 nodes took longer than at the line rate of a node, 8 · 5e7 B/s, by node: 6.4e8 / 8 · (1 / 1e8 - 1 / 4e8)
    = 0.6 s, for each kind its own; never less than a node adds elsewhere; and rings, as measured, over no tree."""
    measured = round_job(cluster={"measured_reduce_bytes_s": 1e8, "measured_gather_bytes_s": 2e8}, constants={"measured_message": 6.4e8})
    assert collectives.hop_seconds(measured, 2) == pytest.approx(0.6)
    assert collectives.hop_seconds(measured, 1) == pytest.approx(0.2)
    assert collectives.hop_seconds(JOB, 1) == collectives.hop_seconds(JOB, 2) == 0.004
    fast = round_job(cluster={"measured_reduce_bytes_s": 1e9, "measured_gather_bytes_s": 1e9})
    assert collectives.hop_seconds(fast, 1) == collectives.hop_seconds(fast, 2) == 0.004
    assert all_reduce(4, 8, 4e8, measured) == pytest.approx(2 * 6 + 0.002 + 2 * 0.6 * 4)
    assert gather(4, 8, 4e8, measured) == pytest.approx(6 + 0.002 + 0.2 * 4)
    few = {"gpus": 4, "measured_reduce_bytes_s": 1e7}
    assert collectives.hop_seconds(round_job(cluster=few, constants={"measured_message": 6.4e8}), 2) == pytest.approx(6.4e8 * (1e-7 - 5e-9))


@pytest.mark.parametrize(
    ("members", "stride", "within", "across", "expected"),
    [
        (8, 1, 1.5e9, 0.0, 2 + 0.001),
        (16, 1, 1.5e9, 1.5e8, 3 + 0.001 + 0.002 + 0.003),  # the network's 1.5e8 / 5e7 are longer than the link's 2 s
        (16, 1, 3e9, 1.5e8, 4 + 0.001 + 0.002 + 0.003),
        (32, 1, 1.5e9, 1.5e8, 3 + 0.001 + 0.002 + 0.003 * 2),
        (16, 8, 1.5e9, 1.5e8, 3 + 0.002 + 0.003 * 4),  # one rank of the group a node: nothing goes over the link
        (1, 1, 1.5e9, 1.5e8, 0),
    ],
)
def test_an_all_to_all_takes_the_slower_of_link_and_network(
    members: int, stride: int, within: float, across: float, expected: float
) -> None:
    """Thakur et al. 2005, Section 4.3 (from memory): 1.5e9 bytes at 7.5e8 B/s within the node, those between nodes at 5e7 B/s;
    and latencies."""
    seconds = collectives.all_to_all_seconds(JOB, Count(members), Count(stride), Bytes(within), Bytes(across))
    assert seconds == pytest.approx(expected)


def test_a_send_goes_over_the_link_while_it_stays_on_the_node() -> None:
    """1.6e9 / 8e8 and 1e8 / 5e7 are 2 s each, and 0.005 s of latency; the eighth rank on lies on the next node."""
    assert collectives.send_seconds(JOB, Count(7), Bytes(1.6e9)) == pytest.approx(2 + 0.005)
    assert collectives.send_seconds(JOB, Count(8), Bytes(1e8)) == pytest.approx(2 + 0.005)
