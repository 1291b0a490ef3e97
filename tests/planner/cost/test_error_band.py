"""Bands of estimates: from residuals, to the kind of run most like the one at hand."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from planner import presets
from planner.cost.error_band import ENOUGH, Residual, band, bands, covered, shipped, size, table
from planner.cost.evaluate import evaluate
from planner.errors import FieldError
from planner.report.columns import records
from planner.search.search import search
from planner.specs.plan import Plan
from tests.planner.jobs import example, small


def made(stack: str, arch: str, where: str, spread: float, count: int, model: str = "m") -> list[Residual]:
    """Residuals of one kind, normal around 0."""
    errors = np.random.default_rng(0).normal(0, spread, count)
    return [Residual("step", stack, arch, where, float(e), f"s{i % 3}", f"{model}{i % 6}") for i, e in enumerate(errors)]


def test_four_of_five_runs_lie_in_the_band_of_others_like_them() -> None:
    """Bands made of some models' residuals hold about 80 % of the runs of other models."""
    share, count = covered(made("a", "hopper", "one node", 0.1, 600) + made("b", "ampere", "one node", 0.3, 600))
    assert count == 1200
    assert share == pytest.approx(0.8, abs=0.05)


def test_the_most_similar_kind_with_enough_runs_speaks() -> None:
    """A job of a stack with many runs has that stack's band; one of a stack nobody measured has that of its GPU, or of all."""
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
    """Whatever the stack, the GPU, the size, experts or none, calibrated or not: no estimate lies outside the band printed beside it."""
    assert any(found.tenth > 1 for found in shipped().values())  # kinds whose runs all but lay above their estimates
    for stack, gpu, gpus, model in product(presets.names("stacks"), ("a100-80gb-sxm", "h100-sxm", "b200", "mi300x", "l40s"), (8, 64, 256),
                                           ("llama-3.1-8b", "mixtral-8x7b")):  # fmt: skip
        try:
            job = example(stack=stack, gpu=gpu, gpus=gpus, model=model)
        except FieldError:
            continue
        for own in (job, replace(job, cluster=replace(job.cluster, calibrated_runs=3))):
            for of in ("step", "memory"):
                found = band(own, of)
                assert found.low <= 1 <= found.high and found.low < found.high
    for found in shipped().values():
        assert found.low <= 1 <= found.high
    numbers = records(evaluate(example(model="llama-3.1-8b", gpu="a100-80gb-sxm", gpus=8, global_batch=64), Plan(tp=2, dp=4, zero=1)))[0]
    assert numbers["step_low_seconds"] == numbers["step_seconds"] < numbers["step_high_seconds"]
    assert numbers["memory_low_gib"] <= numbers["memory_gib"] <= numbers["memory_high_gib"]


def test_a_band_that_lies_to_one_side_ends_at_the_estimate() -> None:
    """Runs that all took longer than predicted, by 5 to 45 %: the band runs from the estimate up, and its other end is the quantile."""
    errors = np.log(np.linspace(1.05, 1.45, 41))
    slow = [Residual("step", "a", "hopper", "one node", float(e), "", f"m{i}") for i, e in enumerate(errors)]
    found = bands(table(slow))["step", ("a", "hopper", "one node")]
    assert found.low == 1.0 and found.high == pytest.approx(1.41, abs=0.01)
    assert found.tenth == pytest.approx(1.09, abs=0.01)
    fast = bands(table([replace(r, error=-r.error) for r in slow]))["step", ("a", "hopper", "one node")]
    assert fast.low == pytest.approx(1 / 1.41, abs=0.01) and fast.high == 1.0


def test_every_estimate_carries_its_band() -> None:
    """The step lies between the ends of its band, or near them, for every shipped stack; so do tokens of memory."""
    for name in presets.names("stacks"):
        job = small(stack=name)
        numbers = evaluate(job, Plan(dp=16, dp_shard=16, zero=job.stack.zero_stages[-1]))
        assert 0.5 < numbers.step_band.low < numbers.step_band.high < 2.5
        assert 0.5 < numbers.memory_band.low < numbers.memory_band.high < 2
        assert numbers.step_band.runs >= 10
        assert numbers.step_band.apart > 1


def test_sizes_are_told_by_nodes() -> None:
    """One node, a few, many."""
    assert [size(small(gpus=g)) for g in (8, 64, 128)] == ["one node", "2 to 8 nodes", "more than 8 nodes"]


def test_plans_too_close_to_tell_apart_are_counted_from_the_fastest() -> None:
    """Those alike are the fastest, and no slower than the first by more than the model can tell."""
    result = search(small())
    steps = result.step_seconds[result.order]
    apart = band(result.job).apart
    assert 1 <= result.alike <= len(steps)
    assert steps[result.alike - 1] <= steps[0] * apart
    assert result.alike == len(steps) or steps[result.alike] > steps[0] * apart


def test_a_calibrated_clusters_band_is_centred_on_its_estimate() -> None:
    """Where a cluster was calibrated on runs of its own, what the model is usually off by no longer counts."""
    job = example()
    usual = band(job)
    own = band(replace(job, cluster=replace(job.cluster, calibrated_runs=3)))
    assert own.low * own.high == pytest.approx(1)
    assert own.high / own.low == pytest.approx(usual.high / usual.low)


def test_the_shipped_bands_rest_on_thousands_of_runs() -> None:
    """The widest kind, all runs, holds step times of more than 3,000 runs and memory of more than 1,000."""
    assert shipped()["step", ("", "", "")].runs > 3000
    assert shipped()["memory", ("", "", "")].runs > 1000


def test_of_adapters_it_is_said_that_no_run_was_measured() -> None:
    """Their band is that of full training, in numbers, and not passed off as theirs."""
    full, lora = small(stack="pytorch-fsdp"), small(stack="pytorch-fsdp", tuning="lora")
    assert (band(lora).low, band(lora).high) == (band(full).low, band(full).high)
    assert "none with adapters" in band(lora).like and "adapters" not in band(full).like
