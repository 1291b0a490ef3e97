"""Fixtures of all tests: golden files, compared or (with --update-golden) rewritten. No test sees a developer's settings."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

GOLDEN = Path(__file__).parent / "golden"
os.environ["TMPLAN_CONFIG"] = str(GOLDEN / "no-config")  # for tests that list presets while they are collected
# No example fails because the machine is slow.
settings.register_profile("untimed", settings.get_profile("ci") if os.environ.get("CI") else None, deadline=None)
settings.load_profile("untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    """The switch that writes golden files instead of comparing them."""
    parser.addoption("--update-golden", action="store_true", help="rewrite tests/golden; read the diff before committing it")


@pytest.fixture(scope="session", autouse=True)
def nobodys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An empty config folder and no environment variables that select colours, so that tests behave alike for everyone."""
    before = {name: os.environ.pop(name, None) for name in ("NO_COLOR", "TMPLAN_THEME", "TMPLAN_CONFIG")}
    os.environ["TMPLAN_CONFIG"] = str(tmp_path_factory.mktemp("config"))
    yield
    del os.environ["TMPLAN_CONFIG"]
    os.environ.update({name: value for name, value in before.items() if value is not None})


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """golden(name, text): the text must equal tests/golden/<name>; a text that differs is stored next to it as <name>.new."""
    update = request.config.getoption("--update-golden")

    def check(name: str, text: str) -> None:
        path, new = GOLDEN / name, GOLDEN / f"{name}.new"
        if update:
            path.write_text(text, encoding="utf-8")
            new.unlink(missing_ok=True)
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            new.write_text(text, encoding="utf-8")
            pytest.fail(f"{name} differs from its golden file; see {new.name} next to it, and run with --update-golden if it is right")

    return check
