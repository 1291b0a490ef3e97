"""A form: its cursor, its editor, and the marks of its fields."""

from __future__ import annotations

import pytest

from tests.tui.driving import SMALL
from tests.tui.widgets.unmounted import Resize, plain, press, resize, roles
from tui.state.edits import ENTRIES, Entry, texts
from tui.widgets.form import Form

__all__ = ["resize"]
BATCH = ENTRIES["batch"]


@pytest.fixture
def form(resize: Resize) -> Form:
    """The form of the batch, every field shown, in a pane of nine fields."""
    resize(34, 10)
    form = Form("batch")
    form.current = True
    form.show(BATCH, texts(SMALL), {})
    return form


def shown(form: Form) -> list[str]:
    """The fields in view by their keys."""
    form.redraw()
    return form.in_view()


def test_the_cursor_stays_between_the_first_field_and_the_last(form: Form) -> None:
    """A move returns whether it moved the cursor, which stops at both ends."""
    assert not form.move(-1) and form.at == 0
    assert form.move(1) and form.at == 1
    assert form.move(99) and form.at == len(BATCH) - 1 and form.entry is BATCH[-1]
    assert not form.move(1) and form.at == len(BATCH) - 1


def test_the_form_scrolls_by_one_field_at_its_edges(form: Form) -> None:
    """The cursor moves over nine fields without scrolling; the tenth scrolls by one; upwards it scrolls only at the top."""
    keys = [entry.key for entry in BATCH]
    form.move(8)
    assert shown(form) == keys[:9]
    form.move(1)
    assert shown(form) == keys[1:10]
    form.move(-8)
    assert shown(form) == keys[1:10]
    form.move(-1)
    assert shown(form) == keys[:9]


def test_a_move_is_drawn_at_once(form: Form) -> None:
    """The cursor is drawn on the line it moved to."""
    form.redraw()
    before = form.lines()
    form.move(1)
    assert form.lines() != before and form.lines()[2].startswith("▸")


def test_the_cursor_stays_on_its_field_when_others_appear(form: Form) -> None:
    """With fewer fields above it the cursor is on the same field; where its own is gone, on the last there is."""
    form.go("micro_batch")
    without = tuple(entry for entry in BATCH if entry.key not in ("tp", "pp"))
    form.show(without, texts(SMALL), {})
    assert form.entry.key == "micro_batch"
    form.show(BATCH[:2], texts(SMALL), {})
    assert form.entry is BATCH[1]


def test_the_title_numbers_the_field_under_the_cursor(form: Form) -> None:
    """With more fields than rows the title has the place of the cursor among them."""
    form.move(2)
    assert f" 3/{len(BATCH)} " in form.lines()[0]


def test_an_editor_starts_with_the_value_and_the_first_character_replaces_it(form: Form) -> None:
    """The value is offered whole; a character typed over it replaces it; the text is then not entered, unless it equals the value."""
    form.go("global_batch")
    value = form.texts["global_batch"][0]
    form.begin()
    assert form.edit is not None and form.edit.text == value and form.unentered is None
    press(form, "7")
    assert form.edit.text == "7" and form.unentered == "7"
    press(form, "backspace", *value)
    assert form.edit.text == value and form.unentered is None
    form.end()
    assert form.unentered is None


def test_a_refused_text_is_offered_to_be_corrected(form: Form) -> None:
    """The editor opens on the refused text, and typing adds to it."""
    form.go("global_batch")
    form.refused["global_batch"] = ("6x", "not a number")
    form.begin()
    press(form, "4")
    assert form.edit is not None and form.edit.text == "6x4" and form.unentered == "6x4" and form.fault == "not a number"


def line_of(form: Form, key: str) -> dict[str, str]:
    """The roles of the line of a field, by text."""
    place = next(i for i, entry in enumerate(form.entries) if entry.key == key)
    return roles(form._line(form.entries[place], place == form.at, 34))


def test_marks_distinguish_refused_fields_and_those_set_by_the_user(form: Form) -> None:
    """A refused field has a cross, one that the user set a dot, the others none; the cursor on a refused field differs."""
    form.move(1)
    wrong = {"tp": "too many"}
    form.show(BATCH, dict(texts(SMALL)) | {"tp": ("3", True), "pp": ("4", True), "cp": ("*", False)}, wrong)
    marks = {entry.key: plain(form._line(entry, False, 34))[1] for entry in form.entries}
    assert (marks["tp"], marks["pp"], marks["cp"]) == ("✗", "•", " ")
    assert [list(line_of(form, key).values())[1] for key in ("tp", "pp", "cp")] == ["bad", "set", "text"]
    form.go("tp")
    assert list(line_of(form, "tp").values()) == ["cursor-bad"] and form.fault == "too many"
    form.go("pp")
    assert list(line_of(form, "pp").values()) == ["cursor"] and not form.fault


def test_numbers_are_written_to_be_read() -> None:
    """Whole numbers have separators, very large ones a unit, and fractions at most six digits."""
    from tui.widgets.form import _written

    written = {("int", "8192"): "8,192", ("int", "15000000000000"): "15T", ("float", "0.123456789"): "0.123457", ("choice", "8192"): "8192"}
    assert {(kind, text): _written(Entry("k", "k", "", kind, ""), text) for kind, text in written} == written
