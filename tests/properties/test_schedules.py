"""Properties of pipeline schedules for every model and every plan with a pipeline."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.cost import pipeline_split as split
from planner.cost import schedule as schedules
from planner.cost import shard
from planner.cost import stage_cost as stagecosts
from planner.cost.evaluate import evaluate, stages
from planner.document.space import Space
from planner.search.search import Result
from planner.specs.job import SCHEDULES, Job
from planner.specs.plan import Plan
from tests.planner.jobs import every_schedule
from tests.properties.strategies import SETTINGS, any_job, one, searched

ONE_F_ONE_B, ZB_H1, ZB_H2, ZB_V, DUALPIPE_V = range(len(SCHEDULES))
PIPELINES = Space().with_("pp", ">=2")


@st.composite
def piped(draw: st.DrawFn) -> Result:
    """Plans with a pipeline, of a stack that runs every schedule."""
    return searched(every_schedule(draw(any_job())), PIPELINES)


def of(plan: Plan, schedule: int) -> Plan:
    """The plan with another schedule and the virtual stages that it needs."""
    return plan.with_(schedule=schedule, vpp=2 if schedule >= ZB_V else 1, recompute=min(int(plan.recompute), 2), recompute_layers=0)


def held(job: Job, plan: Plan) -> Any:
    """Micro-batches in flight on every stage, without those added by overlapped all-to-all."""
    column = plan.column()
    return split.in_flight(column, plan.every_stage(), shard.micro_batches(job, column))[:, 0]


@SETTINGS
@given(piped(), st.data())
def test_zero_bubble_schedules_never_idle_more_than_1f1b(result: Result, data: st.DataObject) -> None:
    """Of one plan, ZB-H2 idles no longer than ZB-H1 and that no longer than 1F1B, for the same work; nor does a step take longer."""
    job, plan = result.job, one(result, data)
    ladder = [evaluate(job, of(plan, schedule)) for schedule in (ONE_F_ONE_B, ZB_H1, ZB_H2)]
    bubbles = [float(e.time_parts.bubble[0]) for e in ladder]
    assert bubbles[-1] >= 0
    assert all(b <= a for a, b in pairwise(bubbles))
    assert all(b.step[0] <= a.step[0] * (1 + 1e-12) for a, b in pairwise(ladder))
    assert ladder[0].time_parts.compute[0] == ladder[1].time_parts.compute[0] == ladder[2].time_parts.compute[0]


def left_of(job: Job, plan: Plan) -> float:
    """The bubble of a plan's schedule relative to that of 1F1B; ratio."""
    columns = plan.column()
    c = stagecosts.edge_cost(job, columns)
    again = stagecosts.repeats(job, columns, c)
    working = schedules.working_share(again, schedules.stage_seconds(c.stage_work, again))
    return float(schedules.bubble_left(columns, c.weight_share, c.forward_share, working)[0])


@SETTINGS
@given(piped(), st.data())
def test_no_schedule_leaves_more_than_the_whole_bubble(result: Result, data: st.DataObject) -> None:
    """Every schedule leaves from none to all of the bubble of 1F1B; interleaving leaves a v-th of it."""
    job, plan = result.job, one(result, data)
    for schedule in range(len(SCHEDULES)):
        left = left_of(job, of(plan, schedule))
        assert 0 <= left <= 1
    deep = plan.with_(schedule=ONE_F_ONE_B)
    assert left_of(job, deep) == pytest.approx(1 / plan.vpp)


@SETTINGS
@given(piped(), st.data())
@pytest.mark.slow
def test_recomputation_is_no_work_that_fills_a_bubble(result: Result, data: st.DataObject) -> None:
    """Zero-bubble schedules defer only weight gradients: with recomputation the bubble is at least as long as without."""
    job, plan = result.job, one(result, data).with_(recompute=0, recompute_layers=0)
    for schedule in range(1, len(SCHEDULES)):
        plain, again = (of(plan, schedule).with_(recompute=recompute) for recompute in (0, 2))
        first, second = (evaluate(job, made).time_parts.bubble[0] for made in (plain, again))
        assert second >= first * (1 - 1e-9)
        assert left_of(job, again) >= left_of(job, plain) - 1e-12


@SETTINGS
@given(piped(), st.data())
def test_no_schedule_holds_more_than_there_is_nor_less_than_1f1b(result: Result, data: st.DataObject) -> None:
    """On every stage a schedule holds at least one micro-batch and what 1F1B holds there, no more than there are, and ZB-H2 as many
    as any; interleaved 1F1B holds more than plain."""
    job, plan = result.job, one(result, data)
    there = job.global_batch / (plan.dp * plan.micro_batch)
    plain = held(job, of(plan, ONE_F_ONE_B))
    assert plain.tolist() == [min(there, plan.pp - i) for i in range(plan.pp)]
    for schedule, most in ((ZB_H1, plan.pp), (ZB_H2, 2 * plan.pp - 1), (ZB_V, plan.pp), (DUALPIPE_V, plan.pp + 0.5)):
        in_flight = held(job, of(plan, schedule))
        assert in_flight.tolist() == [min(there, most)] * plan.pp
        assert (in_flight >= plain).all()
    mine = held(job, plan.with_(schedule=ONE_F_ONE_B))
    assert (mine >= plain - 1e-12).all() and (mine <= there).all()


@SETTINGS
@given(piped(), st.data())
def test_every_stage_of_every_schedule_holds_whole_layers(result: Result, data: st.DataObject) -> None:
    """Stages hold whole layers, none fewer than none, all of the model's; one rank holds the head and, at the loss, logits."""
    job, plan = result.job, one(result, data)
    layers = split.stage_layers(job, plan.column(), plan.every_stage())[:, 0]
    assert (layers >= 0).all() and (layers == layers.astype(int)).all() and layers.sum() == job.model.layers
    logits = [bool(row.phases["loss"].logits > 0) for row in stages(job, plan)]
    assert logits.index(True) == (0 if plan.schedule >= ZB_V else plan.pp - 1) and sum(logits) == 1


@SETTINGS
@given(any_job())
def test_plans_have_the_schedules_their_stack_runs(job: Job) -> None:
    """Every plan has a schedule its stack runs; V schedules have two virtual stages per rank, other zero-bubble ones one."""
    result = searched(job)
    plans = result.plans(np.arange(len(result)))
    assert {SCHEDULES[code] for code in np.unique(plans.schedule)} <= set(job.stack.schedules)
    assert (plans.vpp[plans.schedule >= ZB_V] == 2).all()
    assert (plans.vpp[(plans.schedule > 0) & (plans.schedule < ZB_V)] == 1).all()
    assert (plans.pp[plans.schedule > 0] > 1).all()
    dual = plans.schedule == DUALPIPE_V
    assert (job.global_batch // (plans.dp * plans.micro_batch) >= 2 * plans.pp)[dual].all()
