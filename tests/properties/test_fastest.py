"""The branch-and-bound search returns the plan that the complete search ranks first, and its lower bounds are valid."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner import presets
from planner.cost.evaluate import evaluate
from planner.document.space import Space
from planner.errors import TmplanError
from planner.search import branch_and_bound as quick
from planner.search.branch_and_bound import fastest, least_steady, least_step
from planner.search.search import Cancelled, Result, search
from planner.specs.job import Job
from tests.planner.jobs import cut, example, mixture
from tests.properties.strategies import SETTINGS, any_job, any_result, many

TEXTS = {
    "tp": ("<=2", ">=2", "1,4"), "pp": ("1", ">=2", "2,4"), "cp": ("1", "2"), "ep": ("1", ">=2"), "zero": ("0", "1", ">=2"),
    "micro_batch": ("1", "<=2", "2,4,6"), "recompute": ("none", "full", "first"), "recompute_layers": ("1", ">=2"),
    "dp_replicate": ("1", ">=2"),
}  # fmt: skip


@st.composite
def spaces(draw: st.DrawFn) -> Space:
    """A few bounds, which may exclude all plans."""
    space = Space()
    for axis in draw(st.lists(st.sampled_from(sorted(TEXTS)), max_size=3, unique=True)):
        space = space.with_(axis, draw(st.sampled_from(TEXTS[axis])))
    return space


@SETTINGS
@given(any_job(), spaces())
def test_it_is_the_plan_that_the_search_ranks_first(job: Job, space: Space) -> None:
    """For every job and space: the same plan, with ties broken the same way, and None if none fits."""
    result = search(job, space)
    assert fastest(job, space) == (result.plan(int(result.order[0])) if len(result.order) else None)


@pytest.mark.parametrize("stack", presets.names("stacks"))
@pytest.mark.slow
def test_of_every_mixture_it_is_the_first_on_every_stack(stack: str) -> None:
    """Every mixture of the presets, cut to its dense layers and a few sparse ones, on every stack."""
    sizes = ((8, 16, 512), (48, 96, 1024), (64, 64, 2048))
    models = [name for name in presets.names("models") if presets.model(name).experts]
    for turn, (name, (gpus, batch, sequence)) in enumerate(product(models, sizes)):
        try:
            whole = example(model=name, stack=stack, gpus=gpus, global_batch=batch, sequence=sequence)
        except TmplanError:  # the stack does not support it
            continue
        job = cut(whole, whole.model.dense_layers + 4 + turn % 5)
        result = search(job)
        assert fastest(job) == (result.plan(int(result.order[0])) if len(result.order) else None)


@SETTINGS
@given(any_result(), st.sampled_from((0.5, 0.9, 0.99, 0.9999, 1.0, 1.5)))
def test_within_a_time_it_is_the_same_plan_or_none(result: Result, factor: float) -> None:
    """None if the fastest plan takes longer than the limit; else that plan."""
    if len(result.order):
        row = int(result.order[0])
        within = factor * float(result.step_seconds[row])
        assert fastest(result.job, within=within) == (result.plan(row) if factor >= 1 else None)


@pytest.mark.parametrize("few", range(1, 8))
def test_of_equal_plans_it_is_the_first_of_the_lattice(monkeypatch: pytest.MonkeyPatch, few: int) -> None:
    """For every size of the first batch: here ep 8, etp 2 and ep 16, etp 1 have the same step to the last bit."""
    job = mixture("deepseek-v3-671b", 3, gpus=48, gpus_per_node=6, sequence=1024, global_batch=48, optimizer="sgd", stack="nemo-tuned")
    job = replace(job, offload_optimizer=True, overlap_experts=True, precision="fp8")
    result = search(job)
    steps = result.step_seconds[result.order]
    alike = result.plans(result.order[steps == steps[0]])
    assert {(8, 2), (16, 1)} <= set(zip(alike.ep.tolist(), alike.etp.tolist(), strict=True))
    monkeypatch.setattr(quick, "FEW", few)
    assert fastest(job) == result.plan(int(result.order[0]))


@SETTINGS
@given(any_result(), st.data())
def test_no_step_is_shorter_than_its_bounds(result: Result, data: st.DataObject) -> None:
    """The bound of the layers is at most that of the pipeline without recomputation, which is at most the step."""
    job, plan = result.job, many(result, data)
    step = evaluate(job, plan).step
    sizes = np.unique(plan.micro_batch)
    steady = least_steady(job, plan, sizes)[np.arange(len(plan)), np.searchsorted(sizes, plan.micro_batch)]
    plain = plan.with_(recompute=0 * plan.pp, recompute_layers=0 * plan.pp)
    least = least_step(job, plain, np.zeros(len(plan)))
    assert (steady <= least * (1 + 1e-12)).all() and (least <= step * (1 + 1e-12)).all()


def test_it_can_be_stopped() -> None:
    """It raises Cancelled as the search does."""
    with pytest.raises(Cancelled):
        fastest(example(), cancelled=lambda: True)
