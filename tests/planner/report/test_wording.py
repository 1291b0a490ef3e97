"""What sentences call plans and their parts."""

from __future__ import annotations

from planner.cost.evaluate import evaluate
from planner.cost.phases import PHASES
from planner.report.columns import records
from planner.report.wording import CHOICES, MEMORY, STEP, changed, in_words, instead, peak_in_words
from planner.specs.plan import FIELDS, Plan
from tests.planner.jobs import example, mixture, small


def test_a_plan_is_named_by_what_it_does() -> None:
    """Degrees of one and choices of none are left out."""
    assert in_words(Plan()) == "one GPU, micro-batch 1"
    assert in_words(Plan(tp=2, pp=4, dp=2, dp_shard=2, zero=1, sequence_parallel=1)) == "tp 2, pp 4, dp 2, ZeRO-1, sp, micro-batch 1"
    assert in_words(Plan(dp=2, recompute=3, recompute_layers=2)) == "dp 2, micro-batch 1, recompute first 2"


def test_what_a_plan_chose_instead() -> None:
    """A choice of a name and a number is not named twice; a named choice is repeated whole."""
    assert instead(Plan(tp=4), Plan(tp=8), "tp") == "tp 8 instead of 4"
    assert instead(Plan(pp=2), Plan(pp=4, vpp=2), "pipeline") == "pp 4 x vpp 2 instead of pp 2"
    assert instead(Plan(zero=1), Plan(), "sharding") == "no sharding instead of ZeRO-1"


def test_changes_of_a_layout_are_listed_by_axis() -> None:
    """Each axis that differs is listed as options take it; what follows from the number of GPUs is not."""
    before, after = Plan(tp=4, dp=2, recompute=2), Plan(tp=8, dp=4, zero=1, dp_shard=4, sequence_parallel=1)
    assert changed(before, after) == ["tp 4 -> 8", "zero 0 -> 1", "sequence-parallel no -> yes", "recompute full -> none"]


def test_every_part_and_every_field_has_words() -> None:
    """Sentences know every part of a step and of memory, of a mixture of experts too, and every field that a plan chooses."""
    for job, plan in ((example(), Plan(tp=8, pp=16, dp=128)), (mixture(), Plan(tp=2, pp=2, dp=4, ep=4, sequence_parallel=1))):
        estimate = evaluate(job, plan)
        assert set(estimate.time_parts.named()) <= set(STEP) and set(estimate.memory_parts.named()) <= set(MEMORY)
    assert {field for fields in CHOICES.values() for field in fields} == set(FIELDS) - {"dp_shard"}


def test_the_peak_of_memory_has_a_phase_and_a_stage() -> None:
    """At the loss on the last of four stages; without a pipeline no stage is named."""
    piped = evaluate(example(), Plan(tp=8, pp=16, dp=128))
    assert peak_in_words(piped) == f"at {list(PHASES.values())[int(piped.phase[0])]}, on stage {int(piped.stage[0])} of 0 to 15"
    alone = evaluate(small(gpus=8), Plan(dp=8))
    assert peak_in_words(alone) in {f"at {words}" for words in PHASES.values()}
    assert records(alone)[0]["memory_phase"] == list(PHASES)[int(alone.phase[0])]
