"""A search has bounded memory: built in parts it equals the complete search, and rows beyond the bound are those of lowest rank."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.document.space import Space
from planner.search import blocks, growth
from planner.search import branch_and_bound as alone
from planner.search import row_store as rowstore
from planner.search.axes import Candidates
from planner.search.legal_values import axis_values
from planner.search.search import Result, search
from planner.specs.job import Job
from planner.specs.plan import FIELDS
from planner.whatif.pareto import pareto
from tests.planner.jobs import allowed, example, mixture, small
from tests.properties.strategies import SETTINGS, any_job

PARTS = st.sampled_from([64, 400, 3000])
FEWER = settings(SETTINGS, max_examples=10)
EVERY_N = Space().with_("recompute_layers", ">=1")


def same(a: Result, b: Result) -> bool:
    """Whether two searches have the same rows in the same order and the same counts by rule."""
    rows = np.arange(len(a))
    return (
        a.counts == b.counts
        and a.order.tolist() == b.order.tolist()
        and all(np.array_equal(a.field(name, rows), b.field(name, rows)) for name in FIELDS)
        and np.array_equal(a.step_seconds, b.step_seconds)
        and np.array_equal(a.memory_bytes, b.memory_bytes)
    )


@FEWER
@given(any_job(), PARTS, st.sampled_from([Space(), EVERY_N]))
def test_a_lattice_grown_in_parts_is_the_whole(job: Job, part: int, space: Space) -> None:
    """For every size of the parts, the plans, their order and the counts by rule are the same."""
    whole, refused = allowed(job, space)
    with patch.object(growth, "PART", part):
        parts, counted = allowed(job, space)
    assert counted == refused
    assert all(np.array_equal(getattr(parts, name), getattr(whole, name)) for name in FIELDS)


@pytest.mark.parametrize(("part", "gpus"), [(1, 2), (60, 16)])
@pytest.mark.slow
def test_a_search_in_parts_is_the_search(part: int, gpus: int) -> None:
    """Rows, ranking, counts, the fastest plan and the valid values do not depend on the size of the parts."""
    for job in (small(gpus=gpus), mixture("deepseek-v2-lite-16b", gpus=min(gpus, 8), global_batch=8)):
        whole, best, legal = search(job), alone.fastest(job), axis_values(job, Space(), "vpp")
        with patch.object(growth, "PART", part), patch.object(alone, "FEW", 1):
            assert same(search(job), whole)
            assert alone.fastest(job) == best
            assert axis_values(job, Space(), "vpp") == legal


def test_a_tree_never_holds_much_more_than_a_part() -> None:
    """No tree has more rows than a part plus the candidates of one row, before pruning and after joining."""
    job, largest = example(model="deepseek-v3-671b", gpus=512, global_batch=960), 0
    add, joined = growth.Growth.add, growth.joined

    def watched(tree: growth.Growth, name: str, candidates: Candidates) -> None:
        nonlocal largest
        counts = tree.tried(name, candidates).counts(job, tree.plan)
        largest = max(largest, int(np.sum(np.broadcast_to(counts, len(tree)))))
        add(tree, name, candidates)

    def whole(parts: list[growth.Growth]) -> growth.Growth:
        tree = joined(parts)
        assert len(tree) <= 5000 + 256
        return tree

    watch = patch.multiple(growth, PART=5000, joined=whole)
    with watch, patch.object(growth.Growth, "add", watched):
        search(job, Space().with_("tp", "1,2,8").with_("recompute_layers", ">=1").with_("cp", "1"))
    assert 1000 < largest <= 5000 + 256


@pytest.mark.parametrize("most", [0, 1, 17, 400])
@pytest.mark.parametrize("headroom", [0, 60, 75])
def test_beyond_the_bound_the_best_rows_are_retained(most: int, headroom: float) -> None:
    """Of more plans than the bound, the fastest that fit, the nearest that do not, and the Pareto front are retained, in the same order
    and with the same numbers; the others are counted."""
    job = small(headroom=headroom)
    whole = search(job)
    with patch.object(rowstore, "ROWS", most), patch.object(rowstore, "MISFITS", 50), patch.object(blocks, "BLOCK", 256):
        cut = search(job)
    assert len(whole) > 2000
    assert (cut.counts.evaluated, cut.counts.fit, cut.counts.refused) == (whole.counts.evaluated, whole.counts.fit, whole.counts.refused)
    assert cut.counts.unkept == len(whole) - len(cut) and not whole.counts.unkept
    fitting, misfits = (min(len(cut.order), most), min(len(cut.rejected_order), most // 8))
    for mine, theirs, n in ((cut.order, whole.order, fitting), (cut.rejected_order, whole.rejected_order, misfits)):
        retained = {cut.plan(int(row)) for row in mine}
        first = [whole.plan(int(row)) for row in theirs[: min(n, most // 8 * 7)]]
        assert retained.issuperset(first)
    assert [cut.plan(int(r)) for r in pareto(cut)] == [whole.plan(int(r)) for r in pareto(whole)]
    assert len(cut) <= most + len(pareto(whole))
    for row in range(0, len(whole), 197):
        there = cut.find(whole.plan(row))
        assert there is None or cut.plan(there) == whole.plan(row)
    for row in range(0, len(cut), 97):
        at = whole.find(cut.plan(row))
        assert at is not None and cut.find(cut.plan(row)) == row
        assert (cut.step_seconds[row], cut.memory_bytes[row], cut.fits[row]) == (
            whole.step_seconds[at], whole.memory_bytes[at], whole.fits[at]
        )  # fmt: skip
        assert cut.host_bytes(np.array([row])) == whole.host_bytes(np.array([at]))


@given(st.lists(st.integers(0, 9), max_size=40), st.integers(0, 45), st.integers(1, 40))
def test_the_least_of_values_that_come_in_blocks_are_the_first_of_a_stable_sort(values: list[int], most: int, block: int) -> None:
    """The smallest values, selected block by block, are the first of a stable sort of all."""
    column = np.array(values, float)
    least = rowstore.Least(column.copy(), most)
    masks = [np.ones(len(column[at : at + block]), bool) for at in range(0, len(column), block)]
    selected = np.concatenate(
        [least.among(column[at : at + block], mask) for at, mask in zip(range(0, len(column), block), masks, strict=True)]
        or [np.empty(0, bool)]
    )
    assert np.flatnonzero(selected).tolist() == sorted(np.argsort(column, kind="stable")[:most].tolist())
