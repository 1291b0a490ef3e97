"""States, sharding and the step put together in round figures by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from planner.cost import records
from planner.cost import step_cost as step
from planner.cost.stage_cost import edges
from planner.specs.hardware import GIB
from planner.specs.job import Job
from planner.specs.plan import Plan
from tests.planner.cost.hand_figures import CLUSTER, SPARSE, given_plain_numbers, round_job

by_hand, plain = given_plain_numbers(step), given_plain_numbers(records)
JOB = round_job()
LIVE = plain.Live(
    loss=0.0, backward=np.array([[10.0], [20.0], [30.0]]), end=0.0, others=0.0, last=0.0, embedding=0.0, activations=0.0, gradients=True
)
PACE = plain.Pace(micro_batches=12.0, steady_seconds=100.0, bubble_seconds=8.0, pp_seconds=4.0, slowest_stage=9.0, last_round=1.0)
PIPELINE = plain.Pipeline(live=LIVE, edge_request=0.0, largest_request=0.0, pace=PACE, host_activations=0.0)
EXCHANGE = plain.Exchange(
    reduce_once=6.0, gather_once=4.0, reduce_each=1.0, ends_each=0.25, copies_each=0.5, loops_each=0.0, optimizer_seconds=2.0
)
SHARDING = plain.Sharding(
    static_bytes=np.array([[30.0], [40.0], [5.0]]),
    all_gradients=np.array([[10.0], [10.0], [0.0]]),
    lasting_gradients=0.0,
    head_gradient=0.0,
    late_gradients=0.0,
    head_gathered=0.0,
    layers_gathered=0.0,
    unreduced=0.0,
    end_gathered=0.0,
    embedding_gathered=0.0,
    step_temporaries=0.0,
    first_weights=0.0,
    moments_bytes=0.0,
    stream_pools=0.0,
    step_block=0.0,
    host_bytes=7.0,
    exchange=EXCHANGE,
)


def one(column: object) -> float:
    """The one value of a column."""
    return float(np.ravel(np.asarray(column))[0])


def listed(column: object) -> list[float]:
    """A column of stages x 1 as a plain list."""
    return [float(value) for value in np.ravel(np.asarray(column))]


# a step and its memory from their parts


def test_the_fullest_stage_is_what_a_plan_takes() -> None:
    """Stages of 50, 70 and 35 bytes with half as much slack and 1,000 of context: 1,105 bytes at the fullest."""
    assert listed(step.device(JOB, PIPELINE, SHARDING)) == [1.5 * 50 + 1000, 1.5 * 70 + 1000, 1.5 * 35 + 1000]
    totals = step.combined(JOB, PIPELINE, SHARDING)
    assert (one(totals.memory), one(totals.host)) == (1105, 7)


def test_data_parallel_traffic_that_is_exposed() -> None:
    """Half of 6 s of gradients and a quarter of 4 s of weights hide in a micro-batch of 9 s, half of 12 s each in the 96 s left."""
    assert one(step.dp_seconds(JOB, PACE, EXCHANGE)) == 6 + 4 - 3 - 1 + 12 - 6


def test_a_step_of_round_parts() -> None:
    """100 s of the slowest stage, 8 of bubble, 4 of sends, 12 of gradients, 2 of the optimizer and 6 on the host; 1 % for each of three
    doublings of the nodes."""
    tail = step.time_tail(JOB, PACE, EXCHANGE)
    assert {name: one(part) for name, part in tail._asdict().items()} == {"bubble": 8, "pp": 4, "dp": 12, "optimizer": 2, "fixed": 6}
    whole, waiting = step.step_of(JOB, PACE, tail)
    assert one(waiting) == pytest.approx(0.03 * 132)
    assert one(whole) == one(step.combined(JOB, PIPELINE, SHARDING).step) == pytest.approx(1.03 * 132)


@pytest.mark.parametrize(("memory", "host", "fits"), [(50, 100, True), (50.1, 100, False), (50, 100.1, False)])
def test_a_plan_fits_its_device_and_its_host(memory: float, host: float, fits: bool) -> None:
    """Half of 100 GiB on the device, 100 GiB on the host."""
    job = round_job(cluster=replace(CLUSTER, host_memory_bytes=100 * GIB))
    assert bool(by_hand.fitting(job, plain.Totals(memory * GIB, 1.0, host * GIB))) is fits


# model states: a layer has 1.6 M weights in attention, 3 M in its MLP and 2,000 in norms on one of two ranks; embedding and head 2.5 M each

LAYER, EDGE = 1_600_000 + 3_000_000 + 2000, 2_500_000
STAGE = 5 * LAYER + EDGE  # of two


def held(job: Job, plan: Plan) -> step.Static:
    """The states of a rank on each edge stage."""
    place = edges(job, plan.column())
    return step.static(job, plan.column(), place.stage, place.layers)


def parts_of(states: step.Static) -> dict[str, float]:
    """Bytes on the first stage by purpose, those of the head's stage apart."""
    named = states.parts._asdict()
    omitted = (
        "head_gradient", "lasting_gradients", "late_gradients", "head_gathered", "unreduced", "end_gathered", "embedding_gathered",
        "step_temporaries",
    )  # fmt: skip
    return {name: one(part) for name, part in named.items() if part is not None and name not in omitted}


@pytest.mark.parametrize(("zero", "shares"), [(0, (1, 1, 1)), (1, (1, 1, 8)), (2, (1, 8, 8)), (3, (8, 8, 8))])
def test_states_of_a_dense_model_by_hand(zero: int, shares: tuple[int, int, int]) -> None:
    """2, 4 and 12 bytes a weight, over eight ranks as ZeRO divides them; under ZeRO-3 two gathered layers and the gradients of one."""
    states = held(JOB, Plan(tp=2, pp=2, dp=8, dp_shard=8, zero=zero))
    assert listed(states.weights) == [STAGE] * 3 and states.experts is None and states.frozen is None
    gathered = 2 * 2 * LAYER + 4 * LAYER if zero == 3 else 0
    assert parts_of(states) == {
        "parameters": 2 * STAGE / shares[0], "gradients": 4 * STAGE / shares[1], "optimizer": 12 * STAGE / shares[2],
        "layers_gathered": gathered, "workspace": 0,
    }  # fmt: skip
    assert listed(states.parts.head_gradient) == [0, *[4 * EDGE / shares[1]] * 2]
    assert listed(states.parts.head_gathered) == [0, *[2 * EDGE if zero == 3 else 0] * 2]
    assert listed(states.parts.embedding_gathered) == [6 * EDGE if zero == 3 else 0, 0, 0]
    assert listed(states.optimizer)[0] == 12 * STAGE / shares[2] and one(states.expert_optimizer) == 0


AROUND, EXPERTS = 1_602_000 + 8000, 8 / 4 * 1_500_000  # attention, norms and router of a sparse layer; two experts
MIXTURE = Plan(tp=2, dp=8, dp_shard=8, ep=4)


@pytest.mark.parametrize("zero", [1, 3])
def test_states_of_a_mixture_by_hand(zero: int) -> None:
    """Two dense and eight sparse layers: weights around the experts over eight ranks, those of experts over the four that hold the same.
    The largest layer gathered is a sparse one with its experts."""
    states = held(round_job(SPARSE), MIXTURE.with_(zero=zero))
    weights = 2 * LAYER + 8 * AROUND + 2 * EDGE
    assert one(states.weights) == weights and states.experts is not None and one(states.experts) == 8 * EXPERTS
    share = 8 if zero == 3 else 1
    of_experts, gradients = 8 * EXPERTS * (14 / 4 if zero == 3 else 2 + 12 / 4), 8 * EXPERTS * (4 / 4 if zero == 3 else 4)
    gathered = (2 * 2 + 4) * (AROUND + EXPERTS) if zero == 3 else 0
    assert parts_of(states) == pytest.approx({
        "parameters": 2 * weights / share, "gradients": 4 * weights / share + gradients, "optimizer": 12 * weights / 8,
        "layers_gathered": gathered,
        "workspace": 0, "experts": of_experts,
    })  # fmt: skip
    assert (one(states.optimizer), one(states.expert_optimizer)) == (12 * weights / 8, 12 * 8 * EXPERTS / 4)
    job = replace(round_job(SPARSE), offload_optimizer=True)
    host = step.sharding(job, MIXTURE.with_(zero=zero).column()).host_bytes
    assert one(host) == pytest.approx(8 * ((12 + 4) * weights / 8 + (12 + 4) * 8 * EXPERTS / 4))


ADAPTER = 4 * (1000 + 500 + 1000 + 300)  # rank 4 on queries and values of one of two ranks


@pytest.mark.parametrize("zero", [1, 3])
def test_states_of_adapters_by_hand(zero: int) -> None:
    """Frozen weights of 2 bytes, divided under ZeRO-3; weights, gradients and optimizer states of the adapters of five layers."""
    job = replace(JOB, tuning="lora", lora_rank=4, lora_targets="query-value")
    states = held(job, Plan(tp=2, pp=2, dp=8, dp_shard=8, zero=zero))
    share = 8 if zero == 3 else 1
    assert one(states.weights) == 5 * ADAPTER and states.experts is None
    assert states.frozen is not None and one(states.frozen.weights) == 2 * STAGE and states.frozen.experts is None
    assert parts_of(states) == pytest.approx({
        "parameters": (2 * STAGE + 2 * 5 * ADAPTER) / share, "gradients": 4 * 5 * ADAPTER / share, "optimizer": 12 * 5 * ADAPTER / 8,
        "layers_gathered": 2 * 2 * LAYER + 4 * ADAPTER if zero == 3 else 0, "workspace": 0,
    })  # fmt: skip
    assert one(states.optimizer) == 12 * 5 * ADAPTER / 8 and one(states.expert_optimizer) == 0


def test_states_of_adapters_in_a_mixture_by_hand() -> None:
    """Experts keep 2 bytes a weight; adapters lie on all layers, those of multi-token prediction too."""
    model = replace(SPARSE, mtp_layers=1)
    job = replace(round_job(model), tuning="lora", lora_rank=4, lora_targets="query-value")
    states = held(job, MIXTURE.with_(zero=1))
    assert one(states.weights) == 11 * ADAPTER
    assert states.frozen is not None and states.frozen.experts is not None and one(states.frozen.experts) == 2 * 9 * EXPERTS
    assert parts_of(states)["experts"] == 2 * 9 * EXPERTS


# the sharding

MODEL = 10 * LAYER + 2 * EDGE
RING = 7 / 8 / (1e5 * 4)  # eight ranks two apart, four of them on each of two nodes: each node sends through four NICs
LATENCY = 1 + 2 + 2 * 4  # within a node, between nodes, a hop for each node


def test_the_traffic_of_zero_1_by_hand() -> None:
    """4 bytes of gradient scattered and 2 bytes of weight gathered once a step; an eighth of 4 + 2 x 12 + 2 bytes a weight for the
    optimizer."""
    costs = step.sharding(JOB, Plan(tp=2, dp=8, dp_shard=8, zero=1).column())
    assert one(costs.exchange.reduce_once) == pytest.approx(4 * MODEL * RING + LATENCY)
    assert one(costs.exchange.gather_once) == pytest.approx(2 * MODEL * RING + LATENCY)
    assert (one(costs.exchange.reduce_each), one(costs.host_bytes)) == (0, 0)
    assert one(costs.exchange.optimizer_seconds) == pytest.approx(30 * MODEL / 8 / 1e8)
    assert listed(costs.static_bytes) == pytest.approx([(2 + 12 / 8) * MODEL] * 3)
    assert listed(costs.all_gradients) == pytest.approx([4 * MODEL] * 3)


def test_the_traffic_of_a_mixture_by_hand() -> None:
    """Of experts four ranks hold the same, four apart, two on each of two nodes."""
    costs = step.sharding(round_job(SPARSE), MIXTURE.with_(zero=1).column())
    weights, experts = 2 * LAYER + 8 * AROUND + 2 * EDGE, 8 * EXPERTS
    ring = 3 / 4 / (1e5 * 2)
    assert one(costs.exchange.reduce_once) == pytest.approx(4 * weights * RING + 4 * experts * ring + 2 * LATENCY)
    assert one(costs.exchange.gather_once) == pytest.approx(2 * weights * RING + 2 * experts * ring + 2 * LATENCY)
    assert one(costs.exchange.optimizer_seconds) == pytest.approx(30 * (weights / 8 + experts / 4) / 1e8)


def test_offloaded_states_of_the_heaviest_stage_lie_on_the_host() -> None:
    """Eight ranks of a node, 12 bytes a weight and 4 of its gradient over eight: of two stages the first holds six layers and the
    embedding, the last five and the head."""
    job = replace(round_job(replace(JOB.model, layers=11), uneven_stages="any"), offload_optimizer=True)
    costs = step.sharding(job, Plan(tp=2, pp=2, dp=8, dp_shard=8, zero=1).column())
    heaviest = 6 * LAYER + EDGE
    assert one(costs.host_bytes) == 8 * (12 + 4) * heaviest / 8
    assert one(costs.exchange.reduce_once) == pytest.approx(4 * heaviest * RING + LATENCY)


def test_frozen_weights_are_gathered_with_the_traffic_of_adapters() -> None:
    """Under ZeRO-3 a message a layer: gradients of adapters scattered, their weights and the frozen ones gathered twice."""
    job = replace(JOB, tuning="lora", lora_rank=4, lora_targets="query-value")
    costs = step.sharding(job, Plan(tp=2, dp=8, dp_shard=8, zero=3).column())
    trained = 10 * ADAPTER
    each = (4 * trained + 2 * 2 * trained + 2 * 2 * MODEL) * RING + 5 * 10 * LATENCY
    assert one(costs.exchange.reduce_each) == pytest.approx(each)
    mixture = replace(round_job(SPARSE), tuning="lora", lora_rank=4, lora_targets="query-value")
    sparse = step.sharding(mixture, MIXTURE.with_(zero=3).column())
    frozen = 2 * 2 * (2 * LAYER + 8 * AROUND + 2 * EDGE) * RING + 2 * 2 * 8 * EXPERTS * 3 / 4 / (1e5 * 2) + 2 * 2 * 10 * LATENCY
    assert one(sparse.exchange.reduce_each) == pytest.approx((4 * trained + 2 * 2 * trained) * RING + 3 * 10 * LATENCY + frozen)
