"""Calibration: factors by which a cluster differs from its preset, from a few measured steps.

The four factors scale device time, host time, the scale-up link and the network. They are the maximum a posteriori estimate: a normal
prior of the logarithm of each factor, as wide as clusters of one preset differ, and Student's t distribution of the logarithm of
measured over predicted step times, so that an outlier among several runs gets a small weight.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from planner.calibration.fit import Runs, step_seconds
from planner.specs.job import Job

FACTORS = ("pace", "host_pace", "link_bytes_s", "nic_bytes_s")
# SPREAD: standard deviation of the logarithm of each factor between clusters. NOISE: scale of the t distribution of a measured step, as
# runs of one source scatter. Chosen on 17 clusters of published runs, 1, 3 or 8 to calibrate, the others held out: with times scaled by
# factors of sd 0.12, 0.35, 0.25 and 0.3, errors fell from 11.2 % to 8.4, 6.6 and 6.1 %; with unscaled times they changed from 6.5 % to
# 6.9, 6.0 and 5.8 %. A normal distribution with NOISE 0.02 gave 9.1, 7.5 and 6.4 %, and 8.8, 7.3 and 6.3 %.
SPREAD = {"pace": 0.1, "host_pace": 0.25, "link_bytes_s": 0.2, "nic_bytes_s": 0.25}
NOISE = 0.06
FREEDOM = 4.0  # degrees of freedom of t
ROUNDS = 10
CLOSE = 2e-3  # of SPREAD: the descent ends after a shorter step
STEP = 0.02


@dataclass(frozen=True)
class Calibration:
    """The factors by name, the number of runs, and the mean absolute error on these runs before and after, in percent."""

    factors: dict[str, float]
    runs: int
    before: float
    after: float


def calibrated(data: Runs, held: Collection[str] = (), progress: Callable[[int], None] | None = None) -> Calibration:
    """The most probable factors given measured runs of one cluster. Factors in `held` were measured separately, and stay 1.

    The descent starts from the preset, and from a slower network and slower links: hidden communication does not depend on the rate
    of a link until it is slow. `progress` receives the number of evaluations of a run.
    """
    evaluated = 0

    def report(runs: int) -> None:
        nonlocal evaluated
        evaluated += runs
        if progress:
            progress(evaluated)

    free = np.array([name not in held for name in FACTORS])
    spread = np.array([SPREAD[name] for name in FACTORS])
    slower = [-spread * (np.array(FACTORS) == name) * free for name in FACTORS if name.endswith("bytes_s")]
    steps = [step for start in (np.zeros(len(FACTORS)), *slower) for step in _descent(data, start, free, spread, report)]
    x = min(steps, key=lambda pair: pair[1])[0]
    before, after = predicted(data, np.zeros(len(FACTORS))), predicted(data, x)
    factors = {name: float(np.exp(value)) for name, value in zip(FACTORS, x, strict=True)}
    return Calibration(factors, len(data.measured), _error(before, data.measured), _error(after, data.measured))


def _descent(data: Runs, x: Any, free: Any, spread: Any, report: Callable[[int], None]) -> Iterator[tuple[Any, float]]:
    """Gauss-Newton steps towards the most probable factors, each with its negative log posterior up to a constant."""
    for _ in range(ROUNDS):
        here = predicted(data, x, report)
        error = np.log(data.measured / here)
        excess = 1 + (error / NOISE) ** 2 / FREEDOM
        yield x, float(FREEDOM / 2 * np.sum(np.log(excess)) + np.sum((x / spread) ** 2) / 2)
        slopes = np.stack([np.log(predicted(data, x + STEP * unit, report) / here) / STEP for unit in np.eye(len(x))[free]], axis=1)
        weighted = slopes.T / (NOISE**2 * excess)
        step = np.linalg.solve(weighted @ slopes + np.diag(spread[free] ** -2), weighted @ error - x[free] / spread[free] ** 2)
        last, x = x, x.copy()
        x[free] = np.clip(x[free] + step, -4 * spread[free], 4 * spread[free])
        if np.all(np.abs(x - last) < CLOSE * spread):
            return


def predicted(data: Runs, x: Sequence[float] | Any, report: Callable[[int], None] = lambda _: None) -> Any:
    """Predicted seconds of every run, given the logarithms x of the factors; `report` receives the number of runs of each batch."""
    factors = {name: float(np.exp(value)) for name, value in zip(FACTORS, x, strict=True)}
    parts = []
    for batch in data.batches:
        parts.append(step_seconds(on(batch.job, factors), batch))
        report(len(batch.rows))
    return np.concatenate(parts)


def on(job: Job, factors: dict[str, float]) -> Job:
    """The job with the rates and paces of its cluster multiplied by factors."""
    values: dict[str, Any] = {name: getattr(job.cluster, name) * factor for name, factor in factors.items()}
    return replace(job, cluster=replace(job.cluster, **values))


def _error(prediction: Any, measured: Any) -> float:
    return float(100 * np.mean(np.abs(prediction / measured - 1)))
