"""The tables of mutants are true of the current code. Running them takes minutes: `python -m tests.mutants`."""

from __future__ import annotations

import ast
from collections import Counter

import pytest

from tests.mutants.mutant import KINDS, ROOT, Mutant, every_mutant
from tests.mutants.run import table

MUTANTS = every_mutant()


def test_every_mutant_applies_to_the_current_code() -> None:
    """Each fragment stands exactly once in its file, breaks it into other Python, has a kind and tests that should notice; none twice."""
    for mutant in MUTANTS:
        text = (ROOT / mutant.file).read_text(encoding="utf-8")
        assert ast.dump(ast.parse(mutant.applied(text))) != ast.dump(ast.parse(text)), mutant
        assert mutant.kind in KINDS, mutant
        assert all((ROOT / tests).exists() for tests in mutant.test_files), mutant
    assert max(Counter((mutant.file, mutant.before, mutant.after) for mutant in MUTANTS).values()) == 1


def test_mutants_are_chosen_by_folder_or_file() -> None:
    """Those below a folder, or of one file; a folder's name is not the beginning of another's."""
    files = {mutant.file for mutant in every_mutant("planner/cost")}
    assert files and all(file.startswith("planner/cost/") for file in files)
    assert {mutant.file for mutant in every_mutant("planner/cost/memory.py")} == {"planner/cost/memory.py"}
    assert every_mutant("planner/co") == ()


def test_a_fragment_that_stands_nowhere_or_twice_is_an_error() -> None:
    """The table is to be mended then."""
    for text in ("a + c", "a + b + b"):
        with pytest.raises(ValueError, match="in place of once"):
            Mutant("x.py", "b", "c", "term").applied(text)


def test_the_report_counts_by_module_and_lists_what_was_not_caught() -> None:
    """Of two of a file one was caught: half, and the other with its fragments."""
    pair = Mutant("planner/x.py", "2.0 * a", "a", "constant"), Mutant("planner/x.py", "b / c", "b", "division")
    lines = list(table(zip(pair, (True, False), strict=True)))
    assert lines[1].split() == ["planner/x.py", "2", "1", "50.0", "%"]
    assert lines[2].split()[:3] == ["all", "2", "1"]
    assert lines[3:] == ["not caught  planner/x.py (division): b / c  ->  b"]
