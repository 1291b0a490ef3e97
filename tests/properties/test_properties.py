"""Properties of every model, cluster, stack and plan."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.cost import stage_cost as stagecosts
from planner.cost import step_cost
from planner.cost.evaluate import evaluate, stages
from planner.cost.states import fp32_parameters
from planner.dimensions import Bytes
from planner.document.space import Bounds, Space
from planner.report.columns import BY_KEY
from planner.search.axes import divisors
from planner.search.search import search
from planner.specs.job import Job
from planner.specs.plan import FIELDS, Plan, columns_of, distinct
from tests.properties.strategies import SETTINGS, any_job, every_stage_an_edge, many, one, searched, some


@SETTINGS
@given(any_job())
def test_the_degrees_multiply_to_the_world(job: Job) -> None:
    """tp x pp x cp x dp is the number of GPUs, dp_shard x dp_replicate is dp, and ep x etp lies in tp x cp x dp, in every plan."""
    result = searched(job)
    plans = result.plans(np.arange(len(result)))
    assert (plans.tp * plans.pp * plans.cp * plans.dp == job.cluster.gpus).all()
    assert (plans.dp_shard * plans.dp_replicate == plans.dp).all()
    assert ((plans.tp * plans.cp * plans.dp) % (plans.ep * plans.etp) == 0).all()
    assert (max(job.model.experts, 1) % plans.ep == 0).all()
    assert (job.global_batch % (plans.dp * plans.micro_batch) == 0).all()


@SETTINGS
@given(any_job())
def test_allowed_and_refused_make_up_what_was_seen(job: Job) -> None:
    """seen = evaluated + refused by each rule; plans that fit and that do not sum to those evaluated; every plan is ranked once."""
    result = search(job)
    counts = result.counts
    assert counts.seen == counts.evaluated + sum(counts.refused.values())
    assert counts.evaluated == len(result)
    assert counts.fit == len(result.order) == int(result.fits.sum())
    assert sorted([*result.order, *result.rejected_order]) == list(range(len(result)))
    assert (np.diff(result.step_seconds[result.order]) >= 0).all()


@SETTINGS
@given(any_job(), st.data())
@pytest.mark.slow
def test_a_column_equals_its_rows(job: Job, data: st.DataObject) -> None:
    """The search, a column of plans and one plan alone give the same numbers for the same plan."""
    result = searched(job)
    rows = some(result, data)
    together = result.estimate(rows)
    for i, row in enumerate(rows):
        alone = evaluate(job, result.plan(int(row)))
        for name in ("memory", "step", "host"):
            assert getattr(together, name)[i] == pytest.approx(getattr(alone, name)[0], rel=1e-12)
        mfu = BY_KEY["mfu"]
        assert mfu.values(together)[i] == pytest.approx(mfu.values(alone)[0], rel=1e-12)
        assert result.memory_bytes[row] == pytest.approx(alone.memory[0], rel=1e-12)
        assert result.step_seconds[row] == pytest.approx(alone.step[0], rel=1e-12)
        assert result.fits[row] == alone.fits[0] == together.fits[i]


@SETTINGS
@given(any_job(), st.data())
def test_totals_equal_the_sum_of_their_parts(job: Job, data: st.DataObject) -> None:
    """Parts of memory sum to the device's bytes, parts of time to the step; none is negative or not finite."""
    result = searched(job)
    numbers = result.estimate(some(result, data))
    groups = ((numbers.memory_parts.named(), numbers.memory), (numbers.time_parts.named(), numbers.step))
    for parts, total in groups:
        assert sum(parts.values()) == pytest.approx(total, rel=1e-9)
        assert all((np.asarray(part) >= 0).all() and np.isfinite(part).all() for part in parts.values())
    mfu = BY_KEY["mfu"].values(numbers)
    assert (mfu > 0).all() and (mfu < 1).all()
    assert all((np.asarray(part) >= -1e-12).all() for part in numbers.hidden.named().values())


@SETTINGS
@given(any_job(), st.data())
def test_an_edge_stage_is_always_the_fullest(job: Job, data: st.DataObject) -> None:
    """The maximum of the memory over all stages, evaluated separately, is the memory and the stage of the search."""
    result = searched(job)
    plans = many(result, data)
    with every_stage_an_edge():
        fullest = evaluate(job, plans).memory
    assert evaluate(job, plans).memory == pytest.approx(fullest, rel=1e-12)
    row = int(some(result, data, 1)[0])
    plan = result.plan(row)
    all_of_them = stages(job, plan)
    device = [stage.device for stage in all_of_them]
    assert max(device) == pytest.approx(result.memory_bytes[row], rel=1e-9)
    assert device[int(result.estimate(np.array([row])).stage[0])] == pytest.approx(max(device), rel=1e-9)
    assert sum(stage.layers for stage in all_of_them) == job.model.layers


@SETTINGS
@given(any_job(), st.data())
def test_an_edge_stage_is_always_the_slowest(job: Job, data: st.DataObject) -> None:
    """The maximum over all stages of the time of a micro-batch is that of the search."""
    plans = many(searched(job), data)
    with every_stage_an_edge():
        slowest = stagecosts.pipeline(job, plans, stagecosts.edge_cost(job, plans)).pace.slowest_stage
    assert stagecosts.pipeline(job, plans, stagecosts.edge_cost(job, plans)).pace.slowest_stage == pytest.approx(slowest, rel=1e-12)


@SETTINGS
@given(any_job(), st.data())
def test_more_sharding_never_adds_memory(job: Job, data: st.DataObject) -> None:
    """A higher ZeRO stage never increases the states of any stage, nor, up to ZeRO-2, which gathers no weights, live tensors.

    Neither does a larger sharding group. The allocator may hold more beyond them: segments of weights that a buffer has replaced. DeepSpeed
    reduces gradients from buckets of a fixed size, which may be larger than the gradients of a small model.
    """

    def live(plan: Plan) -> float:
        numbers = evaluate(job, plan)
        return float(numbers.memory[0] - numbers.memory_parts.slack[0])

    def states(plan: Plan) -> list[float]:
        place = stagecosts.edges(job, plan.column())
        parts = step_cost.static(job, plan.column(), place.stage, place.layers).parts
        held = parts.parameters + parts.optimizer + (parts.experts if parts.experts is not None else Bytes(0.0))
        total = held + (Bytes(0.0) if job.stack.flat_states else parts.gradients)
        return [float(x) for x in np.ravel(np.broadcast_to(total, place.stage.shape))]

    plan = one(searched(job), data)
    stages_of = range(2, 4) if fp32_parameters(job) else range(4)  # 16-bit weights in addition to fp32 ones from ZeRO-2 on
    ladder = [plan.with_(zero=z, dp_shard=plan.dp if z else 1, dp_replicate=1 if z else plan.dp) for z in stages_of]
    assert all(b <= a * (1 + 1e-12) for less, more in pairwise(map(states, ladder)) for a, b in zip(less, more, strict=True))
    if job.stack.flat_states:
        return
    assert all(b <= a * (1 + 1e-12) for a, b in pairwise([live(p) for p in ladder if p.zero < 3]))
    groups = [int(d) for d in divisors(int(plan.dp)) if d > 1 and plan.tp * plan.cp * d % (plan.ep * plan.etp) == 0]
    for zero in [z for z in stages_of if z]:
        sizes = [live(plan.with_(zero=zero, dp_shard=d, dp_replicate=plan.dp // d)) for d in groups]
        assert all(b <= a * (1 + 1e-12) for a, b in pairwise(sizes)), (zero, groups, sizes, plan)


@SETTINGS
@given(any_job(), st.data())
def test_more_recomputation_never_stores_more_and_never_runs_faster(job: Job, data: st.DataObject) -> None:
    """From none to the first N layers to all, stored activations on each stage decrease and the step increases."""
    result = searched(job)
    plan = result.plan(int(some(result, data, 1)[0])).with_(recompute=0, recompute_layers=0)
    whole = int(max(stage.layers for stage in stages(job, plan))) // int(plan.vpp)
    ladder = [plan, *(plan.with_(recompute=3, recompute_layers=n) for n in range(1, max(whole, 1))), plan.with_(recompute=2)]
    stored = [[stage.parts.activations for stage in stages(job, p)] for p in ladder]
    times = [float(evaluate(job, p).step[0]) for p in ladder]
    assert all(b <= a * (1 + 1e-9) for less, more in pairwise(stored) for a, b in zip(less, more, strict=True))
    assert all(b >= a * (1 - 1e-9) for a, b in pairwise(times))


@SETTINGS
@given(any_job(), st.data())
def test_bounds_are_a_filter_of_the_free_search(job: Job, data: st.DataObject) -> None:
    """With an axis bounded to a value, the plans that fit are those of the free search with that value, with the same numbers."""
    free = searched(job)
    plans = free.plans(free.order)
    axes = ["tp", "pp", "vpp", "cp", "dp", "ep", "etp", "schedule", "zero", "micro_batch", "recompute", "sequence_parallel"]
    axis = data.draw(st.sampled_from(axes))
    value = data.draw(st.sampled_from(sorted({int(v) for v in free.field(axis, np.arange(len(free)))})))
    pinned = search(job, Space({axis: Bounds((value,))}))
    assert (pinned.step_seconds[pinned.order] == free.step_seconds[free.order][getattr(plans, axis) == value]).all()


@given(st.lists(st.tuples(*[st.integers(1, 9)] * 3), min_size=1, max_size=40))
def test_distinct_and_its_inverse_restore_the_rows(rows: list[tuple[int, int, int]]) -> None:
    """distinct() lists each combination once, and its inverse restores every row."""
    tp, pp, cp = (np.array(column) for column in zip(*rows, strict=True))
    small, inverse = distinct(Plan(tp=tp, pp=pp, cp=cp), ("tp", "pp", "cp"))
    assert len(small.tp) == len(set(rows))
    assert np.stack([small.tp[inverse], small.pp[inverse], small.cp[inverse]], axis=1).tolist() == [list(row) for row in rows]


@given(st.integers(1, 10**7))
def test_divisors_divide(number: int) -> None:
    """Each divisor divides, and they pair up to the number."""
    every = divisors(number)
    assert (number % every == 0).all()
    assert (every * every[::-1] == number).all()


def test_a_plan_has_no_field_the_contract_does_not_know() -> None:
    """Plan's fields are the columns of the published contract."""
    assert set(columns_of(Plan())) == set(FIELDS)
