"""Values in sentences: shown by `quoted` and `named`, which cut and clean them, never by their whole representation."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
# Where a representation is right: the module, and why no value from outside is in it.
EXCEPTIONS = {
    "planner/report/explain.py": "two numbers computed by tmplan that differ, to the last bit, in the report of an internal error",
    "planner/search/search.py": "__repr__, for debugging",
}


def representations(path: Path) -> Iterator[int]:
    """The lines of a module on which an f-string, a format or a call writes a value's whole representation."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FormattedValue) and node.conversion in (ord("r"), ord("a")) and not isinstance(node.value, ast.Constant):
            yield node.lineno
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and ("{!r" in node.value or "%r" in node.value):
            yield node.lineno


def test_no_sentence_shows_the_whole_representation_of_a_value() -> None:
    """An f-string with !r shows 60 KB where a file holds them, and raises where a number has thousands of digits: `quoted` does neither."""
    result: dict[str, list[int]] = {}
    for folder in ("planner", "tui"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if lines := list(representations(path)):
                result[path.relative_to(ROOT).as_posix()] = lines
    assert set(result) == set(EXCEPTIONS), f"quoted() of planner.plaintext shows a value: {result}"


def test_no_sentence_cuts_a_value_by_hand() -> None:
    """A value in an f-string is cut by `quoted` or `named`, which strip it too; text[:40] does not."""
    cut = []
    for folder in ("planner", "tui"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if (
                    isinstance(node, ast.FormattedValue)
                    and isinstance(node.value, ast.Subscript)
                    and isinstance(node.value.slice, ast.Slice)
                ):
                    upper = node.value.slice.upper
                    if isinstance(upper, ast.Constant) and isinstance(upper.value, int) and upper.value >= 20:
                        cut.append(path.relative_to(ROOT).as_posix())
    assert set(cut) <= {"planner/files/atomic.py"}, "a file's name, not a sentence, is cut there alone"
