"""Bands of estimates: the mixture of measured runs by their likeness to the job at hand."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from planner import presets
from planner.cost.error_band import ALL, Band, Cell, Like, Table, band, keys, like, nearest, quantiles, shipped
from planner.cost.evaluate import evaluate
from planner.cost.memory_band import memory_band
from planner.cost.memory_band import shipped as memory_bands
from planner.errors import FieldError
from planner.report.columns import records
from planner.report.wording import band_in_words
from planner.search.search import search
from planner.specs.plan import Plan
from tests.planner.jobs import example, small

HOPPER = Like("a", "hopper", 4096, "bf16", "full")
NARROW = tuple(np.linspace(-0.05, 0.05, 10).tolist())
WIDE = tuple(np.linspace(-0.5, 0.5, 10).tolist())
HERE = Cell("a", "s", "hopper", "bf16", "full", False, (4096, 4096), 100, NARROW)
THERE = replace(HERE, family="b", source="t", errors=WIDE)
TABLE = Table((HERE, THERE), {ALL: 0.1})


def test_weighted_quantiles_by_hand() -> None:
    """Of errors 0, 1 and 2 of weight 1/4, 1/2 and 1/4 the middles of weight are at 1/8, 1/2 and 7/8: the tenth is 0, the median 1, and a
    quantile of 11/16 lies half way between 1 and 2."""
    weights, errors = np.array([0.25, 0.5, 0.25]), np.array([0.0, 1.0, 2.0])
    assert quantiles(errors, weights, (0.1, 0.5, 11 / 16)) == [0.0, 1.0, 1.5]
    assert quantiles(errors, np.array([0.5, 0.0, 0.5]), (0.5,)) == [1.0]


def test_the_likeness_of_runs_by_hand() -> None:
    """1 for runs like the job, 0.3 on another GPU, half for each other difference, and their product."""
    assert HERE.likeness(HOPPER) == 1 and HERE.differs(HOPPER) == []
    assert HERE.likeness(replace(HOPPER, arch="ada")) == 0.3
    assert HERE.likeness(replace(HOPPER, arch="ada", precision="fp8", tuning="lora")) == pytest.approx(0.075)
    assert HERE.likeness(replace(HOPPER, precision="fp16")) == 1


@pytest.mark.parametrize(
    ("unlike", "words"),
    [(replace(HOPPER, arch="cdna3"), "on cdna3"), (replace(HOPPER, sequence=8193), "with 8,193 tokens"),
     (replace(HOPPER, sequence=2047), "with 2,047 tokens"), (replace(HOPPER, precision="fp8"), "in fp8"),
     (replace(HOPPER, tuning="lora"), "of lora tuning")],
)  # fmt: skip
def test_a_band_is_wider_where_no_run_is_near(unlike: Like, words: str) -> None:
    """A job unlike all runs of its stack rests more on those of other stacks, which scatter more; the band says in what it differs."""
    others = (THERE, replace(THERE, source="u", arch=unlike.arch, precision=unlike.precision, tuning=unlike.tuning))
    table = Table((HERE, *others), {ALL: 0.1})
    here, there = nearest(HOPPER, table), nearest(unlike, table)
    assert there.low < here.low and there.high > here.high and there.apart == here.apart
    assert there.like.endswith(f"none {words}") and "none" not in here.like
    assert nearest(replace(HOPPER, sequence=8192), table) == here == nearest(replace(HOPPER, sequence=2048), table)


def test_runs_of_other_stacks_weigh_as_much_as_one_source() -> None:
    """Of a stack with one source half of the weight is its own, with three sources three quarters; the band names the shares."""
    assert TABLE.ends(HOPPER).weights == pytest.approx([0.5, 0.5])
    three = Table((HERE, replace(HERE, source="v"), replace(HERE, source="w"), THERE), {ALL: 0.1})
    assert three.ends(HOPPER).weights == pytest.approx([0.25] * 4)
    assert nearest(HOPPER, TABLE).like == "a: s 50 %, others 50 %" and nearest(HOPPER, TABLE).runs == 100
    assert nearest(HOPPER, three).high < nearest(HOPPER, TABLE).high


def test_a_stack_without_runs_has_the_band_of_others() -> None:
    """Its runs are all runs, and the band says that none is on the stack."""
    other = nearest(replace(HOPPER, family="new"), TABLE)
    assert (other.runs, other.like) == (200, "other stacks: a 50 %, b 50 %; none on new")


def test_the_biases_of_sources_widen_a_band() -> None:
    """Two sources that scatter little but are biased apart by 0.4 have a band as wide as that, not as wide as their scatter."""
    low, high = (tuple(e + bias for e in NARROW) for bias in (-0.2, 0.2))
    both = Table((replace(HERE, errors=low), replace(HERE, source="v", errors=high)), {ALL: 0.1})
    assert np.log(nearest(HOPPER, both).high / nearest(HOPPER, both).low) > 0.4
    assert np.log(nearest(HOPPER, Table((HERE,), {ALL: 0.1})).high) < 0.06


def test_the_ratio_that_sets_plans_apart_is_of_the_nearest_key() -> None:
    """That of the stack, else for a mixture of experts that of other mixtures, else that of all runs."""
    assert keys(HOPPER) == ("a", "") and keys(replace(HOPPER, family="a experts")) == ("a experts", "experts", "")
    table = replace(TABLE, apart={ALL: 0.1, "a": 0.2, "experts": 0.3})
    names = {"a": 0.2, "b": 0.1, "b experts": 0.3}
    assert {name: table.apart_of(replace(HOPPER, family=name)) for name in names} == names


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


def test_a_band_that_lies_to_one_side_begins_at_the_estimate() -> None:
    """Runs that all took longer than predicted, by 0.05 to 0.95 of a logarithm: from the estimate up, up to four fifths of the runs."""
    late = tuple(0.05 + 0.1 * i for i in range(10))
    ends = Table((replace(HERE, errors=late),), {ALL: 0.1}).ends(HOPPER)
    assert [ends.low, ends.high, ends.tenth] == pytest.approx([0.0, 0.8, 0.1])
    ends = Table((replace(HERE, errors=tuple(-e for e in reversed(late))),), {ALL: 0.1}).ends(HOPPER)
    assert [ends.low, ends.high] == pytest.approx([-0.8, 0.0])
    few = Cell("a", "x", "hopper", "bf16", "full", False, (4096, 4096), 1, (-0.5,))
    below = Table((*(replace(HERE, source=name, errors=late) for name in "stuv"), few), {ALL: 0.1})
    assert below.ends(HOPPER).high == pytest.approx(0.85)  # 1/41 of the weight is below 0: the quantile at 1/41 + 0.8, 0.78 at 0.8


def test_a_band_is_extended_to_its_estimate() -> None:
    """Quantiles on one side of 1 have the other end at 1."""
    late, soon = (Band(low, high, 9, "s", 1.1) for low, high in ((1.1, 1.3), (0.7, 0.9)))
    assert (late.low, late.high, soon.low, soon.high) == (1.0, 1.3, 0.7, 1.0)


def test_every_estimate_carries_its_band() -> None:
    """The step lies between the ends of its band, or near them, for every shipped stack; and so does memory."""
    for name in presets.names("stacks"):
        job = small(stack=name)
        numbers = evaluate(job, Plan(dp=16, dp_shard=16, zero=job.stack.zero_stages[-1]))
        assert 0.5 < numbers.step_band.low < numbers.step_band.high < 2.5
        assert 0.5 < numbers.memory_band.low < numbers.memory_band.high < 2.5
        assert numbers.step_band.runs >= 6
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
    """Where a cluster was calibrated on its runs, the usual bias of the model no longer counts, but the same quantiles do."""
    job = example()
    centred = band(replace(job, cluster=replace(job.cluster, calibrated_runs=3)))
    assert centred.low * centred.high == pytest.approx(1)
    usual = shipped().ends(like(job))
    assert np.log(centred.high / centred.low) == pytest.approx(usual.ninetieth - usual.tenth + 2 * shipped().margin)


def test_the_shipped_bands_rest_on_thousands_of_runs() -> None:
    """Of all runs, more than 3,000 step times of more than 20 sources; of memory more than 1,000."""
    cells = shipped().cells
    assert sum(cell.runs for cell in cells) > 3000 and len({cell.source for cell in cells}) > 20
    assert all(list(cell.errors) == sorted(cell.errors) and len(cell.errors) <= min(cell.runs, 10) for cell in cells)
    assert memory_bands()[""].runs > 1000


def test_a_band_in_words() -> None:
    """The runs it rests on, its ends, and the difference below which two plans are a tie."""
    words = band_in_words(Band(0.9, 1.25, 50, "torchtitan: torchao 60 %, others 40 %", 1.1))
    assert words == (
        "of 50 measured runs like these (torchtitan: torchao 60 %, others 40 %) 80 % took -10 to +25 % of the estimate; "
        "two plans within 10.0 % are a tie"
    )
