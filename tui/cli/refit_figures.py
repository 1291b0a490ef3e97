"""Lines of figures of `tmplan refit`: a score, its sources, and kinds of jobs apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from planner.calibration.fit import Runs
from planner.plaintext import flat
from planner.runs.score import CLOSE, Score
from planner.specs.kinds import KINDS

WIDTH = 20  # of a column of figures


def headline(name: str, fitted: Score) -> str:
    """The figures of a score on one line."""
    rho, top1, top3 = (percent(v) for v in (fitted.rho, fitted.regret_top1, fitted.regret_top3))
    time, within = percent(fitted.time_mape), percent(fitted.within_10_percent)
    return f"{flat(name):42s} step time {time:>6s} %  within 10 % {within:>6s} %  rho {rho:>5s}  regret {top1:>6s} % (top 3 {top3:>5s} %)"


def percent(value: float | None) -> str:
    """A figure with two decimals, a dash if there is none."""
    return "-" if value is None else f"{value:.2f}"


def sources(scores: Mapping[str, Score]) -> Iterator[str]:
    """A line per source: its runs, and its error by each score."""
    first = next(iter(scores.values()))
    width = max(len("source"), *(len(flat(name)) for name in first.time))
    yield f"{'source':{width}s} {'runs':>6s}" + "".join(f"{f'{name}, %':>{WIDTH}s}" for name in scores)
    for source, row in first.time.items():
        figures = "".join(f"{fitted.time[source].mape:{WIDTH}.1f}" for fitted in scores.values())
        yield f"{flat(source):{width}s} {row.n:6,}{figures}"


def kinds_apart(data: Runs, columns: Mapping[str, Any]) -> Iterator[str]:
    """A line per kind of job with runs: their number, error, and share within 10 % by each column of predicted seconds."""
    width = max(map(len, KINDS))
    yield f"{'kind':{width}s} {'runs':>6s}" + "".join(f"{f'{name}, %':>{WIDTH}s}{'within 10 %':>13s}" for name in columns)
    for kind, applies in KINDS.items():
        inside = np.repeat([applies(batch.job) for batch in data.batches], np.diff(data.ends))
        if not inside.any():
            continue
        errors = [np.abs(seconds[inside] / data.measured[inside] - 1) for seconds in columns.values()]
        figures = "".join(f"{100 * error.mean():{WIDTH}.1f}{100 * (error <= CLOSE).mean():13.0f}" for error in errors)
        yield f"{kind:{width}s} {int(inside.sum()):6,}{figures}"
