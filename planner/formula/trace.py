"""@formula and tracing(): the code that computes a number also says where it comes from.

A formula is a plain function on columns, named after the quantity it yields. Outside `tracing()` the decorator costs one look
at a context variable. Inside, every call records a Step: its value, its notation with the numbers put in, its source, and as
children the formulas whose results it was given or called. Run the ordinary code for one plan and the tree of its numbers is there.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, ParamSpec, TypeVar

import numpy as np

from planner.formula.bibliography import SOURCES
from planner.formula.quantities import QUANTITIES, Quantity
from planner.formula.units import write

P = ParamSpec("P")
R = TypeVar("R")
SYMBOL = re.compile(r"[A-Za-zℓα-ωΑ-Ω][A-Za-z0-9α-ωΑ-Ω_]*")


@dataclass(frozen=True)
class Step:
    """One computed number: what it is, its value in base units, how it came about, and from what."""

    name: str
    symbol: str
    meaning: str
    unit: str
    value: float
    notation: str
    substituted: str
    source: str
    children: tuple[Step, ...]

    @property
    def text(self) -> str:
        """The value with its unit, as a person reads it."""
        return write(self.value, self.unit)

    def find(self, name: str) -> Step | None:
        """The first step of this name in the tree, this one included."""
        if self.name == name:
            return self
        return next((found for child in self.children if (found := child.find(name))), None)

    def as_dict(self) -> dict[str, Any]:
        """The tree as plain data."""
        own = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "children"}
        return own | {"text": self.text, "children": [child.as_dict() for child in self.children]}


@dataclass(frozen=True)
class Declared:
    """What a formula says of itself; the registry FORMULAS holds one for each."""

    name: str
    notation: str
    source: str
    quantity: Quantity
    sentence: str


FORMULAS: dict[str, Declared] = {}


def every_formula() -> dict[str, Declared]:
    """The formulas of all modules: one is known once its module is loaded."""
    import planner

    for module in pkgutil.walk_packages(planner.__path__, "planner."):
        importlib.import_module(module.name)
    return FORMULAS


class _Trace:
    def __init__(self, row: int) -> None:
        self.row = row
        self.by_id: dict[int, tuple[Any, Step]] = {}  # the result is held so that its id stays its own
        self.open: list[list[Step]] = []
        self.last: Step | None = None

    def of(self, result: Any) -> Step:
        """The step of a result that a formula returned while tracing."""
        return self.by_id[id(result)][1]

    def held(self, step: Step) -> Any:
        """The value of a step traced elsewhere: formulas that are given it have that step as a child."""
        value = np.array([step.value])
        self.by_id[id(value)] = (value, step)
        return value


_active: ContextVar[_Trace | None] = ContextVar("tmplan_trace", default=None)


@contextmanager
def tracing(row: int = 0) -> Iterator[_Trace]:
    """While this is open, formulas record their steps for one plan; `.last` is the newest.

    row: which of the stages in front of a column (of shape stages x 1) the steps show.
    """
    trace = _Trace(row)
    token = _active.set(trace)
    try:
        yield trace
    finally:
        _active.reset(token)


def is_tracing() -> bool:
    """Whether formulas are recording."""
    return _active.get() is not None


def scalar(value: Any, row: int = 0) -> float:
    """The one number a traced value holds; of several stages, that at `row`."""
    flat = np.asarray(value).reshape(-1)
    return float(flat[row if len(flat) > 1 else 0])


def formula(notation: str, key: str, where: str = "") -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Declare a function as the formula of the quantity it is named after.

    notation: the right-hand side in the symbols of quantities.py; key: an entry of sources.py; where: equation, table, section.
    """

    def declare(function: Callable[P, R]) -> Callable[P, R]:
        name = function.__name__
        quantity = QUANTITIES[name]
        source = f"{SOURCES[key].short}{', ' + where if where else ''}"
        sentence = (function.__doc__ or "").strip().split("\n")[0]
        FORMULAS[name] = Declared(name, notation, source, quantity, sentence)
        signature = inspect.signature(function)

        @functools.wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            trace = _active.get()
            if trace is None:
                return function(*args, **kwargs)
            trace.open.append([])
            result = function(*args, **kwargs)
            nested = trace.open.pop()
            if id(result) in trace.by_id:
                result = result * 1  # type: ignore[operator, assignment]  # a value of its own, so that it has a step of its own
            given = signature.bind(*args, **kwargs).arguments
            children = [trace.by_id[id(v)][1] for v in given.values() if id(v) in trace.by_id] + nested
            symbols = _symbols(given, trace.row) | {c.symbol: write(c.value, c.unit) for c in children}
            step = Step(name, quantity.symbol, quantity.meaning, quantity.unit, scalar(result, trace.row), notation,
                        _substitute(notation, symbols), source, tuple(dict.fromkeys(children)))  # fmt: skip
            trace.by_id[id(result)] = (result, step)
            trace.last = step
            if trace.open:
                trace.open[-1].append(step)
            return result

        return run

    return declare


def _symbols(given: dict[str, Any], row: int) -> dict[str, str]:
    """Symbol -> written value, for every argument, and every field of a spec among the arguments, that is a quantity."""
    found: dict[str, str] = {}

    def look(name: str, value: Any) -> None:
        if is_dataclass(value) and not isinstance(value, type):
            for f in fields(value):
                look(f.name, getattr(value, f.name))
        elif name in QUANTITIES and (isinstance(value, int | float) or hasattr(value, "max")):
            quantity = QUANTITIES[name]
            found[quantity.symbol] = write(scalar(value, row), quantity.unit)

    for name, value in given.items():
        look(name, value)
    return found


def _substitute(notation: str, symbols: dict[str, str]) -> str:
    """The notation with each symbol that has a value replaced by it."""
    return SYMBOL.sub(lambda m: symbols.get(m.group(), m.group()), notation)
