"""Bands from the residuals of measured runs, judged by runs left out of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from planner.calibration.bands import QUANTILES, Residual, bands, covered, judged, margin, with_margin
from planner.cost.error_band import ALL, ENOUGH, Like, nearest

HOPPER = Like("a", "hopper", 4096, "bf16", "full")


def made(like: Like, spread: float, count: int, source: str = "s", bias: float = 0.0, seed: int = 0) -> list[Residual]:
    """Residuals of one kind, normal around a bias, in three sweeps of six models."""
    errors = np.random.default_rng(seed).normal(bias, spread, count)
    return [Residual(like, float(e), source, f"m{i % 6}", f"s{i % 3}") for i, e in enumerate(errors)]


def residuals(errors: list[float], source: str = "s", model: str = "m", sweep: str = "") -> list[Residual]:
    """Runs of one kind with these logarithms of measured over predicted."""
    return [Residual(HOPPER, error, source, model, sweep) for error in errors]


def test_bands_hold_four_of_five_runs_of_sources_left_out() -> None:
    """Of sources that scatter alike the bands of the others hold 80 % without a margin; of sources that are biased apart, they need one."""
    alike = [r for i, source in enumerate("abcde") for r in made(HOPPER, 0.1, 60, source, seed=i)]
    assert margin(judged(alike)) <= 0.02
    biases = {"a": -0.2, "b": 0.0, "c": 0.2}
    apart = [r for source, bias in biases.items() for r in made(HOPPER, 0.05, 60, source, bias)]
    runs = judged(apart)
    assert np.mean([share for share, _ in covered(runs, 0, lambda r: (r.source,)).values()]) < 0.7
    assert margin(runs) > 0.05
    assert np.mean([share for share, _ in covered(runs, margin(runs), lambda r: (r.source,)).values()]) == pytest.approx(0.8, abs=0.02)


def test_no_run_is_tested_by_its_source() -> None:
    """A source biased by 1 whose stack another source has lies outside its band; one alone on its stack is tested by its other models, and
    a single model by its sweeps: of three the second tests the others, whose band from 0 to 10 holds them, but they do not hold it."""
    runs = made(HOPPER, 0.01, 60, "s") + made(HOPPER, 0.01, 60, "t", bias=1.0)
    assert covered(judged(runs), 0, lambda r: (r.source,))["t"][0] == 0
    alone = made(HOPPER, 0.01, 60, "s") + made(replace(HOPPER, family="b"), 0.01, 60, "t", bias=1.0)
    assert covered(judged(alone), 0, lambda r: (r.source,))["t"][0] > 0.7
    model = [replace(r, model="m", error=r.error + 9 * (r.sweep == "s1")) for r in alone if r.source == "t"]
    assert covered(judged(model), 0, lambda r: (r.source,))["t"][0] == pytest.approx(2 / 3)


def test_the_table_of_runs_by_hand() -> None:
    """One cell of each source; of 21 errors 0.00 to 0.20 ten quantiles, the first at a twentieth: 0.01; of few errors all."""
    table = bands(residuals([i / 100 for i in range(21)]) + residuals([0.3, 0.1], source="t"), 0.05)
    first, second = table.cells
    assert (first.runs, len(first.errors)) == (21, QUANTILES) and [first.errors[0], first.errors[-1]] == pytest.approx([0.01, 0.19])
    assert (second.source, second.errors, table.margin) == ("t", (0.1, 0.3), 0.05)
    assert first.sequences == (4096, 4096) and set(table.apart) == {"a", ALL}


def test_sources_weigh_alike_however_often_they_were_measured() -> None:
    """Of 20 errors of 0 and 180 of 1, of one source each, both have half of the weight; of 2 and 180 a sixth is of the first."""
    table = bands(residuals([0.0] * 20, source="s") + residuals([1.0] * 180, source="t"))
    assert table.ends(HOPPER).weights == pytest.approx([0.5, 0.5])
    few = bands(residuals([0.0] * 2, source="s") + residuals([1.0] * 180, source="t"))
    assert few.ends(HOPPER).weights == pytest.approx([1 / 6, 5 / 6])


def test_what_sets_two_plans_apart_by_hand() -> None:
    """Errors 0.0 to 0.5 of one sweep differ by 0.1 five times, 0.2 four times, ... 0.5 once: 0.2 in the middle. Without sweeps the median
    distance from the median, 0.15, times the root of two. A stack of few runs has that of all."""
    errors = [i / 10 for i in range(6)]
    assert bands(residuals(errors, sweep="s")).apart == {ALL: pytest.approx(0.2)} and len(errors) < ENOUGH
    assert bands(residuals(errors)).apart[ALL] == pytest.approx(0.15 * 2**0.5)
    two = residuals(errors, sweep="s") + residuals([error + 9 for error in errors], sweep="t")
    assert bands(two).apart[ALL] == pytest.approx(0.2)


def test_the_margin_is_added_at_both_ends() -> None:
    """The band of a table with a margin is wider by it at either end."""
    runs = made(HOPPER, 0.1, 60) + made(HOPPER, 0.1, 60, "t", seed=1)
    table, seen = with_margin(runs)
    plain, wide = nearest(HOPPER, table), nearest(HOPPER, replace(table, margin=table.margin + 0.1))
    assert np.log([wide.high / plain.high, plain.low / wide.low]) == pytest.approx([0.1, 0.1])
    assert len(seen) == 120 and table.margin == margin(seen)
