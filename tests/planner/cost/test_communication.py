"""Collectives on the links their groups use, what each dimension sends, and what hides it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.cost.collectives import all_reduce_seconds, gather_seconds, hop_seconds, inside, send_seconds
from planner.cost.evaluate import evaluate
from planner.dimensions import Bytes, Count
from planner.specs.constants import CONSTANTS
from planner.specs.plan import Plan
from tests.planner.jobs import example, small

JOB = example()
CLUSTER = JOB.cluster  # 2,048 nodes of 8
BIG = 1e9


def gather(members: int, stride: int, message: float, pieces: int = 1) -> float:
    """Seconds of an all-gather on this cluster."""
    return float(gather_seconds(JOB, Count(members), Count(stride), Bytes(message), Count(pieces)))


@pytest.mark.parametrize(("members", "stride", "near"), [(8, 1, 8), (16, 1, 8), (2, 4, 2), (4, 4, 2), (128, 8, 1), (3, 3, 2)])
def test_a_group_sits_where_rank_order_puts_it(members: int, stride: int, near: int) -> None:
    """Members that share a node of 8 are those whose ranks, a stride apart, lie within it."""
    assert inside(CLUSTER, Count(members), Count(stride)) == near


def test_long_messages_take_their_bytes_over_the_slower_link() -> None:
    """A ring over one node runs at the link's share; over nodes at the NICs of the members on a node."""
    message = 64 * BIG
    link = CONSTANTS.link_fraction * (1 - 1 / 16) * CLUSTER.link_bytes_s  # eight ranks reach fifteen sixteenths of what many would
    nic = CONSTANTS.nic_fraction * CLUSTER.nic_bytes_s
    assert gather(8, 1, message) == pytest.approx(message * 7 / 8 / link, rel=0.01)
    assert gather(128, 8, message) == pytest.approx(message * 127 / 128 / nic, rel=0.01)
    both = gather(16, 1, message)
    assert both == pytest.approx(message * 15 / 16 / min(link, nic * 8), rel=0.01)
    assert float(all_reduce_seconds(JOB, Count(8), Count(1), Bytes(message))) == pytest.approx(2 * gather(8, 1, message), rel=0.01)


@given(st.sampled_from([2, 4, 8, 16, 64]), st.sampled_from([1, 2, 8, 64]), st.floats(1, 1e10))
def test_collectives_cost_latency_and_grow_with_the_message(members: int, stride: int, message: float) -> None:
    """Any group of two or more pays a latency, more for more bytes; a group of one pays nothing."""
    assert gather(members, stride, message) > 1e-6
    assert gather(members, stride, 2 * message) >= gather(members, stride, message)
    assert gather(1, stride, message) == 0


def test_a_ring_over_more_nodes_pays_more_latency_and_a_measured_one_pays_what_was_measured() -> None:
    """A small all-gather grows with the nodes it visits; on a cluster whose own collectives were measured slow it grows faster."""
    small_message = 1e4
    few, many = (gather(members, 8, small_message) for members in (16, 256))
    assert many > 2 * few
    measured = replace(CLUSTER, measured_reduce_bytes_s=5e9, measured_gather_bytes_s=5e9)
    assert hop_seconds(replace(JOB, cluster=measured), 1) > hop_seconds(JOB, 1)
    fast = replace(CLUSTER, measured_reduce_bytes_s=4e11, measured_gather_bytes_s=4e11)
    assert hop_seconds(replace(JOB, cluster=fast), 1) == hop_seconds(JOB, 1)


def test_messages_sent_in_pieces_pay_the_latency_of_each() -> None:
    """Ten pieces of a message take its bytes once and ten latencies."""
    one, ten = (gather(64, 8, 1e8, pieces) for pieces in (1, 10))
    latency = gather(64, 8, 1e-9)
    assert ten - one == pytest.approx(9 * latency, rel=1e-6)


def test_a_rack_wide_domain_keeps_traffic_off_the_network() -> None:
    """On GB200 NVL72 a group of 64 ranks stays within the NVLink domain; on nodes of 8 it does not."""
    rack = example(cluster="gb200-nvl72")
    assert inside(rack.cluster, Count(64), Count(1)) == 64
    assert send_seconds(rack, Count(36), Bytes(BIG)) < send_seconds(JOB, Count(36), Bytes(BIG))


def test_tensor_parallelism_across_nodes_is_allowed_and_dear() -> None:
    """TP 16 over nodes of 8 is costed, not refused, and its traffic takes longer than TP 8's."""
    tp = {t: evaluate(example(), Plan(tp=t, pp=16, dp=1024 // t, sequence_parallel=1)).time_parts.tp[0] for t in (8, 16)}
    assert 0 < tp[8] < tp[16]


def test_halving_the_network_slows_what_crosses_it_alone() -> None:
    """With the NIC at 200 Gb/s the data-parallel part grows; compute does not move."""
    plan = Plan(tp=8, pp=16, dp=128, dp_shard=128, zero=1, sequence_parallel=1)
    full, half = (evaluate(example(nic_gbit_s=n), plan) for n in (400.0, 200.0))
    assert half.time_parts.dp[0] > full.time_parts.dp[0]
    assert half.time_parts.compute[0] == full.time_parts.compute[0]
    assert half.step[0] > full.step[0]


def test_what_is_sent_is_either_seen_or_hidden() -> None:
    """Exposed and hidden data-parallel traffic make up all of it: without overlap the whole is exposed."""
    job = small()
    plan = Plan(dp=16, dp_shard=16, zero=1)
    bare = replace(job, stack=replace(job.stack, dp_overlap=0.0, gather_overlap=0.0))
    some, all_of_it = evaluate(job, plan), evaluate(bare, plan)
    assert some.time_parts.dp[0] + some.hidden.dp[0] == pytest.approx(all_of_it.time_parts.dp[0])
    assert all_of_it.hidden.dp[0] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("zero", [0, 1, 2, 3])
def test_a_replica_group_of_one_sends_no_gradients(zero: int) -> None:
    """With dp and cp 1 there is nobody to reduce with."""
    numbers = evaluate(small(gpus=8), Plan(tp=8, zero=zero, sequence_parallel=1))
    assert numbers.time_parts.dp[0] == 0


def test_context_parallelism_hides_behind_attention() -> None:
    """Keys and values sent around a ring cost less than sent bare, and are hidden more the longer the sequence."""
    shares = []
    for sequence in (8192, 131072):
        numbers = evaluate(
            example(sequence=sequence, global_batch=128), Plan(tp=8, cp=16, pp=16, dp=8, dp_shard=8, zero=1, sequence_parallel=1)
        )
        seen, hidden = numbers.time_parts.cp[0], numbers.hidden.cp[0]
        shares.append(hidden / (seen + hidden))
    assert 0 < shares[0] < shares[1] < 1


def test_the_bubble_shrinks_with_virtual_stages_and_micro_batches() -> None:
    """The bubble is (p - 1) / v of a micro-batch's time: half with two virtual stages, and the same
    however many micro-batches there are (Narayanan et al. 2021, Section 2.2)."""
    even = {"model": "llama-3.1-70b", "gpus": 64, "global_batch": 64}
    one, two, more = (
        evaluate(example(**(even | {"global_batch": b})), Plan(tp=8, pp=4, vpp=v, dp=2, sequence_parallel=1)).time_parts.bubble[0]
        for b, v in ((64, 1), (64, 2), (128, 1))
    )
    assert two == pytest.approx(one / 2, rel=1e-6)
    assert more == pytest.approx(one, rel=1e-6)
    assert np.isfinite(one)
