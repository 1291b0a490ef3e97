"""Routed experts by hand: 1,000 tokens that visit 2 of 8 experts of width 500, hidden width 1,000."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from planner.cost import moe as experts
from planner.specs.job import SCHEDULES, Selective
from planner.specs.plan import Plan
from tests.planner.cost.hand_figures import CLUSTER, SPARSE, given_plain_numbers, round_job, with_rows_padded

by_hand = given_plain_numbers(experts)
ROUND = round_job(SPARSE)
FOLDED = Plan(tp=4, ep=4, etp=2, dp=2).column()  # two experts on a rank, each over two
SENT, COPIES = 500.0, 1500.0  # 1,000 / 4 tokens of a rank go to 2 experts each; the busiest two ranks work on 1.5 times as many


def one(column: Any) -> float:
    """The one value of a column."""
    return float(np.ravel(np.asarray(column))[0])


def test_copies_of_tokens_by_hand() -> None:
    """A rank sends 1,000 / 4 x 2 copies; experts over two ranks work on 1.5 x 500 x 2 of them, or on the capacity's share."""
    assert one(by_hand.routed_copies(ROUND, FOLDED, 1000.0)) == 500
    assert one(by_hand.expert_copies(replace(ROUND, imbalance=1.5), FOLDED, 500.0)) == 1.5 * 500 * 2
    assert one(by_hand.expert_copies(replace(ROUND, imbalance=1.5, capacity=3.0), FOLDED, 500.0)) == 3 * 500 * 2


ROUTER = 250 * (4 * 1000 + 9 * 8)  # of 250 tokens the input in fp32, logits and scores in fp32, a map of bytes
TERMS = [(True, "bf16", 1500 * (2 * 1000 + 2 * 2 * 250 + 2 * 250)), (False, "bf16", 1500 * (2 * 1000 + 2 * 250 + 2 * 250)),
         (True, "fp8", 1500 * (1000 + 2 * 2 * 250 + 250))]  # fmt: skip


@pytest.mark.parametrize(("gated", "precision", "of_experts"), TERMS)
def test_activations_of_a_sparse_layer_by_hand(gated: bool, precision: str, of_experts: int) -> None:
    """Of each of 1,500 copies its input of 1,000, the middle of 250 before and behind the activation, 2 bytes each (1 of what products
    read in 8 bits); of each of 500 sent the experts' output; and the router's activations."""
    job = replace(round_job(replace(SPARSE, gated=gated), narrow_kept=True), precision=precision)
    stored = by_hand.sparse_activations(job, FOLDED, 1e6, SENT, COPIES)
    assert one(stored) == pytest.approx(1e6 + of_experts + ROUTER + 500 * 2 * 1000)


def test_selective_recomputation_keeps_the_shares_of_the_stack() -> None:
    """Half of the experts' inputs and nothing of the router's."""
    job = round_job(SPARSE, selective=Selective(keep={"expert_in": 0.5, "router": 0.0}))
    stored = 1500 * 1000 + 1500 * 2 * 2 * 250 + 1500 * 2 * 250 + 500 * 2 * 1000
    assert one(by_hand.sparse_selective(job, FOLDED, 1e6, SENT, COPIES)) == pytest.approx(1e6 + stored)


def test_probabilities_between_the_products_keep_no_output() -> None:
    """As above without the experts' output of 500 copies and the router's input in fp32."""
    job = round_job(SPARSE, expert_out_stored=False, router_in_stored=0.0)
    assert one(by_hand.sparse_activations(job, FOLDED, 0.0, SENT, COPIES)) == pytest.approx(TERMS[0][2] + 250 * 9 * 8)


@pytest.mark.parametrize(
    ("ffn", "gated", "expected"),
    [
        (500, True, 4 * 1000 * (500 + 1500)),  # copies before and after both all-to-alls: middle of 250
        (6000, True, 2 * 1500 * 2 * 3000),  # both sides of the activation, middle of 3,000
        (6000, False, 2 * 1500 * (1000 + 3000)),  # of the second product
    ],
)
def test_a_sparse_layer_with_main_gradients(ffn: int, gated: bool, expected: float) -> None:
    """The largest of dispatch and combine, the experts' second product, and their activation."""
    job = round_job(replace(SPARSE, expert_ffn=ffn, gated=gated), main_gradients=True)
    assert one(by_hand.sparse_gradients(job, FOLDED, 1e6, SENT, COPIES)) == pytest.approx(1e6 + expected)


@pytest.mark.parametrize(("gated", "matrices"), [(True, 3), (False, 2)])
def test_gradients_of_a_sparse_layer_by_hand(gated: bool, matrices: int) -> None:
    """2 x 1,000 bytes of each copy sent and twice of each processed, and 2 x 250 for each of an expert's matrices."""
    job = round_job(replace(SPARSE, gated=gated))
    gradients = by_hand.sparse_gradients(job, FOLDED, 1e6, SENT, COPIES)
    assert one(gradients) == pytest.approx(1e6 + 2 * 1000 * (500 + 2 * 1500) + 2 * 1500 * matrices * 250)


def test_a_grouped_kernel_by_hand() -> None:
    """Four products of 2 x 100 x 1,000 x 500 FLOP at 10^6 FLOP/s, twice as slow in one kernel, and one launch: 0.5 + 2 x 4 x 100 s. In 8
    bits such kernels gain half: at 1.5 x 10^6 FLOP/s."""
    job = round_job(SPARSE, grouped_slower=2.0)
    assert one(by_hand.grouped_seconds(job, 4, 100.0, 1000.0, 500.0)) == pytest.approx(0.5 + 2 * 4 * 100)
    assert one(by_hand.grouped_seconds(replace(job, precision="fp8"), 4, 100.0, 1000.0, 500.0)) == pytest.approx(0.5 + 2 * 4 * 100 / 1.5)


def test_the_experts_products_by_hand() -> None:
    """Two experts on a rank, of 750 rows each: 2 x 750 x 500 x 1,000 FLOP into both halves of the gated middle, half of it out again. The
    gradients of weights take as much and the gradients of inputs too; in kernels that pad rows by 10 each pads its own."""
    assert one(by_hand.experts_linear(ROUND, FOLDED, COPIES)) == pytest.approx(2 * 0.5 + 2 * (750 + 375))
    padded = with_rows_padded(ROUND, 10)
    assert one(by_hand.experts_linear(padded, FOLDED, COPIES)) == pytest.approx(1 + 2 * (760 + 380))
    assert one(by_hand.expert_weight_products(padded, FOLDED, COPIES)) == pytest.approx(1 + 2 * (1010 * 0.75 + 260 * 1.5))
    assert one(by_hand.sparse_weight_seconds(padded, FOLDED, 10.0, COPIES)) == pytest.approx(10 + 2 * (1 + 2 * (757.5 + 390)))
    plain = round_job(replace(SPARSE, gated=False))
    assert one(by_hand.experts_linear(plain, FOLDED, COPIES)) == pytest.approx(1 + 2 * (375 + 375))


def test_launches_of_a_sparse_layer_by_hand() -> None:
    """1 s of the layer, 0.5 s of routing and 0.25 s for the counts on a host that takes twice as long; no counts with a capacity."""
    assert by_hand.host_sparse(ROUND, 1.0) == 1 + 2 * (0.5 + 0.25)
    assert by_hand.host_sparse(replace(ROUND, capacity=1.0), 1.0) == 1 + 2 * 0.5


def test_the_router_by_hand() -> None:
    """250 tokens x 8 experts x 1,000 in fp32 at half the rate, 24 bytes a score; twice of that backward."""
    once = 2 * (0.5 + 2 * 250 * 8 * 1000 / 1e6) + 250 * 8 * 24 / 1e8
    assert one(by_hand.router_seconds(ROUND, 250.0, 1.0)) == pytest.approx(once)
    assert one(by_hand.router_seconds(ROUND, 250.0, 2.0)) == pytest.approx(2 * once)


MOVED = [
    ({}, "bf16", False, 0.5 * 8 * 1000 * 2000 + 1500 * 6 * 250),
    ({}, "bf16", True, 0.5 * 8 * 1000 * 2000 + 1500 * 10 * 250),
    ({"gated": False}, "bf16", False, 0.5 * 8 * 1000 * 2000 + 1500 * 4 * 250),
    ({"gated": False}, "bf16", True, 0.5 * 8 * 1000 * 2000 + 1500 * 6 * 250),
    ({"bias": True}, "bf16", False, 0.5 * 8 * 1000 * 2000 + 1500 * (6 * 250 + 4 * (2 * 250 + 1000))),
    ({"bias": True}, "bf16", True, 0.5 * 8 * 1000 * 2000 + 1500 * (10 * 250 + 2 * (2 * 250 + 1000))),
    ({}, "fp8", False, 0.5 * 8 * 1000 * 2000 + 1500 * (6 * 250 + 4 * (1000 + 250))),
]


@pytest.mark.parametrize(("traits", "precision", "backward", "moved"), MOVED)
def test_bytes_moved_around_the_experts_by_hand(traits: dict[str, Any], precision: str, backward: bool, moved: float) -> None:
    """Half of 8 x 1,000 bytes of each of 500 + 1,500 copies permuted; 6, 10, 4 bytes a unit of the middle; biases; casts into 8 bits."""
    job = replace(round_job(replace(SPARSE, **traits)), precision=precision)
    assert one(by_hand.moved_bytes(job, FOLDED, SENT, COPIES, backward)) == pytest.approx(moved)
    twice = replace(job, stack=replace(job.stack, elementwise=2.0, permute_traffic=0.0))
    if not traits:
        assert one(by_hand.moved_bytes(twice, FOLDED, SENT, COPIES, backward)) == pytest.approx(2 * (moved - 8e6))


FORWARD, ONCE = 2 * 0.5 + 2 * (750 + 375), 2 * (0.5 + 4) + 250 * 8 * 24 / 1e8  # the experts' products; the router


def test_a_sparse_layers_passes_by_hand() -> None:
    """Around the experts 10 s; products, router and bytes moved on a cluster twice as slow. Backward two products for each, the router
    twice, and gradients of a million weights of 4 bytes read and written; of frozen weights none."""
    moved = {False: (8e6 + 1500 * 6 * 250) / 1e8, True: (8e6 + 1500 * 10 * 250) / 1e8}
    forward = by_hand.sparse_forward(ROUND, FOLDED, 10.0, FORWARD, SENT, COPIES)
    assert one(forward) == pytest.approx(10 + 2 * (FORWARD + ONCE + moved[False]))
    backward = by_hand.sparse_backward(ROUND, FOLDED, 10.0, 1e6, SENT, COPIES)
    assert one(backward) == pytest.approx(10 + 2 * (2 * FORWARD + 2 * ONCE + moved[True] + 2 * 4 * 1e6 / 1e8))
    padded = by_hand.sparse_backward(with_rows_padded(ROUND, 10), FOLDED, 10.0, 1e6, SENT, COPIES)
    rows = 2 * (10 + 5) + 2 * (7.5 + 15) + 4 * 2 * 10 * 8 * 1e-3  # inputs' and weights' gradients, four of the router's kernels
    assert one(padded) == pytest.approx(one(backward) + 2 * rows)
    frozen = by_hand.sparse_backward(replace(ROUND, tuning="lora"), FOLDED, 10.0, 1e6, SENT, COPIES)
    assert one(frozen) == pytest.approx(10 + 2 * (FORWARD + 2 * ONCE + moved[True]))


def test_what_selective_recompute_repeats_of_the_experts_by_hand() -> None:
    """Half of their products and of the bytes moved, and a quarter of the activation: 6 bytes of each of 1,500 x 250, at twice the
    traffic of fused kernels."""
    job = round_job(SPARSE, selective=Selective(repeat={"experts": 0.5, "expert_act": 0.25}), elementwise=2.0)
    moved, act = (8e6 + 2 * 1500 * 6 * 250) / 1e8, 1500 * 6 * 250 / 1e8
    repeated = by_hand.sparse_repeat(job, FOLDED, 10.0, FORWARD, SENT, COPIES)
    assert one(repeated) == pytest.approx(10 + 2 * (0.5 * (FORWARD + moved) + 0.25 * 2 * act), rel=1e-9)
    assert one(by_hand.sparse_repeat(ROUND, FOLDED, 10.0, FORWARD, SENT, COPIES)) == 10


@pytest.mark.parametrize(("nodes", "visited"), [(1, 1), (2, 2 * (1 - 1 / 4)), (4, 4 * (1 - 9 / 16))])
def test_nodes_that_two_experts_lie_on_by_hand(nodes: int, visited: float) -> None:
    """N (1 - (1 - 1 / N)^2) of N nodes."""
    assert one(by_hand.nodes_visited(ROUND, np.array(nodes))) == pytest.approx(visited)


@pytest.mark.parametrize(("nodes", "visited"), [(2, 1.5 * (1 - (1 / 3) ** 2)), (4, 2 * (1 - 1 / 4)), (8, 4 * (1 - 9 / 16))])
def test_nodes_that_two_of_four_groups_leave_in_reach_by_hand(nodes: int, visited: float) -> None:
    """Two of four groups: of two nodes with two groups each 2 (1 - 1/4) are in reach, of four nodes two, of eight four."""
    job = round_job(replace(SPARSE, router_groups=4, groups_per_token=2))
    assert one(by_hand.nodes_visited(job, np.array(nodes))) == pytest.approx(visited)


EXCHANGES = [
    # ep, etp, once a node, copies within the domain, copies across, rate within, latency
    (8, 1, False, 500 * 7 / 8, 0.0, 1e6 * 15 / 16, 1.0),
    (16, 1, False, 500 * 7 / 16, 500 * 8 / 16, 1e6 * 15 / 16, 1 + 2 + 3),
    (16, 1, True, 500 * 7 / 8, 250 * 1.5 / 2, 1e6 * 15 / 16, 1 + 2 + 3),
    (32, 1, True, 500 * 7 / 8, 250 * 1.75 * 3 / 4, 1e6 * 15 / 16, 1 + 2 + 3 * 2),
    (4, 2, False, 500 * 3 / 4, 0.0, 1e6 * 7 / 8, 1.0),
    (1, 1, False, 0.0, 0.0, 1.0, 0.0),
]


@pytest.mark.parametrize(("ep", "etp", "once", "within", "across", "rate", "latency"), EXCHANGES)
def test_an_exchange_of_500_copies_by_hand(
    ep: int, etp: int, once: bool, within: float, across: float, rate: float, latency: float
) -> None:
    """1.5 times 2 x 1,000 bytes of each copy that leaves the rank: over the links within a node, 10^5 B/s over the network; experts over
    two ranks gather 2 x 500 copies, half of them from the other at 3/4 of 10^6 B/s."""
    job = replace(round_job(SPARSE, once_a_node=once), imbalance=1.5)
    gathered = 500 * 2 * 3000 / 2 / 0.75e6 + 1 if etp == 2 else 0.0
    exchange = by_hand.exchange_seconds(job, Plan(ep=ep, etp=etp, dp=ep * etp).column(), SENT, 2.0)
    assert one(exchange) == pytest.approx(max(within * 3000 / rate, across * 3000 / 1e5) + latency + gathered)


@pytest.mark.parametrize(("once", "within"), [(False, 500 * 7 / 16), (True, 500 * 7 / 8)])
def test_an_exchange_over_a_fast_network_takes_the_links_within_a_node(once: bool, within: float) -> None:
    """With EP 16 over two nodes and a network a thousand times as fast, copies to other ranks of the node decide: each by itself 7/16 of
    500; dispatched once per node, all that arrive there, 7/8."""
    fast = replace(CLUSTER, nic_bytes_s=1000 * CLUSTER.nic_bytes_s)
    exchange = by_hand.exchange_seconds(round_job(SPARSE, fast, once_a_node=once), Plan(ep=16, dp=16).column(), SENT, 2.0)
    assert one(exchange) == pytest.approx(within * 2000 / (1e6 * 15 / 16) + 1 + 2 + 3)


def test_two_exchanges_a_pass_by_hand() -> None:
    """With EP 8 an exchange in 16 bits takes 500 x 7/8 x 2,000 / (15/16 10^6) + 1 s: two backward; forward the tokens go in 8 bits."""
    job, plan = round_job(SPARSE, dispatch_bytes=1.0), Plan(ep=8, dp=8).column()
    sent = 500 * 7 / 8 * 2000 / (15 / 16 * 1e6)
    assert one(by_hand.ep_forward(job, plan, SENT)) == pytest.approx(sent / 2 + 1 + sent + 1)
    assert one(by_hand.ep_backward(job, plan, SENT)) == pytest.approx(2 * (sent + 1))


OVERLAPS = [
    # plan, requested, overlapped, additional chunks held
    (Plan(pp=4, vpp=2), True, True, 1), (Plan(pp=4, vpp=2), False, False, 0), (Plan(pp=4), True, False, 0), (Plan(), True, True, 0),
    (Plan(pp=4, vpp=2, recompute=1), True, True, 1), (Plan(pp=4, vpp=2, recompute=2), True, False, 0),
    (Plan(pp=4, vpp=2, schedule=SCHEDULES.index("dualpipev")), False, True, 0),
    (Plan(pp=4, vpp=2, schedule=SCHEDULES.index("zb-v")), True, True, 0),
]  # fmt: skip


@pytest.mark.parametrize(("plan", "requested", "overlapped", "ahead"), OVERLAPS)
def test_which_plans_hide_the_all_to_all(plan: Plan, requested: bool, overlapped: bool, ahead: int) -> None:
    """DualPipeV always; others where requested, with virtual stages in a pipeline and without full recompute. 1F1B then holds a chunk more
    (Megatron-LM, transformer_config.py), if the stack has such an overlap."""
    job = replace(ROUND, overlap_experts=requested)
    assert bool(one(by_hand.overlapped(job, plan.column()))) is overlapped
    assert one(by_hand.ahead(job, plan.column())) == ahead
    assert one(by_hand.ahead(replace(job, stack=replace(job.stack, ep_overlap=0.0)), plan.column())) == 0


@pytest.mark.parametrize(
    ("cost", "work", "exposed"), [(0.02, (20.0, 30.0), 10 - (7 - 1)), (0.2, (20.0, 30.0), 10), (0.02, (2.0, 3.0), 10 - (5 - 0.1))]
)
def test_hiding_the_all_to_all_costs_processors(cost: float, work: tuple[float, float], exposed: float) -> None:
    """Of 4 + 6 s of all-to-all 0.7 hides behind 50 s of work, which takes 2 % longer: 10 - 7 + 1 s. Where it takes 20 % longer nothing is
    gained and all is exposed; behind 5 s of work 5 s hide at most."""
    job = round_job(SPARSE, ep_overlap_cost=cost)
    plans = Plan(pp=4, vpp=2, schedule=SCHEDULES.index("dualpipev")).column(), Plan(pp=4).column()
    hidden, plain = (one(by_hand.ep_layer(job, plan, 4.0, 6.0, *work)) for plan in plans)
    assert hidden == pytest.approx(exposed)
    assert plain == 10


def test_a_repeated_layer_and_a_stage_send_again_by_hand() -> None:
    """A recomputed sparse layer repeats its forward all-to-all, 5 + 3 s; three layers of 4 s are 12 s."""
    assert by_hand.sparse_repeated(5.0, 3.0) == 8
    assert by_hand.stage_ep(3, 4.0) == 12


STATES = [
    # plan, traits of the stack, bytes a parameter over 4 ranks: weight, gradient, master copy and two states
    ({"zero": 0}, {}, 2 + 4 + 12), ({"zero": 1}, {}, 2 + 4 + 12 / 4), ({"zero": 2}, {}, 2 + 4 / 4 + 12 / 4),
    ({"zero": 3}, {}, 2 / 4 + 4 / 4 + 12 / 4), ({"zero": 3}, {"master_is_parameter": True}, 0 + 4 / 4 + 12 / 4),
    ({"zero": 3, "pp": 2}, {"pipeline_syncs_once": True}, 2 + 4 + 12 / 4),
    ({"zero": 1, "dp": 8}, {"bucket_gradient_bytes": 2.0}, 2 + 4 + 12 / 4 + 2),
    ({"zero": 1, "dp": 2}, {"bucket_gradient_bytes": 2.0}, 2 + 4 + 12 / 4),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "traits", "width"), STATES)
def test_states_of_experts_by_hand(changes: dict[str, int], traits: dict[str, Any], width: float) -> None:
    """1,000 parameters: AdamW's 2 + 4 + 12 bytes, divided over 4 ranks as far as ZeRO says (Rajbhandari et al. 2020, Figure 1)."""
    job, plan = round_job(SPARSE, **traits), Plan(ep=2, **changes).column()
    gradients = one(by_hand.expert_gradients(job, plan, 1000.0, 4.0))
    assert one(by_hand.expert_states(job, plan, 1000.0, 4.0)) + gradients == pytest.approx(1000 * width)
    moved = replace(job, offload_optimizer=True)
    assert one(by_hand.expert_states(moved, plan, 1000.0, 4.0)) + gradients == pytest.approx(
        1000 * (width - 12 / (4 if plan.zero[0] else 1))
    )
    assert one(by_hand.expert_optimizer(job, plan, 1000.0, 4.0)) == pytest.approx(1000 * 12 / (4 if plan.zero[0] else 1))


def test_frozen_experts_keep_their_weights_alone() -> None:
    """2 bytes each, over 4 ranks under ZeRO-3, whatever the stack's master copy; no optimizer states."""
    job = replace(round_job(SPARSE, master_is_parameter=True), tuning="lora")
    assert one(by_hand.expert_states(job, Plan(dp=8, ep=2, zero=2).column(), 1000.0, 4.0)) == 2000
    assert one(by_hand.expert_states(job, Plan(dp=8, ep=2, zero=3).column(), 1000.0, 4.0)) == 500
    linear = replace(job, stack=replace(job.stack, quantized_experts=True, tunings=("lora", "qlora")), tuning="qlora")
    assert one(by_hand.expert_states(linear, Plan(dp=8, ep=2, zero=2).column(), 1000.0, 4.0)) == pytest.approx(515.869, abs=0.001)
    assert one(by_hand.expert_optimizer(job, Plan(dp=8, ep=2).column(), 1000.0, 4.0)) == 0
    assert one(by_hand.expert_gradients(job, Plan(dp=8, ep=2).column(), 1000.0, 4.0)) == 0
