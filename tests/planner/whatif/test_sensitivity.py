"""Sensitivities are evaluations and searches of the job with one input changed, without extrapolation."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.cost.evaluate import evaluate
from planner.document.inputs import EXAMPLE, Inputs, resolve, shown
from planner.document.space import Space
from planner.errors import FieldError, UnknownName
from planner.report.best import EvaluatedPlan, best
from planner.search.search import Cancelled, search
from planner.specs.plan import Plan
from planner.whatif.sensitivity import Change, Sensitivity, explain, sensitivity
from planner.whatif.sensitivity_inputs import INPUTS

EIGHT = EXAMPLE.with_all({"model": "llama-3.1-8b", "gpus": 64, "global_batch": 64, "sequence": 4096})
DP64 = Plan(dp=64, dp_shard=64, zero=2)
MIXTURE = EXAMPLE.with_all({"model": "qwen3-30b-a3b", "gpus": 32, "global_batch": 64, "sequence": 4096, "stack": "torchtitan"})
JOBS = [EIGHT, EIGHT.with_("precision", "fp8"), EIGHT.with_("offload_optimizer", True), MIXTURE]


def one(result: Sensitivity, key: str) -> Change:
    """The change of one input."""
    return next(change for change in result.changes if change.input.key == key)


@settings(max_examples=10, deadline=None)
@given(st.sampled_from(JOBS), st.sampled_from([0.5, 1.1, 2.0, 3.0]), st.randoms(use_true_random=False))
@pytest.mark.slow
def test_a_sensitivity_is_a_direct_evaluation_with_that_input_changed(inputs: Inputs, factor: float, random: object) -> None:
    """For any plan of the search: the step is evaluate's, the best plan search's, of the job whose fields hold the new value."""
    space = Space().with_("tp", "<=4").with_("micro_batch", "<=2")
    result = search(resolve(inputs), space)
    plan = result.plan(random.randrange(len(result)))  # type: ignore[attr-defined]
    outcome = sensitivity(inputs, space, plan, factors=[factor])
    for change in outcome.changes:
        keys = change.input.fields if change.input.key != "node" or shown(inputs)["link_domain"][0] == 8 else change.input.fields[:1]
        ratio = change.after / change.before
        values = {key: shown(inputs)[key][0] for key in keys}
        job = resolve(inputs.with_all({key: type(value)(value * ratio) for key, value in values.items() if value}))  # type: ignore[operator]
        if change.this:
            assert change.this.step == pytest.approx(float(evaluate(job, plan).step[0]), rel=1e-9), change.input.key
        again = search(job, space)
        assert (change.best is None) == (not len(again.order)), change.input.key
        if change.best:
            assert change.best.step == pytest.approx(float(again.step_seconds[again.order[0]]), rel=1e-9), change.input.key


def test_every_input_is_changed_by_every_factor_and_ranked() -> None:
    """All inputs that the job has, in descending order of their effect; those of offload only with offload."""
    outcome = sensitivity(EIGHT, Space(), DP64, factors=[2.0, 1.1])
    for factor in (2.0, 1.1):
        keys = [change.input.key for change in outcome.of(factor)]
        assert set(keys) == {one.key for one in INPUTS if not one.offload}
        sizes = [abs(outcome.matters(change)) for change in outcome.of(factor)]
        assert sizes == sorted(sizes, reverse=True)
    assert {"pcie", "host"} <= {
        c.input.key for c in sensitivity(EIGHT.with_("offload_optimizer", True), Space(), DP64, factors=[2.0]).changes
    }


def test_memory_affects_only_the_best_plan() -> None:
    """A larger memory does not change the step of a plan; if memory is scarce, another plan becomes the best and is faster."""
    now = best(resolve(EXAMPLE), Space())
    assert isinstance(now, EvaluatedPlan)
    change = one(sensitivity(EXAMPLE, Space(), now.plan, factors=[2.0]), "memory")
    assert change.this is not None and change.best is not None
    assert change.this.step == now.step > change.best.step


def test_counts_take_the_next_value_that_is_allowed() -> None:
    """Nodes double, batch and sequence grow to values that the plan divides; the plan stays valid."""
    plan = Plan(tp=2, pp=4, vpp=2, dp=8, dp_shard=8, zero=1, sequence_parallel=1)
    result = sensitivity(EIGHT, Space(), plan, factors=[1.1])
    after = {change.input.key: change.after for change in result.changes}
    assert (
        after["batch"] == 96 and after["sequence"] == 4608 and after["node"] == after["domain"] == 16
    )  # 96: 12 micro-batches, whole fours
    assert all(change.this for change in result.changes)


def test_a_plan_that_is_no_longer_valid_is_reported_with_the_rule() -> None:
    """Half the batch does not divide over 64 replicas: the rule instead of a step of this plan, and the best plan nevertheless."""
    change = one(sensitivity(EIGHT, Space(), DP64, factors=[0.5]), "batch")
    assert change.this is None and "must divide the global batch" in change.this_why and change.best is not None


def test_what_would_help_most_is_the_largest_gain() -> None:
    """The verdict names the input with the largest gain when doubled, and the largest loss when halved; never the sequence."""
    result = sensitivity(EIGHT, Space(), DP64, factors=[2.0, 0.5])
    for factor, start in ((2.0, "What would help most: "), (0.5, "What would cost most: ")):
        ranked = [change for change in result.of(factor) if change.input.kind != "sequence"]
        top = max(ranked, key=lambda change: result.matters(change) * (1 if factor > 1 else -1))
        assert result.verdict(factor).startswith(start + top.input.label)
        assert f"{result.gains(top)[1]:+.1%}" in result.verdict(factor)


def test_what_makes_a_plan_fit_comes_first() -> None:
    """If no plan fits, the inputs with which a plan fits are ranked first and named."""
    tight = EXAMPLE.with_all({"model": "llama-3.1-8b", "gpus": 1, "global_batch": 1, "sequence": 4096})
    result = search(resolve(tight))
    opened = sensitivity(tight, Space(), result.plan(int(result.rejected_order[0])), factors=[2.0])
    assert opened.best is None and opened.of(2.0)[0].input.key == "memory"
    assert opened.verdict(2.0).startswith("Nothing fits now; a plan fits with memory size")


def test_the_peak_of_fp4_grows_with_the_others() -> None:
    """Doubling the peak rate doubles that of the precision in use, though no field holds that of fp4."""
    wide = EIGHT.with_all({"gpu": "b200", "precision": "fp4"})
    change = one(sensitivity(wide, Space(), DP64, factors=[2.0]), "peak")
    assert change.this is not None
    before, after = resolve(wide).cluster.gpu, change.this.job.cluster.gpu
    assert (after.flops_bf16, after.flops_fp8, after.flops_fp4) == (2 * before.flops_bf16, 2 * before.flops_fp8, 2 * before.flops_fp4)


def test_the_trees_explain_the_gains() -> None:
    """Each gain has a tree whose root is the gain, over the rate before and the rate after, down to the step of both."""
    result = sensitivity(EIGHT, Space(), DP64, factors=[2.0])
    trees = explain(result, "hbm", 2.0)
    this, best_ = result.gains(one(result, "hbm"))
    assert trees["this_plan"].value == pytest.approx(this, rel=1e-9) and trees["best_plan"].value == pytest.approx(best_, rel=1e-9)
    assert [child.name for child in trees["this_plan"].children] == ["changed_rate", "tokens_per_second_per_gpu"]
    assert trees["this_plan"].find("gemm_seconds") is not None
    with pytest.raises(UnknownName):
        explain(result, "colour", 2.0)


@pytest.mark.parametrize("factor", [1.0, 0.0, -2.0, 1e9, float("nan"), float("inf")])
def test_a_factor_that_changes_nothing_is_refused(factor: float) -> None:
    """The message names the valid factors."""
    with pytest.raises(FieldError, match=r"by must be a factor from 0\.01 to 100 other than 1"):
        sensitivity(EIGHT, Space(), DP64, factors=[factor])


def test_it_can_be_stopped() -> None:
    """It raises Cancelled on request."""
    with pytest.raises(Cancelled):
        sensitivity(EIGHT, Space(), DP64, cancelled=lambda: True)
