"""Lifetime FLOP, training plus inference: models of equal estimated loss, and the one of minimal lifetime FLOP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from planner.economics.scaling_laws import Law, estimated_loss, least_parameters
from planner.formula.trace import Step, formula, tracing

SHARES = (1.0, 0.8, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)  # of the planned model's parameters: sizes listed besides the optimum


@formula("(B_L / (L_x - L_0 - A_L / P_o^α))^(1 / β_L)", "sardana23", "Section 2: the law solved for the tokens")
def same_loss_tokens(law: Law, estimated_loss: float, other_parameters: Any) -> Any:
    """Training tokens at which a model of the given parameters reaches a loss, one value or a column; inf if it cannot."""
    left = estimated_loss - law.law_floor - law.law_a / np.asarray(other_parameters) ** law.law_alpha
    return np.where(left > 0, (law.law_b / np.where(left > 0, left, 1.0)) ** (1.0 / law.law_beta), np.inf)


@formula("6 · P_o · D_o + 2 · P_o · D_v", "sardana23", "Equation 3: training and inference")
def lifetime_flops(other_parameters: Any, same_loss_tokens: Any, served_tokens: float) -> Any:
    """Lifetime FLOP of training and inference, one value or a column."""
    return 6.0 * other_parameters * same_loss_tokens + 2.0 * other_parameters * served_tokens


@formula("2 · P · D_v", "sardana23", "Equation 3: inference")
def serving_flops(visited_parameters: float, served_tokens: float) -> float:
    """FLOP of serving a number of tokens."""
    return 2.0 * visited_parameters * served_tokens


@dataclass(frozen=True)
class Size:
    """A model of equal estimated loss: its parameters and training tokens, and its training and lifetime FLOP."""

    parameters: float
    tokens: float
    train_flops: float
    lifetime_flops: float


@dataclass(frozen=True)
class LifetimeOptimum:
    """By one law: the estimated loss of the planned model, that model, the optimum of equal loss, and other sizes for comparison."""

    law: Law
    loss: float
    planned: Size
    best: Size
    sizes: tuple[Size, ...]

    @property
    def saved(self) -> float:
        """Share of the planned model's lifetime FLOP that the optimum saves; ratio."""
        return 1.0 - self.best.lifetime_flops / self.planned.lifetime_flops


def size(law: Law, loss: float, parameters: float, served_tokens: float) -> Size:
    """The model of the given parameters, trained to the given loss."""
    tokens = float(same_loss_tokens(law, loss, parameters))
    return Size(parameters, tokens, 6.0 * parameters * tokens, float(lifetime_flops(parameters, tokens, served_tokens)))


def lifetime_optimum(law: Law, parameters: float, tokens: float, served_tokens: float) -> LifetimeOptimum:
    """The model of minimal lifetime FLOP among those with the estimated loss of a planned model, given by its parameters and tokens."""
    loss = float(estimated_loss(law, parameters, tokens))
    least = least_parameters(law, loss)
    grid = np.geomspace(least * 1.0001, parameters * 100.0, 40_001)  # relative spacing of 0.05 % or less
    total = lifetime_flops(grid, same_loss_tokens(law, loss, grid), float(served_tokens))
    best = size(law, loss, float(grid[int(np.argmin(total))]), served_tokens)
    shown = tuple(size(law, loss, share * parameters, served_tokens) for share in SHARES if share * parameters > least)
    return LifetimeOptimum(law, loss, size(law, loss, parameters, served_tokens), best, shown)


def explain(optimum: LifetimeOptimum, served_tokens: float) -> Step:
    """The derivation of the lifetime FLOP of the optimum."""
    planned, best = optimum.planned, optimum.best.parameters
    with tracing() as trace:
        loss = estimated_loss(optimum.law, planned.parameters, planned.tokens)
        return trace.of(lifetime_flops(best, same_loss_tokens(optimum.law, loss, best), float(served_tokens)))


def explain_serving(parameters: float, served_tokens: float) -> Step:
    """The derivation of the FLOP of serving."""
    with tracing() as trace:
        return trace.of(serving_flops(parameters, float(served_tokens)))
