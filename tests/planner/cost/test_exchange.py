"""The exchange of tokens with their experts by hand: 250 tokens that visit 2 of 8 experts, hidden width 1,000."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from planner.cost import exchange
from planner.errors import FieldError
from planner.specs.dispatchers import DISPATCHERS
from planner.specs.job import SCHEDULES
from planner.specs.plan import Plan
from tests.planner.cost.hand_figures import CLUSTER, SPARSE, given_plain_numbers, round_job
from tests.planner.jobs import example

by_hand = given_plain_numbers(exchange)
ROUND = round_job(SPARSE)
SENT, COPIES = 500.0, 1500.0
LINK = 1e6 * 15 / 16  # B/s among eight ranks


def one(column: Any) -> float:
    """The one value of a column."""
    return float(np.ravel(np.asarray(column))[0])


@pytest.mark.parametrize(("nodes", "visited"), [(1, 1), (2, 2 * (1 - 1 / 4)), (4, 4 * (1 - 9 / 16))])
def test_nodes_that_two_experts_lie_on_by_hand(nodes: int, visited: float) -> None:
    """N (1 - (1 - 1 / N)^2) of N nodes."""
    assert one(by_hand.visited(ROUND, np.array(nodes))) == pytest.approx(visited)


@pytest.mark.parametrize(("nodes", "visited"), [(2, 1.5 * (1 - (1 / 3) ** 2)), (4, 2 * (1 - 1 / 4)), (8, 4 * (1 - 9 / 16))])
def test_nodes_that_two_of_four_groups_leave_in_reach_by_hand(nodes: int, visited: float) -> None:
    """Two of four groups: of two nodes with two groups each 2 (1 - 1/4) are in reach, of four nodes two, of eight four."""
    job = round_job(replace(SPARSE, router_groups=4, groups_per_token=2))
    assert one(by_hand.visited(job, np.array(nodes))) == pytest.approx(visited)


RANKS = {8: 8 * (1 - (7 / 8) ** 2), 16: 16 * (1 - (15 / 16) ** 2), 32: 32 * (1 - (31 / 32) ** 2)}  # visited by two experts
EXCHANGES = [
    # ep, etp, dispatcher, copies within the domain, copies across, rate within, latency
    (8, 1, "alltoall", 500 * 7 / 8, 0.0, LINK, 1.0),
    (16, 1, "alltoall", 500 * 7 / 16, 500 * 8 / 16, LINK, 1 + 2 + 3),
    (8, 1, "hybridep", 250 * RANKS[8] * 7 / 8, 0.0, LINK, 1.0),
    (16, 1, "deepep", 250 * RANKS[16] * 7 / 8, 250 * 1.5 / 2, LINK, 1 + 2 + 3),
    (32, 1, "hybridep", 250 * RANKS[32] * 7 / 8, 250 * 1.75 * 3 / 4, LINK, 1 + 2 + 3 * 2),
    (4, 2, "alltoall", 500 * 3 / 4, 0.0, 1e6 * 7 / 8, 1.0),
    (1, 1, "deepep", 0.0, 0.0, 1.0, 0.0),
]


@pytest.mark.parametrize(("ep", "etp", "name", "within", "across", "rate", "latency"), EXCHANGES)
def test_an_exchange_of_500_copies_by_hand(ep: int, etp: int, name: str, within: float, across: float, rate: float, latency: float) -> None:
    """1.5 times 2 x 1,000 bytes of each copy that leaves the rank: over the links within a node, 10^5 B/s over the network; experts over
    two ranks gather 2 x 500 copies, half of them from the other at 3/4 of 10^6 B/s. DeepEP and HybridEP send a token once to each rank
    with experts of it, and over the network once to each node; they set up an exchange in 15 us."""
    job = replace(round_job(SPARSE, dispatcher=name), imbalance=1.5)
    gathered = 500 * 2 * 3000 / 2 / 0.75e6 + 1 if etp == 2 else 0.0
    setup = 15e-6 if name != "alltoall" and ep > 1 else 0.0
    seconds = by_hand.exchange_seconds(job, Plan(ep=ep, etp=etp, dp=ep * etp).column(), SENT, 2.0)
    assert one(seconds) == pytest.approx(max(within * 3000 / rate, across * 3000 / 1e5) + latency + setup + gathered, rel=1e-12)


def test_an_exchange_by_all_gather_by_hand() -> None:
    """Every rank of eight gathers the 250 tokens of all, 2,000 bytes each, 7/8 of them from others."""
    job = round_job(SPARSE, dispatcher="allgather")
    seconds = by_hand.exchange_seconds(job, Plan(ep=8, dp=8).column(), SENT, 2.0)
    assert one(seconds) == pytest.approx(250 * 8 * 2000 * 7 / 8 / LINK + 1)
    assert one(by_hand.gathered_tokens(job, Plan(ep=8, dp=8).column(), 250.0, 2.0)) == one(seconds)


def test_deepeps_processors_copy_more_slowly_than_fast_links() -> None:
    """Over links and a network a million times as fast, 20 multiprocessors copy 22 GB/s each and work 0.7 us on each of 250 tokens."""
    fast = replace(CLUSTER, nic_bytes_s=1e6 * CLUSTER.nic_bytes_s, link_bytes_s=1e6 * CLUSTER.link_bytes_s)
    seconds = by_hand.exchange_seconds(round_job(SPARSE, fast, dispatcher="deepep"), Plan(ep=8, dp=8).column(), SENT, 2.0)
    links = 250 * RANKS[8] * 7 / 8 * 2000 / (1e6 * LINK) + 1
    copied = (250 * RANKS[8] * 7 / 8 * 2000 / 22e9 + 250 * 0.7e-6) / 20
    assert copied < links  # the latency of the round figures is 1 s
    assert one(seconds) == pytest.approx(links + 15e-6, rel=1e-12)
    job = round_job(SPARSE, replace(fast, link_bytes_s=1e15), dispatcher="deepep")
    job = replace(job, constants=replace(job.constants, link_latency=0.0))
    assert one(by_hand.exchange_seconds(job, Plan(ep=8, dp=8).column(), SENT, 2.0)) == pytest.approx(copied + 15e-6, rel=1e-9)


@pytest.mark.parametrize(("name", "within"), [("alltoall", 500 * 7 / 16), ("hybridep", 250 * RANKS[16] * 7 / 8)])
def test_an_exchange_over_a_fast_network_takes_the_links_within_a_node(name: str, within: float) -> None:
    """With EP 16 over two nodes and a network a thousand times as fast, copies to other ranks of the node decide: each by itself 7/16 of
    500; sent once per node, all that arrive there for another rank."""
    fast = replace(CLUSTER, nic_bytes_s=1000 * CLUSTER.nic_bytes_s)
    seconds = by_hand.exchange_seconds(round_job(SPARSE, fast, dispatcher=name), Plan(ep=16, dp=16).column(), SENT, 2.0)
    assert one(seconds) == pytest.approx(within * 2000 / LINK + 1 + 2 + 3, rel=1e-4)


def test_two_exchanges_a_pass_by_hand() -> None:
    """With EP 8 an exchange in 16 bits takes 500 x 7/8 x 2,000 / (15/16 10^6) + 1 s: two backward; forward the tokens go in 8 bits."""
    job, plan = round_job(SPARSE, dispatch_bytes=1.0), Plan(ep=8, dp=8).column()
    sent = 500 * 7 / 8 * 2000 / LINK
    assert one(by_hand.ep_forward(job, plan, SENT)) == pytest.approx(sent / 2 + 1 + sent + 1)
    assert one(by_hand.ep_backward(job, plan, SENT)) == pytest.approx(2 * (sent + 1))


@pytest.mark.parametrize(
    ("name", "ep", "passes"),
    [
        ("alltoall", 1, 3 * 1500 + 250),  # read and written once per copy, read once per copy and written once a token
        ("deepep", 1, 3 * 1500 + 250),
        ("alltoall", 4, 3 * 500 + 250 + 4 * 1500),  # sorted by rank, then by expert and back: two experts on a rank
        ("alltoall", 8, 3 * 500 + 250),  # a rank's one expert needs no order
        ("hybridep", 8, 3 * 1500 + 250 * 2 * 1.5 * RANKS[8]),  # of each token once, over two ranks an expert and 1.5 times the mean
        ("allgather", 8, 3 * 1500 + 250 * 8 * 2),
    ],
)
def test_bytes_permuted_by_hand(name: str, ep: int, passes: float) -> None:
    """Of 500 copies that a rank sends and 1,500 that its experts get: 2 x 1,000 bytes each, as often as they are read or written; where
    they are weighted in separate operations 24 bytes more of each copy sent, 40 backward."""
    job = replace(round_job(SPARSE, dispatcher=name), imbalance=1.5)
    plan = Plan(ep=ep, etp=2, dp=2 * ep).column()
    for backward, unfused in ((False, 24), (True, 40)):
        assert one(by_hand.permuted_bytes(job, plan, SENT, COPIES, backward)) == pytest.approx(2 * 1000 * passes)
        apart = replace(job, stack=replace(job.stack, unfused=("permute",)))
        assert one(by_hand.permuted_bytes(apart, plan, SENT, COPIES, backward)) == pytest.approx(1000 * (2 * passes + 500 * unfused))


def test_a_rank_with_all_experts_has_the_mean_load() -> None:
    """An imbalance is between ranks: there is none without expert parallelism; a capacity is padded on every rank."""
    job = replace(ROUND, imbalance=1.5)
    assert [one(by_hand.expert_load(job, Plan(ep=ep, dp=8).column())) for ep in (1, 8)] == [1.0, 1.5]
    assert one(by_hand.expert_load(replace(job, capacity=1.25), Plan(dp=8).column())) == 1.25


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
    without = replace(job, stack=replace(job.stack, overlaps_experts=False))
    assert one(by_hand.ahead(without, plan.column())) == bool(one(by_hand.overlapped(without, plan.column()))) == 0


@pytest.mark.parametrize(("name", "work", "exposed"), [
    ("alltoall", (20.0, 30.0), 10 * 24 / 132), ("deepep", (20.0, 30.0), 10 * 20 / 132), ("hybridep", (20.0, 30.0), 10 * 16 / 132),
    ("hybridep", (2.0, 3.0), 5.0),
])  # fmt: skip
def test_hiding_an_exchange_costs_processors(name: str, work: tuple[float, float], exposed: float) -> None:
    """Next to 4 + 6 s of exchanges 50 s of work lose the multiprocessors that communicate for 10 s: 20 of 132 for DeepEP. Next to 5 s of
    work 5 s are exposed."""
    job = round_job(SPARSE, dispatcher=name)
    plans = Plan(pp=4, vpp=2, schedule=SCHEDULES.index("dualpipev")).column(), Plan(pp=4).column()
    hidden, plain = (one(by_hand.ep_layer(job, plan, 4.0, 6.0, *work)) for plan in plans)
    assert hidden == pytest.approx(exposed)
    assert plain == 10


def test_the_stacks_dispatcher_is_the_jobs_unless_it_chooses() -> None:
    """DeepEP gives way to HybridEP where links span nodes and the stack has both; what a job chooses counts before."""
    both: dict[str, Any] = {"dispatcher": "deepep", "dispatchers": ("deepep", "hybridep")}
    job = round_job(SPARSE, **both)
    assert job.dispatched_by == "deepep" and job.dispatcher is DISPATCHERS["deepep"]
    wide = replace(CLUSTER, link_domain=64)
    assert round_job(SPARSE, wide, **both).dispatched_by == "hybridep"
    assert round_job(SPARSE, wide, dispatcher="deepep", dispatchers=("deepep",)).dispatched_by == "deepep"
    assert replace(job, moe_dispatcher="hybridep").dispatched_by == "hybridep"
    with pytest.raises(FieldError, match="sends tokens to experts by deepep or hybridep, not allgather"):
        replace(job, moe_dispatcher="allgather")


MEASURED = [
    # GPU, GPUs in its scale-up domain, ranks, dispatcher, GB/s of dispatch and combine
    ("b200", 8, 8, "deepep", (348 + 494) / 2, (302 + 420) / 2),  # halfway between 16 and 24 multiprocessors
    ("gb200", 72, 8, "hybridep", 550.1, 538.4), ("gb200", 72, 16, "hybridep", 472.8, 474.5), ("gb200", 72, 36, "hybridep", 470.0, 418.3),
    ("h100-sxm", 8, 32, "hybridep", 47.4, 52.5), ("h100-sxm", 8, 64, "hybridep", 41.2, 46.6),
]  # fmt: skip


@pytest.mark.parametrize(("gpu", "domain", "ranks", "name", "dispatch", "combine"), MEASURED)
def test_exchanges_take_what_was_measured(gpu: str, domain: int, ranks: int, name: str, dispatch: float, combine: float) -> None:
    """DeepEP, docs/README_Hybrid-EP.md: 4,096 tokens of width 7,168 in 16 bits to 8 of 8 experts a rank, in bytes for each rank, or over
    InfiniBand for each node, that a token visits, with the copies into and out of buffers: within 25 %."""
    job = example(model="deepseek-v3-671b", gpu=gpu, gpus=144, gpus_per_node=4 if domain > 8 else 8, stack="nemo-tuned")
    model = replace(job.model, experts=8 * ranks, router_groups=0, groups_per_token=0)
    job = replace(job, model=model, cluster=replace(job.cluster, link_domain=domain), moe_dispatcher=name)
    places = ranks if ranks <= domain else ranks // domain
    bytes_sent = 4096 * places * (1 - (1 - 1 / places) ** 8) * 7168 * 2
    measured = bytes_sent / 2e9 * (1 / dispatch + 1 / combine)
    assert one(by_hand.exchange_seconds(job, Plan(ep=ranks, dp=ranks).column(), 4096 * 8.0, 2.0)) == pytest.approx(measured, rel=0.25)
