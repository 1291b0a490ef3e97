"""The registry of keys: complete, free of conflicts, and fit for plain SSH."""

from __future__ import annotations

import inspect
import re
from dataclasses import replace

import pytest

from tests.tui.driving import SMALL
from tui.app.actions import Actions, marked
from tui.app.program import Program
from tui.app.textual_app import Tmplan
from tui.settings.bindings import ALL, BINDINGS, DETAIL, FORM, PLANS, Binding, active, lookup, use, where
from tui.widgets.help import Help
from tui.widgets.hints import hints
from tui.widgets.welcome import sentences

PLAIN = {"tab", "shift+tab", "enter", "escape", "up", "down", "left", "right", "home", "end", "pageup", "pagedown", "space",
         "question_mark", "slash", "asterisk", "exclamation_mark", "minus", "plus", "equals_sign", "colon", "left_square_bracket",
         "right_square_bracket", "ctrl+c", "ctrl+l", "ctrl+p"}  # fmt: skip


@pytest.fixture(scope="module")
def program() -> Program:
    """The program on a document, not running."""
    return Tmplan(SMALL).program


@pytest.mark.parametrize("binding", BINDINGS, ids=lambda b: f"{b.action}-{b.keys[0]}")
def test_every_binding_has_its_action(binding: Binding, program: Program) -> None:
    """Each entry names a method of an object of the program, marked as an action, that takes the argument of the entry."""
    handler = Actions(program).handler(binding)
    assert getattr(handler, "is_action", False) and handler.__doc__
    taken = list(inspect.signature(handler).parameters.values())
    assert [parameter.annotation for parameter in taken] == [type(argument).__name__ for argument in binding.arguments]


def test_every_action_has_a_key(program: Program) -> None:
    """What the program can do is reachable by keyboard, and each action belongs to one object."""
    offered = list(marked(program))
    assert len(offered) == len(set(offered))
    assert set(offered) == {binding.action for binding in BINDINGS}


def test_no_key_means_two_things_in_one_place() -> None:
    """In each pane a key has one meaning."""
    for context in ALL:
        keys = [key for binding in BINDINGS if context in binding.contexts for key in binding.keys]
        assert len(keys) == len(set(keys))
        assert all(lookup(context, key) for key in keys)


def test_no_two_bindings_are_called_the_same() -> None:
    """The id of a binding in the user's key table is one word, and unique."""
    called = [binding.id for binding in BINDINGS]
    assert len(called) == len(set(called))
    assert all(re.fullmatch("[a-z][a-z0-9-]*", name) for name in called)


def test_other_keys_show_everywhere() -> None:
    """Bindings in use are dispatched, hinted and listed in the help; removed again, the defaults of the registry return."""
    moved = tuple(replace(b, keys=("semicolon",)) if b.id == "filter" else b for b in BINDINGS)
    try:
        use(moved)
        result = lookup(PLANS, "semicolon")
        assert result is not None and result.action == "view.filter" and lookup(PLANS, "slash") is None
        assert "; filter" in "".join(text for text, _ in hints(PLANS, 200))
        assert any("   ; " in "".join(text for text, _ in line) for line in Help().content(76))
        use(tuple(replace(b, keys=()) if b.id == "filter" else b for b in BINDINGS))
        assert "filter" not in "".join(text for text, _ in hints(PLANS, 200))
    finally:
        use()
    assert active() is BINDINGS


def test_keys_arrive_over_plain_ssh_and_tmux() -> None:
    """Single characters, and keys every terminal sends: no alt, no ctrl chord that is another key or tmux's prefix."""
    for binding in BINDINGS:
        for key in binding.keys:
            assert (len(key) == 1 and key.isalnum()) or key in PLAIN, key


@pytest.mark.parametrize("width", [56, 76, 160])
def test_help_shows_every_key(width: int) -> None:
    """The help screen holds each binding's keys and the words of its meaning, whole, at every width."""
    reported = " ".join(" ".join(text for text, _ in line) for line in Help().content(width))
    for binding in BINDINGS:
        assert binding.shown in reported
        assert all(word in reported for word in binding.help.split())


@pytest.mark.parametrize("width", [60, 80, 120, 200])
@pytest.mark.parametrize("context", ALL)
def test_hints_fit_the_line_and_keep_help_and_quit(context: str, width: int) -> None:
    """On the narrowest screen, the two most needed keys are shown."""
    text = "".join(text for text, _ in hints(context, width))
    assert len(text) <= width
    assert "? help" in text
    assert "q quit" in text


def test_sentences_name_the_keys_that_hold() -> None:
    """The welcome and the help's notes on syntax show the user's keys, and every name in braces is a binding."""
    assert sentences()[2].startswith("? shows every key, : finds any command")
    use(tuple(replace(b, keys=()) if b.id == "undo" else replace(b, keys=("Z",)) if b.id == "free" else b for b in BINDINGS))
    try:
        assert "(no key) takes back any edit" in sentences()[2]
        assert any("Z gives it back" in "".join(text for text, _ in line) for line in Help().content(80))
    finally:
        use()


def test_panes_are_named_only_for_keys_that_apply_in_some_of_them() -> None:
    """A key that applies everywhere has no note; the others name their panes in brackets."""
    notes = {contexts: where(replace(BINDINGS[0], contexts=contexts)) for contexts in (ALL, (PLANS,), (FORM, DETAIL))}
    assert notes == {ALL: "", (PLANS,): " (in the plans)", (FORM, DETAIL): " (in the input panes, in the detail)"}
