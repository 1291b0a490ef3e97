"""Bands of memory: from measured peaks, sources left out, and jobs unlike the runs of their stack."""

from __future__ import annotations

from dataclasses import replace
from math import exp

import numpy as np
import pytest

from planner.cost.memory_band import ALL, MemoryBand, Peak, bands, coverage, families, memory_band, shipped, widening
from tests.planner.jobs import small


def made(family: str, source: str, errors: list[float], model: str = "m") -> list[Peak]:
    """Peaks of one source with these errors, of 4,096 tokens in bf16, all weights trained."""
    return [Peak(family, source, f"{model}{i % 4}", 4096, "bf16", "full", error) for i, error in enumerate(errors)]


def spread(shift: float, count: int = 40, width: float = 0.1) -> list[float]:
    """Errors at equal distances around a shift."""
    return [float(error) for error in shift + width * np.linspace(-1, 1, count)]


NARROW = MemoryBand(-0.05, 0.1, 100, 3, (2048, 8192), ("bf16",), ("full",))
EVERY = MemoryBand(-0.3, 0.4, 900, 9, (256, 65_536), ("bf16", "fp16"), ("full", "lora"))


def test_a_job_like_its_runs_has_the_band_of_its_stack() -> None:
    """Sequence, precision and tuning within those of the runs: the stack's band, without a remark."""
    job = replace(small(), sequence=4096)
    known = memory_band(job, {job.stack.name: NARROW, ALL: EVERY})
    assert (known.low, known.high, known.runs, known.like) == (exp(-0.05), exp(0.1), 100, job.stack.name)


@pytest.mark.parametrize(
    ("sequence", "precision", "differs"),
    [
        (16_384, "bf16", ""), (16_385, "bf16", "16,385 tokens"), (1024, "bf16", ""), (1023, "bf16", "1,023 tokens"), (4096, "fp16", "fp16"),
        (32_768, "fp16", "32,768 tokens and fp16"),
    ],
)  # fmt: skip
def test_a_job_unlike_its_runs_has_the_wider_band_with_a_reason(sequence: int, precision: str, differs: str) -> None:
    """Beyond twice the longest or half the shortest sequence, or in a precision of none of the runs, the band is that of all runs too."""
    job = replace(small(), sequence=sequence, precision=precision)
    known = memory_band(job, {job.stack.name: NARROW, ALL: EVERY})
    assert known.like == job.stack.name + (f", none with {differs}" if differs else "")
    assert (known.low, known.high) == ((exp(-0.3), exp(0.4)) if differs else (exp(-0.05), exp(0.1)))


def test_a_tuning_of_no_run_is_named() -> None:
    """Adapters on a stack whose runs trained all weights."""
    job = replace(small(stack="pytorch-fsdp", tuning="lora"), sequence=4096)
    assert memory_band(job, {job.stack.name: NARROW, ALL: EVERY}).like == "pytorch-fsdp, none with lora"


def test_a_stack_without_runs_has_the_band_of_all_with_a_reason() -> None:
    """A new stack has the band of all runs; a mixture of experts that of other mixtures, where there is one."""
    job = replace(small(), sequence=4096)
    new = replace(job, stack=replace(job.stack, name="new"))
    known = memory_band(new, {ALL: EVERY})
    assert (known.low, known.like) == (exp(-0.3), "all runs, too few of them on new")
    assert families("a") == ("a", "") and families("a experts") == ("a experts", "experts", "")


def test_sources_weigh_alike_however_many_runs_they_have() -> None:
    """Of 20 errors of 0 and 60 of 1, of one source each, half of the weight lies on either."""
    known = bands(made("a", "x", [0.0] * 20) + made("a", "y", [1.0] * 60))
    assert (known["a"].low, known["a"].high, known["a"].runs, known["a"].sources) == (0, 1, 80, 2)
    wider = bands(made("a", "x", [0.0] * 20) + made("a", "y", [1.0] * 60), 0.25)["a"]
    assert (wider.low, wider.high) == (-0.25, 1.25)


def test_a_source_of_few_runs_weighs_less() -> None:
    """One run weighs a tenth: after 18 of a weight of 1, at (1 - 1/36) / 1.1, it lies at 1.05 / 1.1, and nine tenths between them."""
    known = bands(made("a", "x", [0.0] * 18) + made("a", "y", [1.0]))["a"]
    assert known.high == pytest.approx((0.9 - (1 - 1 / 36) / 1.1) / ((1.05 - (1 - 1 / 36)) / 1.1)) and known.low == 0


def test_a_band_records_where_its_runs_were_measured() -> None:
    """Shortest and longest sequence, precisions and tunings; a family of few runs has none."""
    peaks = [*made("a", "x", spread(0)), Peak("a", "x", "m", 512, "fp8", "lora", 0.0), *made("b", "y", spread(0, 14))]
    known = bands(peaks)
    assert known["a"].sequences == (512, 4096) and known["a"].precisions == ("bf16", "fp8") and known["a"].tunings == ("full", "lora")
    assert set(known) == {"a", ALL} and known[ALL].runs == 55


def test_coverage_leaves_out_the_source_it_tests() -> None:
    """Sources with the same errors hold 80 % of each other; one that lies apart has none of its runs in the band of the others."""
    same = made("a", "x", spread(0, 100)) + made("a", "y", spread(0, 100))
    assert coverage(same, 0.0) == {"x": (0.8, 100), "y": (0.8, 100)}
    apart = coverage(same + made("a", "z", spread(3, 100)), 0.0)
    assert apart["z"] == (0.0, 100)


def test_the_only_source_of_a_stack_is_tested_by_its_other_models() -> None:
    """Half of the models of such a source test the other half, with the runs of other stacks in addition."""
    peaks = made("a", "x", spread(0, 100)) + made("b", "y", spread(0, 100, 0.9))
    assert coverage(peaks, 0.0)["x"][0] == pytest.approx(0.8, abs=0.03)


def test_bands_are_widened_until_they_hold_four_of_five_runs() -> None:
    """Sources that differ need wider bands than the runs within them: of the margins tried the one with which 80 % lie inside."""
    shifts = (-0.2, -0.1, 0.0, 0.1, 0.2)
    peaks = [peak for i, shift in enumerate(shifts) for peak in made("a", f"s{i}", spread(shift))]
    widen = widening(peaks)
    reached = [share for share, _ in coverage(peaks, widen).values()]
    assert np.mean(reached) == pytest.approx(0.8, abs=0.03) and np.mean([share for share, _ in coverage(peaks, 0.0).values()]) < 0.78


def test_the_shipped_bands_hold_their_estimates() -> None:
    """No shipped band is empty, and those of at least six stacks and of all runs are there."""
    assert ALL in shipped() and len(shipped()) >= 6
    for entry in shipped().values():
        assert min(entry.low, 0) < max(entry.high, 0) and entry.sequences[0] <= entry.sequences[1]
