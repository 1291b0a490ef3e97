"""Docstrings, comments, messages, pages and names are written in technical English, not in the dialect this code began in."""

from __future__ import annotations

import pytest

from tests.english import PHRASES, allowed, counts, in_module, in_text


def test_no_folder_has_more_dialect_than_the_table_allows() -> None:
    """No folder has more betraying words or names than english.toml allows, and an entry without any left is gone from it."""
    now, most = counts(), allowed()
    none: dict[str, int] = {}
    over = {
        f"{folder}: {count} {kind}, allowed {most.get(folder, none).get(kind, 0)}"
        for folder, tally in now.items()
        for kind, count in tally.items()
        if count > most.get(folder, none).get(kind, 0)
    }
    assert not over, "`python -m tests.english FOLDER` prints the places"
    spare = {f"{folder}: {kind}" for folder, entry in most.items() for kind in entry if not now.get(folder, none).get(kind)}
    assert not spare, "`python -m tests.english --lower` removes what is no longer needed"


@pytest.mark.parametrize(
    ("source", "places"),
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
def test_dialect_is_counted_where_it_is_written(source: str, places: list[tuple[int, str, str]]) -> None:
    """Prose counts in docstrings, comments and messages, not in keys; a name counts where it is defined, by its parts."""
    assert list(in_module(source)) == places


def test_replacements_are_no_dialect() -> None:
    """What the list proposes in place of a word is not itself on the list."""
    assert not [list(in_text(proposed, 1)) for proposed in PHRASES.values() if list(in_text(proposed, 1))]
