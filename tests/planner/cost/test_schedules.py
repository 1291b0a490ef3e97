"""Pipeline schedules against the papers and programs they come from: what they hold, what they idle, where stages lie."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from planner.cost import pipeline_split as split
from planner.cost import schedule, shard
from planner.cost.evaluate import evaluate, stages
from planner.specs.job import SCHEDULES
from planner.specs.plan import Plan
from tests.planner.jobs import every_schedule, example, mixture, small

CODE = {name: code for code, name in enumerate(SCHEDULES)}
V_SHAPED = ("zb-v", "dualpipev")


def plan_of(name: str, pp: int, **changes: int) -> Plan:
    """A plan of this schedule, with the virtual stages it asks for."""
    return Plan(pp=pp, schedule=CODE[name], vpp=2 if name in V_SHAPED else 1, **changes)


@pytest.mark.parametrize("pp", [2, 3, 4, 8])
@pytest.mark.parametrize(
    ("name", "first", "last"),
    [("1f1b", lambda p: p, lambda p: 1), ("zb-h1", lambda p: p, lambda p: p), ("zb-h2", lambda p: 2 * p - 1, lambda p: 2 * p - 1),
     ("zb-v", lambda p: p, lambda p: p), ("dualpipev", lambda p: p + 0.5, lambda p: p + 0.5)],
    ids=SCHEDULES,
)  # fmt: skip
def test_a_schedule_holds_what_its_paper_says(name: str, pp: int, first: Callable[[int], float], last: Callable[[int], float]) -> None:
    """1F1B holds p - i micro-batches, ZB-H1 and ZB-V p, ZB-H2 2 p - 1 (Qi et al. 2023, Sections 2.3 and 6), DualPipeV 2 p + 1 chunks of
    half a rank's layers (DeepSeek's DualPipe, README), and none more than there are."""
    stage, plan = np.array([[0], [pp - 1]]), plan_of(name, pp).column()
    assert split.in_flight(plan, stage, 64)[:, 0].tolist() == [first(pp), last(pp)]
    for there in (1, 2, pp):
        assert split.in_flight(plan, stage, there)[:, 0].tolist() == [min(first(pp), there), min(last(pp), there)]


def test_one_f_one_b_holds_what_a_simulation_of_it_holds() -> None:
    """A rank that runs p - i forward passes before its first backward one, then one of each, holds p - i micro-batches at most."""
    pp, there = 4, 9
    for rank in range(pp):
        warm = min(pp - rank - 1, there)
        held, most = 0, 0
        for step in ["F"] * warm + ["F", "B"] * (there - warm) + ["B"] * warm:
            held += 1 if step == "F" else -1
            most = max(most, held)
        assert most == split.in_flight(plan_of("1f1b", pp).column(), np.array([[rank]]), there)[0, 0]


@pytest.mark.parametrize(
    ("name", "left"), [("1f1b", 1), ("zb-h1", 1 / 3), ("zb-h2", 0), ("zb-v", 0), ("dualpipev", (2 - 1 / 3 - 3 / 3) / 2)]
)
def test_with_passes_that_take_alike_the_bubble_is_the_papers(name: str, left: float) -> None:
    """Where forward, input and weight gradients take a third each, ZB-H1 leaves a third of the bubble, ZB-H2 and ZB-V none (Qi et al.,
    Section 2), DualPipeV (p - 1)(F&B + B - 3 W) of half-sized chunks: a third."""
    third = np.array([1 / 3])
    assert schedule.bubble_left(plan_of(name, 4).column(), third, third, 1.0)[0] == pytest.approx(left, abs=1e-12)


@pytest.mark.parametrize(("weights", "h1", "h2"), [(0.2, 0.6, 0.4), (0.3, 0.4, 0.1), (0.4, 0.2, 0.0)])
def test_the_bubble_shrinks_by_what_weight_gradients_fill(weights: float, h1: float, h2: float) -> None:
    """ZB-H1 leaves (p - 1)(F + B - W), ZB-V (p - 1)(F + B - 2 W), never less than none, ZB-H2 a share of that where found by search."""
    share = np.array([weights])
    for name, left in (("zb-h1", h1), ("zb-v", h2), ("zb-h2", schedule.AUTOMATIC * h2)):
        assert schedule.bubble_left(plan_of(name, 4).column(), share, share, 1.0)[0] == pytest.approx(left)


def test_interleaving_divides_the_bubble_and_zero_bubble_leaves_less_for_more_memory() -> None:
    """For one plan, time falls and memory grows from 1F1B to ZB-H1 to ZB-H2."""
    job = every_schedule(small(global_batch=64))
    found = [evaluate(job, plan_of(name, 4, dp=4)) for name in ("1f1b", "zb-h1", "zb-h2")]
    bubbles = [float(e.time_parts["bubble"][0]) for e in found]
    assert bubbles[0] > bubbles[1] > bubbles[2] >= 0
    assert found[0].step[0] > found[1].step[0] > found[2].step[0]
    # the last rank, with the head, is the fullest: it holds one micro-batch under 1F1B, p under ZB-H1
    device = [[row["device"] for row in stages(job, plan_of(name, 4, dp=4))] for name in ("1f1b", "zb-h1", "zb-h2")]
    assert all(a <= b <= c for a, b, c in zip(*device, strict=True)) and max(device[0]) < max(device[1]) < max(device[2])


@pytest.mark.parametrize("name", V_SHAPED)
def test_stages_of_a_v_run_down_the_ranks_and_back_up(name: str) -> None:
    """Rank i holds virtual stages i and 2 p - 1 - i: the first holds embedding and head, and gives up a layer for each."""
    job = every_schedule(small(stack="torchtitan"))
    job = replace(job, model=replace(job.model, layers=8))
    rows = stages(job, plan_of(name, 2, dp=8))
    assert [row["layers"] for row in rows] == [3, 5]  # of ten slots in stages of 3, 3, 2, 2 the first and the last hold one layer less
    assert [row["logits"] > 0 for row in rows] == [True, False]
    ten = replace(job, model=replace(job.model, layers=10))
    assert [row["layers"] for row in stages(ten, plan_of(name, 3, dp=4))] == [2, 4, 4]  # twelve slots in six stages of two


def test_a_tied_embedding_needs_no_copy_in_a_v() -> None:
    """Where the first rank holds embedding and head, a tied head is the embedding itself: no second copy and no sum of gradients."""
    job = every_schedule(example(model="llama-3.2-1b", gpus=4, gpus_per_node=4, global_batch=16))
    plain, v = (plan_of(name, 4) for name in ("1f1b", "zb-v"))
    assert shard.head_weights(job, plain.column())[0] == 128_256 * 2048
    assert shard.head_weights(job, v.column())[0] == 0
    assert evaluate(job, plain).time_parts["dp"][0] > evaluate(job, v).time_parts["dp"][0] == 0


@pytest.mark.parametrize("pp", [2, 4])
def test_dense_layers_come_first_in_a_v_too(pp: int) -> None:
    """The first layers, whose MLP is dense, lie on the first ranks of the way down."""
    job = every_schedule(mixture("deepseek-v3-671b", 4 * pp - 3, stack="torchtitan"))
    plan, stage = plan_of("zb-v", pp).column(), np.arange(pp)[:, None]
    layers = split.stage_layers(job, plan, stage)
    sparse = split.sparse_stage_layers(job, plan, stage, layers)
    dense = split.dense_stage_layers(job, plan, stage, layers, sparse)
    # two slots a stage: embedding and a layer, then two layers each; at the end prediction and head
    assert dense[:, 0].tolist() == [1, 2, 0, 0][:pp]
    assert layers.sum() == job.model.layers and sparse.sum() + dense.sum() == job.model.layers + 1


def test_dualpipe_hides_the_experts_traffic_unasked() -> None:
    """DualPipeV runs one micro-batch's passes beside another's all-to-all and hides the stack's share of it; others hide none unasked."""
    job = every_schedule(mixture(gpus=32, global_batch=256))
    job = replace(job, stack=replace(job.stack, ep_overlap=0.7))
    found = {name: evaluate(job, plan_of(name, 4, dp=8, ep=8)) for name in SCHEDULES}
    hidden = {name: float(e.hidden["ep"][0] / (e.hidden["ep"][0] + e.time_parts["ep"][0])) for name, e in found.items()}
    assert hidden == pytest.approx({"dualpipev": 0.7} | dict.fromkeys(SCHEDULES[:-1], 0.0), abs=1e-9)
