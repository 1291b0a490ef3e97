"""Derivation trees as lines, on the screen and printed."""

from __future__ import annotations

from planner.formula.trace import Step
from tui.draw.step_tree import printed_trees, tree, trees

LEAF = Step("w", "W", "weights", "bytes", 8.0, "2 n", "2 * 4", "A paper, Table 1", ())
MIDDLE = Step("s", "S", "states", "bytes", 16.0, "2 W", "2 * 8", "tmplan", (LEAF,))
ROOT = Step("m", "M", "memory", "bytes", 24.0, "S + W", "16 + 8", "tmplan", (MIDDLE, LEAF))


def plain(lines: object) -> list[str]:
    """Lines as text."""
    return ["".join(text for text, _ in line) for line in lines]  # type: ignore[attr-defined]


def test_each_step_is_indented_by_its_depth() -> None:
    """An operand is two cells further in than the quantity it is part of, and has its formula with numbers and source below it."""
    lines = plain(tree(MIDDLE, 80))
    assert [len(line) - len(line.lstrip()) for line in lines] == [1, 5, 3, 7]
    assert lines[0].startswith(" ▾ states S = ") and lines[3].strip() == "= 2 n = 2 * 4 [A paper, Table 1]"


def test_a_step_that_was_shown_is_not_repeated() -> None:
    """The second time only its number is there; a step with operands refers to the first time."""
    lines = plain(trees([MIDDLE, MIDDLE], 80))
    assert len(lines) == 5 and lines[4].startswith(" · states") and lines[4].endswith("(shown above)")
    assert sum("2 n" in line for line in plain(tree(ROOT, 80))) == 1


def test_a_number_is_never_cut() -> None:
    """In little room the meaning is wrapped and the number has a line of its width."""
    lines = plain(tree(Step("x", "X", "a long meaning " * 4, "bytes", 8.0, "", "", "", ()), 40))
    assert max(map(len, lines)) <= 40 and lines[-1].strip().startswith("X = ")


def test_printed_branches_reach_to_the_depth_requested() -> None:
    """Depth 1 is the number alone, 2 has its operands, and all have a branch, the last one a corner."""
    assert [printed_trees({"m": ROOT}, depth).count("└─ ") for depth in (1, 2, 3)] == [0, 1, 2]
    assert [printed_trees({"m": ROOT}, depth).count("├─ ") for depth in (1, 2, 3)] == [0, 1, 1]
    assert printed_trees({"a_b": LEAF, "c": LEAF}, 1, named=True).startswith("a b\nW = ")
