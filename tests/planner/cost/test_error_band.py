"""Bands of estimates: from residuals, to the runs most like the job at hand."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from planner import presets
from planner.cost.error_band import ALL, ENOUGH, Like, Residual, StepBand, band, bands, coverage, covered, keys, nearest, shipped, widening
from planner.cost.evaluate import evaluate
from planner.cost.memory_band import memory_band
from planner.cost.memory_band import shipped as memory_bands
from planner.errors import FieldError
from planner.report.columns import records
from planner.search.search import search
from planner.specs.plan import Plan
from tests.planner.jobs import example, small

HOPPER = Like("a", "hopper", 4096, "bf16", "full")


def made(like: Like, spread: float, count: int, source: str = "s") -> list[Residual]:
    """Residuals of one kind, normal around 0, in three sweeps of six models."""
    errors = np.random.default_rng(0).normal(0, spread, count)
    return [Residual(like, float(e), source, f"m{i % 6}", f"s{i % 3}") for i, e in enumerate(errors)]


def residuals(errors: list[float], like: Like = HOPPER, source: str = "s", model: str = "m", sweep: str = "") -> list[Residual]:
    """Runs of one kind with these logarithms of measured over predicted."""
    return [Residual(like, error, source, model, sweep) for error in errors]


def test_bands_hold_four_of_five_runs_of_sources_left_out() -> None:
    """Of sources that scatter alike the bands of the others hold 80 % without a margin; of sources that are biased apart, they need one."""
    alike = [r for source in "abcde" for r in made(HOPPER, 0.1, 60, source)]
    assert np.mean([share for share, _ in coverage(alike, 0).values()]) == pytest.approx(0.8, abs=0.04)
    assert widening(alike) <= 0.02
    biases = {"a": -0.2, "b": 0.0, "c": 0.2}
    apart = [replace(r, error=r.error + bias) for source, bias in biases.items() for r in made(HOPPER, 0.05, 60, source)]
    assert np.mean([share for share, _ in coverage(apart, 0).values()]) < 0.7
    assert widening(apart) > 0.05
    assert np.mean([share for share, _ in coverage(apart, widening(apart)).values()]) == pytest.approx(0.8, abs=0.02)


def test_the_most_similar_runs_have_the_band() -> None:
    """A job of a stack with enough runs has the band of its stack; one of another stack that of its GPU, or of all, and says so."""
    table = bands(made(replace(HOPPER, family="megatron-core"), 0.05, 100) + made(replace(HOPPER, family="b"), 0.4, 100))
    job = small()  # megatron-core on H100
    assert band(job, table=table).like == "megatron-core, 1 source"
    other = replace(job, stack=replace(job.stack, name="new"))
    assert band(other, table=table).like == "on hopper, 1 source, too few on new"
    assert band(other, table=table).runs == 200
    few = bands(made(replace(HOPPER, family="megatron-core"), 0.05, ENOUGH - 1))
    assert band(job, table=few).like == "all, 1 source, too few on megatron-core"


def test_the_keys_of_a_run_by_likeness() -> None:
    """Its stack, its GPU architecture, all; a mixture's before that those of other mixtures."""
    assert keys(HOPPER) == ("a", "on hopper", "")
    assert keys(replace(HOPPER, family="a experts")) == ("a experts", "experts on hopper", "experts", "")


@pytest.mark.parametrize(
    ("unlike", "words"),
    [(replace(HOPPER, arch="cdna3"), "on cdna3"), (replace(HOPPER, sequence=8193), "with 8,193 tokens"),
     (replace(HOPPER, sequence=2047), "with 2,047 tokens"), (replace(HOPPER, precision="fp8"), "in fp8"),
     (replace(HOPPER, tuning="lora"), "of lora tuning")],
)  # fmt: skip
def test_a_band_is_wider_where_no_run_is_near(unlike: Like, words: str) -> None:
    """A job unlike all runs of its stack has the wider of its stack's band and that of all runs, which says in what it differs."""
    table = bands(made(HOPPER, 0.05, 100) + made(replace(HOPPER, family="b"), 0.4, 100))
    here, there = nearest(HOPPER, table), nearest(unlike, table)
    assert there.low < here.low and there.high > here.high and there.apart == here.apart
    assert there.like == f"{here.like}, none {words}" and "none" not in here.like
    assert nearest(replace(HOPPER, sequence=8192), table) == here == nearest(replace(HOPPER, sequence=2048), table)


def test_a_kind_that_bands_of_stacks_miss_has_a_wider_one() -> None:
    """Long sequences scatter four times as much as the other runs of their stack: their band is at least as wide as their scatter."""
    long = replace(HOPPER, kinds=("32k tokens and more",))
    runs = made(HOPPER, 0.05, 400) + made(long, 0.4, 40)
    table = bands(runs)
    assert "kind 32k tokens and more" in table
    assert nearest(long, table).high > 1.3 > nearest(HOPPER, table).high
    assert nearest(long, table).like.endswith("widened for 32k tokens and more")
    assert "kind 32k tokens and more" not in bands(made(HOPPER, 0.05, 400) + made(long, 0.05, 40))


def test_every_band_holds_its_estimate() -> None:
    """Whatever the stack, the GPU, the size, experts or none, calibrated or not: no estimate lies outside the band printed with it."""
    for stack, gpu, gpus, model in product(presets.names("stacks"), ("a100-80gb-sxm", "h100-sxm", "b200", "mi300x", "l40s"), (8, 64, 256),
                                           ("llama-3.1-8b", "mixtral-8x7b")):  # fmt: skip
        try:
            job = example(stack=stack, gpu=gpu, gpus=gpus, model=model)
        except FieldError:
            continue
        for variant in (job, replace(job, cluster=replace(job.cluster, calibrated_runs=3))):
            for entry in (band(variant), memory_band(variant)):
                assert entry.low <= 1 <= entry.high and entry.low < entry.high
    numbers = records(evaluate(example(model="llama-3.1-8b", gpu="a100-80gb-sxm", gpus=8, global_batch=64), Plan(tp=2, dp=4, zero=1)))[0]
    assert numbers["step_low_seconds"] <= numbers["step_seconds"] < numbers["step_high_seconds"]
    assert numbers["memory_low_gib"] <= numbers["memory_gib"] <= numbers["memory_high_gib"]


def test_a_band_that_lies_to_one_side_ends_at_the_estimate() -> None:
    """Runs that all took longer than predicted, by 5 to 45 %: the band runs from the estimate up, and its other end is the quantile."""
    errors = np.log(np.linspace(1.05, 1.45, 41)).tolist()
    late = nearest(HOPPER, bands(residuals(errors)))
    assert late.low == 1.0 and late.high == pytest.approx(1.41, abs=0.01)
    assert late.tenth == pytest.approx(1.09, abs=0.01)
    fast = nearest(HOPPER, bands(residuals([-e for e in errors])))
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
    """Of all runs, more than 3,000 step times of more than 20 sources; of memory more than 1,000."""
    assert shipped()[ALL].runs > 3000 and shipped()[ALL].sources > 20
    assert memory_bands()[""].runs > 1000


def test_quantiles_of_residuals_by_hand() -> None:
    """Of 21 errors 0.00 to 0.20 each stands for a 21st, at its middle: a tenth lies at 0.1 x 21 - 0.5 = 1.6 errors, nine tenths at 18.4."""
    entry = bands(residuals([i / 100 for i in range(21)]))["a"]
    assert [entry.low, entry.high, entry.runs, entry.sources] == pytest.approx([0.016, 0.184, 21, 1])
    wide = bands(residuals([i / 100 for i in range(21)]), 0.05)["a"]
    assert [wide.low, wide.high] == pytest.approx([-0.034, 0.234])


def test_sources_weigh_alike_however_often_they_were_measured() -> None:
    """Of 20 errors of 0 and 180 of 1, of one source each, the lowest tenth is of the first."""
    runs = residuals([0.0] * 20, source="s") + residuals([1.0] * 180, source="t")
    entry = bands(runs)[ALL]
    assert (entry.low, entry.high, entry.runs, entry.sources) == (0, 1, 200, 2)
    few = bands(residuals([0.0] * 2, source="s") + residuals([1.0] * 180, source="t"))[ALL]  # 2 of 10: a sixth of the weight
    assert few.low == pytest.approx(0, abs=1e-9)


def test_what_sets_two_plans_apart_by_hand() -> None:
    """Errors 0.0 to 0.5 of one sweep differ by 0.1 five times, 0.2 four times, ... 0.5 once: 0.2 in the middle. Without sweeps the median
    distance from the median, 0.15, times the root of two."""
    errors = [i / 10 for i in range(6)]
    assert bands(residuals(errors, sweep="s"))[ALL].apart == pytest.approx(0.2)
    assert bands(residuals(errors))[ALL].apart == pytest.approx(0.15 * 2**0.5)
    two = residuals(errors, sweep="s") + residuals([error + 9 for error in errors], sweep="t")
    assert bands(two)[ALL].apart == pytest.approx(0.2)


def test_a_band_is_the_exponential_of_its_entry() -> None:
    """Logarithms -0.1, 0.2 and 0.05 of 30 runs."""
    table = {ALL: StepBand(-0.1, 0.2, 0.05, 30, 2, ("hopper",), (4096, 4096), ("bf16",), ("full",))}
    factors = nearest(HOPPER, table)
    assert [factors.tenth, factors.ninetieth, factors.apart] == pytest.approx([0.904837, 1.221403, 1.051271], rel=1e-6)
    assert (factors.runs, factors.like) == (30, "all, 2 sources, too few on a") and (factors.low, factors.high) == (
        factors.tenth,
        factors.ninetieth,
    )


def test_coverage_by_hand() -> None:
    """Two models of one source whose errors are the same: of 100 of each the middle 80 lie in the band of the other; far apart none."""
    errors = [i / 100 - 0.5 for i in range(100)]
    same = residuals(errors, model="m") + residuals(errors, model="n")
    assert coverage(same, 0) == {"s": (0.8, 200)}
    assert covered(same, bands(same), lambda r: (r.like.family, "x")) == {"a": (0.8, 200), "x": (0.8, 200)}
    apart = residuals([9 + error for error in errors], model="m") + residuals([error - 9 for error in errors], model="n")
    assert coverage(apart, 0) == {"s": (0.0, 200)}
