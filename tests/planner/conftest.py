"""The table of published figures, printed at the end of the run, also where several processes ran the tests."""

from __future__ import annotations

from collections.abc import Callable

import pytest


@pytest.fixture
def published(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """published(line): a line of the report of measured and predicted figures."""
    return lambda line: record_property("published", line)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the report."""
    reports = [report for outcome in ("passed", "failed") for report in terminalreporter.stats.get(outcome, ()) if report.when == "call"]
    lines = [str(line) for report in reports for name, line in report.user_properties if name == "published"]
    if lines:
        terminalreporter.section("published and predicted figures")
        for line in lines:
            terminalreporter.write_line(line)
