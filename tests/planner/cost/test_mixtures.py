"""Mixtures of experts: their all-to-all on real links, one expert against a dense layer, what stages and experts keep and take."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from planner.cost import compute, exchange, schedule
from planner.cost import layer_cost as layercosts
from planner.cost import moe as experts
from planner.cost import moe_stages as mixed
from planner.cost.collectives import all_to_all_seconds
from planner.cost.evaluate import evaluate
from planner.cost.records import LayerCost
from planner.dimensions import Bytes, Count, Tokens
from planner.specs import parameters
from planner.specs.constants import CONSTANTS
from planner.specs.job import Job
from planner.specs.plan import Plan
from tests.planner.cost.hand_figures import given_plain_numbers
from tests.planner.jobs import bare, example, mixture, small

TOKENS = 4096.0
by_hand, of_exchange = given_plain_numbers(experts), given_plain_numbers(exchange)


def even(job: Job, **traits: Any) -> Job:
    """The same with no more than theory: every expert gets its share, kernels of experts cost what one alone does."""
    return replace(job, stack=replace(bare(job).stack, expert_streams=1, **traits), imbalance=1.0, capacity=0.0)


def both_layers(job: Job, plan: Plan) -> tuple[LayerCost, LayerCost]:
    """A dense and a sparse layer."""
    dense, sparse = layercosts.kinds(job, plan.column())
    assert sparse is not None
    return dense, sparse


# all-to-all

LINK = CONSTANTS.exchange_fraction * (1 - 1 / 16) * 450e9  # of an H100 among eight
NIC = CONSTANTS.nic_fraction * 50e9


def exchanged(job: Job, ep: int, etp: int = 1) -> float:
    """One exchange of the copies of all tokens in 16 bits, without its latency."""
    copies, plan = TOKENS * job.model.experts_per_token, Plan(ep=ep, etp=etp)
    latency = float(all_to_all_seconds(job, Count(ep), Count(etp), Bytes(0.0), Bytes(0.0)))
    return float(of_exchange.exchange_seconds(job, plan, np.array([copies]), 2.0)[0]) - latency - job.dispatcher.setup_s


@pytest.mark.parametrize(("name", "copies"), [("alltoall", 8.0), ("hybridep", 8 * (1 - (7 / 8) ** 8))])
def test_inside_a_node_seven_of_eight_copies_leave_their_rank(name: str, copies: float) -> None:
    """With EP 8 on a node of eight a rank sends 7/8 of its tokens' copies, 2 h bytes each, over NVLink: one to each expert, or with
    HybridEP one to each of the 8 (1 - (7/8)^8) ranks they lie on."""
    job = even(mixture(gpus=64), dispatcher=name)  # Qwen3 30B-A3B: 8 of 128 experts, h 2048
    assert exchanged(job, 8) == pytest.approx(TOKENS * copies * 7 / 8 * 2 * 2048 / LINK, rel=1e-9)


def test_over_two_nodes_half_of_all_copies_cross_the_network() -> None:
    """With EP 16 on two nodes each copy goes by itself: 8 of 16 leave the node, 7 of 16 go to its other ranks."""
    job = even(mixture(gpus=64), dispatcher="alltoall")
    crossing, staying = TOKENS * 8 * 8 / 16 * 4096, TOKENS * 8 * 7 / 16 * 4096
    assert exchanged(job, 16) == pytest.approx(crossing / NIC, rel=1e-9)
    fast = replace(job, cluster=replace(job.cluster, nic_bytes_s=16 * 50e9))
    assert exchanged(fast, 16) == pytest.approx(staying / LINK, rel=1e-9)


def test_once_a_node_a_token_crosses_once_however_many_experts_it_has_there() -> None:
    """With EP 16 and HybridEP a token crosses to the other node unless all 8 experts lie on its own: 1 - 2^-8 times, not 4."""
    job = even(mixture(gpus=64), dispatcher="hybridep")
    crossing, staying = TOKENS * (1 - 2**-8) * 4096, TOKENS * 16 * (1 - (15 / 16) ** 8) * 7 / 8 * 4096
    assert exchanged(job, 16) == pytest.approx(crossing / NIC, rel=1e-9)
    fast = replace(job, cluster=replace(job.cluster, nic_bytes_s=16 * 50e9))  # on the node it is sent to each rank with its experts
    assert exchanged(fast, 16) == pytest.approx(staying / LINK, rel=1e-9)


def test_node_limited_routing_bounds_the_nodes_a_token_visits() -> None:
    """DeepSeek-V3 on 8 nodes, a group of experts on each: experts on 4 nodes, 4 (1 - (3/4)^8) nodes are visited, 7/8 of them others; on
    them 32 ranks are in reach."""
    job = even(mixture("deepseek-v3-671b", 4, gpus=64), dispatcher="hybridep")
    crossing = TOKENS * 4 * (1 - 0.75**8) * 7 / 8 * 2 * 7168
    staying = TOKENS * 32 * (1 - (31 / 32) ** 8) * 7 / 8 * 2 * 7168
    assert exchanged(job, 64) == pytest.approx(max(crossing / NIC, staying / LINK), rel=1e-9)
    free = replace(job, model=replace(job.model, router_groups=0, groups_per_token=0))
    assert exchanged(free, 64) > exchanged(job, 64)


@pytest.mark.parametrize("nodes", [1, 2, 4, 8])
def test_visited_nodes_are_those_of_every_choice_of_groups(nodes: int) -> None:
    """Over all choices of 2 of 4 groups, and of 2 of their 4 experts, a token's experts lie on about as many nodes as the formula says."""
    model = replace(small().model, experts=8, experts_per_token=2, expert_ffn=64, router_groups=4, groups_per_token=2)
    seen = [
        len({expert * nodes // 8 for expert in chosen})
        for groups in itertools.combinations(range(4), 2)
        for chosen in itertools.product([e for g in groups for e in (2 * g, 2 * g + 1)], repeat=2)
    ]
    ours = float(of_exchange.visited(replace(small(), model=model), np.array(nodes)))
    assert ours == pytest.approx(np.mean(seen), rel=0.05)


def test_the_busiest_rank_sends_what_it_gets() -> None:
    """Twice the mean load is twice the bytes."""
    job = even(mixture(gpus=64))
    assert exchanged(replace(job, imbalance=2.0), 16) == pytest.approx(2 * exchanged(job, 16))


def test_expert_tensor_parallelism_sends_what_the_mlps_did() -> None:
    """With ETP 4 and no EP, gathering tokens and scattering what they gave back takes a sparse layer what the collectives of its MLP
    take a dense one under sequence parallelism."""
    dense = small(gpus=16)
    job = even(one_expert(dense))
    plan = Plan(tp=4, etp=4, dp=4, sequence_parallel=1)
    dense_layer, sparse = both_layers(job, plan)
    assert sparse.ep_forward[0] == pytest.approx(dense_layer.tp_forward[0] / 2)
    assert sparse.tp_forward[0] == pytest.approx(dense_layer.tp_forward[0] / 2)


# one expert and a dense layer


def one_expert(job: Job) -> Job:
    """The same with each MLP as the one expert of a mixture, which every token visits."""
    model = replace(job.model, experts=1, experts_per_token=1, expert_ffn=job.model.ffn)
    return replace(job, model=model, stack=replace(job.stack, expert_parallel=True))


def test_one_expert_is_a_dense_model_and_a_router() -> None:
    """Parameters differ by the router's h a layer alone; all are active; FLOPs differ by the router's."""
    dense = small()
    sparse, h, layers = one_expert(dense), dense.model.hidden, dense.model.layers
    assert parameters.total_parameters(sparse.model) == parameters.total_parameters(dense.model) + layers * h
    assert parameters.active_parameters(sparse.model) == parameters.total_parameters(sparse.model)
    more = schedule.model_flops(sparse) - schedule.model_flops(dense)
    assert more == pytest.approx(6.0 * layers * h * dense.global_batch * dense.sequence, rel=1e-9)


@pytest.mark.parametrize("tp", [1, 4])
def test_one_experts_products_are_the_dense_mlps(tp: int) -> None:
    """The expert's shapes, forward and backward, take what the MLP's do on the same ranks, and its weights the same bytes."""
    dense = small()
    job = even(one_expert(dense))
    plan = Plan(tp=tp, etp=tp, dp=16 // tp, sequence_parallel=int(tp > 1)).column()
    copies = np.array([TOKENS])
    mlp = compute.linear_forward(job, plan, Tokens(copies)) - compute.linear_forward(job.around_experts, plan, Tokens(copies))
    assert by_hand.experts_linear(job, plan, copies)[0] == pytest.approx(mlp[0], rel=1e-12)
    back = compute.weight_products(job, plan, Tokens(copies)) - compute.weight_products(job.around_experts, plan, Tokens(copies))
    assert by_hand.expert_weight_products(job, plan, copies)[0] == pytest.approx(back[0], rel=1e-12)
    purposes, dense_plan = ("parameters", "gradients", "optimizer", "experts"), Plan(tp=tp, dp=16 // tp, sequence_parallel=int(tp > 1))
    parts = [evaluate(j, plan).memory_parts.named() for j, plan in ((job, dense_plan.with_(etp=tp)), (dense, dense_plan))]
    states = [sum(float(of_job[purpose][0]) for purpose in purposes if purpose in of_job) for of_job in parts]
    router = dense.model.layers * dense.model.hidden * (2 + 4 + 12)
    assert states[0] - states[1] == pytest.approx(router, rel=1e-6)


def test_experts_over_ranks_are_divided_and_their_copies_are_not() -> None:
    """EP 4 leaves a rank a quarter of the experts and as many copies of tokens as before; ETP 2 twice the copies and half the width."""
    job = even(mixture())
    plain, ep, etp = (Plan(tp=2, dp=8, ep=e, etp=t, sequence_parallel=1) for e, t in ((1, 1), (4, 1), (4, 2)))
    counts, rows = {}, {}
    for plan in (plain, ep, etp):
        sent = by_hand.routed_copies(job, plan, TOKENS)
        assert sent == TOKENS / 2 * 8
        copies = by_hand.expert_copies(job, plan, sent)
        counts[plan], shapes = by_hand.expert_shapes(job, plan, copies)
        rows[plan] = [(m * counts[plan], n, k) for m, n, k in shapes]
    assert [counts[p] for p in (plain, ep, etp)] == [128, 32, 32]
    assert rows[ep] == rows[plain] == [(TOKENS * 4, 2 * 768, 2048), (TOKENS * 4, 2048, 768)]
    assert rows[etp] == [(TOKENS * 8, 768, 2048), (TOKENS * 8, 2048, 384)]


# activations of experts


def test_a_stage_takes_what_its_layers_take() -> None:
    """DeepSeek-V3 of three dense layers and a sparse one, and a sparse one that predicts: five layers' passes, two heads, all of them
    repeated under full recompute, the traffic of two sparse layers; each for every micro-batch."""
    job, plan = mixture("deepseek-v3-671b", 4), Plan(dp=16, ep=16, recompute=2)
    dense, sparse = both_layers(job, plan)
    numbers, count = evaluate(job, plan), job.global_batch / 16
    parts = numbers.time_parts.named()
    assert numbers.memory_parts.logits[0] == pytest.approx(TOKENS * (2 * job.stack.logits_bytes * job.model.vocab + 4 * job.model.hidden))

    def of(name: str) -> float:
        return count * float(3 * getattr(dense, name)[0] + 2 * getattr(sparse, name)[0])

    ends = count * float(dense.embedding_seconds[0] + 2 * dense.head_seconds[0] + mixed.mtp_seconds(job, plan, Tokens(TOKENS)))
    assert parts["compute"][0] == pytest.approx(of("layer_forward") + of("layer_backward") + ends)
    assert parts["recompute"][0] == pytest.approx(of("repeat_layer"))
    assert 0 < parts["ep"][0] == pytest.approx(of("ep_forward") + of("ep_backward"))


def test_a_sparse_layer_keeps_what_routing_and_experts_need_again() -> None:
    """In addition to attention: a token's logits and scores in fp32, a byte for each of 128 experts; of each copy its input, both halves
    of the gated middle and their product: 2 h + 4 f + 2 f. Busy experts keep more."""
    job, plan = even(mixture()), Plan(dp=16, ep=8)
    around = layercosts.layer_cost(job.around_experts, plan.column()).layer_activations[0]
    tokens, h, f = 4096, 2048, 768
    stored = float(both_layers(job, plan)[1].layer_activations[0] - around)
    assert stored == pytest.approx(tokens * 9 * 128 + tokens * 8 * (2 * h + 4 * f + 2 * f))
    busy = float(both_layers(replace(job, imbalance=2.0), plan)[1].layer_activations[0] - around)
    assert busy - stored == pytest.approx(tokens * 8 * (2 * h + 6 * f))


def test_offloaded_states_of_experts_leave_for_the_host_with_the_others() -> None:
    """A node's host takes the optimizer states of its eight GPUs, those of routed experts with them, and 4 bytes of gradients for 12."""
    resident, moved = (evaluate(replace(mixture(), offload_optimizer=offloaded), Plan(dp=16, ep=8)) for offloaded in (False, True))
    gone = [
        float(resident.memory_parts.named()[purpose][0] - moved.memory_parts.named()[purpose][0]) for purpose in ("optimizer", "experts")
    ]
    assert min(gone) > 0
    assert moved.host[0] == pytest.approx(8 * sum(gone) * (12 + 4) / 12)


# plans that were compared


def thirty(**plan: int) -> float:
    """A step of Qwen3 30B-A3B on 16 H100, 1,024 sequences of 4,096 tokens; seconds."""
    job = example(model="qwen3-30b-a3b", gpu="h100-sxm", gpus=16, global_batch=1024, sequence=4096, stack="nemo-tuned")
    return float(evaluate(job, Plan(dp=16, dp_shard=16, **plan)).step[0])


@pytest.mark.parametrize("micro_batch", [1, 2])
def test_expert_parallelism_beats_gathering_every_expert(micro_batch: int) -> None:
    """Where memory allows no more than two sequences a rank, ranks that gather all experts for each micro-batch are slower by a sixth than
    ranks that exchange tokens, the layout of published runs."""
    apart, together = (thirty(ep=ep, zero=3, micro_batch=micro_batch) for ep in (16, 1))
    assert together > 1.15 * apart


def test_several_sequences_in_a_micro_batch_hide_the_host() -> None:
    """One sequence of a narrow mixture is too short for its launches: four take three quarters of the time of four apart, or less."""
    assert thirty(ep=16, zero=1, micro_batch=4) < 0.8 * thirty(ep=16, zero=1, micro_batch=1)
