"""Files are read in one place, `files.reader`, so that none is waited for, none is without a limit, and each refusal is a sentence."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import planner
import tui

ROOT = Path(planner.__file__).parents[1]
MODULES = sorted(file for package in (planner, tui) for file in Path(str(package.__file__)).parent.rglob("*.py"))
# Calls that open a file, by the name called and by what it is called on; None: whatever that is.
OPENING = {
    "open": None, "fdopen": None, "read_text": None, "read_bytes": None, "open_code": None, "FileIO": None, "memmap": None, "loadtxt": None,
    "genfromtxt": None, "fromfile": None, "copyfile": None, "copytree": None, "getlines": None, "load": ("json", "tomllib", "yaml", "np"),
}  # fmt: skip
# Of these modules the calls named are no reading of a file.
ALLOWED = {
    "planner/files/reader.py": {"open"},  # the one reader
    "planner/files/atomic.py": {"open"},  # writes files; reads what one holds to compare it, asked first what it is, and within a bound
    "planner/importers/formats.py": {"read_text"},  # its own, of a text
    "planner/importers/yaml_text.py": {"load"},  # of a text that the one reader gave
    "tui/cli/main.py": {"open"},  # /dev/null, to be written to
    "tui/state/session.py": {"open"},  # the lock of a session, written, and kept open as long as the program runs
    "tui/settings/state_folder.py": {"open", "fdopen"},  # the same
}


def openings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and name of each call that opens a file."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        name = called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""
        if name in OPENING:
            on = called.value.id if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name) else ""
            of = OPENING[name]
            if of is None or on in of:
                yield node.lineno, name


@pytest.mark.parametrize("module", MODULES, ids=[str(file.relative_to(ROOT)) for file in MODULES])
def test_no_other_module_opens_a_file(module: Path) -> None:
    """Every other module reads a file through the one reader, with a limit of its own."""
    allowed = ALLOWED.get(str(module.relative_to(ROOT)), set())
    assert [(line, name) for line, name in openings(ast.parse(module.read_text(encoding="utf-8"))) if name not in allowed] == []


@pytest.mark.parametrize(
    "code",
    ["open(x)", "Path(x).open()", "os.open(x, 0)", "x.read_text()", "json.load(x)", "tomllib.load(x)", "np.loadtxt(x)"],
)
def test_an_opening_is_found(code: str) -> None:
    """The calls by which Python opens files are told from those that look like them."""
    assert list(openings(ast.parse(code)))
    assert not list(openings(ast.parse("themes.load(x); json.loads(x); self.open = True; opened(x); load(key, name)")))
