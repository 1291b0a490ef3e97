"""The table of published figures, printed at the end of the run."""

from __future__ import annotations

import pytest

LINES: list[str] = []


@pytest.fixture
def published() -> list[str]:
    """Lines of the report of measured beside predicted figures."""
    return LINES


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the report."""
    if LINES:
        terminalreporter.section("published figures beside ours")
        for line in LINES:
            terminalreporter.write_line(line)
