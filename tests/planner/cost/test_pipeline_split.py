"""How layers fall on pipeline stages and what a stage holds in flight, against values computed by hand and published ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from planner.cost import pipeline_split as split
from planner.dimensions import Count, Number, Stage
from planner.specs.job import SCHEDULES, Job
from planner.specs.plan import Plan
from tests.planner.cost.hand_worked import EXPERTS, round_job
from tests.planner.jobs import example

CODE = {name: code for code, name in enumerate(SCHEDULES)}


def layers_of(layers: int, plan: Plan, how: str = "slots", **model: int | bool) -> list[int]:
    """Layers on each pipeline rank."""
    job = round_job(model={"layers": layers} | model, stack={"uneven_stages": how})
    return [int(n) for n in split.stage_layers(job, plan.column(), plan.every_stage())[:, 0]]


@pytest.mark.parametrize(
    ("layers", "plan", "expected"),
    [
        (8, Plan(pp=4), [2, 2, 2, 2]),
        (6, Plan(pp=4), [1, 2, 2, 1]),  # 6 and both ends: two slots each
        (7, Plan(pp=4), [2, 2, 2, 1]),  # 7 and the head
        (9, Plan(pp=4), [3, 2, 2, 2]),  # none divides: the first has one more
        (9, Plan(pp=2, vpp=2), [5, 4]),
        (11, Plan(pp=2, vpp=2), [6, 5]),  # 11 and the head are 12: three each, the last gives one up
        (10, Plan(pp=2, vpp=2), [5, 5]),  # 10 and both ends are 12
        (13, Plan(pp=4, vpp=3), [4, 3, 3, 3]),
        (16, Plan(pp=3, vpp=2), [5, 6, 5]),
        (8, Plan(), [8]),
    ],
)
def test_ends_count_as_a_layer_where_layers_do_not_divide(layers: int, plan: Plan, expected: list[int]) -> None:
    """Megatron-LM's --account-for-embedding-in-pipeline-split and --account-for-loss-in-pipeline-split, or the first stages hold more."""
    assert layers_of(layers, plan) == expected


def test_published_splits_are_met() -> None:
    """Llama 3, Section 3.3.2: 126 layers on 16 stages, one less on the first and on the last. DeepSeek-V3 on 16: 61 layers, one predicted
    ahead and two heads of the last stage's four (Megatron-Bridge, recipes/deepseek)."""
    llama = example()
    plan = Plan(tp=8, pp=16, dp=128)
    assert split.stage_layers(llama, plan.column(), plan.every_stage())[:, 0].tolist() == [7, *[8] * 14, 7]
    assert layers_of(61, Plan(pp=16), "slots", **EXPERTS, mtp_layers=1) == [*[4] * 15, 1]


@pytest.mark.parametrize(("layers", "plan", "expected"), [(8, Plan(pp=2), [4, 4]), (8, Plan(pp=4), [2, 3, 2, 1]), (8, Plan(), [8])])
def test_torchtitan_counts_both_ends_always(layers: int, plan: Plan, expected: list[int]) -> None:
    """generate_llm_fqn_per_model_part: ten slots for eight layers, three, three, two and two."""
    assert layers_of(layers, plan, "any") == expected


def test_odd_layers_of_a_v_reach_its_way_back() -> None:
    """Eleven slots in stages of three, three, three and two: rank 0 has three and two and both ends, rank 1 twice three."""
    assert layers_of(9, Plan(pp=2, vpp=2, schedule=CODE["zb-v"]), "any") == [3, 6]


def test_a_stack_without_uneven_stages_counts_layers_alone() -> None:
    """8 layers on 4 stages; ends displace none."""
    assert layers_of(8, Plan(pp=4), "never") == [2, 2, 2, 2]


@pytest.mark.parametrize(("layers", "pp", "expected"), [(11, 2, [5, 6]), (10, 2, [4, 6]), (9, 2, [5, 4]), (10, 3, [2, 4, 4])])
def test_a_v_puts_two_virtual_stages_on_each_rank(layers: int, pp: int, expected: list[int]) -> None:
    """Rank i holds stages i and 2 p - 1 - i: of 12 slots in four stages three each, the head's on the first rank; of nine layers the first
    stage has the odd one."""
    assert layers_of(layers, Plan(pp=pp, vpp=2, schedule=CODE["zb-v"])) == expected


def test_the_virtual_stages_of_a_rank_sum_to_its_layers() -> None:
    """7 layers and the head on 2 x 2 stages: 2, 2, 2 and 1; in a V the first rank has the first and the last."""
    job = round_job(model={"layers": 7})
    assert split.virtual_layers(job, Plan(pp=2, vpp=2)).tolist() == [2, 2, 2, 1]
    v = split.virtual_layers(job, Plan(pp=2, vpp=2, schedule=CODE["zb-v"])).tolist()
    assert v == [2, 2, 2, 1] and layers_of(7, Plan(pp=2, vpp=2, schedule=CODE["zb-v"])) == [3, 4]
    both = round_job(model={"layers": 10})
    assert split.virtual_layers(both, Plan(pp=2, vpp=2)).tolist() == [2, 3, 3, 2]


def test_what_a_head_displaces_leaves_the_latest_stages_of_its_rank_first() -> None:
    """Three heads' worth of slots where a stage has two: two of the last stage, one of the rank's other."""
    job = round_job(model={"layers": 4} | EXPERTS | {"mtp_layers": 1})  # 4 + 2 + 1 and a slot are 8
    job = replace(job, model=replace(job.model, layers=5))
    assert split.virtual_layers(job, Plan(pp=2, vpp=2)).tolist() == [2, 1, 2, 0]


def test_a_rank_without_room_for_its_heads_has_less_than_no_layers() -> None:
    """Five layers, a slot and two heads on four stages of two slots: three displace two layers of the last stage, and one too many."""
    job = round_job(model={"layers": 5} | EXPERTS | {"mtp_layers": 1})
    assert split.virtual_layers(job, Plan(pp=4)).tolist() == [2, 2, 2, -1]


def even(layers: int = 8, **model: object) -> Job:
    """A job whose stages are split by FLOPs; a layer is 4 · 80 · 100 + 3 · 300 · 100 = 122,000, the head as the vocabulary has it."""
    return round_job(model={"layers": layers, "vocab": 2440} | model, stack={"uneven_stages": "flops", "interleaved": False})


def test_stages_even_in_flops_end_with_the_layer_that_reaches_their_share() -> None:
    """nanotron, build_model: a head of 2,440 · 100 is worth two layers, of ten in all four stages have 2.5: they end behind layers 3, 5 and
    8."""
    plan = Plan(pp=4)
    assert split.stage_layers(even(), plan.column(), plan.every_stage())[:, 0].tolist() == [3, 2, 3, 0]
    assert split.virtual_layers(even(), plan).tolist() == [3, 2, 3, 0]
    assert split.chunk_layers(even(), plan.column()).tolist() == [3]
    wide = even(gated=False)  # 4 · 80 · 100 + 2 · 300 · 100 = 92,000: a head of 2.65 layers, 2.66 a stage
    assert split.stage_layers(wide, plan.column(), plan.every_stage())[:, 0].tolist() == [3, 3, 2, 0]


def test_the_head_is_on_the_last_rank_or_in_a_v_on_the_first() -> None:
    """ZB-V and DualPipeV run down the ranks and back up."""
    stage = Stage(np.array([[0], [1], [2]]))
    for name in SCHEDULES:
        plan = Plan(pp=3, vpp=2, schedule=CODE[name]).column()
        v = name in ("zb-v", "dualpipev")
        assert split.is_head(plan, stage)[:, 0].tolist() == ([True, False, False] if v else [False, False, True])
        assert split.in_v(plan).tolist() == [v]


def kinds(job: Job, plan: Plan) -> tuple[list[float], list[float]]:
    """Dense and sparse layers on each rank."""
    columns, stage = plan.column(), plan.every_stage()
    layers = split.stage_layers(job, columns, stage)
    sparse = split.sparse_stage_layers(job, columns, stage, layers)
    dense = split.dense_stage_layers(job, columns, stage, layers, sparse)
    return [float(x) for x in np.asarray(dense)[:, 0]], [float(x) for x in np.asarray(sparse)[:, 0]]


@pytest.mark.parametrize(
    ("model", "plan", "dense", "sparse"),
    [
        ({"dense_layers": 3}, Plan(pp=4), [2, 1, 0, 0], [0, 1, 2, 2]),
        ({"dense_layers": 3}, Plan(pp=2, vpp=2), [2, 1], [2, 3]),  # stages of two: the first layers lie on ranks 0, 0, 1
        ({"dense_layers": 5}, Plan(pp=2, vpp=2), [3, 2], [1, 2]),
        ({"dense_layers": 0}, Plan(pp=4), [0, 0, 0, 0], [2, 2, 2, 2]),
        ({"dense_layers": 3, "layers": 6}, Plan(pp=4), [1, 2, 0, 0], [0, 0, 2, 1]),  # the embedding displaces one of the first
        ({"dense_layers": 3, "layers": 9}, Plan(pp=2, vpp=2), [3, 0], [2, 4]),  # three in the first stage
        ({"moe_every": 2}, Plan(pp=4), [1, 1, 1, 1], [1, 1, 1, 1]),  # turns with dense ones, on the mean
        ({"dense_layers": 2, "moe_every": 2}, Plan(pp=2), [3, 2], [1, 2]),
        ({"dense_layers": 3}, Plan(pp=2, vpp=2, schedule=3), [2, 1], [2, 3]),
        ({"dense_layers": 2, "layers": 6, "mtp_layers": 1}, Plan(pp=3), [2, 0, 0], [1, 3, 1]),  # 6, a slot and two heads
    ],
)
def test_dense_layers_come_first(model: dict[str, object], plan: Plan, dense: list[float], sparse: list[float]) -> None:
    """Of 8 layers the first ones are dense, in the order data flows through the virtual stages; a layer that predicts ahead is sparse
    and lies with the head."""
    assert kinds(round_job(model=EXPERTS | model), plan) == (dense, sparse)


def test_dense_layers_of_stages_even_in_flops_are_the_first_too() -> None:
    """Stages of 3, 2, 3 and no layers: of four dense ones three on the first, one on the second."""
    assert kinds(even(**EXPERTS, dense_layers=4), Plan(pp=4)) == ([3, 1, 0, 0], [0, 1, 3, 0])


def test_the_fullest_stages_are_among_the_edges() -> None:
    """The first, the second and the last; with dense layers first also the last rank that has one, and the next. One column holds each."""

    def edges(job: Job, plan: Plan) -> list[int]:
        return [int(rank) for rank in split.edge_stages(job, plan.column())[:, 0]]

    assert edges(round_job(), Plan(pp=4)) == [0, 1, 3]
    assert edges(round_job(), Plan()) == [0, 0, 0]
    mixture = round_job(model=EXPERTS | {"dense_layers": 3})  # on ranks 0 and 1 of 4
    assert edges(mixture, Plan(pp=4)) == [0, 1, 1, 2, 3]
    assert edges(mixture, Plan(pp=8)) == [0, 1, 2, 3, 7]
    # split by FLOPs: from the third rank on the first of as many layers as any
    assert edges(even(**EXPERTS, dense_layers=4), Plan(pp=4)) == [0, 1, 2, 1, 2, 3]


def test_ranks_that_start_with_a_dense_layer_are_counted() -> None:
    """Three dense layers in stages of two lie on two ranks, in stages of one on three, in stages of four on one."""
    job = round_job(model=EXPERTS | {"dense_layers": 3})
    plans = Plan(pp=Count(np.array([4, 8, 2])), vpp=Count(np.array([1, 1, 1])))
    assert split.dense_ranks(job, plans).tolist() == [2, 3, 1]
    assert split.dense_ranks(even(**EXPERTS, dense_layers=4), Plan(pp=4).column()).tolist() == [2]


def test_the_longest_rank_from_one_on() -> None:
    """Of 3, 2, 3 and 0 layers the first, from rank 1 on the third; 0 where none is left."""
    plan = Plan(pp=4).column()
    assert [int(split.longest_from(even(), plan, Count(np.array([start])))[0]) for start in (0, 1, 2, 4)] == [0, 2, 2, 0]


def test_the_fullest_virtual_stage_has_an_odd_layer() -> None:
    """9 layers in four stages: 3 in the fullest; 8: 2."""
    assert [split.chunk_layers(round_job(model={"layers": n}), Plan(pp=2, vpp=2).column()).tolist() for n in (8, 9)] == [[2], [3]]
    predicting = round_job(model=EXPERTS | {"layers": 6, "mtp_layers": 1})  # six, a slot and two heads
    assert split.chunk_layers(predicting, Plan(pp=3).column()).tolist() == [3]


@pytest.mark.parametrize(("recompute", "first", "expected"), [(0, 0, 0), (1, 0, 0), (2, 0, 9), (3, 2, 6), (3, 4, 9)])
def test_recomputed_layers_are_all_or_the_first_of_each_virtual_stage(recompute: int, first: int, expected: int) -> None:
    """Of 9 layers in three virtual stages: none, all, or 3 · 2; never more than there are."""
    plan = Plan(pp=2, vpp=3, recompute=recompute, recompute_layers=first).column()
    assert np.max(split.recomputed_layers(round_job(), plan, Number(9.0))) == expected


def test_every_k_th_layer_is_recomputed_alone() -> None:
    """Of 9 layers every fourth: 3; of three dense and five sparse ones every second is 4, 2.5 sparse ones among them."""
    plan = Plan(recompute=2).column()
    assert float(np.max(split.recomputed_layers(round_job(recompute_every=4), plan, Number(9.0)))) == 3
    job = round_job(model=EXPERTS, recompute_every=2)
    again = split.recomputed_layers(job, plan, Number(8.0))
    assert float(np.max(split.recomputed_sparse(job, plan, again, Number(3.0), Number(5.0)))) == 2.5


@pytest.mark.parametrize(
    ("model", "recompute", "first", "vpp", "dense", "sparse", "expected"),
    [
        ({}, 2, 0, 1, 3.0, 5.0, (5, 3)),
        ({}, 3, 2, 1, 3.0, 5.0, (0, 2)),  # the first two are dense
        ({}, 3, 4, 1, 3.0, 5.0, (1, 3)),
        ({}, 3, 2, 2, 3.0, 5.0, (2, 2)),  # and two of the second virtual stage sparse
        ({"moe_every": 2}, 3, 2, 2, 2.0, 6.0, (3, 1)),  # 4 of 8, three quarters sparse
        ({"moe_every": 2}, 2, 0, 1, 2.0, 6.0, (6, 2)),
        ({}, 0, 0, 1, 3.0, 5.0, (0, 0)),
    ],
)
def test_dense_layers_are_recomputed_first(
    model: dict[str, object], recompute: int, first: int, vpp: int, dense: float, sparse: float, expected: tuple[int, int]
) -> None:
    """Of a rank's dense layers, which come first, and sparse ones: what is recomputed, sparse and dense."""
    plan = Plan(pp=2, vpp=vpp, recompute=recompute, recompute_layers=first).column()
    again = split.recomputed_layers(round_job(), plan, Number(dense + sparse))
    job = round_job(model=EXPERTS | model)
    of_sparse = split.recomputed_sparse(job, plan, again, Number(dense), Number(sparse))
    of_dense = split.recomputed_dense(again, of_sparse)
    assert (float(np.max(of_sparse)), float(np.max(of_dense))) == expected


@pytest.mark.parametrize(("pp", "micro_batches", "expected"), [(4, 8, 4), (4, 6, 6), (4, 9, 4), (4, 3, 3), (4, 11, 5)])
def test_interleaved_micro_batches_turn_in_rounds(pp: int, micro_batches: int, expected: int) -> None:
    """Whole groups of p; of others m // p rounds of m // (m // p): 6 in one, 11 in two of 5 and more."""
    assert split.round_size(Count(pp), Number(micro_batches)) == expected


@pytest.mark.parametrize(
    ("name", "vpp", "micro_batches", "ahead", "expected"),
    [
        ("1f1b", 1, 9, 0, [4, 3, 2, 1]),
        ("1f1b", 1, 2, 0, [2, 2, 2, 1]),
        ("1f1b", 1, 9, 1, [5, 4, 3, 2]),
        # Narayanan et al. 2021, Figure 4: 2 (p - i - 1) + (v - 1) p + 1 chunks of half a rank's layers
        ("1f1b", 2, 8, 0, [11 / 2, 9 / 2, 7 / 2, 5 / 2]),
        ("1f1b", 3, 8, 0, [15 / 3, 13 / 3, 11 / 3, 9 / 3]),
        ("1f1b", 2, 8, 1, [12 / 2, 10 / 2, 8 / 2, 6 / 2]),
        ("1f1b", 2, 2, 0, [2, 2, 2, 3 / 2]),  # one round of two: 2 (p - i - 1) + 2 + 1 chunks, of four there are
        ("1f1b", 2, 6, 0, [12 / 2, 11 / 2, 9 / 2, 7 / 2]),  # one round of six
        ("zb-h1", 1, 9, 0, [4, 4, 4, 4]),
        ("zb-h2", 1, 9, 0, [7, 7, 7, 7]),
        ("zb-h2", 1, 5, 0, [5, 5, 5, 5]),
        ("zb-v", 2, 9, 0, [4, 4, 4, 4]),
        ("dualpipev", 2, 9, 0, [4.5, 4.5, 4.5, 4.5]),
        ("dualpipev", 2, 3, 0, [3, 3, 3, 3]),
    ],
)
def test_a_rank_holds_what_its_schedule_has_in_flight(name: str, vpp: int, micro_batches: int, ahead: int, expected: list[float]) -> None:
    """On four ranks: p - i (Korthikanti et al. 2022, Section 4.2.3), p, 2 p - 1 (Qi et al. 2023), p + ½ (DualPipe); no more than there
    are."""
    plan = Plan(pp=4, vpp=vpp, schedule=CODE[name]).column()
    held = split.in_flight(plan, Stage(np.arange(4)[:, None]), Number(micro_batches), Count(ahead))
    assert held[:, 0].tolist() == pytest.approx(expected)


def test_the_largest_of_stages_is_taken_plan_by_plan() -> None:
    """Of 1, 5 and 3, and of 4, 2 and 6 layers: 5 and 6."""
    assert split.largest(np.array([[1, 4], [5, 2], [3, 6]])).tolist() == [5, 6]
