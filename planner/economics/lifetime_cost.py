"""Training and serving together: models that come to the same loss, and which of them costs least over its life."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from planner.economics.scaling_laws import Law, estimated_loss, least_parameters
from planner.formula.trace import Step, formula, tracing

SHARES = (1.0, 0.8, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)  # of the model's parameters, the sizes shown beside the best


@formula("(B_L / (L_x - L_0 - A_L / P_o^α))^(1 / β_L)", "sardana23", "Section 2: the law solved for the tokens")
def same_loss_tokens(law: Law, estimated_loss: float, other_parameters: Any) -> Any:
    """Tokens with which a model of so many parameters comes to a loss, one value or a column; inf where no number of them does."""
    left = estimated_loss - law.law_floor - law.law_a / np.asarray(other_parameters) ** law.law_alpha
    return np.where(left > 0, (law.law_b / np.where(left > 0, left, 1.0)) ** (1.0 / law.law_beta), np.inf)


@formula("6 · P_o · D_o + 2 · P_o · D_v", "sardana23", "Equation 3: training and inference")
def lifetime_flops(other_parameters: Any, same_loss_tokens: Any, served_tokens: float) -> Any:
    """Training on some tokens and serving others, one value or a column; FLOP."""
    return 6.0 * other_parameters * same_loss_tokens + 2.0 * other_parameters * served_tokens


@formula("2 · P · D_v", "sardana23", "Equation 3: inference")
def serving_flops(visited_parameters: float, served_tokens: float) -> float:
    """Serving so many tokens; FLOP."""
    return 2.0 * visited_parameters * served_tokens


@dataclass(frozen=True)
class Size:
    """A model of the same estimated loss: its parameters and tokens, and the FLOP of training and serving it."""

    parameters: float
    tokens: float
    train_flops: float
    lifetime_flops: float


@dataclass(frozen=True)
class Serving:
    """What a law says: the loss of the model as planned, that model, the cheapest of the same loss, and some sizes between."""

    law: Law
    loss: float
    planned: Size
    best: Size
    sizes: tuple[Size, ...]

    @property
    def saved(self) -> float:
        """Share of the planned model's FLOP that the cheapest saves."""
        return 1.0 - self.best.lifetime_flops / self.planned.lifetime_flops


def size(law: Law, loss: float, parameters: float, served_tokens: float) -> Size:
    """A model of so many parameters that comes to this loss; FLOP."""
    tokens = float(same_loss_tokens(law, loss, parameters))
    return Size(parameters, tokens, 6.0 * parameters * tokens, float(lifetime_flops(parameters, tokens, served_tokens)))


def serving(law: Law, parameters: float, tokens: float, served_tokens: float) -> Serving:
    """Models of the same estimated loss as one of so many parameters and tokens, and the cheapest of them with serving counted."""
    loss = float(estimated_loss(law, parameters, tokens))
    least = least_parameters(law, loss)
    grid = np.geomspace(least * 1.0001, parameters * 100.0, 40_001)  # steps of a twentieth of a per cent, and finer
    total = lifetime_flops(grid, same_loss_tokens(law, loss, grid), float(served_tokens))
    best = size(law, loss, float(grid[int(np.argmin(total))]), served_tokens)
    shown = tuple(size(law, loss, share * parameters, served_tokens) for share in SHARES if share * parameters > least)
    return Serving(law, loss, size(law, loss, parameters, served_tokens), best, shown)


def explain(found: Serving, served_tokens: float) -> Step:
    """The tree of what the cheapest model of the same loss comes to over its life."""
    planned, best = found.planned, found.best.parameters
    with tracing() as trace:
        loss = estimated_loss(found.law, planned.parameters, planned.tokens)
        return trace.of(lifetime_flops(best, same_loss_tokens(found.law, loss, best), float(served_tokens)))


def explain_serving(parameters: float, served_tokens: float) -> Step:
    """The tree of what serving takes."""
    with tracing() as trace:
        return trace.of(serving_flops(parameters, float(served_tokens)))
