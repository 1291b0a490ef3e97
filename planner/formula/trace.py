"""tracing(): records the derivation of every number while the code computes it.

A formula (planner.formula.declare) is a function on columns, named after its quantity. Inside `tracing()` every call records a Step: its
value, its notation with the values inserted, its source, and as children the formulas that it called or whose results it was passed.
Tracing the evaluation of one plan gives the tree of its numbers.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cached_property
from typing import Any

import numpy as np

from planner.formula.declare import FORMULAS as FORMULAS
from planner.formula.declare import RECORDER
from planner.formula.declare import Declared as Declared
from planner.formula.declare import every_formula as every_formula
from planner.formula.declare import formula as formula
from planner.formula.declare import term as term
from planner.formula.notation import NotationError, parsed
from planner.formula.notation_value import Array, Values, substituted
from planner.formula.quantities import QUANTITIES
from planner.formula.units import write

SYMBOL = re.compile(r"[A-Za-zℓα-ωΑ-Ω][A-Za-z0-9α-ωΑ-Ω_]*")


@dataclass(frozen=True)
class Step:
    """One computed number: its quantity, its value in base units, its derivation, and the numbers it depends on."""

    name: str
    symbol: str
    meaning: str
    unit: str
    value: float
    notation: str
    substituted: str
    source: str
    children: tuple[Step, ...]
    values: Values = field(default_factory=dict, compare=False, repr=False)  # of the symbols of the notation
    result: Array = field(default_factory=lambda: np.zeros(()), compare=False, repr=False)  # value on every stage

    @property
    def text(self) -> str:
        """The value with its unit, scaled for reading."""
        return write(self.value, self.unit)

    def find(self, name: str) -> Step | None:
        """The first step with this name in the tree, depth first, including this step."""
        if self.name == name:
            return self
        return next((step for child in self.children if (step := child.find(name))), None)

    def as_dict(self) -> dict[str, Any]:
        """The tree as plain data."""
        plain = {f.name: getattr(self, f.name) for f in fields(self) if f.compare and f.name != "children"}
        return plain | {"text": self.text, "children": [child.as_dict() for child in self.children]}


class Trace:
    """The steps recorded while tracing() is open."""

    def __init__(self, row: int) -> None:
        self.row = row
        self.by_id: dict[int, tuple[Any, Step]] = {}  # results are stored too, so that no id is reused
        self.open: list[list[Step]] = []
        self.terms: list[dict[str, list[Array]]] = []  # of each open formula, the values of its terms by symbol
        self.last: Step | None = None
        self.units = {quantity.symbol: quantity.unit for quantity in QUANTITIES.values()}

    def of(self, result: Any) -> Step:
        """The step of a result that a formula returned while tracing."""
        return self.by_id[id(result)][1]

    def knows(self, value: Any) -> bool:
        """Whether a value is the result of a formula, or of a step traced elsewhere."""
        return id(value) in self.by_id

    def held(self, step: Step) -> Any:
        """The value of a step of another trace; formulas that are passed it have that step as a child."""
        value = np.array([step.value])
        self.by_id[id(value)] = (value, step)
        return value

    def enter(self) -> None:
        """Open a formula; the formulas that it calls are its children."""
        self.open.append([])
        self.terms.append({})

    def term(self, name: str, value: Any) -> None:
        """Record a term of the current formula, by the name of its quantity."""
        if self.terms:
            self.terms[-1].setdefault(QUANTITIES[name].symbol, []).append(np.asarray(value, float))

    def leave(self, declared: Declared, given: Mapping[str, Any], result: Any) -> Any:
        """Record the step of a formula from its arguments and result; returns the result as an object with a unique id."""
        nested, terms = self.open.pop(), self.terms.pop()
        if id(result) in self.by_id:
            result = result * 1  # the object is already the result of another step
        children = [self.by_id[id(v)][1] for v in given.values() if id(v) in self.by_id] + nested
        values, quantity, notation = _values(given, children, terms), declared.quantity, declared.notation
        step = Step(declared.name, quantity.symbol, quantity.meaning, quantity.unit, scalar(result, self.row), notation,
                    _substitute(notation, values, self.row, self.units), declared.source, tuple(dict.fromkeys(children)), values,
                    np.asarray(result, float))  # fmt: skip
        self.by_id[id(result)] = (result, step)
        self.last = step
        if self.open:
            self.open[-1].append(step)
        return result


@contextmanager
def tracing(row: int = 0) -> Iterator[Trace]:
    """Within this context formulas record their steps for one plan; `.last` is the newest step.

    row: the stage whose values the steps have, for columns of shape stages x 1.
    """
    trace = Trace(row)
    token = RECORDER.set(trace)
    try:
        yield trace
    finally:
        RECORDER.reset(token)


def is_tracing() -> bool:
    """Whether formulas are recording."""
    return RECORDER.get() is not None


def scalar(value: Any, row: int = 0) -> float:
    """The number of a traced value; of several stages, the one at `row`."""
    flat = np.asarray(value).reshape(-1)
    return float(flat[row if len(flat) > 1 else 0])


def _values(given: Mapping[str, Any], children: list[Step], terms: Values) -> Values:
    """Symbol -> values: of the quantities among the arguments and their fields, of called formulas, of declared terms."""
    values_by_symbol: dict[str, list[Array]] = {}

    def look(name: str, value: Any) -> None:
        if is_dataclass(value) and not isinstance(value, type):
            for inner in _quantities_of(type(value)):
                look(inner, getattr(value, inner))
        elif name in QUANTITIES and (isinstance(value, int | float) or hasattr(value, "max")):
            values_by_symbol[QUANTITIES[name].symbol] = [np.asarray(value, float)]

    for name, value in given.items():
        if is_dataclass(value):
            look(name, value)
    steps: dict[str, list[Array]] = {}
    for child in children:
        steps.setdefault(child.symbol, []).append(child.result)
    values_by_symbol |= steps
    values_by_symbol |= {symbol: list(values) for symbol, values in terms.items()}
    for name, value in given.items():
        if not is_dataclass(value):
            look(name, value)
    return values_by_symbol


@functools.cache
def _quantities_of(spec: type) -> tuple[str, ...]:
    """The fields of a spec, and the properties that are quantities."""
    names = [f.name for f in fields(spec)]
    return (*names, *(n for n in QUANTITIES if isinstance(getattr(spec, n, None), property | cached_property) and n not in names))


def _substitute(notation: str, values: Values, row: int, units: Mapping[str, str]) -> str:
    """The notation with every symbol that has a value replaced by the value in its unit."""
    used = set(SYMBOL.findall(notation)) & set(values)
    here = {symbol: tuple(np.asarray(scalar(value, row)) for value in values[symbol]) for symbol in used}
    written = {symbol: tuple(write(float(value), units[symbol]) for value in several) for symbol, several in here.items()}
    try:
        return substituted(parsed(notation), written, here)
    except NotationError:  # approximate notation
        return SYMBOL.sub(lambda m: written[m.group()][-1] if m.group() in written else m.group(), notation)
