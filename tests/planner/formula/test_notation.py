"""The notation of every formula gives its value: what explain prints is what is computed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from planner.formula.notation import APPROXIMATE, NotationError, parsed, symbols_of
from planner.formula.notation_value import Array, substituted, value
from planner.formula.quantities import QUANTITIES
from planner.formula.trace import Step, every_formula, formula, term, tracing
from tests.planner.formula.traced import steps

SYMBOLS = {quantity.symbol for quantity in QUANTITIES.values()}
MOST_APPROXIMATE = 0.15  # of all formulas


def agrees(step: Step) -> bool:
    """Whether a step's notation, evaluated with the values of its symbols, gives its result on every stage."""
    with np.errstate(all="ignore"):
        given = value(parsed(step.notation), step.values)
    return bool(np.allclose(given, step.result, rtol=1e-6, atol=0.0))


def exact() -> list[str]:
    """The formulas whose notations are to be read."""
    return [name for name, declared in every_formula().items() if not declared.approximate]


def test_every_notation_is_written_in_the_grammar_and_in_known_symbols() -> None:
    """A notation is approximate and says so, or is read, in symbols of quantities.py alone."""
    for name in exact():
        assert symbols_of(parsed(every_formula()[name].notation)) <= SYMBOLS, name


def test_every_notation_gives_the_value_of_its_formula() -> None:
    """Of every formula, over jobs and plans of every feature, each notation evaluated is the number computed."""
    expected = set(exact())
    wrong = {}
    for case, step in steps():
        if step.name in expected and step.name not in wrong and not agrees(step):
            wrong[step.name] = f"{case}: {step.notation} gives {value(parsed(step.notation), step.values)}, not {step.result}"
    assert not wrong, "\n".join(wrong.values())
    assert not expected - {step.name for _, step in steps()}


def test_few_notations_are_approximate() -> None:
    """At most 15 % of the formulas have a notation for the reader alone, which starts with the sign for it."""
    marked = [declared for declared in every_formula().values() if declared.approximate]
    assert len(marked) <= MOST_APPROXIMATE * len(every_formula())
    assert all(declared.notation.startswith(APPROXIMATE) for declared in marked)


@pytest.mark.parametrize(
    ("notation", "expected"),
    [("2 · h + a", 10.0), ("2 · (h + a)", 12.0), ("h / a / 2", 1.0), ("h - a - 1", 1.0), ("-h + 1", -3.0), ("h²", 16.0), ("½ · h", 2.0),
     ("16^¼", 2.0), ("h^(1 / 2)", 2.0), ("⌈h / 3⌉ + ⌊h / 3⌋", 3.0), ("max(h, a, 5) - min(h, a)", 3.0), ("sqrt(h) + log2(8)", 5.0),
     ("h if a = 2, 7 otherwise", 4.0), ("h if a > 2, 1 if a = 3, 7 otherwise", 7.0), ("1 + (h if a > 2)", 1.0),
     ("h if a > 1 and not b", 4.0),
     ("h if b or a ≠ 2, 9 otherwise", 9.0), ("Σ t_g", 6.0), ("Σ(t_g · h)", 24.0), ("h · Σ t_g", 24.0), ("max_i(P_i)", 3.0)],
)  # fmt: skip
def test_a_notation_is_evaluated_as_it_is_read(notation: str, expected: float) -> None:
    """Products before sums, from left to right; of cases the first that holds; Σ over every value; max_i over the ranks."""
    ranks = np.array([[3.0], [2.0]])
    numbers = {"h": 4.0, "a": 2.0, "b": 0.0}
    values: dict[str, Sequence[Array]] = {name: (np.asarray(number),) for name, number in numbers.items()}
    values |= {"t_g": tuple(map(np.asarray, (1.0, 2.0, 3.0))), "P_i": (ranks,)}
    assert value(parsed(notation), values) == pytest.approx(expected)


@pytest.mark.parametrize("notation", ["", "2 ·", "2 h", "(h", "h if", "h if a, 2", "h, a", "max()", "sum of t_g", "h; a", "if h", "h ~ a"])
def test_what_the_grammar_has_not_is_refused(notation: str) -> None:
    """Prose, a term too few, a bracket left open."""
    with pytest.raises(NotationError):
        parsed(notation)


def test_cases_differ_between_the_stages_of_a_column() -> None:
    """A condition that holds on one stage alone gives each stage its own term."""
    values = {"i": (np.array([[0.0], [1.0]]),), "h": (np.asarray(4.0),)}
    assert value(parsed("h if i = 0, 1 otherwise"), values).tolist() == [[4.0], [1.0]]


@pytest.mark.parametrize("notation", ["t_g + 1", "x"])
def test_a_symbol_without_one_value_is_refused(notation: str) -> None:
    """Several values are for a Σ; none is an error, not 0."""
    with pytest.raises(NotationError):
        value(parsed(notation), {"t_g": (np.asarray(1.0), np.asarray(2.0))})


def test_numbers_are_put_in_where_they_count() -> None:
    """Of cases the one that holds is printed, of a sum every term."""
    written = {"h": ("4",), "a": ("2",), "t_g": ("1 s", "2 s")}
    values = {"h": (np.asarray(4.0),), "a": (np.asarray(2.0),), "t_g": (np.asarray(1.0), np.asarray(2.0))}
    for notation, text in (
        ("2 · h / a if a = 2, h otherwise", "2 · 4 / 2"),
        ("h² + (h if a = 0)", "4² + 0"),
        ("h · Σ t_g", "4 · (1 s + 2 s)"),
        ("⌈h / 3⌉ + max(h, a)^2", "⌈4 / 3⌉ + max(4, 2)^2"),
    ):
        assert substituted(parsed(notation), written, values) == text


def test_a_wrong_notation_is_seen() -> None:
    """A constant, a symbol or a case that is not the code's disagrees, and a term named in a formula counts in its notation."""

    def tokens(sequence: float) -> float:
        """Tokens."""
        return term("micro_batch", 3.0) * sequence * 2.0

    for notation, good in (("2 · b · s", True), ("3 · b · s", False), ("2 · s", False), ("2 · b · s if b > 3", False)):
        known = every_formula()["tokens"]
        try:
            with tracing() as trace:
                declared = formula(notation, "tmplan")(tokens)
                step = trace.of(declared(sequence=5.0))
        finally:
            every_formula()["tokens"] = known
        assert agrees(step) is good, notation
        assert not good or step.substituted == "2 · 3 · 5"
