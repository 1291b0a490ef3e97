"""Collectives on the links their groups use, what each dimension sends, and what hides it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.cost import communication
from planner.cost.collectives import all_reduce_seconds, gather_seconds, hop_seconds, inside, send_seconds
from planner.cost.evaluate import evaluate
from planner.dimensions import Bytes, Count, Number, Parameters, Seconds, Tokens
from planner.specs.constants import CONSTANTS
from planner.specs.plan import Plan
from tests.planner.cost.hand_worked import round_job
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


# Values computed by hand from round figures: see test_collectives.py for those of links. Ranks 8 apart lie on different nodes: an
# all-gather of S bytes over 4 of them takes S · 3 / 4 / 5e7 + 0.002 + 0.004 · 4, over 2 of them S / 2 / 5e7 + 0.002 + 0.004 · 2.
ROUND = round_job()
WHOLE = Plan(tp=8, dp=4).column()  # data-parallel ranks 8 apart
WEIGHTS = Parameters(1e8)  # of a rank: gradients of 4e8 bytes, weights of 2e8


def at(value: object) -> list[float]:
    """The values of a column, or of stages, as plain numbers."""
    return [float(x) for x in np.asarray(value, float).reshape(-1)]


@pytest.mark.parametrize(
    ("tp", "model", "expected"),
    [
        (2, {}, 2 * 2 * 20 * 30 * 5),
        (8, {}, 2 * 1 * 20 * 30 * 5),  # four key-value heads on eight ranks: one each
        (2, {"kv_heads": 3, "heads": 6}, 2 * 2 * 20 * 30 * 5),  # three on two: two each
        (2, {"kv_rank": 20, "q_rank": 30, "rope_dim": 5, "v_dim": 6}, 2 * 2 * 21 * 30 * 5),
    ],
)
def test_keys_and_values_go_around_the_context_parallel_ring(tp: int, model: dict[str, object], expected: float) -> None:
    """Liu et al. 2023, Section 3: 2 bytes of 10 + 10 for each key-value head of the rank, of 30 tokens on each of 5 ranks."""
    assert communication.cp_message(round_job(model=model), Plan(tp=tp, cp=5).column(), Tokens(30.0)) == expected


def test_the_ring_of_keys_and_values_lies_around_tensor_parallelism() -> None:
    """Five ranks 2 apart, four on a node: 1.2e10 · 4 / 5 bytes through four NICs, 4 · 5e7 B/s."""
    seconds = communication.cp_forward(ROUND, Plan(tp=2, cp=5).column(), Tokens(3e7))
    assert seconds == pytest.approx(9.6e9 / 2e8 + 0.001 + 0.002 + 0.004 * 2)


def test_attention_hides_the_ring_but_for_a_share() -> None:
    """Of 10 s forward and 20 backward: with 4 and 30 s of attention 6 and, a tenth at least, 2 stay; with 9.5 and 5 s 1 and 15."""
    for attention, backward, left, forward in ((4.0, 30.0, 6 + 2, 6), (9.5, 5.0, 1 + 15, 1)):
        assert communication.cp_layer(ROUND, Seconds(10.0), Seconds(attention), Seconds(backward)) == left
        assert communication.cp_repeat(ROUND, Seconds(10.0), Seconds(attention)) == forward
    assert communication.stage_cp(Number(3.0), Seconds(8.0)) == 24


def test_a_repeated_layer_repeats_its_traffic() -> None:
    """Compute 1, host 10, tensor-parallel 100, context-parallel 1,000."""
    assert communication.repeat_layer(Seconds(1.0), Seconds(10.0), Seconds(100.0), Seconds(1000.0)) == 1_111


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (Plan(pp=4, dp=16), 2 * 16.005 * (8 + 3)),
        (Plan(pp=4, vpp=2, dp=16), 2 * 16.005 * (8 * 2 + 3)),
        (Plan(tp=2, pp=4, dp=8), 2 * 16.005 * 11),
        (Plan(tp=2, pp=4, dp=8, sequence_parallel=1), 2 * 8.005 * 11),
        (Plan(tp=2, pp=4, cp=4), 2 * 16.005 * 11),  # the next stage lies t · c · D = 8 ranks on, on the next node
        (Plan(tp=2, pp=4, dp=2), 2 * 1.005 * 11),
        (Plan(cp=2, pp=4, dp=2), 2 * 1.005 * 11),
        (Plan(dp=16), 0),
    ],
)
def test_stages_send_a_hidden_state_there_and_its_gradient_back(plan: Plan, expected: float) -> None:
    """Narayanan et al. 2021, Section 2.2.2: 2 · 4e6 · 100 bytes, divided under sequence parallelism: 16 s over the network, 1 s over the
    link. The sends of 8 micro-batches are exposed, v times as many interleaved, and p - 1 while the pipeline fills."""
    assert at(communication.pp_seconds(ROUND, plan.column(), Tokens(4e6), Number(8.0))) == pytest.approx([expected])


def test_interleaved_stages_compute_while_they_send() -> None:
    """Only the p - 1 sends each way that fill and drain the pipeline are exposed; without virtual stages all of them."""
    job = round_job(stack={"overlaps_sends": True})
    for plan, expected in ((Plan(pp=4, vpp=2, dp=16), 2 * 16.005 * 3), (Plan(pp=4, dp=16), 2 * 16.005 * (8 + 3))):
        assert at(communication.pp_seconds(job, plan.column(), Tokens(4e6), Number(8.0))) == pytest.approx([expected])


@pytest.mark.parametrize(
    ("zero", "stack", "expected"),
    [
        (0, {}, 1),
        (0, {"bucket_parameters": 100.0}, 10),
        (0, {"bucket_parameters": 99.0}, 11),
        (0, {"bucket_parameters": 100.0, "bucket_growth": 30.0}, 7),  # 30 · 5 replicas: 1,000 / 150
        (0, {"bucket_parameters": 100.0, "sharded_parameters": 400.0}, 10),
        (1, {"bucket_parameters": 100.0, "sharded_parameters": 400.0}, 3),
        (1, {"bucket_parameters": 100.0}, 10),
    ],
)
def test_gradients_are_sent_in_buckets(zero: int, stack: dict[str, object], expected: int) -> None:
    """A thousand parameters in buckets of that size, larger with more replicas where they grow, or where each rank keeps a shard."""
    plan = Plan(tp=2, dp=5, zero=zero).column()
    assert float(np.max(communication.buckets(round_job(stack=stack), plan, Parameters(1000.0)))) == expected


def test_ranks_of_the_same_parameters_form_the_groups() -> None:
    """Dense ones c · D, sharded over c · D_s, t apart. Experts t · c · D / (EP · ETP), of them t · c · D_s / (EP · ETP), EP · ETP apart."""
    plan = Plan(tp=2, cp=3, dp=8, dp_shard=4, dp_replicate=2, ep=4, etp=2).column()
    assert [at(part)[0] for part in communication.dense_group(plan)] == [24, 12, 2, 2]
    assert [at(part)[0] for part in communication.expert_group(plan)] == [6, 3, 2, 8]


@pytest.mark.parametrize(
    ("plan", "stack", "expected"),
    [
        (Plan(tp=8, dp=4), {}, 12 + 0.002 + 0.003 * 2),  # all-reduce of 4e8 bytes over 4
        (Plan(tp=8, dp=4, dp_shard=4, zero=1), {}, 6 + 0.002 + 0.004 * 4),  # reduce-scatter
        # scattered over 2 and then, halves, summed between 2 replicas 16 apart
        (Plan(tp=8, dp=4, dp_shard=2, dp_replicate=2, zero=1), {}, 4 + 0.002 + 0.004 * 2 + 4 + 0.002 + 0.003),
        # four ranks of a node scatter over its link; their replicas lie 2 · 4 ranks apart, on the next node
        (Plan(tp=2, dp=8, dp_shard=4, dp_replicate=2, zero=1), {}, 3e8 / 7e8 + 0.001 + 2 * 1 + 0.002 + 0.003),
        (Plan(tp=8, dp=4, dp_shard=4, zero=2), {}, 0),
        (Plan(tp=8, pp=2, dp=4, dp_shard=4, zero=3), {"pipeline_syncs_once": True}, 6 + 0.002 + 0.004 * 4),
        (Plan(tp=8, pp=2, dp=4, dp_shard=4, zero=3), {}, 0),
        (Plan(tp=8, dp=4), {"gradient_reduce_bytes": 2}, 6 + 0.002 + 0.003 * 2),
        (Plan(tp=8, dp=4), {"bucket_parameters": 5e7}, 12 + 2 * (0.002 + 0.003 * 2)),
    ],
)
def test_gradients_are_reduced_once_a_step_below_zero_2(plan: Plan, stack: dict[str, object], expected: float) -> None:
    """Rajbhandari et al. 2020, Section 7.2: data parallelism all-reduces them, ZeRO-1 scatters their sum, ZeRO-2 does every micro-batch."""
    assert at(communication.reduce_once(round_job(stack=stack), plan.column(), WEIGHTS)) == pytest.approx([expected])


def test_experts_reduce_over_expert_data_parallel_ranks() -> None:
    """2.5e7 parameters on two ranks, 16 apart: 2 · 1e8 / 2 / 5e7 = 2 s in addition to the dense 12; in ZeRO-1 1 s in addition to 6."""
    for zero, expected in ((0, 12 + 0.008 + 2 + 0.002 + 0.003), (1, 6 + 0.018 + 1 + 0.002 + 0.008)):
        plan = Plan(tp=8, dp=4, dp_shard=4, ep=16, zero=zero).column()
        assert at(communication.reduce_once(ROUND, plan, WEIGHTS, Parameters(2.5e7))) == pytest.approx([expected])


def test_a_tied_embeddings_gradients_are_added_between_the_ends() -> None:
    """4 · 1,000 · 100 / 8 bytes between two ranks on different nodes, over half of it twice: 5e4 / 5e7 s and latency; not without a
    pipeline, in a V, or frozen."""
    job = round_job(model={"tied": True})
    alone = {"tp": 8, "dp": 1}
    for trained, changes, expected in (
        (job, {"pp": 2}, 5e4 / 5e7 + 0.002 + 0.003), (job, {}, 0), (job, {"pp": 2, "vpp": 2, "schedule": 3}, 0),
        (replace(job, tuning="lora"), {"pp": 2}, 0), (ROUND, {"pp": 2}, 0),
    ):  # fmt: skip
        plan = Plan(**(alone | changes)).column()
        assert at(communication.reduce_once(trained, plan, WEIGHTS)) == pytest.approx([expected])
    near = Plan(pp=3, dp=2).column()  # the last stage lies 2 · 2 ranks on: two ranks of the node reach 0.8 · 3 / 4 of the link
    replicas = 2 * 2e8 / 6e8 + 0.001
    assert at(communication.reduce_once(job, near, WEIGHTS)) == pytest.approx([replicas + 4e5 / 6e8 + 0.001])
    farther = Plan(pp=4, dp=2).column()  # 2 · 3 ranks on
    assert at(communication.reduce_once(job, farther, WEIGHTS)) == pytest.approx([replicas + 4e5 / 5e7 + 0.002 + 0.003])


@pytest.mark.parametrize(
    ("zero", "pp", "stack", "expected"),
    [
        (0, 1, {}, 0), (1, 1, {}, 3.018), (2, 1, {}, 3.018), (3, 1, {}, 0), (2, 1, {"master_is_parameter": True}, 0),
        (1, 1, {"master_is_parameter": True}, 3.018), (3, 2, {"pipeline_syncs_once": True}, 3.018),
        (1, 1, {"bucket_parameters": 5e7}, 3 + 2 * 0.018),
    ],
)  # fmt: skip
def test_updated_weights_are_gathered_once_a_step(zero: int, pp: int, stack: dict[str, object], expected: float) -> None:
    """2 · 1e8 bytes over four ranks, 2e8 · 3 / 4 / 5e7 s: after the optimizer with ZeRO-1 and 2; FSDP gathers
    when a micro-batch begins."""
    plan = Plan(tp=8, pp=pp, dp=4, dp_shard=4, zero=zero).column()
    assert at(communication.gather_once(round_job(stack=stack), plan, WEIGHTS)) == pytest.approx([expected])


@pytest.mark.parametrize(
    ("zero", "pp", "stack", "expected"),
    [
        (1, 1, {}, 0),
        (2, 1, {}, 6 + 8 * 0.018),  # a message for each of 8 layers
        (3, 1, {}, 6 + 8 * 0.018 + 2 * (3 + 8 * 0.018)),
        (2, 1, {"master_is_parameter": True}, 6 + 8 * 0.018 + 3 + 8 * 0.018),
        (3, 2, {}, 6 + 4 * 0.018 + 2 * (3 + 4 * 0.018)),
        (3, 2, {"pipeline_syncs_once": True}, 0),
        (2, 1, {"gradient_reduce_bytes": 2}, 3 + 8 * 0.018),
    ],
)
def test_zero_2_and_3_communicate_every_micro_batch(zero: int, pp: int, stack: dict[str, object], expected: float) -> None:
    """Section 7.2 and FSDP's Section 3.3: gradients scattered; ZeRO-3 gathers weights for either pass, FSDP without resharding once."""
    plan = Plan(tp=8, pp=pp, dp=4, dp_shard=4, zero=zero).column()
    assert at(communication.reduce_each(round_job(stack=stack), plan, WEIGHTS)) == pytest.approx([expected])


def test_replicas_of_sharded_groups_add_up_every_micro_batch() -> None:
    """Two ranks scatter 4e8 bytes in 4 s, two replicas sum the halves in 4 s; HSDP with ZeRO-2."""
    plan = Plan(tp=8, dp=4, dp_shard=2, dp_replicate=2, zero=2).column()
    assert at(communication.reduce_each(ROUND, plan, WEIGHTS)) == pytest.approx([4 + 8 * 0.010 + 4 + 0.005])


@pytest.mark.parametrize(("plan", "expected"), [(Plan(pp=4), 1), (Plan(pp=4, vpp=2), 4), (Plan(pp=16, vpp=2), 8)])
def test_a_round_of_micro_batches_hides_what_is_sent_once(plan: Plan, expected: float) -> None:
    """Interleaved, p micro-batches of the 8 there are end chunk by chunk; else the last one."""
    assert at(communication.last_round(plan.column(), Number(8.0))) == [expected]


def test_communication_once_per_step_hides_behind_the_adjacent_passes() -> None:
    """Six tenths of 10 s behind two thirds of the last round, eight tenths of 5 s behind a third of the first: of two micro-batches of 9 s
    all 6 + 4, of one of 3 s 2 + 1."""
    for rounds, stage, hidden in ((2.0, 9.0, 6 + 4), (1.0, 3.0, 2 + 1)):
        assert communication.hidden_once(ROUND, Seconds(10.0), Seconds(5.0), Number(rounds), Seconds(stage)) == pytest.approx(hidden)


def test_exposed_communication_adds_up() -> None:
    """10 + 5 s once, 3 of them hidden, and 7 s of the micro-batches."""
    assert communication.dp_seconds(*map(Seconds, (10.0, 5.0, 3.0, 7.0))) == 19


def test_the_optimizer_moves_its_states_twice() -> None:
    """Gradient 4, master copy and moments 12 read and written, weight 2: 30 bytes for each of 1e6 parameters at 5e7 B/s; sharded over four.
    Experts over expert data parallel ranks: 1e6 on two."""
    weights = Parameters(1e6)
    assert at(communication.optimizer_seconds(ROUND, WHOLE, weights)) == pytest.approx([0.6])
    sharded = Plan(tp=8, dp=4, dp_shard=4, zero=1, ep=16).column()
    assert at(communication.optimizer_seconds(ROUND, sharded, weights)) == pytest.approx([0.15])
    assert at(communication.optimizer_seconds(ROUND, sharded, weights, weights)) == pytest.approx([0.15 + 0.3])


def test_an_offloaded_optimizer_waits_for_pcie_and_the_host() -> None:
    """Ren et al. 2021: 4 + 2 bytes for each of 1e6 parameters at 1e6 B/s, and 4e9 parameters a second for a node's eight ranks together;
    a node of four GPUs has four. DeepSpeed widens 16-bit gradients before it sends them."""
    offloaded = round_job(offload_optimizer=True)
    assert at(communication.optimizer_seconds(offloaded, WHOLE, Parameters(1e6))) == pytest.approx([6 + 8e6 / 4e9])
    few = round_job(offload_optimizer=True, cluster={"gpus": 4})
    assert at(communication.optimizer_seconds(few, WHOLE, Parameters(1e6))) == pytest.approx([6 + 4e6 / 4e9])
    flat = round_job(offload_optimizer=True, gradient_bytes=2, stack={"flat_states": True})
    assert at(communication.optimizer_seconds(flat, WHOLE, Parameters(1e6))) == pytest.approx([6 + 8e6 / 4e9])
