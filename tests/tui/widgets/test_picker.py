"""The list over the panes: its search, its cursor, and what it chooses."""

from __future__ import annotations

import pytest

from tests.tui.widgets.unmounted import Resize, plain, press, resize
from tui.widgets.line_edit import LineEdit
from tui.widgets.picker import Choice, Picker, matches

__all__ = ["resize"]
MANY = [(f"name-{i:02}", f"about {i}") for i in range(20)]


@pytest.fixture
def chosen() -> list[str]:
    """What was chosen."""
    return []


@pytest.fixture
def picker(resize: Resize, chosen: list[str]) -> Picker:
    """A list of twenty choices in a pane of ten of them, open on the fourth."""
    resize(60, 13)
    picker = Picker()
    picker.ask("list", MANY, chosen.append, at="name-03")
    return picker


def first(picker: Picker) -> str:
    """The name on the first line of the list."""
    picker.redraw()
    return picker.lines()[2].strip("│ ▸").split()[0]


def test_choices_that_start_with_the_first_word_come_first() -> None:
    """Every word must occur in the name or its description; names that start with the first word come before the others."""
    choices = [("half memory", "a"), ("memory", "b"), ("step", "memory of it")]
    assert matches(choices, "MEM") == [choices[1], choices[0], choices[2]]
    assert matches(choices, "mem it") == [choices[2]]
    assert matches(choices, "") == choices


def test_enter_takes_the_choice_under_the_cursor(picker: Picker, chosen: list[str]) -> None:
    """The cursor starts on the present value, and the keys move it; at both ends it stops."""
    assert press(picker, "enter") == [True] and chosen == ["name-03"]
    press(picker, "down", "tab", "ctrl+n", "up", "shift+tab", "ctrl+p", "down", "enter")
    assert chosen[-1] == "name-04"
    press(picker, "pagedown", "enter")
    assert chosen[-1] == "name-14"
    press(picker, "pagedown", "down", "enter")
    assert chosen[-1] == "name-19" and picker.at == 19
    press(picker, "pageup", "pageup", "up", "enter")
    assert chosen[-1] == "name-00"


def test_typing_puts_the_cursor_on_the_first_match(picker: Picker, chosen: list[str]) -> None:
    """Of the names that hold what is typed the first is taken by enter."""
    press(picker, "1", "enter")
    assert chosen == ["name-01"]


def test_another_list_does_not_have_the_text_of_the_last(picker: Picker, chosen: list[str]) -> None:
    """Each list opens with nothing typed, from its top."""
    press(picker, "1", "7", "escape")
    picker.ask("other", MANY, chosen.append)
    assert picker.edit.text == "" and (picker.at, picker.top) == (0, 0)


def test_the_list_scrolls_by_one_line_at_its_edges(picker: Picker) -> None:
    """The tenth line does not scroll, the eleventh scrolls by one."""
    press(picker, *["down"] * 6)
    assert picker.at == 9 and first(picker) == "name-00"
    press(picker, "down")
    assert first(picker) == "name-01"
    press(picker, *["up"] * 9)
    assert picker.at == 1 and first(picker) == "name-01"


@pytest.mark.parametrize("freely", [False, True])
def test_text_that_matches_nothing_is_accepted_only_where_it_may_be_a_path(resize: Resize, chosen: list[str], freely: bool) -> None:
    """A list of presets accepts a path; a list of commands stays open."""
    resize(60, 13)
    picker = Picker()
    picker.ask("list", MANY, chosen.append, freely=freely)
    assert press(picker, *"x.toml", "enter")[-1] is freely
    assert chosen == (["x.toml"] if freely else [])
    assert any(("as typed: a file" if freely else "nothing by that name") in line for line in picker.lines())
    picker.edit = LineEdit()
    assert press(picker, "escape") == [True]


def test_a_list_of_several_choices_toggles_the_one_under_the_cursor_and_stays(resize: Resize) -> None:
    """Enter hands the choice under the cursor to `toggle`, shows the choices it returns, and leaves the list open."""
    resize(60, 13)
    toggled: list[str] = []

    def toggle(name: str) -> list[Choice]:
        toggled.append(name)
        return [(other, f"✓{about}" if other in toggled else about) for other, about in MANY]

    picker = Picker()
    picker.choose("columns", MANY, toggle)
    assert press(picker, "down", "down", "enter") == [False] * 3
    assert toggled == ["name-02"] and "✓about 2" in picker.lines()[4]


def test_the_frame_counts_the_matches(picker: Picker) -> None:
    """The title line has the number of matches and of all choices, and every line is as wide as the pane."""
    press(picker, "1")
    lines = [plain(line) for line in picker.draw(60, 13)]
    assert "11 of 20" in lines[0] and {len(line) for line in lines} == {60}
