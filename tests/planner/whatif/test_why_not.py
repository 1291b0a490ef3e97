"""Why a plan is not the best: all rules that it violates, the memory that it lacks, or its rank and what costs it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.document.space import AXES, Bounds, Space
from planner.errors import FieldError, UnknownName
from planner.search.broken_rules import broken_rules
from planner.search.rules import RULES
from planner.search.search import Result, search
from planner.whatif.why_not import why_not
from tests.planner.jobs import every_schedule, example, small
from tests.properties.strategies import SETTINGS, any_result, one
from tui.pages.whynot import parse_axes

JOB = small()
RESULT = search(JOB)


def sentences(text: str, result: Result = RESULT) -> str:
    return " ".join(why_not(result, parse_axes(text)).sentences)


def test_every_broken_rule_is_reported() -> None:
    """tp 3 divides neither GPUs nor heads, key-value heads nor the MLP: four rules, each with its values and its source."""
    reply = why_not(RESULT, parse_axes("tp=3"))
    assert not reply.valid and reply.plan is None
    divided = ("16 GPUs", "attention heads", "key-value heads", "MLP width")
    assert [rule.sentence.partition(",")[0] for rule in reply.broken] == [f"tp must divide the {what}" for what in divided]
    assert all(rule.values == "tp 3" and rule.source for rule in reply.broken)


def test_what_follows_from_the_degrees_is_checked_too() -> None:
    """Data parallelism that does not fill the GPUs is reported, and rules apply to a dp that follows."""
    assert sentences("tp=2,pp=2,cp=1,dp=2") == "tp x cp x dp x pp must be the 16 GPUs (tp 2, cp 1, dp 2, pp 2; it is 8)."
    assert sentences("tp=2,dp=3") == "tp x dp must divide the 16 GPUs (tp 2, dp 3; it is 6)."
    assert "dp x micro-batch must divide the global batch (micro_batch 7)" in sentences("micro_batch=7")
    assert "dp x micro-batch must divide the global batch (micro_batch 3, so dp 8)" in sentences("tp=2,pp=1,cp=1,micro_batch=3")


def test_an_implied_degree_that_breaks_a_rule_is_reported() -> None:
    """With tp, pp and dp given, cp follows: the sentence has its value; no sentence ends in empty parentheses."""
    text = sentences("tp=1,pp=1,dp=1", search(small(sequence=16)))
    assert "must divide the sequence (so cp 16)" in text and "()" not in text


def test_rules_that_only_together_refuse_all_are_reported_with_counts() -> None:
    """One micro-batch on pp 2 with 16 virtual stages: interleaving needs groups of pp, but the schedule is free, so that no single rule
    refuses all; the rules that refused the last plans are named with their counts."""
    reply = why_not(search(every_schedule(JOB)), parse_axes("dp=8,micro_batch=8,pp=2,vpp=16"))
    assert not reply.valid and not reply.broken
    assert reply.refusing[0] == (
        "interleaving needs micro-batches in whole groups of pp, or in equal rounds if the stack allows them",
        1,
    )
    assert "no choice of the other axes satisfies all of them" in reply.sentences[0]
    alone = why_not(RESULT, parse_axes("dp=8,micro_batch=8,pp=2,vpp=16"))  # with one schedule it is that rule
    assert [rule.sentence.split(",")[0] for rule in alone.broken] == ["interleaving needs micro-batches in whole groups of pp"]


def test_a_plan_that_fits_is_ranked_and_the_term_that_costs_it_named() -> None:
    """Full recomputation costs a plan that recomputes all; its place is the rank of its step among the plans that fit."""
    reply = why_not(RESULT, parse_axes("tp=1,pp=1,cp=1,dp=16,zero=2,dp_replicate=1,micro_batch=2,recompute=full"))
    assert reply.plans == reply.fit == 1 and reply.plan is not None
    steps = np.sort(RESULT.step_seconds[RESULT.order])
    assert steps[reply.place - 1] == pytest.approx(reply.plan.step) and reply.among == len(steps)
    text = " ".join(reply.sentences)
    assert f"ranks number {reply.place:,} of the {len(steps):,} plans that fit" in text
    assert "slower than the best plan, mostly recomputation" in text


def test_the_best_plan_is_reported_as_the_best() -> None:
    """There is no reason against the first plan of the ranking."""
    plan = RESULT.plan(int(RESULT.order[0]))
    exact = Space({axis: Bounds((int(getattr(plan, axis)),)) for axis in AXES})
    reply = why_not(RESULT, exact)
    assert reply.place == 1 and reply.sentences[-1].startswith("It is the best of the")


def test_missing_memory_is_reported_with_its_largest_purpose() -> None:
    """A plan with too large a micro-batch: GiB beyond the limit, and the purpose that takes most."""
    text = sentences("tp=1,pp=1,cp=1,dp=16,zero=2,dp_replicate=1,micro_batch=4,recompute=none")
    assert text.startswith(
        "The plan is valid, but does not fit: pipeline stage 0 needs 112.4 GiB, 35.9 GiB more than the limit of 76.5 GiB"
    )
    assert "GiB of it activations" in text and "would rank number 1 of" in text


def test_axes_left_out_are_free() -> None:
    """For tp 4 only, the reply has the best plan with it and the number of such plans."""
    reply = why_not(RESULT, parse_axes("tp=4"))
    restricted = search(JOB, Space().with_("tp", "4"))
    assert (reply.plans, reply.fit) == (len(restricted), len(restricted.order))
    assert reply.plan is not None and reply.plan.plan == restricted.plan(int(restricted.order[0]))


def test_bounds_of_the_search_that_exclude_a_plan_are_reported() -> None:
    """Bounds that exclude the plan are named; the plan is evaluated nevertheless."""
    reply = why_not(search(JOB, Space().with_("tp", "<=2")), parse_axes("tp=4"))
    assert reply.outside == ("tp <=2",) and reply.valid
    assert "outside the bounds you set: tp <=2." in " ".join(reply.sentences)


def test_where_nothing_fits_there_is_nothing_to_rank_among() -> None:
    """For a model far too large for its GPUs the reply has the missing memory, and no rank."""
    result = search(example(gpus=8, global_batch=64))
    text = sentences("tp=8,pp=1", result)
    assert "none fits" in text and "rank" not in text


@pytest.mark.parametrize("text", ["tp", "tp=x", "tp=0", "=3", "tp=8,tp=4", "recompute=some", "tp=8;pp=2"])
def test_what_cannot_be_read_is_refused_in_a_sentence(text: str) -> None:
    """Invalid input raises FieldError."""
    with pytest.raises(FieldError):
        parse_axes(text)


def test_axes_may_stand_apart_by_commas_or_spaces_and_take_several_values() -> None:
    """tp=8 pp=2,4 and tp=8, pp=2,4 are the same."""
    for text in ("tp=8 pp=2,4", "tp=8, pp=2,4", " TP=8,pp=4,2 "):
        assert parse_axes(text) == Space().with_("tp", "8").with_("pp", "2,4")
    with pytest.raises(UnknownName, match="did you mean"):
        parse_axes("microbatch=2")


@SETTINGS
@given(any_result(), st.data())
def test_a_plan_breaks_a_rule_or_the_search_has_it(result: Result, data: st.DataObject) -> None:
    """With all axes given, a plan of the search breaks no rule; with one axis changed, either it breaks a rule or the search has it."""
    job, plan = result.job, one(result, data)
    full = {axis: Bounds((int(getattr(plan, axis)),)) for axis in AXES}
    assert list(broken_rules(job, Space(full))) == []
    axis = data.draw(st.sampled_from(["tp", "pp", "vpp", "cp", "micro_batch", "zero", "ep"]))
    value = data.draw(st.integers(1, 3 if axis == "zero" else 9))
    changed = Space({name: bounds for name, bounds in full.items() if name not in ("dp", "dp_replicate")} | {axis: Bounds((value,))})
    broken, rows = list(broken_rules(job, changed)), len(search(job, changed))
    assert not (broken and rows)
    if not rows:
        assert why_not(result, changed).sentences


def test_every_rule_can_be_reported() -> None:
    """Each rule has a sentence and a source, and depends on fields that can be given or that follow."""
    known = {*AXES, "dp_shard"}
    assert all(rule.sentence and rule.source and known.issuperset(rule.fields) for rule in RULES)
