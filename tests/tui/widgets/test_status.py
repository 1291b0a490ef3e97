"""The lines around the panes: what they show in little room, and in which order."""

from __future__ import annotations

import pytest

from tests.tui.widgets.unmounted import Resize, plain, resize, roles
from tui.widgets.status import Foot, Small, Status, StatusLine, Tabs

__all__ = ["resize"]
STATUS = Status("a.toml", True, False, "12 fit / 90 plans", "llama", "fastest first", "tp=8")


def test_a_status_line_leaves_out_what_has_no_room(resize: Resize) -> None:
    """File and counts are always there; of filter, order and job each that fits, to the last cell."""
    line = StatusLine()
    line.show(STATUS)
    whole = " tmplan  a.toml*   12 fit / 90 plans · filter tp=8 · fastest first · llama"
    (drawn,) = line.draw(len(whole), 1)
    assert plain(drawn) == whole
    for width in range(40, len(whole)):
        (drawn,) = line.draw(width, 1)
        assert len(plain(drawn)) <= width
    (drawn,) = line.draw(len(whole) - 1, 1)
    assert plain(drawn) == whole.removesuffix(" · llama")


def test_a_status_line_shows_each_new_status(resize: Resize) -> None:
    """Another status is drawn at once; a session that is not saved is marked."""
    line = StatusLine()
    for status, part in ((STATUS, " a.toml* "), (Status(), " unsaved "), (Status("b", unkept=True), " not saved ")):
        line.show(status)
        assert part in line.lines()[0]


def test_the_tab_of_the_pane_in_use_is_marked() -> None:
    """One tab has the role of the pane with the keyboard."""
    tabs = Tabs()
    tabs.pane = "detail"
    (line,) = tabs.draw(70, 1)
    assert [text.strip() for text, role in line if role == "tab-on"] == ["5 detail"]


@pytest.mark.parametrize(("width", "notes"), [(90, "size · calibrated"), (80, "calibrated"), (72, "calibrated"), (55, "")])
def test_tabs_show_the_notes_that_fit_the_first_before_the_second(width: int, notes: str) -> None:
    """At the right of the tabs the most important note, and the other before it where both fit."""
    tabs = Tabs()
    tabs.notes = ("calibrated", "size")
    (line,) = tabs.draw(width, 1)
    tail = plain(line).rpartition("options")[2].strip()
    assert tail == notes and len(plain(line)) <= width


def test_a_message_takes_the_place_of_what_is_wrong_with_the_field(resize: Resize) -> None:
    """A message is shown before the fault of the field, that before its description."""
    foot = Foot()
    foot.about, foot.context = "the model", "form"
    assert plain(next(iter(foot.draw(80, 2)))) == " the model"
    foot.standing = "too many"
    assert roles(next(iter(foot.draw(80, 2)))) == {"✗ too many": "bad"}
    foot.say("undone")
    assert roles(next(iter(foot.draw(80, 2)))) == {"undone": "text"}
    foot.say("refused", "bad")
    assert roles(next(iter(foot.draw(80, 2)))) == {"✗ refused": "bad"}


def test_a_long_message_takes_both_lines(resize: Resize) -> None:
    """What does not fit in the first line follows in the second, in place of the hints."""
    foot = Foot()
    foot.say("a " * 40)
    first, second = foot.draw(40, 2)
    assert len(plain(first)) <= 40 and plain(first).startswith(" a") and plain(second).startswith(" a a")


def test_a_small_terminal_gets_the_sentence_or_the_question() -> None:
    """The sentence of a small terminal, a question in its place, and nothing in a larger one."""
    small = Small()
    assert "60 columns" in " ".join(plain(line) for line in small.draw(40, 10))
    small.question = "quit? (y)"
    assert [plain(line) for line in small.draw(40, 10)] == ["quit? (y)"] and not small.draw(80, 24)
