"""The README and the guide print the shipped errors of runs left out of the fit."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from planner.calibration.accuracy import shipped
from tui.manual.accuracy import summary

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("page", ["README.md", "docs/guide/accuracy.md"])
def test_a_page_prints_the_shipped_errors(page: str, request: pytest.FixtureRequest) -> None:
    """The table of the headline is that of `presets/accuracy.toml` (--update-golden rewrites it)."""
    file, head = ROOT / page, re.escape(summary().partition("\n")[0])
    if request.config.getoption("--update-golden"):
        file.write_text(re.sub(rf"{head}(\n\|.*)+", lambda _: summary(), file.read_text(encoding="utf-8")), encoding="utf-8")
    assert summary() in file.read_text(encoding="utf-8")


def test_runs_left_out_have_larger_errors_than_fitted_ones() -> None:
    """Of all runs the errors are largest with their source left out, and the sources and kinds have figures."""
    figures = shipped()
    assert figures.sources.error > figures.fitted.error and figures.models.error > figures.fitted.error
    assert len(figures.by_source) > 20 and len(figures.by_kind) == 8 and sum(part.runs for part in figures.by_source) == figures.runs
    assert all(0 <= share <= 1 for share, _ in figures.by_stack.values())
