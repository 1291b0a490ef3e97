"""Scores of predictions against measured runs: step time, ranking of layouts, peak memory, out-of-memory runs.

A run is a row of a runs file: text by column, blank if unknown. A prediction is a mapping with any of

    step_seconds           seconds of an optimizer step
    step_low, step_high    the band that holds 80 % of step times
    fits                   false if the run is predicted to run out of memory
    stage_allocated_gib    peak of live tensors, one number per pipeline stage, or one number
    stage_reserved_gib     peak reserved by the caching allocator; absent: allocated
    stage_device_gib       peak in use on the device; absent: reserved
    error                  the reason why there is not a prediction

A headline figure is the mean over source groups, so that large and small sources have equal weights; groups of fewer than ten
rows of a kind are merged into one. Errors are relative, predicted / measured - 1; figures are in percent, except coverage (a
share) and rho. None: no data.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import correlation, mean  # exact sums: no figure depends on the order of the rows
from typing import Any, TypeVar

import numpy as np

K = TypeVar("K", str, tuple[str, str])
T = TypeVar("T")
Run = Mapping[str, str]
Prediction = Mapping[str, Any]
COLUMNS = ("id", "group", "sweep", "step_s", "peak_mem_gib", "mem_kind", "mem_rank", "oom", "quality_speed")  # used here
FEW_ROWS = 10
SMALL = "small"  # the name of the groups of fewer rows, merged
FEW_LAYOUTS = 5  # smaller sweeps are not ranked
CLOSE = 0.10
MEMORY = ("allocated", "reserved", "device")  # inner to outer: if a prediction lacks one, the next inner one replaces it


@dataclass(frozen=True)
class ErrorRow:
    """Relative errors of one group: mean, median and 90th percentile of their size, mean with sign, share within 10 %."""

    n: int
    mape: float
    median: float
    p90: float
    bias: float
    within_10: float


@dataclass(frozen=True)
class RankingRow:
    """Sweeps of one group: Spearman's rho; the regret of the layout predicted fastest, and of the best of three, in percent."""

    sweeps: int
    rho: float
    top1: float
    top3: float


@dataclass(frozen=True)
class OomRow:
    """Out-of-memory runs of one group and those predicted so; runs that fit and those predicted not to."""

    oom: int
    caught: int
    ran: int
    false: int


@dataclass(frozen=True)
class BandRow:
    """Measured step times of one group with a predicted band, and the percentage inside it."""

    n: int
    within: float


@dataclass(frozen=True)
class Miss:
    """A run and the error of its predicted step time."""

    error_percent: float
    id: str
    measured_seconds: float
    predicted_seconds: float


@dataclass(frozen=True)
class Score:
    """Headline figures; figures per group, sorted by name (memory: by group and kind); timed runs by decreasing error."""

    coverage: float
    time_mape: float | None
    within_10_percent: float | None
    within_band_percent: float | None
    sweeps: int
    rho: float | None
    regret_top1: float | None
    regret_top3: float | None
    memory_mape: float | None
    oom_recall: float | None
    false_oom: float | None
    time: Mapping[str, ErrorRow]
    memory: Mapping[str, ErrorRow]
    ranking: Mapping[str, RankingRow]
    oom: Mapping[str, OomRow]
    band: Mapping[str, BandRow]
    worst: tuple[Miss, ...]


def score(runs: Sequence[Run], predictions: Mapping[str, Prediction]) -> Score:
    """The scores of predictions, by id, for runs."""
    pairs = [(run, predictions.get(run["id"], {})) for run in runs]
    answered = [not p.get("error") and (p.get("step_seconds") is not None or p.get("fits") is not None) for _, p in pairs]
    timed = [(run, float(run["step_s"]), p["step_seconds"]) for run, p in pairs if run["step_s"] and p.get("step_seconds") is not None]
    banded = [
        (run, p["step_low"], p["step_high"]) for run, p in pairs if run["step_s"] and None not in (p.get("step_low"), p.get("step_high"))
    ]
    judged = [(run, not p["fits"]) for run, p in pairs if p.get("fits") is not None]
    died = _grouped((run["group"], refused) for run, refused in judged if run["oom"] == "1")
    ran = _grouped((run["group"], refused) for run, refused in judged if run["oom"] != "1" and run["step_s"])
    error_groups = _grouped((run["group"], predicted / measured - 1) for run, measured, predicted in timed)
    peak_groups = _grouped((f"{run['group']}:{run['mem_kind']}", error) for run, p in pairs if (error := _memory_error(run, p)) is not None)
    band_groups = _grouped((run["group"], low <= float(run["step_s"]) <= high) for run, low, high in banded)
    time = {group: _error_row(errors) for group, errors in error_groups.items()}
    memory = {group: _error_row(errors) for group, errors in peak_groups.items()}
    ranking = {group: _ranking_row(sweeps) for group, sweeps in _sweeps(timed).items()}
    misses = [Miss(100 * abs(predicted / measured - 1), run["id"], measured, predicted) for run, measured, predicted in timed]
    return Score(
        coverage=sum(answered) / max(1, len(runs)),
        time_mape=_over(time, lambda row: row.mape), within_10_percent=_over(time, lambda row: row.within_10),
        within_band_percent=_over(band_groups, _percent), sweeps=sum(row.sweeps for row in ranking.values()),
        rho=_over(ranking, lambda row: row.rho), regret_top1=_over(ranking, lambda row: row.top1),
        regret_top3=_over(ranking, lambda row: row.top3), memory_mape=_over(memory, lambda row: row.mape),
        oom_recall=_over(died, _percent), false_oom=_over(ran, _percent), time=time, memory=memory, ranking=ranking,
        oom={group: _oom_row(died.get(group, []), ran.get(group, [])) for group in sorted(died.keys() | ran.keys())},
        band={group: BandRow(len(inside), _percent(inside)) for group, inside in band_groups.items()},
        worst=tuple(sorted(misses, key=lambda miss: (-miss.error_percent, miss.id))),
    )  # fmt: skip


def _memory_error(run: Run, prediction: Prediction) -> float | None:
    """Relative error of the peak memory of the kind measured, on the pipeline rank measured; None without both."""
    kinds = MEMORY[MEMORY.index(run["mem_kind"]) :: -1] if run["peak_mem_gib"] and run["mem_kind"] in MEMORY else ()
    value = next((prediction[f"stage_{kind}_gib"] for kind in kinds if prediction.get(f"stage_{kind}_gib") is not None), None)
    if value is None:
        return None
    at = at_rank(value if isinstance(value, list) else [value], run["mem_rank"])
    return float(at / float(run["peak_mem_gib"]) - 1)


def at_rank(stages: Sequence[float], rank: str) -> float:
    """Of one number per pipeline stage, that of the rank (first or last), else the largest."""
    return stages[0] if rank == "first" else stages[-1] if rank == "last" else max(stages)


def _gathered(rows: Iterable[tuple[K, T]]) -> dict[K, list[T]]:
    """Values by key, sorted by it."""
    groups = defaultdict(list)
    for key, value in rows:
        groups[key].append(value)
    return dict(sorted(groups.items()))


def _grouped(rows: Iterable[tuple[str, T]]) -> dict[str, list[T]]:
    """Values by group; groups of fewer than FEW_ROWS merged as `small`."""
    groups = _gathered(rows)
    return _gathered((group if len(values) >= FEW_ROWS else SMALL, value) for group, values in groups.items() for value in values)


def _over(groups: Mapping[str, T], figure: Callable[[T], float]) -> float | None:
    """Mean of a figure over the groups."""
    return mean(map(figure, groups.values())) if groups else None


def _percent(hits: Sequence[bool]) -> float:
    return 100 * (sum(hits) / len(hits))


def _error_row(errors: Sequence[float]) -> ErrorRow:
    sizes = sorted(map(abs, errors))
    median, p90, close = float(np.median(sizes)), sizes[int(0.9 * len(sizes))], [size <= CLOSE for size in sizes]
    return ErrorRow(len(sizes), 100 * mean(sizes), 100 * median, 100 * p90, 100 * mean(errors), _percent(close))


def _oom_row(died: Sequence[bool], ran: Sequence[bool]) -> OomRow:
    return OomRow(len(died), sum(died), len(ran), sum(ran))


def _sweeps(timed: Iterable[tuple[Run, float, float]]) -> dict[str, list[Any]]:
    """Sweeps by group of at least FEW_LAYOUTS runs of quality A: arrays of two rows, predicted and measured seconds."""
    best = [row for row in timed if row[0]["sweep"] and row[0]["quality_speed"] == "A"]
    layouts = _gathered(((run["group"], run["sweep"]), (predicted, measured)) for run, measured, predicted in best)
    return _gathered((group, np.array(sweep, dtype=float).T) for (group, _), sweep in layouts.items() if len(sweep) >= FEW_LAYOUTS)


def _ranking_row(sweeps: Sequence[Any]) -> RankingRow:
    rho, top1, top3 = ([figure(*sweep) for sweep in sweeps] for figure in (_rho, _regret, partial(_regret, picks=3)))
    return RankingRow(len(sweeps), mean(rho), mean(top1), mean(top3))


def _rho(predicted: Any, measured: Any) -> float:
    """Spearman's rank correlation, ties with the mean of their ranks; 0 if all values of one side are equal."""
    ranks = []
    for values in (predicted, measured):
        _, place, count = np.unique(values, return_inverse=True, return_counts=True)
        ranks.append((np.cumsum(count) - (count + 1) / 2)[place].tolist())
    return correlation(*ranks) if all(map(np.ptp, ranks)) else 0.0


def _regret(predicted: Any, measured: Any, picks: int = 1) -> float:
    """Percent by which the best of `picks` layouts predicted fastest is slower than the fastest; of ties the slowest counts."""
    picked = np.lexsort((-measured, predicted))[:picks]
    return float(100 * (measured[picked].min() / measured.min() - 1))
