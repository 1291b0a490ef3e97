"""The user's keys: which are accepted, and the bindings that result. This module does not import Textual.

Accepted are keys that every terminal and tmux deliver over plain SSH. A key that arrives there as another one, or not at all, is refused
with the reason (from memory of xterm's and tmux's manuals: a control character has five bits, flow control and prefixes use some).
"""

from __future__ import annotations

import difflib
import re
import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from planner.plaintext import named, quoted
from tui.settings.bindings import ALL, BINDINGS, CONTEXTS, Binding
from tui.settings.key_names import CHARACTERS, PLAIN, read, shown

NEEDED = ("quit", "help")  # bindings that must have a key: without them the user could not leave the program or find any key
ALWAYS: Mapping[str, tuple[str, ...]] = {"quit": ("ctrl+c",)}  # keys that a binding always has in addition to the user's
CONTROL: Mapping[str, str] = {  # why a control letter is refused; web portals of many clusters offer a terminal in a browser
    "a": "it is the prefix of GNU screen", "b": "it is the prefix of tmux", "c": "it always quits",
    "h": "terminals send the same code for backspace", "i": "terminals send the same code for tab",
    "j": "terminals send the same code for enter", "m": "terminals send the same code for enter",
    "n": "a terminal in a browser opens a window with it", "q": "terminals use it for flow control",
    "s": "terminals use it for flow control, and freeze", "t": "a terminal in a browser opens a tab with it",
    "v": "many terminals paste with it", "w": "a terminal in a browser closes its tab with it", "z": "it suspends programs",
}  # fmt: skip
FUNCTION: Mapping[int, str] = {
    1: "many terminals open their help with it", 10: "many terminals open their menu with it",
    11: "many terminals switch to full screen with it",
}  # fmt: skip


class Keymap(NamedTuple):
    """Bindings with the user's keys, and a message for each entry that is refused."""

    bindings: tuple[Binding, ...]
    faults: tuple[str, ...]


def keymap(wishes: Mapping[str, object], registry: tuple[Binding, ...] = BINDINGS) -> Keymap:
    """The registry with the user's keys: `wishes` maps a binding's id to a key or a list of keys; an empty list removes all its keys.

    A wrong entry leaves the default keys, with a message that names the id, the key, and what would be right. No key ever has two
    meanings in one pane, and quit and help always have a key.
    """
    faults: list[str] = []
    chosen: dict[str, tuple[str, ...]] = {}
    known = {binding.id: binding for binding in registry}
    for name, wish in wishes.items():
        if name not in known:
            faults.append(_unknown(name, known))
            continue
        keys = _keys(known[name], wish)
        if isinstance(keys, str):
            faults.append(f"keys.{name}: {keys}")
        else:
            chosen[name] = keys
    while clash := _clash(bindings := _with(registry, chosen), chosen):
        name, sentence = clash
        faults.append(f"keys.{name}: {sentence}")
        del chosen[name]
    return Keymap(bindings, tuple(faults))


def refusal(key: str) -> str:
    """The reason why a key (by Textual's name) cannot be used; empty if it can."""
    *modifiers, last = key.split("+")
    if not modifiers:
        if last in PLAIN or last in CHARACTERS.values() or (len(last) == 1 and last in string.ascii_letters + string.digits):
            return ""
        if number := re.fullmatch(r"f([1-9]|1[0-9]|2[0-4])", last):
            return FUNCTION.get(int(number[1]), "" if int(number[1]) <= 12 else "terminals do not agree on what it sends")
        if len(last) == 1:
            return "not every keyboard, locale and terminal sends it; use an ASCII letter, digit or punctuation mark"
        return "no key has this name; write a character, enter, tab, space, esc, up, home, pgdn, f2 or ctrl+l"
    if key in PLAIN:
        return ""
    if "alt" in modifiers:
        return "alt arrives as escape followed by the key, and over a slow line the two are separated"
    if "super" in modifiers:
        return "the desktop uses that key, and no terminal sends it"
    if "shift" in modifiers:
        return "terminals do not send shift with it" if "ctrl" in modifiers else "terminals use it themselves, or send it without shift"
    if len(last) == 1 and last in string.ascii_lowercase:
        return CONTROL.get(last, "")
    return "terminals send ctrl only with letters; other combinations arrive as another key or not at all"


def _unknown(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(named(name).lower(), known, n=1, cutoff=0.5)
    return f"keys.{named(name)}: no action has this name; " + (
        f"did you mean '{near[0]}'?" if near else "docs/keys.md and `tmplan config` list the names"
    )


def _keys(binding: Binding, wish: object) -> tuple[str, ...] | str:
    """The keys of an entry, or the message why it is refused."""
    listed = [wish] if isinstance(wish, str) else wish
    if not isinstance(listed, Sequence) or not all(isinstance(text, str) for text in listed):
        return f"must be a key in quotes or a list of them, not {quoted(wish)}"
    keys = list(dict.fromkeys(read(text) for text in listed if text))
    always = ALWAYS.get(binding.id, ())
    for text, key in ((text, read(text)) for text in listed if text):
        if key not in always and (why := refusal(key)):
            return f"{quoted(text)} cannot be used: {why}"
    if binding.id in NEEDED and not keys:
        return f"{binding.label} must have at least one key"
    return (*keys, *(key for key in always if key not in keys))


def _with(registry: tuple[Binding, ...], chosen: Mapping[str, tuple[str, ...]]) -> tuple[Binding, ...]:
    return tuple(replace(binding, keys=chosen.get(binding.id, binding.keys)) for binding in registry)


def _clash(bindings: Iterable[Binding], chosen: Mapping[str, tuple[str, ...]]) -> tuple[str, str] | None:
    """The last entry that gives a key a second meaning in some pane, with its message."""
    listed = list(bindings)
    for name in reversed(tuple(chosen)):
        mine = next(binding for binding in listed if binding.id == name)
        for other in listed:
            shared = [context for context in ALL if context in mine.contexts and context in other.contexts]
            both = [key for key in mine.keys if key in other.keys]
            if other.id != name and shared and both:
                where = CONTEXTS[""] if len(shared) == len(ALL) else " and ".join(CONTEXTS[context] for context in shared)
                return (
                    name,
                    f"'{shown(both[0])}' is already the key of '{other.id}' {where}; give that another key, or choose another one here",
                )
    return None
