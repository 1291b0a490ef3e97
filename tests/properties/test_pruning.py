"""Pruning removes only plans that cannot fit and unnecessary recomputation."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner import presets
from planner.document.space import Space
from planner.search import lattice
from planner.search import search as searching
from planner.search.search import Result, search
from planner.specs.job import Job
from planner.specs.plan import FIELDS, Column
from tests.planner.jobs import allowed, mixture
from tests.properties.strategies import SETTINGS, any_job, searched

FIRST = Space().with_("recompute", "first")
EVERY = FIRST.with_("recompute_layers", "1..9999")


@st.composite
def tight(draw: st.DrawFn) -> Job:
    """Jobs with a large headroom, so that some plans fit and some do not."""
    job = draw(any_job())
    return replace(job, headroom=draw(st.sampled_from([0.0, 0.3, 0.6, 0.8, 0.9])))


def unpruned(job: Job, space: Space | None = None) -> Result:
    """The search of a lattice without pruning of plans that cannot fit."""
    with patch.object(searching, "lattices", lambda *given, **_: lattice.lattices(*given, hopeless=True)):
        return search(job, space)


def table(result: Result, rows: Column) -> Column:
    """The plans of some rows, one line each, followed by memory and time; sorted by their fields."""
    plans = [result.field(name, rows) for name in FIELDS]
    lines = np.stack([*plans, result.memory_bytes[rows], result.step_seconds[rows]], axis=1)
    return np.asarray(lines[np.lexsort(plans[::-1])])


@SETTINGS
@given(tight())
def test_the_plans_that_fit_are_the_same_without_pruning(job: Job) -> None:
    """Plans refused for their states or activations never fit: without pruning the same plans fit, with the same numbers."""
    pruned, whole = search(job), unpruned(job)
    assert (table(pruned, pruned.order) == table(whole, whole.order)).all()
    assert len(pruned) <= len(whole)
    assert not {"states", "activations"} & set(whole.counts.refused)


@SETTINGS
@given(tight())
def test_a_job_without_fitting_plans_lists_every_plan(job: Job) -> None:
    """If no plan fits, the search lists all valid plans."""
    result = search(job)
    if not result.counts.fit:
        assert not {"states", "activations"} & set(result.counts.refused)
        assert len(result) == len(allowed(job)[0])
        assert len(result.rejected_order) == len(result)


@SETTINGS
@given(tight())
@pytest.mark.slow
def test_the_fewest_layers_that_make_a_plan_fit_are_recomputed(job: Job) -> None:
    """Without bounds, `first` lists each plan with the fewest layers at which it fits, else all but one; with bounds, every number."""
    free = searched(job, FIRST)
    fewest_are_listed(free, search(job, EVERY))


@pytest.mark.parametrize(("vpp", "dense", "headroom"), [("1", 3, 0.3), (">=2", 3, 0.0), (">=2", 4, 0.5)])
def test_dense_layers_go_first_where_the_fewest_are_sought(vpp: str, dense: int, headroom: float) -> None:
    """The same if some plans must recompute all dense layers and then sparse ones, in every virtual stage."""
    job = mixture("deepseek-v2-lite-16b", 24, global_batch=32, sequence=16_384)
    job = replace(job, headroom=headroom, model=replace(job.model, dense_layers=dense))
    assert fewest_are_listed(search(job, FIRST.with_("vpp", vpp)), search(job, EVERY.with_("vpp", vpp))) > 4


def test_fewest_layers_where_a_gradient_takes_the_place_of_activations() -> None:
    """Under ZeRO-3 recomputed layers free less once their activations are smaller than the unreduced gradient of a layer."""
    job = mixture("mixtral-8x7b", 4, global_batch=48, sequence=512)
    cluster = replace(job.cluster, gpus=4, gpus_per_node=4, link_domain=4)
    model, stack = presets.model("mixtral-8x7b"), presets.stack("megatron-core")
    job = replace(job, cluster=cluster, model=model, stack=stack, offload_optimizer=True, headroom=0.0, imbalance=1.0, moe_dispatcher="")
    space = FIRST.with_("zero", "3")
    assert fewest_are_listed(search(job, space), search(job, space.with_("recompute_layers", "1..9999"))) == 31


def fewest_are_listed(free: Result, every: Result) -> int:
    """Check that the free search lists the plans with the fewest layers of the bounded one; return the largest such number."""
    others = [name for name in FIELDS if name != "recompute_layers"]
    rows = np.arange(len(every))
    lines = np.stack([every.field(name, rows) for name in others], axis=1)
    layers = every.field("recompute_layers", rows)
    _, which = np.unique(lines, axis=0, return_inverse=True)
    most, fewest = np.zeros(which.max() + 1, np.int64), np.full(which.max() + 1, 9999)
    fits = every.memory_bytes <= every.job.memory_limit
    np.maximum.at(most, which, layers)
    np.minimum.at(fewest, which[fits], layers[fits])
    expected = layers == np.where(fewest < 9999, fewest, most)[which]
    assert (table(free, np.arange(len(free))) == table(every, np.flatnonzero(expected))).all()
    assert (np.bincount(which) == most).all()
    return int(fewest[fewest < 9999].max(initial=0))
