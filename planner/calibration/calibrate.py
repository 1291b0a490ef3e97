"""Calibration: from a few measured steps of one's own, how this cluster differs from what its preset says.

Four factors are found: of the device's time, the host's time, the scale-up link and the network. Each has a spread, from how
far clusters of one preset differ, and a measurement moves those factors that could explain it, each by its share: the most
probable values under normal spreads of their logarithms. Steps lie around the model as Student's t has it, so that one disturbed
run among several moves little.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from planner.calibration.fit import Runs, step_seconds
from planner.specs.job import Job

FACTORS = ("pace", "host_pace", "link_bytes_s", "nic_bytes_s")
# Standard deviation of the logarithm of each factor between clusters, and scale of that of a measured step around the model on the
# right cluster: how far runs of one source scatter. Chosen on 17 clusters of published runs, 1, 3 or 8 drawn to calibrate, the rest to
# judge: where times had been moved by factors of sd 0.12, 0.35, 0.25 and 0.3, errors fell from 11.2 % to 8.4, 6.6 and 6.1 %; left as
# they were they went from 6.5 % to 6.9, 6.0 and 5.8 %. A normal NOISE of 0.02 gave 9.1, 7.5 and 6.4 %, and 8.8, 7.3 and 6.3 %.
SPREAD = {"pace": 0.1, "host_pace": 0.25, "link_bytes_s": 0.2, "nic_bytes_s": 0.25}
NOISE = 0.06
FREEDOM = 4.0  # degrees of freedom of t
ROUNDS = 10
CLOSE = 2e-3  # of a spread: a step shorter than this is the last
STEP = 0.02


@dataclass(frozen=True)
class Calibration:
    """The factors found, by name, how many runs they rest on, and the mean error on these runs before and after, in percent."""

    factors: dict[str, float]
    runs: int
    before: float
    after: float


def calibrated(data: Runs, held: Collection[str] = (), progress: Callable[[int], None] | None = None) -> Calibration:
    """The factors that the measured runs make most probable; all of one cluster. Those held were measured otherwise, and stay 1.

    Sought from where the cluster stands, and from a slower network and slower links: traffic that compute hides says nothing of a
    link until the link is slow. `progress` is told how many times a run was evaluated.
    """
    evaluated = 0

    def tell(runs: int) -> None:
        nonlocal evaluated
        evaluated += runs
        if progress:
            progress(evaluated)

    free = np.array([name not in held for name in FACTORS])
    spread = np.array([SPREAD[name] for name in FACTORS])
    slower = [-spread * (np.array(FACTORS) == name) * free for name in FACTORS if name.endswith("bytes_s")]
    found = [step for start in (np.zeros(len(FACTORS)), *slower) for step in _descent(data, start, free, spread, tell)]
    x = min(found, key=lambda pair: pair[1])[0]
    before, after = predicted(data, np.zeros(len(FACTORS))), predicted(data, x)
    factors = {name: float(np.exp(value)) for name, value in zip(FACTORS, x, strict=True)}
    return Calibration(factors, len(data.measured), _error(before, data.measured), _error(after, data.measured))


def _descent(data: Runs, x: Any, free: Any, spread: Any, tell: Callable[[int], None]) -> Iterator[tuple[Any, float]]:
    """Steps of Gauss and Newton towards the most probable factors, each with how improbable it is (-log, but for a constant)."""
    for _ in range(ROUNDS):
        here = predicted(data, x, tell)
        error = np.log(data.measured / here)
        odds = 1 + (error / NOISE) ** 2 / FREEDOM
        yield x, float(FREEDOM / 2 * np.sum(np.log(odds)) + np.sum((x / spread) ** 2) / 2)
        slopes = np.stack([np.log(predicted(data, x + STEP * unit, tell) / here) / STEP for unit in np.eye(len(x))[free]], axis=1)
        weighted = slopes.T / (NOISE**2 * odds)
        step = np.linalg.solve(weighted @ slopes + np.diag(spread[free] ** -2), weighted @ error - x[free] / spread[free] ** 2)
        last, x = x, x.copy()
        x[free] = np.clip(x[free] + step, -4 * spread[free], 4 * spread[free])
        if np.all(np.abs(x - last) < CLOSE * spread):
            return


def predicted(data: Runs, x: Sequence[float] | Any, tell: Callable[[int], None] = lambda _: None) -> Any:
    """Predicted seconds of every run with the factors' logarithms x; `tell` hears of how many runs after each batch."""
    factors = {name: float(np.exp(value)) for name, value in zip(FACTORS, x, strict=True)}
    parts = []
    for batch in data.batches:
        parts.append(step_seconds(on(batch.job, factors), batch))
        tell(len(batch.rows))
    return np.concatenate(parts)


def on(job: Job, factors: dict[str, float]) -> Job:
    """The job on its cluster with links and paces multiplied."""
    values: dict[str, Any] = {name: getattr(job.cluster, name) * factor for name, factor in factors.items()}
    return replace(job, cluster=replace(job.cluster, **values))


def _error(prediction: Any, measured: Any) -> float:
    return float(100 * np.mean(np.abs(prediction / measured - 1)))
