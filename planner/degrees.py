"""DEGREES: every parallel degree, once. Lists, products and names of degrees are read from this table.

A degree that occupies ranks has a place in one of two rank orders, fastest-varying first: dense layers (attention) lie on all ranks of a
job, routed experts on the ranks of one pipeline stage. The orders are Megatron-LM's default, tp-cp-ep-dp-pp
(megatron/core/parallel_state.py); the meshes of torchtitan and accelerate number ranks alike.

A product of degrees is a whole number for one plan, or a column of them for columns of plans.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import reduce
from operator import mul
from typing import TYPE_CHECKING, NamedTuple, cast

if TYPE_CHECKING:
    from planner.dimensions import Count


class Degree(NamedTuple):
    """A parallel degree: its names, its place among the ranks, the links that its traffic is bound by.

    dense, expert: its place in the rank orders, 0 varies fastest; None where it occupies no ranks there. layer: whether the cost
    of a layer depends on it. link: the faster of the links that its traffic is designed for, scale-up or network; empty for no traffic.
    """

    key: str  # the field of Plan, the axis of the search, the option
    symbol: str  # in notations
    heading: str  # of its column
    label: str  # in forms
    name: str  # in help and documents
    dense: int | None = None
    expert: int | None = None
    layer: bool = False
    link: str = ""


DEGREES: tuple[Degree, ...] = (
    Degree("tp", "t", "TP", "Tensor", "tensor-parallel degree", dense=0, layer=True, link="scale-up"),
    Degree("pp", "p", "PP", "Pipeline", "pipeline-parallel degree", dense=3, link="network"),
    Degree("vpp", "v", "VPP", "Virtual", "virtual pipeline stages per rank (interleaved schedule)"),
    Degree("cp", "c", "CP", "Context", "context-parallel degree: ranks that share a sequence", dense=1, layer=True, link="scale-up"),
    Degree("dp", "D", "DP", "Data", "data-parallel degree: replicas of the model", dense=2, link="network"),
    Degree("ep", "EP", "EP", "Expert", "expert-parallel degree: ranks that share the experts", expert=1, layer=True, link="scale-up"),
    Degree("etp", "ETP", "ETP", "Exp. tensor", "expert tensor-parallel degree: ranks that share one expert", expert=0, layer=True),
)
BY_KEY: Mapping[str, Degree] = {degree.key: degree for degree in DEGREES}
KEYS = tuple(BY_KEY)


def _ordered(place: str) -> tuple[str, ...]:
    """The keys of the degrees that have a place in a rank order, the fastest first."""
    placed = [(getattr(degree, place), degree.key) for degree in DEGREES if getattr(degree, place) is not None]
    return tuple(key for _, key in sorted(placed))


WORLD = _ordered("dense")  # their product is the number of GPUs
EXPERTS = _ordered("expert")  # their product divides the ranks of a stage
STAGE = WORLD[: WORLD.index("pp")]  # ranks of one pipeline stage follow each other
MODEL_PARALLEL = tuple(key for key in WORLD if key != "dp")  # of these, dp is what is left
LAYER = tuple(degree.key for degree in DEGREES if degree.layer)


def product(plan: object, keys: Iterable[str]) -> Count:
    """The product of some degrees of a plan; one value or a column."""
    return cast("Count", reduce(mul, (getattr(plan, key) for key in keys)))


def world(plan: object) -> Count:
    """GPUs that a plan occupies; one value or a column."""
    return product(plan, WORLD)


def stage_ranks(plan: object) -> Count:
    """Ranks of one pipeline stage; one value or a column."""
    return product(plan, STAGE)


def expert_ranks(plan: object) -> Count:
    """Ranks that together hold one copy of a stage's routed experts; one value or a column."""
    return product(plan, EXPERTS)


def span(plan: object, key: str) -> Count:
    """Ranks from the first of a degree's group to its last, both included, rounded up to the group's stride; one value or a column."""
    order = WORLD if key in WORLD else EXPERTS
    return product(plan, order[: order.index(key) + 1])


def text(keys: Iterable[str]) -> str:
    """A product as sentences write it: tp x cp x dp."""
    return " x ".join(keys)


def placed_after(keys: tuple[str, ...], key: str, *new: str) -> tuple[str, ...]:
    """The keys with new ones behind one of them."""
    at = keys.index(key) + 1
    return keys[:at] + new + keys[at:]
