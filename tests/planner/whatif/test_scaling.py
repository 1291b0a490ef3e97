"""Scaling curves: each size is a separate search, and the cause of each scaling loss is reported."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.document.inputs import EXAMPLE, Inputs, resolve, run_of
from planner.document.space import Space
from planner.economics.budget import budget
from planner.errors import FieldError
from planner.report.wording import STEP
from planner.search.search import Cancelled, search
from planner.whatif.scaling import PAYS, explain, gain, scaling_curve, sizes

EIGHT = EXAMPLE.with_all({"model": "llama-3.1-8b", "gpus": 64, "global_batch": 64, "sequence": 4096})
MIXTURE = EXAMPLE.with_all({"model": "mixtral-8x7b", "gpus": 64, "global_batch": 64, "sequence": 4096})


@st.composite
def inputs(draw: st.DrawFn) -> Inputs:
    """Small jobs on several GPUs, links, batches and stacks."""
    return EXAMPLE.with_all({
        "model": draw(st.sampled_from(["llama-3.2-1b", "llama-3.1-8b", "qwen2.5-7b"])),
        "gpu": draw(st.sampled_from(["h100-sxm", "a100-80gb-sxm", "rtx-4090"])),
        "gpus": 16,
        "stack": draw(st.sampled_from(["megatron-core", "torchtitan", "deepspeed"])),
        "global_batch": draw(st.sampled_from([8, 24, 64, 256])),
        "sequence": draw(st.sampled_from([1024, 4096])),
        "nic_gbit_s": draw(st.sampled_from([1.0, 25.0, 400.0])),
    })  # fmt: skip


@settings(max_examples=12, deadline=None)
@given(inputs(), st.booleans(), st.sampled_from([50_000.0, 200.0]))
def test_doubling_never_takes_longer_unless_the_cause_is_reported(given_: Inputs, weak: bool, mtbf: float) -> None:
    """From each size to twice the size, the elapsed time for the same tokens decreases, or a sentence names both sizes and the cause: a
    part of the step that grew, or failures."""
    curve = scaling_curve(given_.with_("gpu_mtbf_hours", mtbf), Space(), [8, 16, 32, 64, 128], weak=weak)
    sentences = curve.slower()
    longer = [(a, b) for a, b in pairwise(curve.trained) if b.budget.elapsed_seconds > a.budget.elapsed_seconds]
    assert len(sentences) == len(longer)
    for (a, b), sentence in zip(longer, sentences, strict=True):
        assert sentence.startswith(f"{b.gpus:,} GPUs take ") and f"longer to train than {a.gpus:,}: " in sentence
        assert any(part in sentence for part in (*STEP.values(), "failures and checkpoints leave"))


def test_a_doubling_that_takes_longer_is_explained() -> None:
    """Beyond one node on a slow network more GPUs take longer: the sentence names the traffic that grew and the exhausted batch; if
    failures are the cause, it names them."""
    flat = Space().with_("tp", "1").with_("pp", "1").with_("cp", "1")
    slow = EIGHT.with_all({"nic_gbit_s": 1.0, "global_batch": 16, "gpus": 8})
    curve = scaling_curve(slow, flat, [8, 16, 32])
    assert len(curve.slower()) == 1 and STEP["dp"] in curve.slower()[0] and "one micro-batch" in curve.slower()[0]
    assert curve.verdict().startswith("Scaling stops paying at 8 GPUs") and "tp cannot be 1 with 32 GPUs" in curve.points[2].why
    frail = scaling_curve(EIGHT.with_all({"gpu_mtbf_hours": 40.0, "restart_minutes": 30.0}), Space(), [8, 16, 64, 128, 4096])
    assert any("failures and checkpoints leave" in sentence for sentence in frail.slower())
    assert "failures and checkpoints leave" in frail.verdict()
    assert frail.points[-1].best is not None and frail.points[-1].why == "Failures leave no time to train."


@pytest.mark.parametrize("base", [EIGHT, MIXTURE], ids=["dense", "mixture"])
def test_each_size_is_the_search_of_that_size(base: Inputs) -> None:
    """Step and plan of a size are those of a search with that number of GPUs."""
    space = Space().with_("tp", "<=4")
    for point in scaling_curve(base, space, [16, 64]).points:
        result = search(resolve(base.with_("gpus", point.gpus)), space)
        assert point.best is not None
        assert point.best.step == pytest.approx(float(result.step_seconds[result.order[0]]), rel=1e-12)
        assert point.best.plan == result.plan(int(result.order[0]))


def test_a_bound_holds_at_every_size_or_is_the_reason() -> None:
    """Every plan has dp 16; smaller sizes name the axis."""
    curve = scaling_curve(EIGHT, Space().with_("dp", "16"), [8, 16, 32, 64])
    assert all(best.plan.dp == 16 for _, best in curve.fitted) and len(curve.fitted) == 3
    assert curve.points[0].why == "No plan is valid: dp cannot be 16 with 8 GPUs."


def test_sizes_without_a_plan_have_a_reason() -> None:
    """A size that does not fill whole nodes, one at which nothing fits, and a fractional batch each have a sentence."""
    odd, small, _ = scaling_curve(EIGHT, Space(), [12, 1, 64]).points[1], scaling_curve(EXAMPLE, Space(), [8]).points[0], None
    assert "do not fill nodes of 8" in odd.why
    assert small.why.startswith("Nothing fits: the nearest plan needs")
    weak = scaling_curve(EIGHT.with_("global_batch", 65), Space(), [8, 64], weak=True)
    assert weak.points[0].why == "The batch would be 8.125 sequences, not a whole number."


def test_weak_scaling_keeps_the_tokens_per_gpu() -> None:
    """The batch is proportional to the GPUs, so that a step takes about as long at every size."""
    curve = scaling_curve(EIGHT, Space(), [8, 16, 64, 128], weak=True)
    assert [point.global_batch for point in curve.points] == [8, 16, 64, 128]
    steps = [best.step for _, best in curve.fitted]
    assert max(steps) < 1.3 * min(steps)


def test_the_verdict_names_the_first_size_that_does_not_pay() -> None:
    """Up to the named size each doubling gains at least half of the ideal; the next does not."""
    curve = scaling_curve(EIGHT, Space(), sizes(EIGHT, 8, 2048))
    gains = [(a.gpus, gain(a, b)) for a, b in pairwise(curve.trained)]
    first = next(size for size, gained in gains if gained < PAYS)
    assert curve.verdict().startswith(f"Scaling stops paying at {first:,} GPUs: twice the GPUs")


def test_a_size_that_divides_badly_does_not_end_scaling() -> None:
    """405B on 18,432 GPUs divides badly into a pipeline; 32,768 train 1.7 times as fast as 16,384, so scaling still pays there."""
    curve = scaling_curve(EXAMPLE.with_all({"gpus": 16384, "global_batch": 2048}), Space(), [16384, 18432, 32768])
    assert gain(*curve.trained[:2]) < 0
    assert curve.verdict().startswith("Scaling still pays at 32,768 GPUs: from 16,384, twice the GPUs")
    assert any(sentence.startswith("18,432 GPUs take") for sentence in curve.slower())


def test_one_gpu_is_no_plural() -> None:
    """If the last size is one GPU, the verdict has the singular."""
    curve = scaling_curve(EIGHT.with_all({"gpus": 1, "gpus_per_node": 1}), Space(), [1])
    assert "1 GPU: Nothing fits" in curve.verdict() and "1 GPUs" not in curve.verdict()


def test_time_and_cost_are_those_of_the_budget() -> None:
    """The budget at a size is that of its plan, with the training run resolved at that size."""
    inputs_ = EIGHT.with_all({"train_tokens": 10**12, "price_gpu_hour": 2.5})
    point = scaling_curve(inputs_, Space(), [8, 64]).points[1]
    job = resolve(inputs_)
    assert point.best is not None and point.budget == budget(job, run_of(inputs_, job), point.best.step)
    assert point.budget.cost == pytest.approx(2.5 * point.budget.gpu_hours)


def test_derivations_have_the_values_of_the_curve() -> None:
    """Each number of a size has a derivation with sources, whose root is the number and which includes the formulas of the step."""
    inputs_ = EIGHT.with_("price_gpu_hour", 2.5)
    curve = scaling_curve(inputs_, Space(), [8, 64])
    point = curve.points[1]
    assert point.best is not None and point.budget is not None
    trees = explain(curve, inputs_, point)
    expected = {"step": point.best.step, "mfu": point.best.mfu, "tokens_per_second": point.best.tokens_per_second,
                "efficiency": curve.efficiency(point.best), "gpu_hours": point.budget.gpu_hours, "cost": point.budget.cost}  # fmt: skip
    assert {name: tree.value for name, tree in trees.items()} == pytest.approx(expected, rel=1e-9)
    assert trees["cost"].find("gemm_seconds") is not None and trees["efficiency"].find("smallest_rate") is not None
    assert all(tree.source for tree in trees.values())


def test_the_sizes_are_doublings_with_both_ends_and_the_current_size() -> None:
    """From 8, or whole nodes of at least 8 GPUs, or 1 if the largest size is smaller; an empty range is refused."""
    assert sizes(EIGHT.with_("gpus", 48), None, 100) == [8, 16, 32, 48, 64, 100]
    assert sizes(EIGHT) == [8, 16, 32, 64, 128, 256]
    assert sizes(EIGHT.with_all({"gpus": 72, "gpus_per_node": 72})) == [72, 144, 288]
    assert sizes(EIGHT.with_all({"gpus": 64, "gpus_per_node": 4}), None, 16) == [8, 16]
    assert sizes(EIGHT, None, 4) == [1, 2, 4]
    with pytest.raises(FieldError, match="no more than to"):
        sizes(EIGHT, 64, 8)
    with pytest.raises(FieldError, match="between 1 and"):
        sizes(EIGHT, 0)


def test_a_scaling_curve_can_be_cancelled() -> None:
    """It raises Cancelled on request."""
    with pytest.raises(Cancelled):
        scaling_curve(EIGHT, Space(), [8], cancelled=lambda: True)
