"""The pipeline as it runs, against what papers say it idles, and against the time model."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pytest

from planner.cost.schedule import bubble_left
from planner.dimensions import Number
from planner.errors import FieldError
from planner.layout import timeline as module
from planner.layout.pipeline_passes import BACKWARD, FORWARD, INPUTS, WEIGHTS, Pass, order
from planner.layout.timeline import LIMIT, MOST, fewer, passes, run, timeline, to_draw
from planner.specs.job import SCHEDULES
from planner.specs.plan import Plan
from tests.planner.jobs import every_schedule, example, small

CODE = {name: code for code, name in enumerate(SCHEDULES)}


def idle(plan: Plan, m: int, forward: float, inputs: float, weights: float) -> float:
    """The bubble of a pipeline whose stages are all alike, in units of what a micro-batch takes on a rank."""
    took = np.repeat(np.array([[forward], [inputs + weights], [inputs], [weights]]) / plan.vpp, plan.pp * plan.vpp, axis=1)
    ranks = run(plan, [order(plan, rank, m, int(plan.pp)) for rank in range(plan.pp)], took)
    whole = forward + inputs + weights
    return float(max(rank.end[-1] - rank.start[0] for rank in ranks)) / whole - m


@pytest.mark.parametrize("pp", [2, 4, 7])
@pytest.mark.parametrize("v", [1, 2, 5])
def test_1f1b_idles_p_less_one_over_v(pp: int, v: int) -> None:
    """Of stages that are alike 1F1B idles p - 1 micro-batches, interleaved a v-th of that, whatever passes take (Narayanan et al. 2021,
    Section 2.2): the share of the step is (p - 1) / (v m)."""
    for forward, inputs, weights in ((1, 1, 1), (1.0, 2.0, 1.0), (1.0, 0.5, 0.1)):
        assert idle(Plan(pp=pp, vpp=v), 4 * pp, forward, inputs, weights) == pytest.approx((pp - 1) / v)


@pytest.mark.parametrize("pp", [2, 4, 8])
def test_zero_bubble_schedules_idle_what_their_papers_say(pp: int) -> None:
    """Where forward, input and weight gradients take alike: ZB-H1 a third of 1F1B, ZB-H2 and ZB-V nothing (Qi et al. 2023, Section 2 and
    6), DualPipeV (PP / 2 - 1)(F&B + B - 3 W) of half-sized chunks (DualPipe's README): a third."""
    for name, v, left in (("zb-h1", 1, 1 / 3), ("zb-h2", 1, 0.0), ("zb-v", 2, 0.0), ("dualpipev", 2, 1 / 3)):
        assert idle(Plan(pp=pp, vpp=v, schedule=CODE[name]), 4 * pp, 1, 1, 1) == pytest.approx(left * (pp - 1), abs=1e-9), name


@pytest.mark.parametrize(("inputs", "weights"), [(1.2, 0.8), (1.6, 0.4), (2.0, 1.0)])
def test_the_drawing_and_the_time_model_agree_where_formulas_are_exact(inputs: float, weights: float) -> None:
    """ZB-H1 drawn leaves what the time model counts, (p - 1)(F + B - W); ZB-V no more than it; ZB-H2 as drawn by hand twice what the time
    model takes, that of the schedule found automatically."""
    whole, pp = 1 + inputs + weights, 4
    drawn, counted = {}, {}
    for name, v in (("zb-h1", 1), ("zb-h2", 1), ("zb-v", 2)):
        plan = Plan(pp=pp, vpp=v, schedule=CODE[name])
        drawn[name] = idle(plan, 16, 1.0, inputs, weights)
        left = bubble_left(plan.column(), *(Number(np.array([share])) for share in (weights / whole, 1 / whole, 1.0)))
        counted[name] = float(left[0]) * (pp - 1)
    assert drawn["zb-h1"] == pytest.approx(counted["zb-h1"])
    assert drawn["zb-h2"] == pytest.approx(2 * counted["zb-h2"])
    assert drawn["zb-v"] <= counted["zb-v"] + 1e-9


@pytest.mark.parametrize("v", [1, 2, 4])
def test_of_a_real_plan_the_bubble_drawn_is_the_time_models(v: int) -> None:
    """Llama 3.1 8B on pp 4, whose last stage has the head: within a hundredth, drawn or counted."""
    shown = timeline(small(), Plan(pp=4, dp=4, vpp=v))
    assert shown.bubble == pytest.approx(shown.model_bubble, rel=0.01)
    assert shown.drawn == shown.micro_batches == 16


def test_of_uneven_stages_the_drawing_idles_no_more_than_the_sum() -> None:
    """Of Llama 3.1 405B, whose first and last rank have seven layers and the others eight, the drawing waits less than the model."""
    shown = timeline(example(), Plan(tp=4, pp=16, vpp=8, cp=4, dp=64, dp_shard=64, zero=1, sequence_parallel=1))
    assert 0.8 * shown.model_bubble < shown.bubble < shown.model_bubble


@pytest.mark.parametrize("name", ["zb-h1", "zb-h2", "zb-v", "dualpipev"])
def test_split_schedules_run_no_whole_backward_pass_they_need_not(name: str) -> None:
    """ZB schedules split every backward pass, DualPipeV those of its ends alone."""
    plan = Plan(pp=4, vpp=2 if CODE[name] > 2 else 1, dp=4, schedule=CODE[name])
    kinds = {int(kind) for rank in timeline(every_schedule(small()), plan).ranks for kind in rank.kind}
    assert kinds == {FORWARD, INPUTS, WEIGHTS} | ({BACKWARD} if name == "dualpipev" else set())


def test_the_orders_are_those_in_the_papers() -> None:
    """The first and the last of four ranks under 1F1B, as Narayanan et al. 2021 draw them (Figure 4, top)."""
    words = {rank: "".join("FB"[each.kind] + str(each.micro_batch) for (each,) in order(Plan(pp=4), rank, 5, 4)) for rank in (0, 3)}
    assert words == {0: "F0F1F2F3B0F4B1B2B3B4", 3: "F0B0F1B1F2B2F3B3F4B4"}
    chunks = [(each.chunk, each.micro_batch) for (each,) in order(Plan(pp=2, vpp=2), 1, 4, 2) if each.kind == FORWARD]
    assert chunks == [(0, 0), (0, 1), (1, 0), (1, 1), (0, 2), (0, 3), (1, 2), (1, 3)]
    assert order(Plan(pp=2, vpp=2), 1, 2, 2)[2:4] == [(Pass(FORWARD, 1, 0),), (Pass(BACKWARD, 1, 0),)]


def test_a_step_of_very_many_micro_batches_is_drawn_with_fewer() -> None:
    """Fewer, in whole groups, enough to fill the pipeline; and what it idles is the same."""
    assert fewer(8, 8, 100, 8) == 100
    assert fewer(128, 16, 100_000, 16) % 16 == 0 and 48 <= fewer(128, 16, 100_000, 16) <= MOST
    job = example(gpus=64, model="llama-3.1-8b", global_batch=32768, sequence=1024)
    shown = timeline(job, Plan(tp=8, pp=8, sequence_parallel=1))
    assert shown.micro_batches == 32768 > shown.drawn
    assert shown.bubble == pytest.approx(shown.model_bubble, rel=0.01)


def test_one_rank_runs_its_micro_batches_one_after_the_other() -> None:
    """Without a pipeline there is one row and no bubble."""
    shown = timeline(small(), Plan(dp=16))
    assert len(shown.ranks) == 1 and shown.bubble == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("m", [1, 7, 40, 100_000])
@pytest.mark.parametrize("vpp", [1, 3])
def test_the_passes_of_a_plan_are_counted_before_they_are_worked_out(name: str, m: int, vpp: int) -> None:
    """What is counted is what the orders hold, or more where a schedule leaves backward passes whole or drops those there are not."""
    code = CODE[name]
    plan = Plan(pp=5, vpp=2 if code > 2 else vpp if not code else 1, schedule=code)
    drawn, group = to_draw(plan, m)
    if name == "dualpipev" and drawn < 10:
        return  # it needs two micro-batches a rank
    held = sum(len(block) for rank in range(plan.pp) for block in order(plan, rank, drawn, group))
    assert held <= passes(plan, m) <= LIMIT
    if name in ("1f1b", "zb-h1", "zb-h2"):
        assert held == passes(plan, m)


@pytest.mark.parametrize(("pp", "vpp", "schedule"), [(10_000, 1, 0), (1024, 1, 0), (504, 20, 0), (1024, 1, 1), (512, 2, 3), (512, 2, 4)])
def test_a_pipeline_too_long_to_draw_is_refused_before_a_pass_is_worked_out(pp: int, vpp: int, schedule: int) -> None:
    """However many ranks and micro-batches, no more than LIMIT passes are worked out, and no order is written for what is refused."""
    plan = Plan(pp=pp, vpp=vpp, schedule=schedule)
    job = every_schedule(example(gpus=pp, model="llama-3.1-8b", global_batch=100_000))
    with patch.object(module, "order") as written, pytest.raises(FieldError, match="too long to draw") as said:
        timeline(job, plan)
    assert not written.called
    shorter = plan.with_(pp=int(str(said.value).split()[-1].replace(",", "")))
    assert passes(shorter, 3 * int(shorter.pp)) <= LIMIT


def test_zb_v_of_few_micro_batches_is_counted_as_it_is_written() -> None:
    """Its order is written for 2 p - 1 micro-batches and then cut: one micro-batch through very many ranks is refused as well."""
    assert passes(Plan(pp=1000, vpp=2, schedule=CODE["zb-v"]), 1) > LIMIT > passes(Plan(pp=1000), 1)
