"""Models that a budget of FLOP or of money can train: at a given ratio of tokens to parameters, and of minimal loss by each scaling law."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from planner.document.training_run import CHINCHILLA, Run
from planner.economics.budget import Budget, spent_flops
from planner.economics.scaling_laws import LAWS, bought_tokens, estimated_loss, optimal_parameters, ratio_parameters
from planner.errors import FieldError
from planner.formula.trace import Step, tracing


@dataclass(frozen=True)
class AffordableModel:
    """Parameters and training tokens by a rule or a law, and the loss estimated by each law, by its source."""

    by: str
    parameters: float
    tokens: float
    losses: dict[str, float]


@dataclass(frozen=True)
class AffordableTraining:
    """A budget, its FLOP, the models they can train, and the derivations of their numbers."""

    given: str  # flops or money
    amount: float
    flops: float
    models: tuple[AffordableModel, ...]
    steps: dict[str, Step]


def by_flops(flops: float, run: Run) -> AffordableTraining:
    """The models that a number of FLOP can train."""
    with tracing() as trace:
        sizes = dict(models(flops, run))
        return affordable("flops", flops, flops, sizes, {name: trace.of(tokens) for name, (_, tokens) in sizes.items()})


def by_money(money: float, run: Run, known: Budget) -> AffordableTraining:
    """The models that an amount of money can train at a plan's cost per FLOP. Raises FieldError if the GPU-hour has no price or price 0."""
    if run.price_gpu_hour == 0:
        raise FieldError("money", "money buys unlimited FLOP at a price of 0 per GPU-hour; set --price-gpu-hour, such as 2.5")
    if known.cost is None:
        raise FieldError("money", "money needs the price of a GPU-hour; set --price-gpu-hour, such as 2.5")
    with tracing() as trace:
        flops = spent_flops(money, known.cost, known.flops)
        sizes = dict(models(flops, run))
        return affordable("money", money, flops, sizes, {name: trace.of(tokens) for name, (_, tokens) in sizes.items()})


def models(flops: float, run: Run) -> Iterator[tuple[str, tuple[float, float]]]:
    """Parameters and tokens by rule or law: at the run's ratio of tokens to parameters, at Chinchilla's, and by each scaling law."""
    planned = run.tokens_per_parameter
    for ratio in (CHINCHILLA,) if math.isclose(planned, CHINCHILLA, rel_tol=1e-9) else (planned, CHINCHILLA):
        parameters = ratio_parameters(flops, ratio)
        yield f"{ratio:,.4g} tokens per parameter", (parameters, bought_tokens(flops, parameters))
    for law in LAWS:
        parameters = optimal_parameters(law, flops)
        yield law.name, (parameters, bought_tokens(flops, parameters))


def affordable(
    given: str, amount: float, flops: float, sizes: dict[str, tuple[float, float]], steps: dict[str, Step]
) -> AffordableTraining:
    """The models of the given parameters and tokens, with the loss estimated by each law."""
    each = (AffordableModel(by, p, d, {law.source: float(estimated_loss(law, p, d)) for law in LAWS}) for by, (p, d) in sizes.items())
    return AffordableTraining(given, amount, flops, tuple(each), steps)
