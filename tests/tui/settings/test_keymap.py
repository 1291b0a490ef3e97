"""The user's keys: names in every spelling, keys that do not arrive refused, never two meanings, never without quit and help."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual._ansi_sequences import ANSI_SEQUENCES_KEYS
from textual.keys import _character_to_key

from tui.settings.bindings import ALL, BINDINGS
from tui.settings.key_names import CHARACTERS, PLAIN, read, shown
from tui.settings.keymap import keymap, refusal

IDS = {binding.id: binding for binding in BINDINGS}
TRIED = [
    *string.ascii_letters,
    *string.digits,
    *CHARACTERS,
    *PLAIN,
    "ctrl+l",
    "ctrl+k",
    "f5",
    "pgdn",
    "esc",
    "ctrl+c",
    "ctrl+s",
    "alt+x",
    "",
    "ü",
]


def keys_of(wishes: dict[str, object]) -> dict[str, tuple[str, ...]]:
    """The keys of each binding by its id."""
    return {binding.id: binding.keys for binding in keymap(wishes).bindings}


def test_characters_are_called_as_textual_calls_them() -> None:
    """The name of each sign is that of the key event Textual makes of it."""
    assert {char: _character_to_key(char) for char in CHARACTERS} == CHARACTERS


def test_every_key_that_may_be_used_is_one_a_terminal_sends() -> None:
    """What is taken is a character of ASCII or a sequence that Textual knows from terminals."""
    sent = {key.value for keys in ANSI_SEQUENCES_KEYS.values() if isinstance(keys, tuple) for key in keys} | {"space", "escape"}
    taken = [*PLAIN, *(f"ctrl+{c}" for c in string.ascii_lowercase), *(f"f{n}" for n in range(1, 25))]
    assert {key for key in taken if not refusal(key)} - sent == set()


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("?", "question_mark"), ("/", "slash"), ("question_mark", "question_mark"), ("pgdn", "pagedown"), ("Page_Down", "pagedown"),
        ("esc", "escape"), ("Escape", "escape"), ("^L", "ctrl+l"), ("C-l", "ctrl+l"), ("Ctrl+L", "ctrl+shift+l"), ("ctrl-l", "ctrl+l"),
        ("shift+a", "A"), ("A", "A"), (" ", "space"), ("S-Tab", "shift+tab"), ("-", "minus"), ("+", "plus"), ("ctrl++", "ctrl+plus"),
        ("^", "circumflex_accent"), ("↓", "down"), ("M-x", "alt+x"), ("del", "delete"), ("F5", "f5"),
    ],
)  # fmt: skip
def test_a_key_is_read_as_people_write_it(written: str, key: str) -> None:
    """A character, a name, or a chord in the spelling of Textual, Emacs or a manual."""
    assert read(written) == key


@pytest.mark.parametrize("key", sorted({key for binding in BINDINGS for key in binding.keys}))
def test_what_is_shown_is_read_back(key: str) -> None:
    """The registry's keys, as the help writes them, mean the same keys in a config file."""
    assert read(shown(key)) == key


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("ctrl+i", "same code for tab"), ("ctrl+m", "same code for enter"), ("ctrl+j", "same code for enter"),
        ("ctrl+h", "same code for backspace"), ("ctrl+[", "only with letters"), ("ctrl+enter", "only with letters"),
        ("ctrl+space", "only with letters"), ("ctrl+up", "only with letters"), ("ctrl+1", "only with letters"),
        ("ctrl+s", "flow control"), ("ctrl+q", "flow control"), ("ctrl+z", "suspends"), ("ctrl+b", "tmux"), ("ctrl+a", "screen"),
        ("alt+x", "are separated"), ("alt+enter", "are separated"), ("ctrl+shift+k", "shift"), ("shift+up", "use it themselves"),
        ("cmd+k", "desktop"), ("f1", "help"), ("f11", "full screen"), ("f13", "do not agree"), ("é", "ASCII"), ("ctrl+c", "always quits"),
        ("scrolllock", "no key has this name"), ("jj", "no key has this name"),
    ],
)  # fmt: skip
def test_a_key_that_does_not_arrive_is_refused_with_the_reason(key: str, why: str) -> None:
    """The sentence names the setting, the key as written and why; the binding keeps its own key."""
    result = keymap({"filter": key})
    assert result.bindings == BINDINGS
    assert len(result.faults) == 1
    assert result.faults[0].startswith(f"keys.filter: '{key}' cannot be used: ") and why in result.faults[0]


def test_wishes_are_met() -> None:
    """One key, several, none; a key freed by one wish is another's to take; ctrl+c quits whatever else does."""
    wishes = {"filter": "v", "find": "Z", "down": ["J", "down"], "sort": "/", "export": [], "ranks": "", "quit": "X"}
    result = keymap(wishes)
    assert result.faults == ()
    keys = {binding.id: binding.keys for binding in result.bindings}
    assert (keys["filter"], keys["down"], keys["sort"], keys["export"], keys["ranks"]) == (("v",), ("J", "down"), ("slash",), (), ())
    assert keys["quit"] == ("X", "ctrl+c")


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({"fliter": "f"}, "keys.fliter: no action has this name; did you mean 'filter'?"),
        ({"zzz": "f"}, "keys.zzz: no action has this name; docs/keys.md"),
        ({"filter": "s"}, "keys.filter: 's' is already the key of 'sort' in the input panes and in the plans"),
        ({"edit": "s"}, "keys.edit: 's' is already the key of 'sort' in the input panes"),
        ({"filter": "v", "sort": "v"}, "keys.sort: 'v' is already the key of 'filter' in the input panes and in the plans"),
        ({"help": []}, "keys.help: help must have at least one key"),
        ({"quit": ""}, "keys.quit: quit must have at least one key"),
        ({"filter": 3}, "keys.filter: must be a key in quotes or a list of them, not 3"),
        ({"filter": ["f", 3]}, "keys.filter: must be a key in quotes"),
    ],
)
def test_a_wish_that_cannot_be_met_is_a_sentence(wishes: dict[str, object], message: str) -> None:
    """It names the setting and what is in the way; the other wishes are met."""
    result = keymap(wishes | {"repaint": "ctrl+r"})
    assert len(result.faults) == 1
    assert result.faults[0].startswith(message)
    assert next(binding.keys for binding in result.bindings if binding.id == "repaint") == ("ctrl+r",)


def test_one_key_may_mean_two_things_in_two_panes() -> None:
    """Enter edits in the forms and explains in the plans; so may any key."""
    result = keymap({"edit": "v", "fewer-columns": "v"})
    assert result.faults == ()


@given(st.dictionaries(st.sampled_from(sorted(IDS)), st.lists(st.sampled_from(TRIED), max_size=3), max_size=8))
def test_whatever_is_wished_the_program_can_be_used(wishes: dict[str, object]) -> None:
    """In each pane a key has one meaning, every key arrives, quit and help have one, and refused entries are reported."""
    result = keymap(wishes)
    for context in ALL:
        keys = [key for binding in result.bindings if context in binding.contexts for key in binding.keys]
        assert len(keys) == len(set(keys))
        assert all(not refusal(key) or key == "ctrl+c" for key in keys)
    for name in ("quit", "help"):
        assert any(binding.id == name and binding.keys for binding in result.bindings)
    unmet = {name for name in wishes if any(fault.startswith(f"keys.{name}:") for fault in result.faults)}
    for binding in result.bindings:
        if binding.id in wishes and binding.id not in unmet:
            wish = wishes[binding.id]
            assert isinstance(wish, list)
            assert set(binding.keys) - {"ctrl+c"} == {read(text) for text in wish if text} - {"ctrl+c"}
        else:
            assert binding == IDS[binding.id]
