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
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cached_property
from typing import Any, ParamSpec, TypeVar

import numpy as np

from planner.formula.bibliography import SOURCES
from planner.formula.notation import APPROXIMATE, NotationError, parsed
from planner.formula.notation_value import Array, Values, substituted
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
    values: Values = field(default_factory=dict, compare=False, repr=False)  # of the symbols that the notation may have
    result: Array = field(default_factory=lambda: np.zeros(()), compare=False, repr=False)  # value, on every stage of a column

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
        own = {f.name: getattr(self, f.name) for f in fields(self) if f.compare and f.name != "children"}
        return own | {"text": self.text, "children": [child.as_dict() for child in self.children]}


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


FORMULAS: dict[str, Declared] = {}
UNITS = {quantity.symbol: quantity.unit for quantity in QUANTITIES.values()}


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
        self.terms: list[dict[str, list[Array]]] = []  # of each open formula, what it said of its terms, by symbol
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


def term(name: str, value: R) -> R:
    """A term of the formula at work that is no formula of its own, as it is given; while tracing its symbol has this value.

    name: of a quantity. Given several times, its notation may add the values up with a Σ.
    """
    trace = _active.get()
    if trace is not None and trace.terms:
        trace.terms[-1].setdefault(QUANTITIES[name].symbol, []).append(np.asarray(value, float))
    return value


def formula(notation: str, key: str, where: str = "") -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Declare a function as the formula of the quantity it is named after.

    notation: the right-hand side in the symbols of quantities.py and the grammar of notation.py, or for the reader alone and starting
    with "≈ "; key: an entry of bibliography.py; where: equation, table, section.
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
            trace.terms.append({})
            result = function(*args, **kwargs)
            nested, terms = trace.open.pop(), trace.terms.pop()
            if id(result) in trace.by_id:
                result = result * 1  # type: ignore[operator, assignment]  # a value of its own, so that it has a step of its own
            given = signature.bind(*args, **kwargs).arguments
            children = [trace.by_id[id(v)][1] for v in given.values() if id(v) in trace.by_id] + nested
            values = _values(given, children, terms)
            step = Step(name, quantity.symbol, quantity.meaning, quantity.unit, scalar(result, trace.row), notation,
                        _substitute(notation, values, trace.row), source, tuple(dict.fromkeys(children)), values,
                        np.asarray(result, float))  # fmt: skip
            trace.by_id[id(result)] = (result, step)
            trace.last = step
            if trace.open:
                trace.open[-1].append(step)
            return result

        return run

    return declare


def _values(given: dict[str, Any], children: list[Step], terms: Values) -> Values:
    """Symbol -> its values: of every quantity among the arguments and their fields, of the formulas called, of terms named."""
    found: dict[str, list[Array]] = {}

    def look(name: str, value: Any) -> None:
        if is_dataclass(value) and not isinstance(value, type):
            for inner in _quantities_of(type(value)):
                look(inner, getattr(value, inner))
        elif name in QUANTITIES and (isinstance(value, int | float) or hasattr(value, "max")):
            found[QUANTITIES[name].symbol] = [np.asarray(value, float)]

    for name, value in given.items():
        if is_dataclass(value):
            look(name, value)
    steps: dict[str, list[Array]] = {}
    for child in children:
        steps.setdefault(child.symbol, []).append(child.result)
    found |= steps
    found |= {symbol: list(values) for symbol, values in terms.items()}
    for name, value in given.items():
        if not is_dataclass(value):
            look(name, value)
    return found


@functools.cache
def _quantities_of(spec: type) -> tuple[str, ...]:
    """The fields of a spec, and those of its properties that are quantities."""
    names = [f.name for f in fields(spec)]
    return (*names, *(n for n in QUANTITIES if isinstance(getattr(spec, n, None), property | cached_property) and n not in names))


def _substitute(notation: str, values: Values, row: int) -> str:
    """The notation with each symbol that has a value replaced by it."""
    used = set(SYMBOL.findall(notation)) & set(values)
    here = {symbol: tuple(np.asarray(scalar(value, row)) for value in values[symbol]) for symbol in used}
    written = {symbol: tuple(write(float(value), UNITS[symbol]) for value in several) for symbol, several in here.items()}
    try:
        return substituted(parsed(notation), written, here)
    except NotationError:  # approximate: for the reader alone
        return SYMBOL.sub(lambda m: written[m.group()][-1] if m.group() in written else m.group(), notation)
