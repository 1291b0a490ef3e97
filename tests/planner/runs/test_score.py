"""Scores of predictions, worked by hand on a few rows."""

from __future__ import annotations

from typing import Any

import pytest

from planner.runs.score import COLUMNS, BandRow, ErrorRow, Miss, OomRow, Score, score


def run(name: str, group: str = "g", **told: str) -> dict[str, str]:
    """A row of a runs file, blank but for what is told."""
    return {**dict.fromkeys(COLUMNS, ""), "id": name, "group": group, **told}


def timed(predicted: list[float], group: str = "g", measured: float = 1.0, **more: Any) -> tuple[list[Any], dict[str, Any]]:
    """Runs that all took `measured` seconds, and predictions for them."""
    names = [f"{group}{i:02d}" for i in range(len(predicted))]
    runs = [run(name, group, step_s=str(measured)) for name in names]
    return runs, {name: {"step_seconds": seconds, **more} for name, seconds in zip(names, predicted, strict=True)}


def sweep(pairs: list[tuple[float, float]], name: str = "s", group: str = "g", quality: str = "A") -> tuple[list[Any], dict[str, Any]]:
    """Layouts of one sweep as pairs of predicted and measured seconds."""
    names = [f"{group}-{name}-{i}" for i in range(len(pairs))]
    runs = [run(n, group, sweep=name, quality_speed=quality, step_s=str(m)) for n, (_, m) in zip(names, pairs, strict=True)]
    return runs, {n: {"step_seconds": p} for n, (p, _) in zip(names, pairs, strict=True)}


def scored(*parts: tuple[list[Any], dict[str, Any]]) -> Score:
    """The score of several sets of runs together."""
    return score([run for runs, _ in parts for run in runs], {name: p for _, found in parts for name, p in found.items()})


def test_errors_of_one_group_are_summed_up_in_one_row() -> None:
    """Mean, median, 90th percentile, bias and share within 10 % are those of the relative errors."""
    row = scored(timed([4.0, 4.4, 3.6, 5.0, 2.0, 6.0, 4.0, 4.0, 4.0, 8.0], measured=4.0)).time["g"]
    assert (row.n, row.within_10) == (10, 50)  # 4.4 is a little over 10 % more than 4, in binary
    assert (row.median, row.p90) == pytest.approx((10, 100))
    assert (row.mape, row.bias) == pytest.approx(((10 + 10 + 25 + 50 + 50 + 100) / 10, (10 - 10 + 25 - 50 + 50 + 100) / 10))
    assert scored(timed([9.0], measured=10.0)).within_10_percent == 100


def test_a_headline_is_the_mean_over_groups_not_over_rows() -> None:
    """A group of thirty rows counts no more than one of ten."""
    found = scored(timed([1.5] * 30, "large"), timed([1.0] * 10, "good"))
    assert (found.time_mape, found.within_10_percent) == (25, 50)


def test_groups_of_few_rows_count_as_one() -> None:
    """Groups of fewer than ten rows of a kind are merged as `small`, each kind by its own count."""
    died = [run(f"d{i}", "a", oom="1") for i in range(10)]
    found = scored(timed([1.5] * 9, "a", fits=True), timed([2.0] * 9, "b"), timed([1.0] * 10, "c"), (died, {"d0": {"fits": False}}))
    assert list(found.time) == ["c", "small"]
    assert found.time["small"] == ErrorRow(18, 75, 75, 100, 75, 0)
    assert found.time_mape == 37.5
    assert found.oom == {"small": OomRow(1, 1, 9, 0)}


def test_coverage_counts_every_run() -> None:
    """A run is answered by a time or by whether it fits; an error, or silence, is no answer."""
    runs = [run(str(i), step_s="1") for i in range(5)]
    predictions: dict[str, Any] = {
        "0": {"step_seconds": 1.0},
        "1": {"fits": False},
        "2": {"error": "no", "fits": True},
        "3": {"stage_device_gib": 1.0},
    }
    assert score(runs, predictions).coverage == 0.4


@pytest.mark.parametrize(
    ("pairs", "rho"),
    [
        ([(1, 1), (2, 2), (3, 3), (4, 4), (5, 50)], 1.0),
        ([(5, 1), (4, 2), (3, 3), (2, 4), (1, 5)], -1.0),
        ([(1, 1), (1, 2), (1, 3), (1, 4), (1, 5)], 0.0),
        ([(1, 7), (2, 7), (3, 7), (4, 7), (5, 7)], 0.0),
        # ranks 0.5 0.5 2 3 4 and 0 1 2 3 4: sums of squares 9.5 and 10, of products 9.5
        ([(1, 1), (1, 2), (3, 3), (4, 4), (5, 5)], 9.5 / 95**0.5),
    ],
    ids=["same order", "opposite order", "all predicted alike", "all measured alike", "a tie"],
)
def test_rho_is_that_of_shared_ranks(pairs: list[tuple[float, float]], rho: float) -> None:
    """Spearman's rho takes the order alone, shares ranks among equals, and is 0 where one side has no order."""
    assert scored(sweep(pairs)).ranking["g"].rho == pytest.approx(rho, abs=1e-15)


def test_regret_is_what_the_pick_costs_over_the_fastest() -> None:
    """The layout predicted fastest really takes 12 s, the best of the three predicted fastest 10.5 s, the fastest 10 s."""
    found = scored(sweep([(1, 12), (2, 14), (3, 10.5), (4, 10), (5, 20)]))
    row = found.ranking["g"]
    assert (row.top1, row.top3) == (found.regret_top1, found.regret_top3) == pytest.approx((20, 5))
    assert row.sweeps == found.sweeps == 1


def test_of_layouts_predicted_equal_the_slowest_counts() -> None:
    """A tie at the top costs what its slowest layout does, and the pick of three takes the slowest of the equal ones too."""
    found = scored(sweep([(1, 10), (1, 15), (1, 20), (1, 12), (2, 30)]))
    assert (found.regret_top1, found.regret_top3) == pytest.approx((100, 20))


def test_only_sweeps_of_five_timed_layouts_of_the_best_quality_rank() -> None:
    """Four layouts, a lesser quality, or no sweep do not rank; sweeps are told apart by group, and groups are not merged."""
    five = [(1.0, 1.0), (2.0, 2.0), (3.0, 3.0), (4.0, 4.0), (5.0, 5.0)]
    found = scored(sweep(five[:4], "few"), sweep(five, "poor", quality="B"), sweep(five, "untold", quality=""), sweep(five, ""))
    assert (found.sweeps, found.ranking, found.rho, found.regret_top1, found.regret_top3) == (0, {}, None, None, None)
    back = [(-p, m) for p, m in five]
    found = scored(sweep(five, "s", "a"), sweep(five, "t", "a"), sweep(back, "s", "b"))
    assert {group: (row.sweeps, row.rho) for group, row in found.ranking.items()} == {"a": (2, 1), "b": (1, -1)}
    assert (found.sweeps, found.rho) == (3, 0)


BY_STAGE = {"stage_allocated_gib": [10, 30, 20], "stage_reserved_gib": [20, 60, 40]}


@pytest.mark.parametrize(
    ("kind", "rank", "prediction", "error"),
    [
        ("allocated", "first", BY_STAGE, -0.5),
        ("allocated", "last", BY_STAGE, 0.0),
        ("allocated", "max", BY_STAGE, 0.5),
        ("allocated", "", BY_STAGE, 0.5),
        ("reserved", "last", BY_STAGE, 1.0),
        ("device", "first", BY_STAGE, 0.0),
        ("device", "first", BY_STAGE | {"stage_device_gib": 50}, 1.5),
        ("device", "last", {"stage_allocated_gib": [10, 25], "stage_reserved_gib": None}, 0.25),
        ("reserved", "first", {"stage_allocated_gib": 30}, 0.5),
        ("allocated", "first", {"stage_reserved_gib": [20], "stage_device_gib": [20]}, None),
        ("unknown", "first", BY_STAGE, None),
    ],
)
def test_memory_is_judged_by_kind_and_rank(kind: str, rank: str, prediction: dict[str, Any], error: float | None) -> None:
    """A peak of 20 GiB is held against the stage of the rank measured, of the kind measured or the next one in."""
    found = score([run("x", peak_mem_gib="20", mem_kind=kind, mem_rank=rank)], {"x": prediction})
    assert found.memory_mape == (None if error is None else 100 * abs(error))
    assert [row.bias for row in found.memory.values()] == ([] if error is None else [100 * error])


def test_memory_rows_are_by_group_and_kind() -> None:
    """Each kind of memory of a group is a row of its own, merged by its own count."""
    runs = [run(f"{kind}{i}", peak_mem_gib="10", mem_kind=kind) for kind, n in (("allocated", 10), ("reserved", 9)) for i in range(n)]
    found = score(runs, {r["id"]: {"stage_allocated_gib": 11 if r["mem_kind"] == "allocated" else 13} for r in runs})
    assert {name: row.n for name, row in found.memory.items()} == {"g:allocated": 10, "small": 9}
    assert found.memory_mape == pytest.approx(20)


def test_out_of_memory_is_caught_or_a_false_alarm() -> None:
    """Runs that died and were predicted to are caught; runs with a step time predicted to die are false alarms."""
    runs = [run("a", oom="1"), run("b", oom="1"), run("c", oom="0", step_s="1"), run("d", step_s="1"), run("e"), run("f", oom="1")]
    predictions = {name: {"fits": fits} for name, fits in zip("abcde", (False, True, False, True, False), strict=True)}
    found = score(runs, predictions)
    assert found.oom == {"small": OomRow(2, 1, 2, 1)}
    assert (found.oom_recall, found.false_oom) == (50, 50)


def test_the_share_inside_the_band_is_a_mean_over_groups() -> None:
    """The ends of a band belong to it; runs without both ends are not counted; groups weigh the same."""
    inside, outside = {"step_low": 1.0, "step_high": 1.0}, {"step_low": 1.1, "step_high": 2.0}
    wide, narrow = timed([1.0] * 20, "wide", **inside), timed([1.0] * 10, "narrow", **outside)
    narrow[1]["narrow00"] = {**inside, "step_seconds": None}
    found = scored(wide, narrow, timed([1.0] * 10, "open", step_low=0.5))
    assert found.band == {"narrow": BandRow(10, 10), "wide": BandRow(20, 100)}
    assert found.within_band_percent == 55


def test_what_cannot_be_judged_is_none() -> None:
    """Without predictions there is no figure but a coverage of nothing."""
    found = score([run("a", step_s="1", peak_mem_gib="1", mem_kind="device", oom="0")], {})
    assert found == Score(0.0, *[None] * 3, 0, *[None] * 6, {}, {}, {}, {}, {}, ())  # type: ignore[call-arg, arg-type]


def test_the_worst_runs_come_first() -> None:
    """Runs are listed by the size of their error, equals by their id."""
    runs, predictions = timed([1.5, 1.0, 0.5, 3.0])
    assert score(runs[::-1], predictions).worst == (
        Miss(200, "g03", 1, 3),
        Miss(50, "g00", 1, 1.5),
        Miss(50, "g02", 1, 0.5),
        Miss(0, "g01", 1, 1),
    )


def test_no_figure_depends_on_the_order_of_the_rows() -> None:
    """The same runs in another order have the same score to the last bit."""
    parts = (sweep([(1.1, 1), (1.3, 1.7), (0.7, 2.1), (3.3, 0.9), (1.9, 1.2)]), timed([0.1 * i for i in range(1, 12)], "h", 0.7))
    runs, predictions = [r for part in parts for r in part[0]], {k: p for part in parts for k, p in part[1].items()}
    assert score(runs, predictions) == score(runs[::-1], dict(reversed(predictions.items())))
