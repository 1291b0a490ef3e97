"""The cost of one layer, put together from the round figures by hand: two tensor-parallel and two context-parallel ranks, so 500 tokens."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from planner.cost import layer_cost as layers
from planner.cost import records
from planner.cost.records import LayerCost
from planner.dimensions import Tokens
from planner.specs.job import Job, Selective
from planner.specs.plan import Plan
from tests.planner.cost.hand_figures import DENSE, SPARSE, given_plain_numbers, round_job
from tests.planner.jobs import mixture, small

PLAN = Plan(tp=2, cp=2, dp=8, ep=4).column()
SELECTIVE = Selective(keep={"scores": 0.0}, repeat={"attention": 1.0, "experts": 1.0})

LINEAR = 4 * 0.5 + 1100 + 500 + 2000 + 1000  # qkv with three of five key-value heads, projection, both of the gated MLP: m n k / 500,000
ATTENTION = 2 * 0.5 + 2 * 500 * 500 * 10 * 200 / 2 / 0.5e6  # two kernels of the ring, causal half, at half the rate of products
TP = 2 * (2 * (1e6 / 2 / 0.75e6) + 1)  # two all-reduces of 2 x 500 x 1,000 bytes between two ranks
CP = 2 * 3 * 200 * 1000 / 2 / 0.75e6 + 1  # keys and values of three heads, twice 500 tokens, half of them from the other rank


def one(column: object) -> float:
    """The one value of a column."""
    return float(np.ravel(np.asarray(column))[0])


def check(cost: LayerCost, **expected: float) -> None:
    """Each of these costs has the value given."""
    for name, value in expected.items():
        assert one(getattr(cost, name)) == pytest.approx(value, rel=1e-9), name


def test_a_dense_layer_by_hand() -> None:
    """Products, attention and element-wise work on a cluster twice as slow; the tensor-parallel traffic and a tenth of the context-
    parallel traffic are exposed, a forward pass's share with the pass; 14 launches
    of 3 / 28 s on a slow host and 26 of 21 / 26 as long, which the device does not wait for."""
    cost = layers.layer_cost(round_job(selective=SELECTIVE), PLAN)
    forward = 2 * (LINEAR + ATTENTION + 500 * (8000 + 12_000 + 3000 + 6000) / 1e8)
    weights = 1000 * (1000 + 600) + 3 * 1000 * 1000 + 2 * 1000
    elementwise = (500 * (12_000 + 12_000 + 3000 + 10_000) + 2 * 4 * weights) / 1e8
    backward = 2 * (2 * LINEAR + 2.5 * ATTENTION + elementwise)
    check(cost, tokens=500, layer_forward=forward, layer_backward=backward, weight_seconds=2 * LINEAR, selective_repeat=2 * ATTENTION)
    check(cost, tp_forward=TP, cp_forward=CP, cp_layer=0.1 * 3 * CP, cp_repeat=0.1 * CP, ep_forward=0, ep_backward=0)
    check(cost, tp_again=0, tp_visible=TP, tp_layer=2 * TP)
    exposed = TP + 0.1 * CP
    check(cost, busy_forward=forward + exposed, busy_layer=forward + backward + 2 * exposed + 0.1 * CP)
    check(cost, host_layer=3, host_return=4.5, layer_host=0, repeat_layer=forward + exposed)
    check(cost, head_seconds=2 * 3 * (0.5 + 2500) + 2 * 6 * 500 * 2500 / 1e8, embedding_seconds=12 * 500 * 1000 / 1e8)


A_TOKEN = 4000 + 4000 + 2 * (500 + 600) + 2 * 500  # inputs of norms and of products, queries, keys and values, what attention gives


def test_bytes_of_a_dense_layer_by_hand() -> None:
    """Inputs, heads, log-sum-exp of five heads, and the MLP's middle; its checkpoint, buffers, and gradients of the layer at hand."""
    cost = layers.layer_cost(round_job(selective=SELECTIVE), PLAN)
    check(cost, layer_activations=500 * (A_TOKEN + 4 * 5 + 4000 + 2000), selective_activations=500 * (A_TOKEN + 4000 + 2000))
    check(cost, checkpoint_bytes=2 * 500 * 1000, buffer_bytes=4 * 500 * 1000, layer_gradients=2 * 500 * (3 * 1000 + 2 * 1000))


EXPERTS = 2 * 0.5 + 2 * (500 + 250)  # two experts of 250 rows each, in grouped kernels
ROUTER = 2 * (0.5 + 2 * 250 * 8 * 1000 / 1e6) + 250 * 8 * 24 / 1e8
EXCHANGE = 500 * 3 / 4 * 2000 / (7 / 8 * 1e6) + 1


def test_a_sparse_layer_by_hand() -> None:
    """Attention as in a dense layer, no dense MLP and one all-reduce less; products of the experts, the router, bytes moved, and two
    exchanges a pass, all of them exposed; on the host 2 x 0.75 s more, and 2 x 0.125 s for each of two experts, which overlap
    as the sides of a triangle: the host waits for the counts of tokens."""
    cost = layers.sparse_cost(round_job(SPARSE, selective=SELECTIVE), PLAN)
    linear = 2 * 0.5 + 1100 + 500
    around = 2 * (linear + ATTENTION + 500 * (8000 + 12_000 + 3000) / 1e8)
    weights = 1000 * (1000 + 600) + 2 * 1000
    behind = 2 * (2 * linear + 2.5 * ATTENTION + (500 * (12_000 + 12_000 + 3000) + 2 * 4 * weights) / 1e8)
    permuted = 2 * 1000 * (3 * 500 + 250 + 4 * 500)  # copies sorted by rank, and by expert
    moved = (permuted + 500 * 6 * 500) / 1e8
    forward = around + 2 * (EXPERTS + ROUTER + moved)
    backward = behind + 2 * (2 * EXPERTS + 2 * ROUTER + (permuted + 500 * 10 * 500 + 2 * 4 * 2 * 1.5e6) / 1e8)
    check(cost, layer_forward=forward, layer_backward=backward, ep_forward=2 * EXCHANGE, ep_backward=2 * EXCHANGE, tp_forward=TP / 2)
    exposed = TP / 2 + 0.1 * CP
    both = 2 * (exposed + 2 * EXCHANGE) + 0.1 * CP
    check(cost, busy_forward=forward + exposed + 2 * EXCHANGE, busy_layer=forward + backward + both)
    more = 2 * (0.75 + 2 * 0.125)
    host, back = 2 * 11 * 3 / 28 + more, 2 * 19 * 3 / 28 * 21 / 26 + 1.5 * more  # two products and the activation less
    there = forward + exposed + 2 * EXCHANGE
    late = np.hypot(host, there) - there
    late_back = np.hypot(back, backward + both - exposed - 2 * EXCHANGE) - (backward + both - exposed - 2 * EXCHANGE)
    check(cost, host_layer=host, host_return=back, layer_host=late + late_back, repeat_layer=there + late)
    check(cost, weight_seconds=2 * linear + 2 * EXPERTS, selective_repeat=2 * (ATTENTION + EXPERTS + moved))


def test_bytes_of_a_sparse_layer_by_hand() -> None:
    """Those around the experts, and of 500 copies their input, middle, activation and output; of 250 tokens the router's."""
    cost = layers.sparse_cost(round_job(SPARSE, selective=SELECTIVE), PLAN)
    experts = 500 * (2000 + 2 * 2 * 500 + 2 * 500 + 2000) + 250 * (4000 + 9 * 8)
    check(cost, layer_activations=500 * (A_TOKEN + 20) + experts, selective_activations=500 * A_TOKEN + experts)
    check(cost, layer_gradients=2 * 500 * 2 * 1000 + 2 * 1000 * (500 + 2 * 500) + 2 * 500 * 3 * 500)


def test_adapters_add_their_products_to_a_layers() -> None:
    """Rank 4 on queries and values of two tensor-parallel ranks: four small products forward and eight backward, without gradients of the
    frozen weights."""
    job = replace(round_job(), tuning="lora", lora_rank=4, lora_targets="query-value")
    forward, backward = layers.linear(job, PLAN, Tokens(np.array([500.0])))
    products = 4 * 0.5 + (4 + 2 + 4 + 1.2)
    assert one(forward) == pytest.approx(LINEAR + products + 6 * 500 * (500 + 300) / 1e8)
    weights = 4 * (1000 + 500 + 1000 + 300)
    assert one(backward) == pytest.approx(LINEAR + 2 * products + (6 * 500 * 2000 + 2 * 4 * weights) / 1e8)


def test_a_model_without_experts_has_layers_of_one_kind() -> None:
    """A dense model has no sparse layer, a mixture has both."""
    assert layers.kinds(round_job(DENSE), PLAN).sparse is None
    dense, sparse = layers.kinds(round_job(SPARSE), PLAN)
    assert sparse is not None and one(sparse.layer_forward) != one(dense.layer_forward)


@pytest.mark.parametrize("job", [small(), mixture(gpus=64)], ids=["dense", "mixture"])
def test_costs_evaluated_once_and_gathered_are_those_of_each_plan(job: Job) -> None:
    """Of 400 plans with many alike every cost is, bit by bit, that of each plan alone."""
    draw = np.random.default_rng(0)
    axes = {"tp": [1, 2, 4], "cp": [1, 2], "micro_batch": [1, 2, 4], "sequence_parallel": [0, 1], "ep": [1, 8], "etp": [1], "pp": [1, 2]}
    plan = replace(Plan(), **{name: draw.choice(values, 400) for name, values in axes.items()})
    plan = replace(plan, **{name: np.full(400, 1) for name in ("dp", "dp_shard", "dp_replicate", "vpp")})
    once, each = layers.layer_costs(job, plan), layers.kinds(job, plan)
    flat = [[column for kind in costs if kind is not None for column in kind] for costs in (once, each)]
    assert all(np.array_equal(np.broadcast_to(a, 400), np.broadcast_to(b, 400)) for a, b in zip(*flat, strict=True))


def test_rows_of_a_cost_are_taken_from_every_column() -> None:
    """The third and the first row of each column; a number for all plans stays, and so does a kind that is missing."""
    column = np.array([1.0, 2.0, 3.0])
    plain = given_plain_numbers(records)
    cost = plain.LayerCost(*[column * i for i in range(len(LayerCost._fields) - 1)], 5.0)
    taken = layers.taken(plain.Kinds(cost, None), np.array([2, 0]))
    assert taken.sparse is None and taken.dense.embedding_seconds == 5.0
    assert np.asarray(taken.dense.layer_activations).tolist() == [3.0, 1.0]
    stages = layers.taken(cost._replace(tokens=np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])), np.array([2, 0])).tokens
    assert np.asarray(stages).tolist() == [[3.0, 1.0], [6.0, 4.0]]
