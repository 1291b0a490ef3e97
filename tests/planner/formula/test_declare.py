"""A formula may declare the quantity it yields, so that a number is added in one file."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from planner.formula.declare import FORMULAS, formula
from planner.formula.quantities import QUANTITIES, Quantity
from planner.formula.trace import tracing

AREA = Quantity("A_q", "", "area of a square")


@pytest.fixture
def known() -> Iterator[None]:
    """The registries as they were, afterwards."""
    yield
    QUANTITIES.pop("square_area", None)
    FORMULAS.pop("square_area", None)


def square_area(hidden: float) -> float:
    """Area of a square."""
    return hidden * hidden


@pytest.mark.usefixtures("known")
def test_a_formula_may_declare_its_quantity() -> None:
    """Its steps have the symbol, unit and meaning declared, and other notations may use the symbol."""
    area = formula("h · h", "tmplan", quantity=AREA)(square_area)
    with tracing() as trace:
        step = trace.of(area(3.0))
    assert (step.symbol, step.meaning, step.substituted, step.value) == ("A_q", "area of a square", "3 · 3", 9.0)
    assert QUANTITIES["square_area"] is AREA and FORMULAS["square_area"].quantity is AREA


def test_a_quantity_is_declared_once() -> None:
    """A formula that declares a quantity that there is already is refused."""

    def mfu(hidden: float) -> float:
        """A quantity of another name."""
        return hidden

    with pytest.raises(ValueError, match="mfu is declared twice"):
        formula("h", "tmplan", quantity=AREA)(mfu)


def test_declaring_formulas_does_not_load_numpy() -> None:
    """The columns, which declare formulas, are read by the command line before it computes anything."""
    script = "import sys, planner.formula.declare; print('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "False\n"
