"""Comparison of plans: the sentences name the part that differs most and the choice that causes it, as the numbers show."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.search.search import Result
from planner.specs.plan import Plan
from planner.whatif.compare import causes, difference, effects, entry, leaves_link_domain, why_larger, why_slower
from tests.planner.jobs import example, small
from tests.properties.strategies import SETTINGS, any_result, one

BASE = Plan(tp=2, pp=4, dp=2, dp_shard=2, zero=1, sequence_parallel=1)


def sentences(plan: Plan, other: Plan) -> tuple[str, str]:
    a, b = entry("A", small(), plan), entry("B", small(), other)
    return why_slower(a, b), why_larger(a, b)


def test_recomputation_is_named_where_it_alone_differs() -> None:
    """Full recomputation adds the time of recomputation and saves activations."""
    slower, larger = sentences(BASE, BASE.with_(recompute=2))
    assert "slower than A, mostly recomputation (+" in slower and slower.endswith("recompute full instead of none.")
    assert "less than A, mostly activations (-" in larger and larger.endswith("recompute full instead of none.")


def test_tensor_parallelism_beyond_the_link_domain_is_reported() -> None:
    """tp 16 on nodes of eight is slower by tensor-parallel traffic, and the sentence states that its groups leave the link domain."""
    job = example()
    a = entry("A", job, Plan(tp=8, pp=16, vpp=8, dp=128, dp_shard=128, zero=1, sequence_parallel=1))
    b = entry("B", job, Plan(tp=16, pp=16, vpp=8, dp=64, dp_shard=64, zero=1, sequence_parallel=1))
    assert not leaves_link_domain(a, "tp") and leaves_link_domain(b, "tp")
    sentence = why_slower(a, b)
    assert "exposed tensor-parallel traffic (+" in sentence and "tp groups now extend beyond the link domain of 8 GPUs" in sentence


def test_more_micro_batches_are_counted() -> None:
    """If data parallelism causes the difference, the sentence has the micro-batches per rank before and after."""
    sentence = sentences(Plan(dp=16), Plan(dp=8, cp=2))[0]
    assert "8 micro-batches per rank instead of 4" in sentence


def test_alike_plans_are_alike() -> None:
    """A plan compared with itself takes as long and needs as much memory."""
    assert sentences(BASE, BASE) == ("B takes as long as A.", "B needs as much memory as A.")


def test_a_plan_that_does_not_fit_is_reported() -> None:
    """The sentence on memory states that the other plan does not fit."""
    assert (
        "more than A and does not fit, mostly activations"
        in sentences(*(Plan(dp=16, dp_shard=16, zero=2, micro_batch=b) for b in (1, 4)))[1]
    )


def test_jobs_may_differ() -> None:
    """A plan of a larger batch takes longer because the jobs differ."""
    a, b = entry("A", small(), BASE), entry("B", small(global_batch=256), BASE)
    assert why_slower(a, b).endswith("the jobs differ, 128 micro-batches per rank instead of 32.")


@SETTINGS
@given(any_result(), st.data())
@pytest.mark.slow
def test_any_two_plans_have_a_sentence_that_their_numbers_bear_out(result: Result, data: st.DataObject) -> None:
    """Differences by part sum to the whole; the causes have the sign of the difference; exchanging the plans reverses all signs."""
    job = result.job
    a, b = entry("A", job, one(result, data)), entry("B", job, one(result, data))
    for kind, whole in (("time", b.step - a.step), ("memory", b.memory - a.memory)):
        apart = difference(a, b, kind)
        assert sum(apart.values()) == pytest.approx(whole, rel=1e-6, abs=1e-6 * (a.step if kind == "time" else a.memory))
        part = max(apart, key=lambda name: abs(apart[name]))
        moved = effects(a, b, kind, part)
        assert all(moved[name] * apart[part] > 0 for name in causes(a, b, kind, part))
        assert {name: -value for name, value in effects(b, a, kind, part).items()} == pytest.approx(moved, rel=1e-6, abs=1e-12)
    for sentence in (why_slower(a, b), why_larger(a, b)):
        assert sentence.endswith(".") and "nan" not in sentence and "inf" not in sentence
    assert ("slower" in why_slower(a, b)) == ("faster" in why_slower(b, a))


def test_a_choice_that_differs_alone_explains_all_of_it() -> None:
    """If one choice differs, its effect is the whole difference of every part."""
    a = entry("A", small(), BASE)
    b = replace(entry("B", small(), BASE.with_(micro_batch=2)), name="B")
    for part, apart in difference(a, b, "time").items():
        assert effects(a, b, "time", part) == pytest.approx({"micro_batch": apart})
