"""Docstrings, comments, messages, pages and names are written in technical English, not in the dialect this code began in."""

from __future__ import annotations

import pytest

from tests.english import PHRASES, files, in_module, in_text, places


def test_no_file_has_a_word_of_the_dialect() -> None:
    """No docstring, comment, message, page or name has a betraying word."""
    assert not {f"{path}:{line}: {what}" for path in files() for line, _, what in places(path)}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('"""What is told."""', [(1, "words", "told")]),
        ("# so many\nx = 1", [(1, "words", "so many")]),
        ('f"{n} tokens a second"', [(1, "words", "tokens a second")]),
        ('x = "told"', []),
        ("class Found: ...", [(1, "names", "Found")]),
        ("def f(*, is_told): ...", [(1, "names", "is_told")]),
        ("import a as own", [(1, "names", "own")]),
        ("self.kept = told", [(1, "names", "kept")]),
        ("town = unfounded", []),
        ('"there is no plan; its own thread"', []),
    ],
)
def test_dialect_is_counted_where_it_is_written(source: str, expected: list[tuple[int, str, str]]) -> None:
    """Prose counts in docstrings, comments and messages, not in keys; a name counts where it is defined, by its parts."""
    assert list(in_module(source)) == expected


def test_replacements_are_no_dialect() -> None:
    """What the list proposes in place of a word is not itself on the list."""
    assert not [list(in_text(proposed, 1)) for proposed in PHRASES.values() if list(in_text(proposed, 1))]
