"""A line being typed: what of it shows, and how much it takes."""

from __future__ import annotations

from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tests.tui.driving import Driver, drive
from tests.tui.fake import fake_search, made_up
from tests.tui.widgets.unmounted import press
from tui.widgets import line_edit as editor
from tui.widgets.line_edit import LONGEST, LineEdit, most

__all__ = ["made_up"]
WIDE = "ab 日本é́"  # one cell, two, and none


@given(st.text(WIDE, max_size=60), st.integers(0, 60), st.integers(1, 40))
def test_the_text_fills_its_cells_and_the_cursor_shows(text: str, at: int, width: int) -> None:
    """The runs are as wide as there is room, the cursor stands between what is before and behind it, and as much shows as can."""
    at = min(at, len(text))
    (before, _), (under, role), (after, _) = LineEdit(text, at).runs(width)
    room = max(width, cell_len(before + under))  # a wide character under the cursor at the edge
    assert cell_len(before + under + after) == room and role == "caret"
    assert text[:at].endswith(before) and under == (text[at : at + 1] or " ") and text[at + 1 :].startswith(after.rstrip(" "))
    first = at - len(before)
    assert cell_len(before) < width and (first == 0 or len(before) >= most(width) or cell_len(text[first - 1 : at]) >= width)


@given(st.integers(0, 100_000), st.integers(1, 200))
def test_only_what_shows_is_looked_at(at: int, width: int) -> None:
    """However long the text, no more of it is measured than could show."""
    measured: list[int] = []

    def measure(text: str) -> int:
        measured.append(len(text))
        return cell_len(text)

    with mock.patch.object(editor, "cell_len", measure):
        LineEdit("x" * 100_000, at).runs(width)
    assert max(measured) <= most(width) and len(measured) < 64


@given(st.integers(0, LONGEST), st.integers(1, 3 * LONGEST))
def test_a_line_is_bounded_and_reports_the_rest(typed: int, pasted: int) -> None:
    """What was typed stays, of a paste as much as fits is taken, and the rest is counted in a sentence."""
    edit = LineEdit.of("a" * typed)
    edit.insert("b" * pasted)
    taken = min(pasted, LONGEST - typed)
    assert edit.text == "a" * typed + "b" * taken and edit.at == len(edit.text)
    assert bool(edit.fault) == (taken < pasted) and (not edit.fault or edit.over == pasted - taken)


def edited(text: str, at: int, *keys: str, fresh: bool = False) -> tuple[str, int]:
    """The text and the cursor after some keys."""
    edit = LineEdit(text, at, fresh)
    press(edit, *keys)
    return edit.text, edit.at


@pytest.mark.parametrize(
    ("keys", "after"),
    [
        (("left",), ("one two", 3)), (("right",), ("one two", 5)), (("home",), ("one two", 0)), (("end",), ("one two", 7)),
        (("end", "right"), ("one two", 7)), (("home", "left"), ("one two", 0)), (("backspace",), ("onetwo", 3)),
        (("home", "backspace"), ("one two", 0)), (("delete",), ("one wo", 4)), (("end", "delete"), ("one two", 7)),
        (("ctrl+u",), ("two", 0)), (("ctrl+w",), ("two", 0)), (("end", "ctrl+w"), ("one ", 4)), (("x",), ("one xtwo", 5)),
        (("end", "right", "x", "left", "y"), ("one twoyx", 8)),
    ],
)  # fmt: skip
def test_keys_edit_around_the_cursor(keys: tuple[str, ...], after: tuple[str, int]) -> None:
    """With the cursor before `two`, each key changes the text and the place of the cursor as in a shell, and stops at both ends."""
    assert edited("one two", 4, *keys) == after


def test_a_key_that_moves_or_deletes_keeps_a_fresh_text() -> None:
    """A character replaces a fresh text; after a move or a deletion it is added to it."""
    assert edited("8192", 4, "7", fresh=True) == ("7", 1)
    assert edited("8192", 4, "left", "7", fresh=True) == ("81972", 4)
    assert edited("8192", 4, "backspace", "7", fresh=True) == ("8197", 4)


def test_a_paste_is_inserted_in_one_line() -> None:
    """What stands in no line, breaks and control characters, is left out of a paste."""
    edit = LineEdit("ad", 1)
    edit.insert("b\r\nc\t\x1b")
    assert (edit.text, edit.at) == ("abcd", 3)


@pytest.mark.usefixtures("made_up")
@pytest.mark.parametrize("where", ["field", "prompt", "list", "nowhere"])
def test_a_large_paste_is_bounded_wherever_it_goes(where: str) -> None:
    """Pasted into a field, a prompt or a list, 20,000 characters are cut, with a message; elsewhere they do nothing."""

    async def play(it: Driver) -> None:
        from textual.events import Paste

        app = it.app
        keys = {"field": ("2", "j", "enter", "7"), "prompt": ("slash", "7"), "list": ("s", "7"), "nowhere": ("4",)}[where]
        await it.pilot.press(*keys)
        before = it.document
        assert app._driver is not None
        app._driver.send_message(Paste("q" * 20_000))
        await it.pilot.pause()
        edit = it.foot.prompt.edit if it.foot.prompt else it.picker.edit if it.picker.open else it.active_form.edit
        if where == "nowhere":
            assert edit is None
        else:
            assert edit is not None and edit.text.startswith("7q") and len(edit.text) == LONGEST
            assert "a line takes 4,096 characters" in it.text()
        await it.pilot.press("escape")
        assert it.document is before and app.is_running and not app.left

    drive(play, search=fake_search)
