"""Published fits of the loss over parameters and tokens, their compute-optimal models, and the rule of fixed tokens per parameter."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from planner.formula.trace import formula


@dataclass(frozen=True)
class Law:
    """L(P, D) = law_floor + law_a / P^law_alpha + law_b / D^law_beta, in nats per token, for dense models."""

    name: str
    source: str  # a key of planner.formula.bibliography
    law_floor: float
    law_a: float
    law_alpha: float
    law_b: float
    law_beta: float


# Hoffmann: approach 3, its exponents to three digits as Sardana et al. 2023 use them (the paper rounds to 0.34 and 0.28; Besiroglu et al.
# show how much that rounding distorts). Besiroglu: the same form refitted to the data of Hoffmann's figure.
LAWS = (
    Law("Besiroglu et al. 2024", "besiroglu24", 1.8172, 482.01, 0.3478, 2085.43, 0.3658),
    Law("Hoffmann et al. 2022", "hoffmann22", 1.69, 406.4, 0.336, 410.7, 0.283),
)


@formula("L_0 + A_L / P_o^α + B_L / D_o^β_L", "hoffmann22", "Equation 10, the coefficients of the law named")
def estimated_loss(law: Law, other_parameters: Any, same_loss_tokens: Any) -> Any:
    """Loss estimated by a law for parameters and training tokens, one value or a column; nats per token."""
    return law.law_floor + law.law_a / other_parameters**law.law_alpha + law.law_b / same_loss_tokens**law.law_beta


def least_parameters(law: Law, loss: float) -> float:
    """Parameters whose loss tends to the given loss with infinitely many tokens; smaller models cannot reach it."""
    return float((law.law_a / (loss - law.law_floor)) ** (1.0 / law.law_alpha))


@formula(
    "(α · A_L / (β_L · B_L))^(1 / (α + β_L)) · (C_a / 6)^(β_L / (α + β_L))", "hoffmann22", "Equation 4, the coefficients of the law named"
)
def optimal_parameters(law: Law, spent_flops: float) -> float:
    """Parameters of minimal estimated loss for a number of training FLOP."""
    scale = (law.law_alpha * law.law_a / (law.law_beta * law.law_b)) ** (1.0 / (law.law_alpha + law.law_beta))
    return float(scale * (spent_flops / 6.0) ** (law.law_beta / (law.law_alpha + law.law_beta)))


@formula("sqrt(C_a / (6 · r_t))", "hoffmann22", "C = 6 P D with D = 20 P, or another ratio")
def ratio_parameters(spent_flops: float, tokens_per_parameter: float) -> float:
    """Parameters of the model that a number of FLOP trains at a ratio of tokens to parameters."""
    return math.sqrt(spent_flops / (6.0 * tokens_per_parameter))


@formula("C_a / (6 · P_o)", "math101", "C = 6 P D")
def bought_tokens(spent_flops: float, other_parameters: float) -> float:
    """Tokens on which a number of FLOP trains a model of the given parameters."""
    return spent_flops / (6.0 * other_parameters)


def optimum(law: Law, flops: float) -> tuple[float, float]:
    """Parameters and tokens of minimal estimated loss for a number of training FLOP."""
    parameters = optimal_parameters(law, flops)
    return parameters, bought_tokens(flops, parameters)


def by_ratio(flops: float, tokens_per_parameter: float) -> tuple[float, float]:
    """Parameters and tokens of a number of training FLOP at a ratio of tokens to parameters; 20 in Hoffmann et al. 2022."""
    parameters = ratio_parameters(flops, tokens_per_parameter)
    return parameters, bought_tokens(flops, parameters)
