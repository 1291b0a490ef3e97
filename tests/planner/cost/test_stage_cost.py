"""Stages and pipelines put together from the costs of layers in round figures."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from planner.cost import records
from planner.cost import stage_cost as stages
from planner.specs.hardware import GIB
from planner.specs.job import RECOMPUTES, SCHEDULES, Selective
from planner.specs.model import Model
from planner.specs.plan import Plan
from tests.planner.cost.hand_figures import DENSE, SPARSE, given_plain_numbers, round_job

by_hand, plain = given_plain_numbers(stages), given_plain_numbers(records)
AHEAD = replace(SPARSE, mtp_layers=1)
FULL, FIRST = RECOMPUTES.index("full"), RECOMPUTES.index("first")
FOUR = np.arange(4)[:, None]
FIRST_AND_LAST = np.array([[2.0], [1.0]])  # micro-batches in flight


def listed(column: object) -> list[float]:
    """A column of stages x 1 as a plain list."""
    return [float(value) for value in np.ravel(np.asarray(column))]


def layer(**costs: Any) -> Any:
    """A layer with these costs and no others."""
    return plain.LayerCost(**(dict.fromkeys(plain.LayerCost._fields, 0.0) | costs))


# which layers a stage holds


@pytest.mark.parametrize(
    ("model", "plan", "dense", "sparse"),
    [
        (SPARSE, Plan(pp=5), [2, 0, 0, 0, 0], [0, 2, 2, 2, 2]),
        (SPARSE, Plan(pp=2), [2, 0], [3, 5]),
        (AHEAD, Plan(), [2], [8 + 1]),
        (
            replace(AHEAD, layers=9),
            Plan(pp=4),
            [2, 0, 0, 0],
            [1, 3, 3, 0 + 1],
        ),  # the last of four times three slots: two heads, a layer ahead
        (replace(SPARSE, moe_every=2), Plan(pp=2), [2 + 1.5, 2.5], [1.5, 2.5]),
    ],
)
def test_virtual_stages_hold_dense_layers_first_and_layers_ahead_last(
    model: Model, plan: Plan, dense: list[float], sparse: list[float]
) -> None:
    """Of ten layers two dense ones lie first; a layer of multi-token prediction lies behind the last; where sparse layers take turns with
    dense ones a stage holds their mean."""
    layers = stages.virtual_kinds(round_job(model), plan)
    assert (listed(layers.dense), listed(layers.sparse)) == (dense, sparse)
    edge = stages.edge_kinds(round_job(model), plan.column())
    assert (listed(edge.layers.dense)[0], listed(edge.layers.sparse)[-1]) == (dense[0], sparse[-1])


def test_a_dense_model_holds_layers_of_one_kind() -> None:
    """Ten layers on two stages are five and five, and none of them sparse; edge stages are the first, the second and the last."""
    layers = stages.virtual_kinds(round_job(), Plan(pp=2))
    assert listed(layers.all) == listed(layers.dense) == [5, 5] and layers.sparse is None
    edge = stages.edge_kinds(round_job(), Plan(pp=5).column())
    assert listed(edge.stage) == [0, 1, 4] and listed(edge.layers.all) == [2, 2, 2] and listed(edge.chunk) == [2]


# the parts of a micro-batch

C = layer(
    tokens=1000.0, layer_forward=1.0, layer_backward=2.0, embedding_seconds=16.0, head_seconds=32.0, layer_host=0.5, host_layer=2.0,
    host_return=3.0, busy_layer=9.0, tp_forward=8.0, tp_layer=9.0, cp_layer=3.0,
)  # fmt: skip
S = layer(
    layer_forward=4.0,
    layer_backward=8.0,
    layer_host=2.0,
    host_layer=2.0,
    host_return=3.0,
    busy_layer=9.0,
    tp_forward=4.0,
    tp_layer=6.0,
    ep_forward=5.0,
    ep_backward=6.0,
)


def test_the_parts_of_a_stage_of_dense_layers() -> None:
    """Three layers: 3 x 3 s of compute and the edges', 3 x 0.5 + 0.5 s on the host, 3 x 9 s and half of 8 s at the ends, and 3 x 3 s."""
    parts = by_hand.work_parts(round_job(), Plan(pp=4), FOUR, by_hand.Layers(3, 3, None), plain.Kinds(C, None)).named()
    assert listed(parts["compute"]) == [9 + 16, 9, 9, 9 + 32]
    assert listed(parts["host"]) == [2]
    assert listed(parts["tp"]) == [27 + 4, 27, 27, 27 + 4]
    assert listed(parts["cp"]) == [9]
    assert set(parts) == {"compute", "host", "tp", "cp"}


def test_the_parts_of_a_stage_of_both_kinds_of_layer() -> None:
    """Two dense and three sparse layers: 6 + 36 s of compute, two heads and a projection of 1,000 tokens at the end; 33 s of exchanges."""
    layers = by_hand.Layers(5, 2, 3)
    parts = by_hand.work_parts(round_job(AHEAD), Plan(pp=4), FOUR, layers, plain.Kinds(C, S)).named()
    ahead = 3 * 2 * (0.5 + 2 * 1000 * 1000 * 2000 / 1e6)
    assert listed(parts["compute"]) == [42 + 16, 42, 42, 42 + 2 * 32 + ahead]
    assert listed(parts["host"]) == [2 * 0.5 + 3 * 2 + 0.5]
    assert listed(parts["tp"]) == [36 + 4, 36, 36, 36 + 4]
    assert listed(parts["cp"]) == [5 * 3]
    assert listed(parts["ep"]) == [3 * 11]
    assert set(parts) == {"compute", "host", "tp", "cp", "ep"}


@pytest.mark.parametrize(("recompute", "again"), [(0, 0), (1, 40 - 10), (2, 40), (3, 0)])
def test_the_working_set_of_a_stage(recompute: int, again: float) -> None:
    """Gradients of 6 bytes and what is repeated of a layer of 40 (10 under selective recompute); the larger kind of layer counts."""
    cost = layer(tokens=1000.0, layer_gradients=6.0, layer_activations=40.0, selective_activations=10.0, buffer_bytes=7.0)
    plan = Plan(pp=4, recompute=recompute)
    working = by_hand.layer_working(round_job(), plan, by_hand.Layers(3, 3, None), plain.Kinds(cost, None))
    assert listed(working) == [6 + again]
    larger = cost._replace(layer_gradients=8.0, layer_activations=50.0, selective_activations=5.0)
    layers = by_hand.Layers(5, 2, np.array([[3], [3], [0], [0]]))
    mixed = by_hand.layer_working(round_job(SPARSE), plan, layers, plain.Kinds(cost, larger))
    of_sparse = 8 + {0: 0, 1: 50 - 5, 2: 50, 3: 0}[recompute]
    assert listed(mixed) == [of_sparse, of_sparse, 6 + again, 6 + again]


def test_what_layers_of_one_kind_keep_and_repeat() -> None:
    """Under selective recompute 10 bytes for 40 and 2 s; else 40 bytes and none; a whole layer 7 s."""
    cost = layer(layer_activations=40.0, selective_activations=10.0, repeat_layer=7.0, selective_repeat=2.0)
    blocks = [by_hand.block(Plan(recompute=r), 3, cost) for r in (0, 1, 2)]
    assert [listed(value) for value in blocks[1]] == [[3], [10], [7], [2]]
    for block in (blocks[0], blocks[2]):
        assert [listed(value) for value in block] == [[3], [40], [7], [0]]


def test_a_stages_cost_by_hand() -> None:
    """Of 64 sequences on two replicas 32 micro-batches; gradients of weights and the forward pass as shares of the sparse layer where there
    is one; hiding the all-to-all holds a chunk more."""
    job = replace(round_job(SPARSE), overlap_experts=True)
    plan = Plan(pp=2, vpp=5, dp=2).column()
    dense = C._replace(weight_seconds=2.0, busy_forward=3.0)
    sparse = S._replace(weight_seconds=1.0, busy_forward=6.0)
    place = stages.edge_kinds(job, plan)
    both = by_hand.stage_cost(job, plan, place, plain.Kinds(dense, sparse))
    assert listed(both.micro_batches) == [32]
    assert listed(both.weight_share) == [1 / (9 + 2)] and listed(both.forward_share) == [6 / 9]
    alone = by_hand.stage_cost(round_job(), plan, stages.edge_kinds(round_job(), plan), plain.Kinds(dense, None))
    assert listed(alone.weight_share) == [2 / (9 + 0.5)] and listed(alone.forward_share) == [3 / 9]
    assert alone.sparse is None and listed(alone.dense.layers) == [5, 5, 5]
    assert listed(alone.in_flight) == [(2 + 4 * 2 + 1) / 5, (4 * 2 + 1) / 5, (4 * 2 + 1) / 5]
    assert listed(both.in_flight)[0] == (2 + 4 * 2 + 1 + 1) / 5
    work = 5 * 3 + 5 * 0.5 + 0.5 + 5 * 9 + 5 * 3
    assert listed(alone.stage_work) == pytest.approx([work + 16 + 4, work + 32 + 4, work + 32 + 4])


# the least that a micro-batch needs


@pytest.mark.parametrize("share", [1.0, 0.5, 2.0])
def test_the_least_a_micro_batch_needs_by_hand(share: float) -> None:
    """500 tokens on two ranks: a checkpoint of 2 x 500 x 1,000 / 2 bytes, less where a stack keeps less of it; the MLP's gradients and two
    hidden states; logits of 6 bytes for half of the vocabulary."""
    job = round_job(selective=Selective(keep={"norm_in": share}))
    floor = stages.floor_cost(job, Plan(tp=2, cp=2))
    assert listed(floor.checkpoint) == [min(1, share) * 500_000]
    assert listed(floor.gradients) == [2 * 500 * (3 * 1000 + 2 * 1000)]
    assert listed(floor.logits) == [6 * 500 * 2500]


def test_the_least_a_mixture_needs_by_hand() -> None:
    """A sparse layer's gradients where every layer is sparse, those around the experts where dense layers come first."""
    plan = Plan(tp=2, cp=2, ep=4)
    assert listed(stages.floor_cost(round_job(SPARSE), plan).gradients) == [2 * 500 * 2 * 1000]
    every = stages.floor_cost(round_job(replace(SPARSE, dense_layers=0)), plan).gradients
    assert listed(every) == [2 * 500 * 2 * 1000 + 2 * 1000 * (500 + 2 * 500) + 2 * 500 * 3 * 500]


def test_live_bytes_are_at_least_checkpoints_and_what_is_at_hand() -> None:
    """Two micro-batches of five checkpoints of 500,000 bytes in flight on the first rank, one on the last, twice over; 5 million bytes of
    gradients, or 7.5 of logits."""
    job, plan = round_job(activation_overhead=2.0), Plan(tp=2, cp=2, pp=2, dp=8).column()
    assert listed(stages.least_live(job, plan)) == [2 * 2 * 5 * 5e5 + 5e6, *[2 * 1 * 5 * 5e5 + 7.5e6] * 2]


# recomputation


def stage(dense: Any, sparse: Any = None, **costs: Any) -> Any:
    """Stages with these layers and costs and no others."""
    given = dict.fromkeys(plain.StageCost._fields, 0.0) | {"layers": dense.layers, "in_flight": 2.0, "dense": dense, "sparse": sparse}
    return plain.StageCost(**(given | costs))


def sharded(static_bytes: float) -> Any:
    """A sharding with states alone."""
    return plain.Sharding(**(dict.fromkeys(plain.Sharding._fields, 0.0) | {"static_bytes": static_bytes}))


def block(layers: int, stored: float, repeat: float = 0.0, selective: float = 0.0) -> Any:
    """Layers of one kind."""
    return plain.Block(layers, stored, repeat, selective)


@pytest.mark.parametrize(
    ("recompute", "first", "dense", "sparse"), [(0, 0, 0, 0), (FIRST, 1, 1, 0), (FIRST, 3, 2, 1), (FIRST, 9, 2, 3), (FULL, 0, 2, 3)]
)
def test_dense_layers_are_recomputed_before_sparse_ones(recompute: int, first: int, dense: int, sparse: int) -> None:
    """Of two dense and three sparse layers the first are dense; full recompute repeats all."""
    c = stage(block(2, 1.0), block(3, 2.0), layers=4)  # one of the five is a layer of multi-token prediction
    again = by_hand.recomputed(round_job(SPARSE), Plan(recompute=recompute, recompute_layers=first), c)
    assert [float(count) for count in again] == [dense + sparse, dense, sparse]
    alone = by_hand.recomputed(round_job(), Plan(recompute=recompute, recompute_layers=first), stage(block(2, 1.0)))
    assert (float(alone.all), float(alone.dense), alone.sparse) == (dense, dense, None)


def test_activations_in_flight_by_hand() -> None:
    """Three micro-batches of one dense layer of 10 bytes and one checkpoint of 4, three sparse layers of 20 and masks of 6, twice over; and
    gathered inputs of 7 bytes of the four layers that are not recomputed."""
    c = stage(
        block(2, 10.0),
        block(3, 20.0),
        layers=4,
        in_flight=3.0,
        checkpoint_bytes=4.0,
        embedding_masks=6.0,
        gathered_inputs=7.0,
        layer_working=9.0,
        logits_memory=11.0,
        buffer_bytes=1.0,
    )
    plan = Plan(recompute=FIRST, recompute_layers=1)
    held = 2 * 3 * (10 + 4 + 60 + 6) + 4 * 7
    assert listed(by_hand.activations(round_job(SPARSE, activation_overhead=2.0), plan, c)) == [held]
    live = by_hand.live(round_job(SPARSE, activation_overhead=2.0), plan, c)
    assert [listed(value) for value in live] == [
        [held + 12],
        [held + 10],
        [held * 2 / 3 + held / 3 / 5 + 10],
        [held * 2 / 3],
        [held / 3 / 5],
        [held * 2 / 3],
        [held],
        [0],
    ]
    alone = c._replace(sparse=None, layers=2)
    assert listed(by_hand.activations(round_job(activation_overhead=2.0), plan, alone)) == [2 * 3 * (10 + 4 + 6) + 7]


def test_what_stages_repeat_by_hand() -> None:
    """One of two dense layers 7 s and both 0.5 s; of three sparse layers none whole, 0.25 s each."""
    c = stage(block(2, 0.0, 7.0, 0.5), block(3, 0.0, 9.0, 0.25))
    plan = Plan(recompute=FIRST, recompute_layers=1)
    assert listed(by_hand.repeats(round_job(SPARSE), plan, c)) == [7 + 2 * 0.5 + 3 * 0.25]
    assert listed(by_hand.repeats(round_job(), plan, c._replace(sparse=None))) == [7 + 2 * 0.5]


def fewest_layers(job: Any, plan: Plan, c: Any, static_bytes: float, chunk: int) -> list[float]:
    """The fewest recomputed layers with which stages fit with these states."""
    excess = by_hand.excess_activations(job, plan, c, sharded(static_bytes))
    return listed(by_hand.fewest_recomputed(excess, by_hand.freed(job, plan, c), chunk))


# 100 GiB, half of it usable, less 2 of context, over 1.5 for slack: 32 GiB may be allocated
DENSE_CASES = [
    # GiB of static bytes, traits, vpp, gathered GiB, layers: 20 GiB of activations and 2 of others; each layer recomputed saves 2 x 0.75
    (16.0, {}, 1, 0.0, 4), (16.1, {}, 1, 0.0, 5), (0.0, {}, 1, 0.0, 1), (100.0, {}, 1, 0.0, 9), (16.0, {}, 2, 0.0, 2),
    (16.0, {"activation_overhead": 2.0}, 1, 0.0, 9), (16.0, {}, 1, 0.5, 6),
]  # fmt: skip


@pytest.mark.parametrize(("static", "traits", "vpp", "gathered", "fewest"), DENSE_CASES)
def test_the_fewest_layers_to_recompute_of_a_dense_model(
    static: float, traits: dict[str, Any], vpp: int, gathered: float, fewest: int
) -> None:
    """Ten layers of 1 GiB for two micro-batches on the first rank, one on the last, checkpoints of a quarter: as many as bring what is
    beyond 32 GiB back, one at least, and all but one of a virtual stage at most."""
    c = stage(
        block(10, GIB), layers=10, in_flight=FIRST_AND_LAST, checkpoint_bytes=GIB / 4, layer_working=2 * GIB, gathered_inputs=gathered * GIB
    )
    job = round_job(DENSE, context_bytes=2 * GIB, **traits)
    plan = Plan(recompute=FIRST, vpp=vpp)
    assert fewest_layers(job, plan, c, static * GIB, 10 // vpp) == [fewest]


@pytest.mark.parametrize(
    ("every", "vpp", "beyond", "fewest"),
    [(1, 1, 2.5, 2), (1, 1, 6.0, 3), (1, 2, 6.0, 2), (1, 2, 13.0, 3), (2, 1, 6.0, 2), (2, 1, 12.5, 5)],
)
def test_the_fewest_layers_to_recompute_of_a_mixture(every: int, vpp: int, beyond: float, fewest: int) -> None:
    """A dense layer saves 2 x 0.75 GiB, a sparse one 2 x 1.75. With two dense layers first 2.5 GiB are two dense layers, 6 GiB both and
    0.86 of a sparse one; in two virtual stages each layer takes one of both, 5 GiB, as long as dense ones last; where they take turns each
    saves 3.1 GiB."""
    c = stage(block(2, GIB), block(8, 2 * GIB), layers=10, in_flight=FIRST_AND_LAST, checkpoint_bytes=GIB / 4, layer_working=2 * GIB)
    job = round_job(replace(SPARSE, moe_every=every), context_bytes=2 * GIB)
    assert fewest_layers(job, Plan(recompute=FIRST, vpp=vpp), c, (beyond - 6) * GIB, 10) == [fewest]


@pytest.mark.parametrize(("schedule", "left"), [("1f1b", 1.0), ("zb-h1", 1 - 2 * 0.25 * 0.8)])
def test_a_pipeline_by_hand(schedule: str, left: float) -> None:
    """Stages of 5, 6 and 9 s that repeat 1, 1.5 and 1 s: 12 micro-batches of 10 s; the others take 6 + 7.5 x 6 / 3 s; of a fifth that is
    repeated gradients of weights fill nothing."""
    dense = plain.Block(np.array([[2], [3], [2]]), 0.0, 0.5, 0.0)
    work = np.array([[5.0], [6.0], [9.0]])
    c = stage(dense, stage_work=work, micro_batches=12.0, pp_seconds=4.0, weight_share=0.25, forward_share=0.5, layer_working=8.0)
    plan = Plan(pp=4, recompute=FULL, schedule=SCHEDULES.index(schedule)).column()
    costs = by_hand.pace(round_job(), plan, c)
    assert (listed(costs.slowest_stage), listed(costs.steady_seconds)) == ([10], [120])
    assert listed(costs.bubble_seconds) == [pytest.approx(left * (6 + 7.5 * 2))]
    assert (listed(costs.micro_batches), listed(costs.pp_seconds), listed(costs.last_round)) == ([12], [4], [1])
    assert listed(by_hand.live(round_job(), plan, c).backward) == [8, 8, 8]
