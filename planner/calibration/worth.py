"""What each constant is worth: how much larger the error of runs left out is where it is not fitted, but at its start.

Runs are left out by source, which shows what a constant teaches about other sources, and by model, which also shows what it teaches about
its inside. All on the problem linearised at the full fit; where a constant is at its start, the formulas are evaluated again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import mean
from typing import Any

import numpy as np

from planner.calibration.linearised import USUAL, Linear, Penalty, box, minimum, rows_of, weights
from planner.calibration.measured_runs import Parameter, Runs
from planner.calibration.processes import Evaluator, Progress
from planner.runs.score import FEW_ROWS

PAYS = 0.01  # percentage points of error below which a constant does not pay
FOLDS = 20  # of models
PRIORS = (0.01, 0.03, 0.06, 0.1, 0.2)
SOFTS = (0.05, 0.1, 0.2)


@dataclass(frozen=True)
class LeftOut:
    """Errors of runs left out, in percent: by source and by model."""

    sources: float
    models: float

    @property
    def both(self) -> float:
        """Their mean: what a selection of constants minimises."""
        return (self.sources + self.models) / 2


@dataclass(frozen=True)
class Worth:
    """A constant, and the errors of runs left out without it less those with it, in percentage points."""

    parameter: Parameter
    sources: float
    models: float

    @property
    def both(self) -> float:
        """The mean of both."""
        return (self.sources + self.models) / 2


@dataclass(frozen=True)
class Judge:
    """The runs that judge constants, and the fold of models of each."""

    data: Runs
    models: Any

    def error(self, problem: Linear, free: Any = None, penalty: Penalty = USUAL) -> LeftOut:
        """The errors of runs left out, by the linear problem; `free`: one flag per constant, the others stay at the problem's point."""
        by = (left_out_error(self.data, problem, fold, free, penalty) for fold in (self.data.group, self.models))
        return LeftOut(*by)


def judge(data: Runs, models: Any) -> Judge:
    """The runs with their models, by name, in FOLDS folds."""
    folds = {name: str(i % FOLDS) for i, name in enumerate(sorted(set(models.tolist())))}
    return Judge(data, np.array([folds[name] for name in models.tolist()]))


def left_out_error(
    data: Runs, problem: Linear, fold: Any, free: Any = None, penalty: Penalty = USUAL
) -> float:  # fmt: skip
    """The mean error over sources with each fold left out, in percent; sources of fewer than FEW_ROWS runs count as one."""
    weight, bounds = weights(data.group), box(problem.parameters)
    errors = np.empty(len(weight))
    for name in sorted(set(fold.tolist())):
        inside = fold == name
        x = minimum(problem, np.where(inside, 0.0, weight), bounds, free, penalty)
        errors[inside] = np.abs(np.expm1(problem.errors[inside] + problem.slopes[inside] @ (x - problem.x)))
    return 100 * over_sources(errors, data.group)


def over_sources(errors: Any, group: Any) -> float:
    """The mean of errors over sources; sources of fewer than FEW_ROWS runs count as one."""
    names, counts = np.unique(group, return_counts=True)
    few = np.isin(group, names[counts < FEW_ROWS])
    means = [float(errors[group == name].mean()) for name in names[counts >= FEW_ROWS]]
    return mean([*means, float(errors[few].mean())] if few.any() else means)


def worth(at: Evaluator, by: Judge, problem: Linear, progress: Progress | None = None) -> tuple[LeftOut, list[Worth]]:
    """The errors of runs left out with every constant, and what each constant is worth, the least first."""
    every, constants = by.error(problem), []
    for j, parameter in enumerate(problem.parameters):
        without = by.error(at_start(at, problem, j), free_of(problem, {j}))
        constants.append(Worth(parameter, without.sources - every.sources, without.models - every.models))
        if progress:
            progress(j + 1, len(problem.parameters))
    return every, sorted(constants, key=lambda w: w.both)


def free_of(problem: Linear, fixed: set[int]) -> Any:
    """A flag for each constant: whether it is fitted."""
    return np.array([j not in fixed for j in range(len(problem.parameters))])


def at_start(at: Evaluator, problem: Linear, j: int) -> Linear:
    """The problem with one constant at its start, its errors evaluated there."""
    parameter = problem.parameters[j]
    touched = np.flatnonzero([parameter.of(b.job) is not None for b in at.data.batches])
    seconds = at.seconds([(problem.values | {parameter: parameter.start}, touched)])[0]
    rows = rows_of(at.data, touched)
    errors, x = problem.errors.copy(), problem.x.copy()
    errors[rows] = np.log(seconds / at.data.measured[rows])
    x[j] = np.log(parameter.start)
    return replace(problem, x=x, errors=errors)


def eliminated(
    at: Evaluator, by: Judge, problem: Linear, constants: Sequence[Worth], progress: Progress | None = None
) -> tuple[tuple[Parameter, ...], LeftOut]:  # fmt: skip
    """The constants that do not pay, in the order in which they are dropped, and the errors of runs left out without them.

    Backward elimination from the constant worth least: one is dropped if the mean of both errors without it rises by less than PAYS.
    """
    error, fixed, dropped = by.error(problem), set[int](), list[Parameter]()
    candidates = [w.parameter for w in constants if w.both < 10 * PAYS]
    for done, parameter in enumerate(candidates):
        j = problem.parameters.index(parameter)
        without = at_start(at, problem, j)
        now = by.error(without, free_of(problem, {*fixed, j}))
        if now.both < error.both + PAYS:
            problem, error, fixed = without, now, {*fixed, j}
            dropped.append(parameter)
        if progress:
            progress(done + 1, len(candidates))
    return tuple(dropped), error


def settings(by: Judge, problem: Linear) -> Iterator[tuple[float, float, LeftOut]]:
    """PRIOR, SOFT and the errors of runs left out with them, for every pair that is tried."""
    for prior in PRIORS:
        for soft in SOFTS:
            yield prior, soft, by.error(problem, None, Penalty(soft, prior))
