"""The simulated pipeline against published bubbles and against the time model."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pytest

from planner.cost.schedule import bubble_left
from planner.dimensions import Number
from planner.errors import FieldError
from planner.layout import timeline as timeline_module
from planner.layout.pipeline_passes import BACKWARD, FORWARD, INPUTS, WEIGHTS, Pass, order
from planner.layout.timeline import LIMIT, MOST, fewer, passes, run, timeline, to_draw
from planner.specs.job import SCHEDULES
from planner.specs.plan import Plan
from tests.planner.jobs import every_schedule, example, small

CODE = {name: code for code, name in enumerate(SCHEDULES)}


def idle(plan: Plan, m: int, forward: float, inputs: float, weights: float) -> float:
    """The bubble of a pipeline with equal stages, in units of a rank's time per micro-batch."""
    duration = np.repeat(np.array([[forward], [inputs + weights], [inputs], [weights]]) / plan.vpp, plan.pp * plan.vpp, axis=1)
    ranks = run(plan, [order(plan, rank, m, int(plan.pp)) for rank in range(plan.pp)], duration)
    per_micro_batch = forward + inputs + weights
    return float(max(rank.end[-1] - rank.start[0] for rank in ranks)) / per_micro_batch - m


@pytest.mark.parametrize("pp", [2, 4, 7])
@pytest.mark.parametrize("v", [1, 2, 5])
def test_the_bubble_of_1f1b_is_published(pp: int, v: int) -> None:
    """With equal stages the bubble is (p - 1) / v micro-batches for any duration of the passes.

    Narayanan et al. 2021, Section 2.2: the share of the step is (p - 1) / (v m).
    """
    for forward, inputs, weights in ((1, 1, 1), (1.0, 2.0, 1.0), (1.0, 0.5, 0.1)):
        assert idle(Plan(pp=pp, vpp=v), 4 * pp, forward, inputs, weights) == pytest.approx((pp - 1) / v)


@pytest.mark.parametrize("pp", [2, 4, 8])
def test_the_bubbles_of_zero_bubble_schedules_are_published(pp: int) -> None:
    """With equal forward, input and weight gradients: ZB-H1 a third of 1F1B, ZB-H2 and ZB-V zero, DualPipeV a third.

    Qi et al. 2023, Sections 2 and 6; DualPipe's README: (PP / 2 - 1)(F&B + B - 3 W) of half-sized chunks.
    """
    for name, v, left in (("zb-h1", 1, 1 / 3), ("zb-h2", 1, 0.0), ("zb-v", 2, 0.0), ("dualpipev", 2, 1 / 3)):
        assert idle(Plan(pp=pp, vpp=v, schedule=CODE[name]), 4 * pp, 1, 1, 1) == pytest.approx(left * (pp - 1), abs=1e-9), name


@pytest.mark.parametrize(("inputs", "weights"), [(1.2, 0.8), (1.6, 0.4), (2.0, 1.0)])
def test_the_simulation_equals_exact_formulas(inputs: float, weights: float) -> None:
    """ZB-H1 has the time model's bubble (p - 1)(F + B - W), ZB-V at most its own, ZB-H2 twice.

    The handcrafted ZB-H2 is simulated; the time model's is the automatically found schedule.
    """
    per_micro_batch, pp = 1 + inputs + weights, 4
    drawn, counted = {}, {}
    for name, v in (("zb-h1", 1), ("zb-h2", 1), ("zb-v", 2)):
        plan = Plan(pp=pp, vpp=v, schedule=CODE[name])
        drawn[name] = idle(plan, 16, 1.0, inputs, weights)
        left = bubble_left(plan.column(), *(Number(np.array([share])) for share in (weights / per_micro_batch, 1 / per_micro_batch, 1.0)))
        counted[name] = float(left[0]) * (pp - 1)
    assert drawn["zb-h1"] == pytest.approx(counted["zb-h1"])
    assert drawn["zb-h2"] == pytest.approx(2 * counted["zb-h2"])
    assert drawn["zb-v"] <= counted["zb-v"] + 1e-9


@pytest.mark.parametrize("v", [1, 2, 4])
def test_the_bubble_of_a_real_plan_is_the_time_models(v: int) -> None:
    """Llama 3.1 8B on pp 4, whose last stage has the head: equal within 1 %."""
    shown = timeline(small(), Plan(pp=4, dp=4, vpp=v))
    assert shown.bubble == pytest.approx(shown.model_bubble, rel=0.01)
    assert shown.drawn == shown.micro_batches == 16


def test_the_bubble_of_uneven_stages_is_at_most_the_time_models() -> None:
    """For Llama 3.1 405B, with 7 layers on the first and last rank and 8 on the others."""
    shown = timeline(example(), Plan(tp=4, pp=16, vpp=8, cp=4, dp=64, dp_shard=64, zero=1, sequence_parallel=1))
    assert 0.8 * shown.model_bubble < shown.bubble < shown.model_bubble


@pytest.mark.parametrize("name", ["zb-h1", "zb-h2", "zb-v", "dualpipev"])
def test_split_schedules_split_backward_passes(name: str) -> None:
    """ZB schedules split every backward pass, DualPipeV only those at its ends."""
    plan = Plan(pp=4, vpp=2 if CODE[name] > 2 else 1, dp=4, schedule=CODE[name])
    kinds = {int(kind) for rank in timeline(every_schedule(small()), plan).ranks for kind in rank.kind}
    assert kinds == {FORWARD, INPUTS, WEIGHTS} | ({BACKWARD} if name == "dualpipev" else set())


def test_the_order_of_1f1b_is_published() -> None:
    """The first and the last of four ranks as in Narayanan et al. 2021, Figure 4, top."""
    words = {rank: "".join("FB"[each.kind] + str(each.micro_batch) for (each,) in order(Plan(pp=4), rank, 5, 4)) for rank in (0, 3)}
    assert words == {0: "F0F1F2F3B0F4B1B2B3B4", 3: "F0B0F1B1F2B2F3B3F4B4"}
    chunks = [(each.chunk, each.micro_batch) for (each,) in order(Plan(pp=2, vpp=2), 1, 4, 2) if each.kind == FORWARD]
    assert chunks == [(0, 0), (0, 1), (1, 0), (1, 1), (0, 2), (0, 3), (1, 2), (1, 3)]
    assert order(Plan(pp=2, vpp=2), 1, 2, 2)[2:4] == [(Pass(FORWARD, 1, 0),), (Pass(BACKWARD, 1, 0),)]


def test_a_long_step_is_drawn_with_fewer_micro_batches() -> None:
    """Whole groups that fill the pipeline, with the same bubble."""
    assert fewer(8, 8, 100, 8) == 100
    assert fewer(128, 16, 100_000, 16) % 16 == 0 and 48 <= fewer(128, 16, 100_000, 16) <= MOST
    job = example(gpus=64, model="llama-3.1-8b", global_batch=32768, sequence=1024)
    shown = timeline(job, Plan(tp=8, pp=8, sequence_parallel=1))
    assert shown.micro_batches == 32768 > shown.drawn
    assert shown.bubble == pytest.approx(shown.model_bubble, rel=0.01)


def test_one_rank_has_no_bubble() -> None:
    """Without a pipeline there is one row and no bubble."""
    shown = timeline(small(), Plan(dp=16))
    assert len(shown.ranks) == 1 and shown.bubble == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("m", [1, 7, 40, 100_000])
@pytest.mark.parametrize("vpp", [1, 3])
def test_passes_are_counted_before_they_are_computed(name: str, m: int, vpp: int) -> None:
    """The count is that of the orders, or larger where a schedule has unsplit backward passes or drops micro-batches."""
    code = CODE[name]
    plan = Plan(pp=5, vpp=2 if code > 2 else vpp if not code else 1, schedule=code)
    drawn, group = to_draw(plan, m)
    if name == "dualpipev" and drawn < 10:
        return  # it needs two micro-batches per rank
    issued = sum(len(block) for rank in range(plan.pp) for block in order(plan, rank, drawn, group))
    assert issued <= passes(plan, m) <= LIMIT
    if name in ("1f1b", "zb-h1", "zb-h2"):
        assert issued == passes(plan, m)


@pytest.mark.parametrize(("pp", "vpp", "schedule"), [(10_000, 1, 0), (1024, 1, 0), (504, 20, 0), (1024, 1, 1), (512, 2, 3), (512, 2, 4)])
def test_a_pipeline_too_long_to_draw_is_refused_early(pp: int, vpp: int, schedule: int) -> None:
    """For any ranks and micro-batches at most LIMIT passes are computed, and no order is generated for a refused plan."""
    plan = Plan(pp=pp, vpp=vpp, schedule=schedule)
    job = every_schedule(example(gpus=pp, model="llama-3.1-8b", global_batch=100_000))
    with patch.object(timeline_module, "order") as written, pytest.raises(FieldError, match="too long to draw") as refusal:
        timeline(job, plan)
    assert not written.called
    shorter = plan.with_(pp=int(str(refusal.value).split()[-1].replace(",", "")))
    assert passes(shorter, 3 * int(shorter.pp)) <= LIMIT


def test_zb_v_of_few_micro_batches_counts_the_generated_passes() -> None:
    """It is generated for 2 p - 1 micro-batches and then cut, so one micro-batch on many ranks is refused too."""
    assert passes(Plan(pp=1000, vpp=2, schedule=CODE["zb-v"]), 1) > LIMIT > passes(Plan(pp=1000), 1)
