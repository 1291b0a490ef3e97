"""Runs a command line within the tests and returns its output."""

from __future__ import annotations

import pytest

from tui.cli.main import run


def output_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of `tmplan` with these arguments."""
    code = run(list(arguments))
    out = capsys.readouterr()
    return code, out.out, out.err
