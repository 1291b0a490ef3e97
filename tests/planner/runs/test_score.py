"""Scores of predictions, computed by hand for a few rows."""

from __future__ import annotations

from typing import Any

import pytest

from planner.runs.score import COLUMNS, BandRow, ErrorRow, Miss, OomRow, Score, score


def run(name: str, group: str = "g", **columns: str) -> dict[str, str]:
    """A row of a runs file with these columns, others blank."""
    return {**dict.fromkeys(COLUMNS, ""), "id": name, "group": group, **columns}


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
    """The score of several sets of runs."""
    return score([run for runs, _ in parts for run in runs], {name: p for _, predictions in parts for name, p in predictions.items()})


def test_errors_of_one_group_are_summarised_in_one_row() -> None:
    """Mean, median, 90th percentile, bias and share within 10 % are those of the relative errors."""
    row = scored(timed([4.0, 4.4, 3.6, 5.0, 2.0, 6.0, 4.0, 4.0, 4.0, 8.0], measured=4.0)).time["g"]
    assert (row.n, row.within_10) == (10, 50)  # 4.4 is a little over 10 % more than 4, in binary
    assert (row.median, row.p90) == pytest.approx((10, 100))
    assert (row.mape, row.bias) == pytest.approx(((10 + 10 + 25 + 50 + 50 + 100) / 10, (10 - 10 + 25 - 50 + 50 + 100) / 10))
    assert scored(timed([9.0], measured=10.0)).within_10_percent == 100


def test_a_headline_is_the_mean_over_groups_not_over_rows() -> None:
    """Groups of thirty and of ten rows have equal weights."""
    result = scored(timed([1.5] * 30, "large"), timed([1.0] * 10, "good"))
    assert (result.time_mape, result.within_10_percent) == (25, 50)


def test_groups_of_few_rows_count_as_one() -> None:
    """Groups of fewer than ten rows are merged as `small`, separately for each kind of figure."""
    died = [run(f"d{i}", "a", oom="1") for i in range(10)]
    result = scored(timed([1.5] * 9, "a", fits=True), timed([2.0] * 9, "b"), timed([1.0] * 10, "c"), (died, {"d0": {"fits": False}}))
    assert list(result.time) == ["c", "small"]
    assert result.time["small"] == ErrorRow(18, 75, 75, 100, 75, 0)
    assert result.time_mape == 37.5
    assert result.oom == {"small": OomRow(1, 1, 9, 0)}


def test_coverage_counts_every_run() -> None:
    """A run is covered by a step time or by `fits`, not by an error or without a prediction."""
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
    ids=["same order", "opposite order", "all predictions equal", "all measurements equal", "a tie"],
)
def test_rho_is_that_of_shared_ranks(pairs: list[tuple[float, float]], rho: float) -> None:
    """Spearman's rho depends only on ranks, averages those of ties, and is 0 if all values of one side are equal."""
    assert scored(sweep(pairs)).ranking["g"].rho == pytest.approx(rho, abs=1e-15)


def test_regret_is_what_the_pick_costs_over_the_fastest() -> None:
    """The layout predicted fastest takes 12 s, the best of the three predicted fastest 10.5 s, the fastest 10 s."""
    result = scored(sweep([(1, 12), (2, 14), (3, 10.5), (4, 10), (5, 20)]))
    row = result.ranking["g"]
    assert (row.top1, row.top3) == (result.regret_top1, result.regret_top3) == pytest.approx((20, 5))
    assert row.sweeps == result.sweeps == 1


def test_of_layouts_predicted_equal_the_slowest_counts() -> None:
    """Among equal predictions the slowest layouts are picked, for one pick and for three."""
    result = scored(sweep([(1, 10), (1, 15), (1, 20), (1, 12), (2, 30)]))
    assert (result.regret_top1, result.regret_top3) == pytest.approx((100, 20))


def test_only_sweeps_of_five_timed_layouts_of_the_best_quality_rank() -> None:
    """Four layouts, a lower quality, or a blank sweep are not ranked; sweeps are separate by group, and groups are not merged."""
    five = [(1.0, 1.0), (2.0, 2.0), (3.0, 3.0), (4.0, 4.0), (5.0, 5.0)]
    result = scored(sweep(five[:4], "few"), sweep(five, "poor", quality="B"), sweep(five, "unrated", quality=""), sweep(five, ""))
    assert (result.sweeps, result.ranking, result.rho, result.regret_top1, result.regret_top3) == (0, {}, None, None, None)
    back = [(-p, m) for p, m in five]
    result = scored(sweep(five, "s", "a"), sweep(five, "t", "a"), sweep(back, "s", "b"))
    assert {group: (row.sweeps, row.rho) for group, row in result.ranking.items()} == {"a": (2, 1), "b": (1, -1)}
    assert (result.sweeps, result.rho) == (3, 0)


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
    """A peak of 20 GiB is compared with the stage of the rank measured, in the kind measured or the next inner one."""
    result = score([run("x", peak_mem_gib="20", mem_kind=kind, mem_rank=rank)], {"x": prediction})
    assert result.memory_mape == (None if error is None else 100 * abs(error))
    assert [row.bias for row in result.memory.values()] == ([] if error is None else [100 * error])


def test_memory_rows_are_by_group_and_kind() -> None:
    """Each kind of memory of a group is a separate row, merged by its row count."""
    runs = [run(f"{kind}{i}", peak_mem_gib="10", mem_kind=kind) for kind, n in (("allocated", 10), ("reserved", 9)) for i in range(n)]
    result = score(runs, {r["id"]: {"stage_allocated_gib": 11 if r["mem_kind"] == "allocated" else 13} for r in runs})
    assert {name: row.n for name, row in result.memory.items()} == {"g:allocated": 10, "small": 9}
    assert result.memory_mape == pytest.approx(20)


def test_out_of_memory_recall_and_false_positives() -> None:
    """Out-of-memory runs predicted so are true positives; runs with a step time predicted so are false positives."""
    runs = [run("a", oom="1"), run("b", oom="1"), run("c", oom="0", step_s="1"), run("d", step_s="1"), run("e"), run("f", oom="1")]
    predictions = {name: {"fits": fits} for name, fits in zip("abcde", (False, True, False, True, False), strict=True)}
    result = score(runs, predictions)
    assert result.oom == {"small": OomRow(2, 1, 2, 1)}
    assert (result.oom_recall, result.false_oom) == (50, 50)


def test_the_share_inside_the_band_is_a_mean_over_groups() -> None:
    """Bands include their ends; runs without both ends are not counted; groups have equal weights."""
    inside, outside = {"step_low": 1.0, "step_high": 1.0}, {"step_low": 1.1, "step_high": 2.0}
    wide, narrow = timed([1.0] * 20, "wide", **inside), timed([1.0] * 10, "narrow", **outside)
    narrow[1]["narrow00"] = {**inside, "step_seconds": None}
    result = scored(wide, narrow, timed([1.0] * 10, "open", step_low=0.5))
    assert result.band == {"narrow": BandRow(10, 10), "wide": BandRow(20, 100)}
    assert result.within_band_percent == 55


def test_what_cannot_be_judged_is_none() -> None:
    """Without predictions the coverage is 0 and other figures are None."""
    result = score([run("a", step_s="1", peak_mem_gib="1", mem_kind="device", oom="0")], {})
    assert result == Score(0.0, *[None] * 3, 0, *[None] * 6, {}, {}, {}, {}, {}, ())  # type: ignore[call-arg, arg-type]


def test_the_worst_runs_come_first() -> None:
    """Runs are sorted by decreasing absolute error, ties by id."""
    runs, predictions = timed([1.5, 1.0, 0.5, 3.0])
    assert score(runs[::-1], predictions).worst == (
        Miss(200, "g03", 1, 3),
        Miss(50, "g00", 1, 1.5),
        Miss(50, "g02", 1, 0.5),
        Miss(0, "g01", 1, 1),
    )


def test_no_figure_depends_on_the_order_of_the_rows() -> None:
    """Scores are bit-identical if the rows are permuted."""
    parts = (sweep([(1.1, 1), (1.3, 1.7), (0.7, 2.1), (3.3, 0.9), (1.9, 1.2)]), timed([0.1 * i for i in range(1, 12)], "h", 0.7))
    runs, predictions = [r for part in parts for r in part[0]], {k: p for part in parts for k, p in part[1].items()}
    assert score(runs, predictions) == score(runs[::-1], dict(reversed(predictions.items())))
