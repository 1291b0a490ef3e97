"""Timelines of any pipeline: passes run once each, one at a time, after their dependencies, within the counted memory."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.cost import exchange, shard
from planner.cost import pipeline_split as split
from planner.cost import stage_cost as stagecosts
from planner.cost.evaluate import evaluate
from planner.dimensions import Count, Number
from planner.document.space import Space
from planner.layout.pipeline_passes import BACKWARD, FORWARD, INPUTS, WEIGHTS, order, virtual_stage
from planner.layout.timeline import Rank, durations, run, timeline
from planner.search.search import Result
from planner.specs.plan import Plan
from tests.properties.strategies import SETTINGS, any_job, one, searched

SHAPES = [(0, 1), (0, 2), (0, 3), (1, 1), (2, 1), (3, 2), (4, 2)]  # schedule, virtual stages per rank
PIPELINES = Space().with_("pp", ">=2")


@st.composite
def runs(draw: st.DrawFn) -> tuple[Plan, int, tuple[Rank, ...]]:
    """A pipeline of a few ranks, its micro-batches, and the timeline of its passes, with random durations for each stage."""
    schedule, v = draw(st.sampled_from(SHAPES))
    p = draw(st.integers(2, 7))
    m = draw(st.integers(1, 20))
    if v > 1 and not schedule:  # as torch takes them: equal rounds
        m = draw(st.sampled_from([n for n in range(1, 25) if n % max(1, n // p) == 0]))
    if schedule == 4:
        m += 2 * p
    plan = Plan(pp=p, vpp=v, schedule=schedule)
    halves = np.array(draw(st.lists(st.tuples(*[st.floats(0.0, 3.0)] * 3), min_size=p * v, max_size=p * v))).T
    took = np.stack([halves[0], halves[1] + halves[2], halves[1], halves[2]])
    group = int(split.round_size(Count(p), Number(m)))
    return plan, m, run(plan, [order(plan, rank, m, group) for rank in range(p)], took)


def moments(plan: Plan, ranks: tuple[Rank, ...], kinds: tuple[int, ...], which: str) -> dict[tuple[int, int], float]:
    """When passes of some kinds begin or end, by virtual stage and micro-batch."""
    return {
        (virtual_stage(plan, number, int(rank.chunk[i])), int(rank.micro_batch[i])): float(getattr(rank, which)[i])
        for number, rank in enumerate(ranks)
        for i in range(len(rank))
        if rank.kind[i] in kinds
    }


@SETTINGS
@given(runs())
def test_passes_run_once_each_and_one_at_a_time(pipeline: tuple[Plan, int, tuple[Rank, ...]]) -> None:
    """Every micro-batch passes every stage once forward and once backward, as a whole or in halves; no two passes of a rank overlap."""
    plan, m, ranks = pipeline
    every = [(chunk, j) for chunk in range(plan.vpp) for j in range(m)]
    for rank in ranks:
        named = [
            list(zip(rank.chunk[at].tolist(), rank.micro_batch[at].tolist(), strict=True)) for at in (rank.kind == k for k in range(4))
        ]
        assert sorted(named[FORWARD]) == every
        assert sorted(named[BACKWARD] + named[INPUTS]) == every
        assert sorted(named[INPUTS]) == sorted(named[WEIGHTS])
        assert (rank.start[1:] >= rank.end[:-1] - 1e-12).all() and (rank.end >= rank.start).all()


@SETTINGS
@given(runs())
def test_no_pass_begins_before_what_it_needs(pipeline: tuple[Plan, int, tuple[Rank, ...]]) -> None:
    """Forward passes follow the stage before, backward passes their own forward pass and the stage behind, weights their inputs."""
    plan, _, ranks = pipeline
    last = plan.pp * plan.vpp - 1
    starts, ends = (moments(plan, ranks, (FORWARD,), which) for which in ("start", "end"))
    back, gone = (moments(plan, ranks, (BACKWARD, INPUTS), which) for which in ("start", "end"))
    inputs = moments(plan, ranks, (INPUTS,), "end")
    for at, begin in moments(plan, ranks, (WEIGHTS,), "start").items():
        assert begin >= inputs[at] - 1e-12
    for stage, j in starts:
        assert stage == 0 or starts[stage, j] >= ends[stage - 1, j] - 1e-12
        assert back[stage, j] >= ends[stage, j] - 1e-12
        assert stage == last or back[stage, j] >= gone[stage + 1, j] - 1e-12


@SETTINGS
@given(runs())
def test_no_rank_holds_more_than_the_memory_model_counts(pipeline: tuple[Plan, int, tuple[Rank, ...]]) -> None:
    """Micro-batches in flight on each rank are at most those that memory is counted for; with enough micro-batches exactly those."""
    plan, m, ranks = pipeline
    counted = split.in_flight(plan.column(), plan.every_stage(), Number(m))[:, 0]
    held = np.array([rank.peak_micro_batches(int(plan.vpp)) for rank in ranks])
    assert (held <= counted + 1e-12).all()
    if m >= 2 * plan.pp and (plan.schedule or m % plan.pp == 0):
        assert held == pytest.approx(counted)


@SETTINGS
@given(runs())
def test_no_step_is_shorter_than_its_work(pipeline: tuple[Plan, int, tuple[Rank, ...]]) -> None:
    """The time from the first to the last pass of a rank is at least the sum of their durations."""
    for rank in pipeline[2]:
        assert rank.end[-1] - rank.start[0] >= (rank.end - rank.start).sum() - 1e-9


@st.composite
def piped(draw: st.DrawFn) -> Result:
    """Plans with a pipeline."""
    return searched(draw(any_job()), PIPELINES)


@SETTINGS
@given(piped(), st.data())
def test_virtual_stages_hold_the_layers_of_their_rank(result: Result, data: st.DataObject) -> None:
    """No virtual stage holds fewer than no layers; together those of a rank hold its layers, and all of them each kind the model has."""
    job, plan = result.job, one(result, data)
    kinds = stagecosts.virtual_kinds(job, plan)
    ranks = split.stage_layers(job, plan.column(), plan.every_stage())[:, 0]
    for rank, layers in enumerate(ranks):
        assert sum(kinds.all[virtual_stage(plan, rank, chunk), 0] for chunk in range(plan.vpp)) == layers
    assert (kinds.all >= 0).all() and (kinds.dense >= 0).all()
    assert (kinds.sparse is not None) == bool(job.model.experts)
    if kinds.sparse is not None:
        assert (kinds.sparse >= 0).all() and kinds.sparse.sum() == pytest.approx(job.model.sparse_layers + job.model.mtp_layers)


@SETTINGS
@given(piped(), st.data())
def test_ranks_are_busy_for_the_time_of_the_time_model(result: Result, data: st.DataObject) -> None:
    """The slowest rank's passes take what the time model counts for a micro-batch: compute, host, exposed traffic and recomputation."""
    job, plan = result.job, one(result, data)
    took = durations(job, plan)
    assert (took >= 0).all() and took[BACKWARD] == pytest.approx(took[INPUTS] + took[WEIGHTS])
    parts = evaluate(job, plan).time_parts.named()
    work = sum(parts[name][0] for name in ("compute", "tp", "cp", "ep", "recompute") if name in parts)
    shown = timeline(job, plan)
    steady = shown.slowest * float(shard.micro_batches(job, plan.column())[0])
    host = parts["host"][0] - job.cluster.host_pace * job.stack.step_fixed_s
    assert steady == pytest.approx(work + host, rel=1e-9)
    assert shown.bubble >= -1e-9 * shown.seconds
    column, stage = plan.column(), plan.every_stage()
    counted = split.in_flight(column, stage, Number(shown.micro_batches), exchange.ahead(job, column) if job.model.experts else Count(0))
    held = [rank.peak_micro_batches(int(plan.vpp)) for rank in shown.ranks]
    assert (held <= np.broadcast_to(counted, stage.shape)[:, 0] + 1e-9).all()
