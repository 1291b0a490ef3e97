"""Fitting the constants of the model to measured runs: Gauss-Newton steps within bounds, on the linearised errors.

The errors are logarithms of predicted over measured step times, with equal weights of source groups and a soft L1 loss, since runs may
have been disturbed. After each linearisation the constants move to the minimum of the linear problem; the errors there are computed by
the formulas, and with the same slopes the next minimum, while that lowers the loss.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from planner.calibration.linearised import USUAL, Box, Linear, Penalty, as_values, box, linear, loss, minimum, weights
from planner.calibration.measured_runs import Parameter as Parameter
from planner.calibration.measured_runs import Runs as Runs
from planner.calibration.measured_runs import Values as Values
from planner.calibration.measured_runs import predicted as predicted
from planner.calibration.measured_runs import present as present
from planner.calibration.measured_runs import runs as runs
from planner.calibration.measured_runs import shipped as shipped
from planner.calibration.measured_runs import step_of as step_of
from planner.calibration.measured_runs import step_seconds as step_seconds
from planner.calibration.measured_runs import with_values as with_values
from planner.calibration.processes import Evaluator

REACH = 0.7  # of a logarithm: the largest change of a constant before the errors are linearised again
CHORDS = 3  # minima with the same slopes
GAIN = 1e-3  # of the loss: the fit ends when a linearisation lowers it by less
SHORTER = (1.0, 0.5, 0.2, 0.05)  # of a step that raises the loss

Report = Callable[[int, int, int], None]  # the round, the evaluations of its linearisation done, and in all


def fit(
    data: Runs, parameters: Sequence[Parameter], start: Values | None = None, rounds: int = 12, progress: Report | None = None,
    at: Evaluator | None = None, penalty: Penalty = USUAL,
) -> dict[Parameter, float]:  # fmt: skip
    """The constants that minimise the loss. start: initial values, `Parameter.start` if absent; rounds: linearisations at most."""
    return fitted(at or Evaluator(data), parameters, start, rounds, progress, penalty)[0]


def fitted(
    at: Evaluator,
    parameters: Sequence[Parameter],
    start: Values | None,
    rounds: int,
    progress: Report | None = None,
    penalty: Penalty = USUAL,
) -> tuple[dict[Parameter, float], Linear | None]:
    """The constants that minimise the loss, and the errors linearised last, at a point near them; None if no run depends on a constant."""
    values, last = dict(start or {}), np.inf
    problem: Linear | None = None
    for number in range(1, rounds + 1):
        report = None if progress is None else lambda done, of, number=number: progress(number, done, of)
        problem = linear(at, parameters, values, report)
        if not problem.parameters:
            return {}, None
        problem, value = descended(at, problem, penalty)
        values = problem.values
        if value > last * (1 - GAIN):
            break
        last = value
    return values, problem


def descended(at: Evaluator, problem: Linear, penalty: Penalty = USUAL) -> tuple[Linear, float]:
    """The problem at a point of less loss, its slopes unchanged, and the loss there."""
    weight, bounds = weights(at.data.group), box(problem.parameters)
    origin = problem.x
    here = loss(problem.errors, weight, problem.x, bounds.start, penalty)
    for _ in range(CHORDS):
        target = minimum(problem, weight, near(bounds, origin), None, penalty)
        for share in SHORTER:
            x = problem.x + share * (target - problem.x)
            errors = np.log(at.every(as_values(problem.parameters, x)) / at.data.measured)
            value = loss(errors, weight, x, bounds.start, penalty)
            if value < here:
                break
        else:
            break
        gained = here - value
        problem, here = replace(problem, x=x, errors=errors), value
        if gained < GAIN * here:
            break
    return problem, here


def near(bounds: Box, x: Any) -> Box:
    """The bounds within REACH of a point."""
    return Box(bounds.start, np.maximum(bounds.low, x - REACH), np.minimum(bounds.high, x + REACH))
