"""@formula: declares a function on columns as the formula of a quantity, with its notation and source.

Outside tracing() (planner.formula.trace) a declared function costs one read of a context variable; inside, the trace records its
arguments and result. Without numpy.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, Protocol, TypeVar

from planner.formula.citations import Place, cite, unchecked
from planner.formula.notation import APPROXIMATE
from planner.formula.quantities import QUANTITIES, Quantity

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Declared:
    """The declaration of a formula; the registry FORMULAS has one per formula."""

    name: str
    notation: str
    source: str
    quantity: Quantity
    sentence: str
    from_memory: tuple[Place, ...]  # of the places cited, those that were not looked up

    @property
    def approximate(self) -> bool:
        """Whether the notation is not exact: a simulation, a table, too many cases."""
        return self.notation.startswith(APPROXIMATE)


class Recorder(Protocol):
    """A recorder of formulas: entered before a formula is computed, left with its arguments by name and its result."""

    def enter(self) -> None:
        """Called before a formula is computed."""

    def term(self, name: str, value: Any) -> None:
        """Called for a term of the current formula, with the name of its quantity."""

    def leave(self, declared: Declared, given: Mapping[str, Any], result: Any) -> Any:
        """Called after a formula was computed; returns the result for the caller."""


FORMULAS: dict[str, Declared] = {}
RECORDER: ContextVar[Recorder | None] = ContextVar("tmplan_trace", default=None)


def every_formula() -> dict[str, Declared]:
    """The formulas of all modules, which are imported for it, but for those of the lab: they run frameworks and have none."""
    for module in pkgutil.walk_packages([str(Path(__file__).parents[1])], "planner."):
        if not module.name.startswith("planner.lab"):
            importlib.import_module(module.name)
    return FORMULAS


def term(name: str, value: R) -> R:
    """Return the value of a term of the current formula; tracing assigns it to the symbol of the quantity `name`.

    A quantity declared several times in one formula has several values, which its notation can sum with Σ.
    """
    recorder = RECORDER.get()
    if recorder is not None:
        recorder.term(name, value)
    return value


def formula(notation: str, key: str, where: str = "", *, quantity: Quantity | None = None) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Declare a function as the formula of the quantity it is named after.

    notation: the right-hand side, in the symbols of quantities.py and the grammar of notation.py; free text after "≈ ". key: an entry of
    bibliography.py. where: equation, table, section. quantity: symbol, unit and meaning of a quantity that is not in quantities.py;
    ValueError if it is.
    """

    def declare(function: Callable[P, R]) -> Callable[P, R]:
        name = function.__name__
        if quantity is not None:
            if QUANTITIES.get(name, quantity) is not quantity:
                raise ValueError(f"the quantity {name} is declared twice")
            QUANTITIES[name] = quantity
        sentence = (function.__doc__ or "").strip().split("\n")[0]
        declared = FORMULAS[name] = Declared(name, notation, cite(key, where), QUANTITIES[name], sentence, unchecked(key, where))
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
