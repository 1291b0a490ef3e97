"""The README and the guide print the shipped errors of runs left out of the fit."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from planner.calibration.accuracy import shipped
from tui.manual.accuracy import largest, summary

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    ("page", "printed"), [("README.md", summary), ("docs/guide/accuracy.md", summary), ("docs/guide/accuracy.md", largest)]
)
def test_a_page_prints_the_shipped_errors(page: str, printed: Callable[[], str], request: pytest.FixtureRequest) -> None:
    """The tables of the headline and of the largest errors are those of `presets/accuracy.toml` (--update-golden rewrites them)."""
    file, head = ROOT / page, re.escape(printed().partition("\n")[0])
    if request.config.getoption("--update-golden"):
        file.write_text(re.sub(rf"{head}(\n\|.*)+", lambda _: printed(), file.read_text(encoding="utf-8")), encoding="utf-8")
    assert printed() in file.read_text(encoding="utf-8")


def test_the_largest_errors_are_listed_first() -> None:
    """No source outside the list has a larger error than the five in it, and so for kinds."""
    figures, rows = shipped(), largest().splitlines()[2:]
    assert len(rows) == 10
    for parts, listed in ((figures.by_source, rows[:5]), (figures.by_kind, rows[5:])):
        fifth = sorted((part.sources for part in parts), reverse=True)[4]
        assert all(float(row.split("|")[3]) >= round(fifth, 1) for row in listed)


def test_runs_left_out_have_larger_errors_than_fitted_ones() -> None:
    """Of all runs the errors are largest with their source left out, and the sources and kinds have figures."""
    figures = shipped()
    assert figures.sources.error > figures.fitted.error and figures.models.error > figures.fitted.error
    assert len(figures.by_source) > 20 and len(figures.by_kind) == 8 and sum(part.runs for part in figures.by_source) == figures.runs
    assert all(0 <= stack.inside <= 100 and 1 <= stack.sources <= stack.runs for stack in figures.by_stack)
