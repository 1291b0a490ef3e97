"""What a budget of FLOP or of money trains: parameters and tokens at so many tokens a parameter, and of the least loss by each law."""

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
class Bought:
    """A model and its tokens: by which rule or law, and the loss that each law expects of it, by its source."""

    by: str
    parameters: float
    tokens: float
    losses: dict[str, float]


@dataclass(frozen=True)
class Spent:
    """What there is to spend, the FLOP it is, the models it trains, and the trees of their numbers."""

    given: str  # flops or money
    amount: float
    flops: float
    models: tuple[Bought, ...]
    steps: dict[str, Step]


def by_flops(flops: float, run: Run) -> Spent:
    """What so many FLOP train."""
    with tracing() as trace:
        found = dict(models(flops, run))
        return spent("flops", flops, flops, found, {name: trace.of(tokens) for name, (_, tokens) in found.items()})


def by_money(money: float, run: Run, known: Budget) -> Spent:
    """What so much money trains at the cost of a plan's training; FieldError where no price was told, or it is nothing."""
    if run.price_gpu_hour == 0:
        raise FieldError("money", "money trains without end where a GPU-hour costs nothing; set --price-gpu-hour, such as 2.5")
    if known.cost is None:
        raise FieldError("money", "money needs the price of a GPU-hour; set --price-gpu-hour, such as 2.5")
    with tracing() as trace:
        flops = spent_flops(money, known.cost, known.flops)
        found = dict(models(flops, run))
        return spent("money", money, flops, found, {name: trace.of(tokens) for name, (_, tokens) in found.items()})


def models(flops: float, run: Run) -> Iterator[tuple[str, tuple[float, float]]]:
    """By rule or law, the parameters and tokens of so many FLOP: at the run's own tokens a parameter, at Chinchilla's, by each law."""
    own = run.tokens_per_parameter
    for ratio in (CHINCHILLA,) if math.isclose(own, CHINCHILLA, rel_tol=1e-9) else (own, CHINCHILLA):
        parameters = ratio_parameters(flops, ratio)
        yield f"{ratio:,.4g} tokens per parameter", (parameters, bought_tokens(flops, parameters))
    for law in LAWS:
        parameters = optimal_parameters(law, flops)
        yield law.name, (parameters, bought_tokens(flops, parameters))


def spent(given: str, amount: float, flops: float, found: dict[str, tuple[float, float]], steps: dict[str, Step]) -> Spent:
    """What was found, with the loss each law expects."""
    bought = (Bought(by, p, d, {law.source: float(estimated_loss(law, p, d)) for law in LAWS}) for by, (p, d) in found.items())
    return Spent(given, amount, flops, tuple(bought), steps)
