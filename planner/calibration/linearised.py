"""The errors of measured runs as linear functions of the logarithms of the constants, and the constants that minimise them.

A fit with other rows or fewer constants near the same values needs no formula evaluated again: at one point the errors and their slopes
are known, and the minimum of the linear problem costs milliseconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from planner.calibration.measured_runs import Parameter, Runs, Values, present
from planner.calibration.processes import Evaluator, Progress

SOFT = 0.1  # residuals beyond this count linearly
PRIOR = 0.03  # weight of the prior at a constant's start, per factor of e: constants that few runs depend on stay near it
FEW_ROWS = 10  # sources of fewer rows weigh in proportion, as in scores
STEP = 0.02  # of a logarithm, for slopes
REWEIGHTED = 12  # times that the weights of a soft loss are computed again
CLOSE = 1e-4  # of a logarithm: the change of a constant at which that ends


@dataclass(frozen=True)
class Penalty:
    """What a fit minimises: errors beyond `soft` count linearly; `prior` is the weight of a constant's distance from its start."""

    soft: float = SOFT
    prior: float = PRIOR


USUAL = Penalty()


@dataclass(frozen=True)
class Box:
    """The logarithms of constants: starts and bounds."""

    start: Any
    low: Any
    high: Any


def box(parameters: Sequence[Parameter]) -> Box:
    """The starts and bounds of parameters."""
    start, low, high = (np.log([getattr(p, side) for p in parameters]) for side in ("start", "low", "high"))
    return Box(start, low, high)


@dataclass(frozen=True)
class Linear:
    """Errors ln(predicted / measured) of every run at the point x, the logarithms of the constants, and their slopes (runs x constants)."""

    parameters: tuple[Parameter, ...]
    x: Any
    errors: Any
    slopes: Any

    def at(self, x: Any) -> Any:
        """The linear errors at another point."""
        return self.errors + self.slopes @ (x - self.x)

    @property
    def values(self) -> dict[Parameter, float]:
        """The constants at the point."""
        return as_values(self.parameters, self.x)


def as_values(parameters: Sequence[Parameter], x: Any) -> dict[Parameter, float]:
    """Constants from their logarithms."""
    return dict(zip(parameters, np.exp(x).tolist(), strict=True))


def weights(group: Any) -> Any:
    """The weight of each run's squared error: every source weighs the same, those of fewer than FEW_ROWS rows in proportion."""
    counts = Counter(group.tolist())
    return np.array([1 / max(counts[g], FEW_ROWS) for g in group.tolist()])


def linear(at: Evaluator, parameters: Sequence[Parameter], values: Values, progress: Progress | None = None) -> Linear:
    """The errors and slopes at some values of the constants; a constant without a value is at its start.

    Only constants that a run depends on are in the result, and only runs that depend on a constant are predicted again for it.
    """
    data, chosen = at.data, present(at.data, parameters)
    bounds = box(chosen)
    x = np.clip(np.log([values.get(p, p.start) for p in chosen]), bounds.low, bounds.high)
    here = as_values(chosen, x)
    touched = [np.flatnonzero([p.of(b.job) is not None for b in data.batches]) for p in chosen]
    moves = np.where(x + STEP < bounds.high, STEP, -STEP)
    moved = [here | {p: float(np.exp(x[j] + moves[j]))} for j, p in enumerate(chosen)]
    base, *others = at.seconds([(here, np.arange(len(data.batches))), *zip(moved, touched, strict=True)], progress)
    slopes = np.zeros((len(base), len(chosen)))
    for j, other in enumerate(others):
        rows = rows_of(data, touched[j])
        slopes[rows, j] = np.log(other / base[rows]) / moves[j]
    return Linear(tuple(chosen), x, np.log(base / data.measured), slopes)


def rows_of(data: Runs, batches: Any) -> Any:
    """The indices of the runs of some batches."""
    return np.concatenate([np.arange(data.ends[i], data.ends[i + 1]) for i in batches]) if len(batches) else np.empty(0, int)


def loss(errors: Any, weight: Any, x: Any, start: Any, penalty: Penalty = USUAL) -> float:
    """The weighted soft L1 loss of errors, and the squared distances of the constants from their starts."""
    soft, prior = penalty.soft, penalty.prior
    return float(np.sum(weight * 2 * soft**2 * (np.sqrt(1 + (errors / soft) ** 2) - 1)) + prior**2 * np.sum((x - start) ** 2))


def minimum(problem: Linear, weight: Any, bounds: Box, free: Any = None, penalty: Penalty = USUAL) -> Any:
    """The point of least loss of the linear problem, within the bounds.

    Iteratively reweighted least squares; runs of weight 0 do not count. free: one flag per constant, the others stay at the point's.
    """
    free = np.ones(len(problem.x), bool) if free is None else free
    low, high = (bounds.low - problem.x)[free], (bounds.high - problem.x)[free]
    rows = weight > 0
    slopes, errors, weight = problem.slopes[np.ix_(rows, free)], problem.errors[rows], weight[rows]
    pull = (bounds.start - problem.x)[free]
    step = np.zeros(len(pull))
    soft, prior = penalty.soft, penalty.prior
    for _ in range(REWEIGHTED):
        weighted = slopes.T * (weight / np.sqrt(1 + ((errors + slopes @ step) / soft) ** 2))
        last, step = step, bounded(weighted @ slopes + prior**2 * np.eye(len(pull)), prior**2 * pull - weighted @ errors, low, high)
        if np.all(np.abs(step - last) < CLOSE):
            break
    x = problem.x.copy()
    x[free] += step
    return x


def bounded(matrix: Any, right: Any, low: Any, high: Any) -> Any:
    """The x within bounds that minimises x' M x / 2 - r' x for a positive definite M."""
    from scipy.optimize import lsq_linear

    free = np.linalg.solve(matrix, right)
    if np.all((low <= free) & (free <= high)):
        return free
    root = np.linalg.cholesky(matrix)
    room = np.maximum(high, low + 1e-9)
    return lsq_linear(root.T, np.linalg.solve(root, right), (low, room), method="bvls").x
