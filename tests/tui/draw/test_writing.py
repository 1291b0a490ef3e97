"""Common elements of pages: cut texts, counts, rows with notes, runs of equal stages, stacked bars."""

from __future__ import annotations

import pytest

from tui.draw.writing import Row, alike_stages, counted, cut, rows, seconds, sentence, set_in, stacked


def test_a_text_is_cut_to_its_width() -> None:
    """A text of exactly the width is whole; a longer one has the width, an ellipsis included."""
    assert [cut("abcdef", width) for width in (7, 6, 5, 1)] == ["abcdef", "abcdef", "abcd…", "…"]


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 steps"), (1, "1 step"), (2, "2 steps"), (2048, "2,048 steps"), (0.088, "0.088 steps"), (10.4, "10 steps")]
)
def test_a_count_has_its_noun_in_the_right_number(count: float, text: str) -> None:
    """One is singular; fractions have two digits and are plural."""
    assert counted(count, "step") == text


def test_equal_neighbours_are_one_run() -> None:
    """Each run has its first and last place; equal stages that are not adjacent are two runs."""
    assert list(alike_stages("aabca")) == [(0, 1, "a"), (2, 2, "b"), (3, 3, "c"), (4, 4, "a")]
    assert list(alike_stages("x")) == [(0, 0, "x")] and not list(alike_stages(""))


def test_a_stacked_bar_ends_where_the_sum_of_its_parts_does() -> None:
    """Parts of half a cell add up: four of them take two cells, not none or four."""
    assert len(stacked([(letter, 0.5) for letter in "ABCD"], 1.0)) == 2
    assert stacked([("A", 2.0), ("B", -3.0), ("C", 2.0)], 1.0) == "A█C▓"


def test_a_note_stands_next_to_its_number_where_there_is_room() -> None:
    """With 30 cells for notes the first line of a note is on the line of the number; with fewer it is below; no line is wider."""
    row = Row("cost", "12", "a note " * 12)
    for width, there in ((70, True), (69, False)):
        lines = list(rows([row], width))
        assert (len(lines[0]) == 3) is there
        texts = ["".join(text for text, _ in line) for line in lines]
        assert max(map(len, texts)) <= width and "".join(texts).count("note") == 12


def test_a_positive_time_never_prints_as_zero() -> None:
    """Less than half a millisecond prints as less than one."""
    assert (seconds(0.0004), seconds(0.0)) == ("<0.001", "0.000")


def test_lines_are_set_in_by_one_cell() -> None:
    """Only the first run of a line is moved, and a sentence hangs as requested."""
    assert list(set_in([[("a", "text"), ("b", "dim")]])) == [[(" a", "text"), ("b", "dim")]]
    lines = ["".join(text for text, _ in line) for line in sentence("word " * 12, 30, indent=2, hang=3)]
    assert lines[0].startswith("  word") and lines[1].startswith("     word")
