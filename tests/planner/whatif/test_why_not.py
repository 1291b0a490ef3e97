"""Why not this plan: all the rules it breaks, what it has too much of, or its place and what costs it."""

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


def test_every_rule_that_is_broken_is_told() -> None:
    """tp 3 divides neither GPUs nor heads, key-value heads nor the MLP: four rules, each with its values and its source."""
    found = why_not(RESULT, parse_axes("tp=3"))
    assert not found.valid and found.plan is None
    divided = ("16 GPUs", "attention heads", "key-value heads", "MLP width")
    assert [rule.sentence.partition(",")[0] for rule in found.broken] == [f"tp must divide the {what}" for what in divided]
    assert all(rule.values == "tp 3" and rule.source for rule in found.broken)


def test_what_follows_from_the_degrees_is_checked_too() -> None:
    """Data parallelism that does not fill the GPUs is told, and dp that follows is read by the rules."""
    assert sentences("tp=2,pp=2,cp=1,dp=2") == "tp x cp x dp x pp must be the 16 GPUs (tp 2, cp 1, dp 2, pp 2; it is 8)."
    assert sentences("tp=2,dp=3") == "tp x dp must divide the 16 GPUs (tp 2, dp 3; it is 6)."
    assert "dp x micro-batch must divide the global batch (micro_batch 7)" in sentences("micro_batch=7")
    assert "dp x micro-batch must divide the global batch (micro_batch 3, so dp 8)" in sentences("tp=2,pp=1,cp=1,micro_batch=3")


def test_a_degree_left_out_that_breaks_a_rule_is_told() -> None:
    """With tp, pp and dp named, cp follows: its value stands in the sentence; no sentence ends in empty brackets."""
    said = sentences("tp=1,pp=1,dp=1", search(small(sequence=16)))
    assert "must divide the sequence (so cp 16)" in said and "()" not in said


def test_rules_that_only_together_leave_nothing_are_told_by_how_many_they_refused() -> None:
    """One micro-batch on pp 2 with 16 virtual stages: interleaving asks for groups of pp, but for which schedule is left open, so that no
    rule alone refuses all; those that decided are named with their counts."""
    found = why_not(search(every_schedule(JOB)), parse_axes("dp=8,micro_batch=8,pp=2,vpp=16"))
    assert not found.valid and not found.broken
    assert found.refusing[0] == (
        "interleaving needs micro-batches in whole groups of pp, or in equal rounds if the stack allows them",
        1,
    )
    assert "no choice of the other axes satisfies all of them" in found.sentences[0]
    alone = why_not(RESULT, parse_axes("dp=8,micro_batch=8,pp=2,vpp=16"))  # of a stack with one schedule it is that rule
    assert [rule.sentence.split(",")[0] for rule in alone.broken] == ["interleaving needs micro-batches in whole groups of pp"]


def test_a_plan_that_fits_is_ranked_and_the_term_that_costs_it_named() -> None:
    """Full recomputation is what costs a plan that recomputes all; its place is that of its step among the plans that fit."""
    found = why_not(RESULT, parse_axes("tp=1,pp=1,cp=1,dp=16,zero=2,dp_replicate=1,micro_batch=2,recompute=full"))
    assert found.plans == found.fit == 1 and found.plan is not None
    steps = np.sort(RESULT.step_seconds[RESULT.order])
    assert steps[found.place - 1] == pytest.approx(found.plan.step) and found.among == len(steps)
    said = " ".join(found.sentences)
    assert f"ranks number {found.place:,} of the {len(steps):,} plans that fit" in said
    assert "slower than the best plan, mostly recomputation" in said


def test_the_best_plan_is_said_to_be_the_best() -> None:
    """What the search ranks first has nothing against it."""
    plan = RESULT.plan(int(RESULT.order[0]))
    exact = Space({axis: Bounds((int(getattr(plan, axis)),)) for axis in AXES})
    found = why_not(RESULT, exact)
    assert found.place == 1 and found.sentences[-1].startswith("It is the best of the")


def test_too_much_memory_is_told_by_how_much_and_of_what() -> None:
    """A plan whose micro-batch is too large: GiB beyond the limit, and the purpose that takes most."""
    said = sentences("tp=1,pp=1,cp=1,dp=16,zero=2,dp_replicate=1,micro_batch=4,recompute=none")
    assert said.startswith(
        "The plan is valid, but does not fit: pipeline stage 0 needs 106.1 GiB, 29.6 GiB more than the limit of 76.5 GiB"
    )
    assert "GiB of it activations" in said and "would rank number 1 of" in said


def test_axes_left_out_are_free() -> None:
    """Of tp 4 alone the best plan with it is told, and how many there are."""
    found = why_not(RESULT, parse_axes("tp=4"))
    own = search(JOB, Space().with_("tp", "4"))
    assert (found.plans, found.fit) == (len(own), len(own.order))
    assert found.plan is not None and found.plan.plan == own.plan(int(own.order[0]))


def test_a_plan_outside_the_bounds_of_the_search_is_told_to_be() -> None:
    """Bounds that the user set are named where the plan lies outside them; the answer is given all the same."""
    found = why_not(search(JOB, Space().with_("tp", "<=2")), parse_axes("tp=4"))
    assert found.outside == ("tp <=2",) and found.valid
    assert "outside the bounds you set: tp <=2." in " ".join(found.sentences)


def test_where_nothing_fits_there_is_nothing_to_rank_among() -> None:
    """A model far too large for its GPUs: the plan is told to miss by so much, and no rank is given."""
    result = search(example(gpus=8, global_batch=64))
    said = sentences("tp=8,pp=1", result)
    assert "none fits" in said and "rank" not in said


@pytest.mark.parametrize("text", ["tp", "tp=x", "tp=0", "=3", "tp=8,tp=4", "recompute=some", "tp=8;pp=2"])
def test_what_cannot_be_read_is_refused_in_a_sentence(text: str) -> None:
    """No traceback for what someone may type."""
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
def test_no_plan_of_a_search_breaks_a_rule_and_any_plan_without_one_is_found(result: Result, data: st.DataObject) -> None:
    """Named in full, a plan of the search breaks nothing; with one axis changed, either a rule is told or the search finds it."""
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


def test_every_rule_can_be_told() -> None:
    """Each rule has a sentence and a source, and reads fields that may be named or that follow."""
    known = {*AXES, "dp_shard"}
    assert all(rule.sentence and rule.source and known.issuperset(rule.fields) for rule in RULES)
