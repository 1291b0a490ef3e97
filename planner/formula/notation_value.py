"""Evaluation of notations: the number for given values of the symbols, and the text with the values inserted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from planner.formula.notation import (
    BRACKETS,
    Bracket,
    Call,
    Cases,
    Condition,
    Negated,
    Node,
    Not,
    NotationError,
    Number,
    Operation,
    Power,
    Symbol,
    Total,
    symbols_of,
)  # fmt: skip

T = TypeVar("T")
Array = NDArray[np.float64]
Values = Mapping[str, Sequence[Array]]  # symbol -> its value, or several for a Σ; shaped as the formula's result
Written = Mapping[str, Sequence[str]]  # the same as text

OPERATIONS: Mapping[str, Callable[[Array, Array], Array]] = {
    "+": np.add, "-": np.subtract, "·": np.multiply, "/": np.divide,
    "=": np.equal, "≠": np.not_equal, "<": np.less, "≤": np.less_equal, ">": np.greater, "≥": np.greater_equal,
    "and": lambda left, right: (left != 0) & (right != 0), "or": lambda left, right: (left != 0) | (right != 0),
    "max": np.maximum, "min": np.minimum,
}  # fmt: skip
FUNCTIONS: Mapping[str, Callable[[Array], Array]] = {
    "sqrt": np.sqrt, "log2": np.log2, "exp": np.exp, "max_i": lambda ranks: np.max(ranks, axis=0), "⌈": np.ceil, "⌊": np.floor,
}  # fmt: skip


def value(node: Node, values: Values) -> Array:
    """The value of a notation, in base units; NotationError for a symbol without a value, or with several outside a Σ.

    Only the true case is evaluated, unless the cases differ between the stages of a column.
    """
    match node:
        case Number(_, number):
            return np.asarray(number)
        case Symbol(name):
            return _single(name, values)
        case Negated(operand):
            return -value(operand, values)
        case Not(operand):
            return np.asarray(value(operand, values) == 0, float)
        case Operation(sign, left, right) | Condition(sign, left, right):
            return np.asarray(OPERATIONS[sign](value(left, values), value(right, values)), float)
        case Power(_, base, exponent):
            return np.asarray(value(base, values) ** value(exponent, values))
        case Call(("max" | "min") as name, arguments):
            first, *others = (value(argument, values) for argument in arguments)
            for other in others:
                first = OPERATIONS[name](first, other)
            return first
        case Call(name, (argument,)) | Bracket(("⌈" | "⌊") as name, argument):
            return FUNCTIONS[name](value(argument, values))
        case Bracket(_, inner):
            return value(inner, values)
        case Total(operand):
            return np.asarray(sum((value(operand, one) for one in _series(operand, values)), np.zeros(())))
        case Cases(cases, otherwise):
            return _of_cases(cases, otherwise, values)
    raise NotationError(f"a function of too many terms: {node}")


def _single(name: str, values: Values) -> Array:
    several = values.get(name, ())
    if not several:
        raise NotationError(f"{name} has no value")
    first = several[0]
    if any(not np.array_equal(first, other) for other in several[1:]):
        raise NotationError(f"{name} has several values")
    return first


def _of_cases(cases: tuple[tuple[Node, Node], ...], otherwise: Node | None, values: Values) -> Array:
    for i, (term, condition) in enumerate(cases):
        holds = value(condition, values) != 0
        if holds.all():
            return value(term, values)
        if holds.any():
            return np.where(holds, value(term, values), _of_cases(cases[i + 1 :], otherwise, values))
    return value(otherwise, values) if otherwise else np.zeros(())


def _series(operand: Node, values: Values) -> list[Values]:
    """The values of each term of a Σ; a symbol with one value has it in all terms."""
    used = {name: values.get(name, ()) for name in symbols_of(operand)}
    count = 0 if not all(used.values()) else max(map(len, used.values()))
    return [{name: (several[i if len(several) > 1 else 0],) for name, several in used.items()} for i in range(count)]


def substituted(node: Node, written: Written, values: Values) -> str:
    """A notation with the values of its symbols inserted: the true case only, and every term of a Σ."""

    def put(part: Node) -> str:
        return substituted(part, written, values)

    match node:
        case Number(text, _):
            return text
        case Symbol(name):
            return written[name][0] if written.get(name) else name
        case Negated(operand):
            return f"-{put(operand)}"
        case Operation(sign, left, right):
            return f"{put(left)} {sign} {put(right)}"
        case Power(sign, base, exponent):
            return f"{put(base)}{sign}{put(exponent) if sign == '^' else ''}"
        case Call(name, arguments):
            return f"{name}({', '.join(map(put, arguments))})"
        case Bracket(opening, Cases() as inner):
            chosen = _chosen(inner, values)
            return put(chosen) if isinstance(chosen, Number | Symbol | Call) else f"{opening}{put(chosen)}{BRACKETS[opening]}"
        case Bracket(opening, inner):
            return f"{opening}{put(inner)}{BRACKETS[opening]}"
        case Total(Bracket(_, operand)) | Total(operand):
            count = len(_series(operand, values))
            terms = (substituted(operand, _term(written, i), _term(values, i)) for i in range(count))
            return f"({' + '.join(terms)})" if count else "0"
        case Cases():
            return put(_chosen(node, values))
    raise NotationError(f"a condition outside of cases: {node}")


def _chosen(node: Cases, values: Values) -> Node:
    """The term of the first true case, for single values."""
    holding = (term for term, condition in node.cases if (value(condition, values) != 0).any())
    return next(holding, node.otherwise or Number("0", 0.0))


def _term(values: Mapping[str, Sequence[T]], i: int) -> dict[str, Sequence[T]]:
    """The i-th value of each symbol; a single value for every i."""
    return {name: each[i : i + 1] if len(each) > 1 else each for name, each in values.items()}
