"""@formula: a function on columns declared as the formula of a quantity, with its notation and its source.

Outside tracing() (planner.formula.trace) a declared function costs one look at a context variable; inside, the trace records what it
was given and what it returned. Nothing here needs numpy.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, ParamSpec, Protocol, TypeVar

from planner.formula.bibliography import SOURCES
from planner.formula.notation import APPROXIMATE
from planner.formula.quantities import QUANTITIES, Quantity

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Declared:
    """What a formula says of itself; the registry FORMULAS holds one for each."""

    name: str
    notation: str
    source: str
    quantity: Quantity
    sentence: str

    @property
    def approximate(self) -> bool:
        """Whether the notation is for the reader alone: a simulation, a table, too many cases."""
        return self.notation.startswith(APPROXIMATE)


class Recorder(Protocol):
    """What records formulas: entered before one is computed, left with its arguments by name and its result."""

    def enter(self) -> None:
        """A formula is about to be computed."""

    def term(self, name: str, value: Any) -> None:
        """A term of the formula at work, by the name of its quantity."""

    def leave(self, declared: Declared, given: Mapping[str, Any], result: Any) -> Any:
        """The formula was computed; gives the result that the caller is to have."""


FORMULAS: dict[str, Declared] = {}
RECORDER: ContextVar[Recorder | None] = ContextVar("tmplan_trace", default=None)


def every_formula() -> dict[str, Declared]:
    """The formulas of all modules: one is known once its module is loaded."""
    import planner

    for module in pkgutil.walk_packages(planner.__path__, "planner."):
        importlib.import_module(module.name)
    return FORMULAS


def term(name: str, value: R) -> R:
    """A term of the formula at work that is no formula of its own, as it is given; while tracing its symbol has this value.

    name: of a quantity. Given several times, its notation may add the values up with a Σ.
    """
    recorder = RECORDER.get()
    if recorder is not None:
        recorder.term(name, value)
    return value


def formula(notation: str, key: str, where: str = "", *, quantity: Quantity | None = None) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Declare a function as the formula of the quantity it is named after.

    notation: the right-hand side in the symbols of quantities.py and the grammar of notation.py, or for the reader alone and starting
    with "≈ "; key: an entry of bibliography.py; where: equation, table, section; quantity: the symbol, unit and meaning of a quantity
    that quantities.py does not have. ValueError for one that it has.
    """

    def declare(function: Callable[P, R]) -> Callable[P, R]:
        name = function.__name__
        if quantity is not None:
            if QUANTITIES.get(name, quantity) is not quantity:
                raise ValueError(f"the quantity {name} is declared twice")
            QUANTITIES[name] = quantity
        source = f"{SOURCES[key].short}{', ' + where if where else ''}"
        sentence = (function.__doc__ or "").strip().split("\n")[0]
        declared = FORMULAS[name] = Declared(name, notation, source, QUANTITIES[name], sentence)
        signature = inspect.signature(function)

        @functools.wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            recorder = RECORDER.get()
            if recorder is None:
                return function(*args, **kwargs)
            recorder.enter()
            result = function(*args, **kwargs)
            recorded: R = recorder.leave(declared, signature.bind(*args, **kwargs).arguments, result)
            return recorded

        return run

    return declare
