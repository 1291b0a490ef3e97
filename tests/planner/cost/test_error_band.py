"""Bands of estimates: from residuals, to the kind of run most like the one at hand."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from planner import presets
from planner.cost.error_band import ENOUGH, Residual, band, bands, covered, kinds, shipped, size, table
from planner.cost.evaluate import evaluate
from planner.cost.memory_band import ALL, memory_band
from planner.cost.memory_band import shipped as memory_bands
from planner.errors import FieldError
from planner.report.columns import records
from planner.search.search import search
from planner.specs.plan import Plan
from tests.planner.jobs import example, small


def made(stack: str, arch: str, where: str, spread: float, count: int, model: str = "m") -> list[Residual]:
    """Residuals of one kind, normal around 0."""
    errors = np.random.default_rng(0).normal(0, spread, count)
    return [Residual(stack, arch, where, float(e), f"s{i % 3}", f"{model}{i % 6}") for i, e in enumerate(errors)]


def test_four_of_five_runs_lie_in_the_band_of_others_like_them() -> None:
    """Bands made of some models' residuals hold about 80 % of the runs of other models."""
    share, count = covered(made("a", "hopper", "one node", 0.1, 600) + made("b", "ampere", "one node", 0.3, 600))
    assert count == 1200
    assert share == pytest.approx(0.8, abs=0.05)


def test_the_most_similar_kind_with_enough_runs_has_the_band() -> None:
    """A job of a stack with many runs has that stack's band; one of a stack that was not measured has that of its GPU, or of all."""
    known = bands(table(made("megatron-core", "hopper", "2 to 8 nodes", 0.05, 100) + made("b", "hopper", "one node", 0.4, 100)))
    job = small()  # megatron-core, two nodes of H100
    assert band(job, table=known).like == "megatron-core, hopper, 2 to 8 nodes"
    other = replace(job, stack=replace(job.stack, name="new"))
    assert band(other, table=known).runs == 100  # of its GPU and its size
    foreign = replace(other, cluster=replace(job.cluster, gpu=replace(job.cluster.gpu, arch="abacus"), gpus=8))
    assert band(foreign, table=known).runs >= 100
    few = bands(table(made("megatron-core", "hopper", "one node", 0.05, ENOUGH - 1)))
    assert band(job, table=few).like == "all runs"


def test_every_band_holds_its_estimate() -> None:
    """Whatever the stack, the GPU, the size, experts or none, calibrated or not: no estimate lies outside the band printed with it."""
    assert any(entry.tenth > 1 for entry in shipped().values())  # kinds whose runs all but lay above their estimates
    for stack, gpu, gpus, model in product(presets.names("stacks"), ("a100-80gb-sxm", "h100-sxm", "b200", "mi300x", "l40s"), (8, 64, 256),
                                           ("llama-3.1-8b", "mixtral-8x7b")):  # fmt: skip
        try:
            job = example(stack=stack, gpu=gpu, gpus=gpus, model=model)
        except FieldError:
            continue
        for variant in (job, replace(job, cluster=replace(job.cluster, calibrated_runs=3))):
            for entry in (band(variant), memory_band(variant)):
                assert entry.low <= 1 <= entry.high and entry.low < entry.high
    for entry in shipped().values():
        assert entry.low <= 1 <= entry.high
    numbers = records(evaluate(example(model="llama-3.1-8b", gpu="a100-80gb-sxm", gpus=8, global_batch=64), Plan(tp=2, dp=4, zero=1)))[0]
    assert numbers["step_low_seconds"] == numbers["step_seconds"] < numbers["step_high_seconds"]
    assert numbers["memory_low_gib"] <= numbers["memory_gib"] <= numbers["memory_high_gib"]


def test_a_band_that_lies_to_one_side_ends_at_the_estimate() -> None:
    """Runs that all took longer than predicted, by 5 to 45 %: the band runs from the estimate up, and its other end is the quantile."""
    errors = np.log(np.linspace(1.05, 1.45, 41))
    slow = [Residual("a", "hopper", "one node", float(e), "", f"m{i}") for i, e in enumerate(errors)]
    late = bands(table(slow))[("a", "hopper", "one node")]
    assert late.low == 1.0 and late.high == pytest.approx(1.41, abs=0.01)
    assert late.tenth == pytest.approx(1.09, abs=0.01)
    fast = bands(table([replace(r, error=-r.error) for r in slow]))[("a", "hopper", "one node")]
    assert fast.low == pytest.approx(1 / 1.41, abs=0.01) and fast.high == 1.0


def test_every_estimate_carries_its_band() -> None:
    """The step lies between the ends of its band, or near them, for every shipped stack; and so does memory."""
    for name in presets.names("stacks"):
        job = small(stack=name)
        numbers = evaluate(job, Plan(dp=16, dp_shard=16, zero=job.stack.zero_stages[-1]))
        assert 0.5 < numbers.step_band.low < numbers.step_band.high < 2.5
        assert 0.5 < numbers.memory_band.low < numbers.memory_band.high < 2.5
        assert numbers.step_band.runs >= 10
        assert numbers.step_band.apart > 1


def test_sizes_are_classes_of_nodes() -> None:
    """One node, a few, many."""
    assert [size(small(gpus=g)) for g in (8, 64, 128)] == ["one node", "2 to 8 nodes", "more than 8 nodes"]


def test_plans_too_close_to_distinguish_are_counted_from_the_fastest() -> None:
    """Those alike are the fastest, and slower than the first by no more than the model can distinguish."""
    result = search(small())
    steps = result.step_seconds[result.order]
    apart = band(result.job).apart
    assert 1 <= result.alike <= len(steps)
    assert steps[result.alike - 1] <= steps[0] * apart
    assert result.alike == len(steps) or steps[result.alike] > steps[0] * apart


def test_a_calibrated_clusters_band_is_centred_on_its_estimate() -> None:
    """Where a cluster was calibrated on its runs, the usual bias of the model no longer counts."""
    job = example()
    usual = band(job)
    centred = band(replace(job, cluster=replace(job.cluster, calibrated_runs=3)))
    assert centred.low * centred.high == pytest.approx(1)
    assert centred.high / centred.low == pytest.approx(usual.high / usual.low)


def test_the_shipped_bands_rest_on_thousands_of_runs() -> None:
    """The widest kind, all runs, holds step times of more than 3,000 runs and memory of more than 1,000."""
    assert shipped()[("", "", "")].runs > 3000
    assert memory_bands()[ALL].runs > 1000


def test_a_band_of_adapters_states_that_no_run_was_measured() -> None:
    """Their band is that of full training, in numbers, and not passed off as theirs."""
    full, lora = small(stack="pytorch-fsdp"), small(stack="pytorch-fsdp", tuning="lora")
    assert (band(lora).low, band(lora).high) == (band(full).low, band(full).high)
    assert "none with adapters" in band(lora).like and "adapters" not in band(full).like


def residuals(errors: list[float], stack: str = "a", sweep: str = "", model: str = "m") -> list[Residual]:
    """Runs of one kind with these logarithms of measured over predicted."""
    return [Residual(stack, "hopper", "one node", error, sweep, model) for error in errors]


def test_the_kinds_of_a_run_by_likeness() -> None:
    """Stack, architecture and size; the stack's of that size, of that architecture, all of the stack; then without the stack. A mixture's
    before all others those of mixtures."""
    plain = [("a", "h", "n"), ("a", "", "n"), ("a", "h", ""), ("a", "", ""), ("", "h", "n"), ("", "h", ""), ("", "", "")]
    assert list(kinds("a", "h", "n")) == plain
    mixtures = [("experts", "h", "n"), ("experts", "h", ""), ("experts", "", ""), ("", "", "")]
    of_mixture = [("a experts", "h", "n"), ("a experts", "", "n"), ("a experts", "h", ""), ("a experts", "", "")]
    assert list(kinds("a experts", "h", "n")) == of_mixture + mixtures


@pytest.mark.parametrize(
    ("gpus", "name"), [(1, "one node"), (8, "one node"), (9, "2 to 8 nodes"), (64, "2 to 8 nodes"), (65, "more than 8 nodes")]
)
def test_a_part_of_a_node_counts_as_one(gpus: int, name: str) -> None:
    """Up to 8 nodes of 8 GPUs are a few, a ninth is many."""
    job = small()
    assert size(replace(job, cluster=replace(job.cluster, gpus=gpus))) == name


def test_quantiles_of_residuals_by_hand() -> None:
    """Of 21 errors 0.00 to 0.20 each stands for a 21st, at its middle: a tenth lies at 0.1 x 21 - 0.5 = 1.6 errors, nine tenths at 18.4."""
    entry = table(residuals([i / 100 for i in range(21)]))[("a", "hopper", "one node")]
    assert [entry["low"], entry["high"], entry["runs"]] == pytest.approx([0.016, 0.184, 21])
    wide = table(residuals([i / 100 for i in range(21)]), 1.5)[("a", "hopper", "one node")]
    assert [wide["low"], wide["high"]] == pytest.approx([0.1 - 1.5 * 0.084, 0.1 + 1.5 * 0.084])


def test_stacks_weigh_alike_however_often_they_were_measured() -> None:
    """Of 20 errors of 0 and 60 of 1, on one stack each, half of the weight lies on either: the median is three quarters of the way from the
    last 0, at 0.5 - 1/80, to the first 1, at 0.5 + 1/240."""
    entry = table(residuals([0.0] * 20, "a") + residuals([1.0] * 60, "b"))[("", "", "")]
    assert (entry["low"], entry["high"], entry["runs"]) == (0, 1, 80)
    middle = table(residuals([0.0] * 20, "a") + residuals([1.0] * 60, "b"), 0.0)[("", "", "")]
    assert middle["low"] == middle["high"] == pytest.approx(0.75)


def test_what_sets_two_plans_apart_by_hand() -> None:
    """Errors 0.0 to 0.5 of one sweep differ by 0.1 five times, 0.2 four times, ... 0.5 once: 0.2 in the middle. Without sweeps the median
    distance from the median, 0.15, times the root of two."""
    errors = [i / 10 for i in range(6)]
    assert table(residuals(errors, sweep="s") * 1)[("", "", "")]["apart"] == pytest.approx(0.2)
    assert table(residuals(errors))[("", "", "")]["apart"] == pytest.approx(0.15 * 2**0.5)
    two = residuals(errors, sweep="s") + residuals([error + 9 for error in errors], sweep="t")
    assert table(two)[("", "", "")]["apart"] == pytest.approx(0.2)


def test_a_band_is_the_exponential_of_its_entry() -> None:
    """Logarithms -0.1, 0.2 and 0.05 of 30 runs."""
    factors = bands({("a", "", ""): {"low": -0.1, "high": 0.2, "runs": 30, "apart": 0.05}})[("a", "", "")]
    assert [factors.tenth, factors.ninetieth, factors.apart] == pytest.approx([0.904837, 1.221403, 1.051271], rel=1e-6)
    assert (factors.runs, factors.like) == (30, "a") and (factors.low, factors.high) == (factors.tenth, factors.ninetieth)


def test_coverage_by_hand() -> None:
    """Two models whose errors are the same: of 100 of each the middle 80 lie in the band of the other; of two that lie apart none."""
    errors = [i / 100 - 0.5 for i in range(100)]
    assert covered(residuals(errors, model="m") + residuals(errors, model="n")) == (0.8, 200)
    apart = residuals([9 + error for error in errors], model="m") + residuals([error - 9 for error in errors], model="n")
    share, count = covered(apart)
    assert (share, count) == (0.0, 200)
