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
# Modules in which these calls do not read a file.
ALLOWED = {
    "planner/files/reader.py": {"open"},  # the one reader
    "planner/files/atomic.py": {"open"},  # writes files; reads one to compare it, after checking its type, and up to a limit
    "planner/importers/formats.py": {"read_text"},  # its own, of a text
    "planner/importers/yaml_text.py": {"load"},  # of a text that the one reader gave
    "planner/lab/__main__.py": {"fdopen"},  # its stdout, to be written to
    "tui/cli/main.py": {"open"},  # /dev/null, to be written to
    "tui/state/session.py": {"open"},  # the lock of a session, open while the program runs
    "tui/settings/state_folder.py": {"open", "fdopen"},  # the same
}

# Receivers whose `open` opens a page or a document of the program.
OBJECTS = ("self", "_pages", "_editing")


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
            receiver = called.value if isinstance(called, ast.Attribute) else None
            if name == "open" and getattr(receiver, "attr", getattr(receiver, "id", "")) in OBJECTS:
                continue
            if of is None or on in of:
                yield node.lineno, name


@pytest.mark.parametrize("module", MODULES, ids=[str(file.relative_to(ROOT)) for file in MODULES])
def test_no_other_module_opens_a_file(module: Path) -> None:
    """Every other module reads a file through the one reader, with an explicit limit."""
    allowed = ALLOWED.get(str(module.relative_to(ROOT)), set())
    assert [(line, name) for line, name in openings(ast.parse(module.read_text(encoding="utf-8"))) if name not in allowed] == []


@pytest.mark.parametrize(
    "code",
    ["open(x)", "Path(x).open()", "os.open(x, 0)", "x.read_text()", "json.load(x)", "tomllib.load(x)", "np.loadtxt(x)"],
)
def test_an_opening_is_matched(code: str) -> None:
    """Calls by which Python opens files are distinguished from similar ones."""
    assert list(openings(ast.parse(code)))
    assert not list(openings(ast.parse("themes.load(x); json.loads(x); self.open = True; opened(x); load(key, name); self._pages.open(x)")))
