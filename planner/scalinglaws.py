"""Published fits of loss over parameters and tokens, the optimum they give for so much compute, and the rule of tokens a parameter."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from planner.formula import formula


@dataclass(frozen=True)
class Law:
    """L(P, D) = law_floor + law_a / P^law_alpha + law_b / D^law_beta; nats a token, of dense models."""

    name: str
    source: str  # a key of planner.sources
    law_floor: float
    law_a: float
    law_alpha: float
    law_b: float
    law_beta: float


# Hoffmann: approach 3, its exponents to three digits as Sardana et al. 2023 use them (the paper rounds to 0.34 and 0.28; Besiroglu et al.
# show how much that rounding distorts). Besiroglu: the same form fitted to the data of Hoffmann's figure anew.
LAWS = (
    Law("Besiroglu et al. 2024", "besiroglu24", 1.8172, 482.01, 0.3478, 2085.43, 0.3658),
    Law("Hoffmann et al. 2022", "hoffmann22", 1.69, 406.4, 0.336, 410.7, 0.283),
)


@formula("L_0 + A_L / P_o^α + B_L / D_o^β_L", "hoffmann22", "Equation 10, the coefficients of the law named")
def estimated_loss(law: Law, other_parameters: Any, same_loss_tokens: Any) -> Any:
    """Loss that a law expects of so many parameters and tokens, one value or a column; nats a token."""
    return law.law_floor + law.law_a / other_parameters**law.law_alpha + law.law_b / same_loss_tokens**law.law_beta


def least_parameters(law: Law, loss: float) -> float:
    """Parameters that no number of tokens brings below this loss."""
    return float((law.law_a / (loss - law.law_floor)) ** (1.0 / law.law_alpha))


def optimum(law: Law, flops: float) -> tuple[float, float]:
    """Parameters and tokens of the least loss for so many FLOP of training, C = 6 P D; Hoffmann et al. 2022, Equation 4."""
    scale = (law.law_alpha * law.law_a / (law.law_beta * law.law_b)) ** (1.0 / (law.law_alpha + law.law_beta))
    parameters = scale * (flops / 6.0) ** (law.law_beta / (law.law_alpha + law.law_beta))
    return parameters, flops / 6.0 / parameters


def by_ratio(flops: float, tokens_per_parameter: float) -> tuple[float, float]:
    """Parameters and tokens of so many FLOP, C = 6 P D, at so many tokens a parameter; Hoffmann et al. 2022 have 20."""
    parameters = math.sqrt(flops / (6.0 * tokens_per_parameter))
    return parameters, tokens_per_parameter * parameters
