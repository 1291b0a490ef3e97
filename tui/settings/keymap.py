"""A person's own keys: which may be used, and the bindings they make of the registry. Nothing here needs Textual.

Only keys that every terminal and tmux deliver over plain SSH are taken. What arrives there as another key, or not at all, is refused
with the reason (from memory of xterm's and tmux's manuals: a control character has five bits, flow control and prefixes take some).
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

NEEDED = ("leave", "help")  # actions that must keep a key: without them a person is locked in, or lost
ALWAYS: Mapping[str, tuple[str, ...]] = {"leave": ("ctrl+c",)}  # keys an action keeps whatever else it is given
CONTROL: Mapping[str, str] = {  # why a control letter is not taken; a terminal in a browser is what many clusters' portals offer
    "a": "it is the prefix of GNU screen", "b": "it is the prefix of tmux", "c": "it always quits",
    "h": "terminals send the same for backspace", "i": "terminals send the same for tab", "j": "terminals send the same for enter",
    "m": "terminals send the same for enter", "n": "a terminal in a browser opens a window with it",
    "q": "terminals take it for flow control", "s": "terminals take it for flow control, and freeze",
    "t": "a terminal in a browser opens a tab with it", "v": "many terminals paste with it",
    "w": "a terminal in a browser closes its tab with it", "z": "it suspends programs",
}  # fmt: skip
FUNCTION: Mapping[int, str] = {
    1: "many terminals open their own help with it", 10: "many terminals open their menu with it",
    11: "many terminals fill the screen with it",
}  # fmt: skip


class Keymap(NamedTuple):
    """Bindings with a person's own keys, and a sentence for each wish that could not be met."""

    bindings: tuple[Binding, ...]
    faults: tuple[str, ...]


def keymap(wishes: Mapping[str, object], registry: tuple[Binding, ...] = BINDINGS) -> Keymap:
    """The registry with other keys: `wishes` gives a binding's id a key, or a list of them; an empty list takes all its keys away.

    What is wrong is left as the registry has it, with a sentence that names the id, the key, and what would be right. No key ever
    means two things in one pane, and quit and help always have one.
    """
    faults: list[str] = []
    own: dict[str, tuple[str, ...]] = {}
    known = {binding.id: binding for binding in registry}
    for name, wish in wishes.items():
        if name not in known:
            faults.append(_unknown(name, known))
            continue
        found = _keys(known[name], wish)
        if isinstance(found, str):
            faults.append(f"keys.{name}: {found}")
        else:
            own[name] = found
    while clash := _clash(bindings := _with(registry, own), own):
        name, sentence = clash
        faults.append(f"keys.{name}: {sentence}")
        del own[name]
    return Keymap(bindings, tuple(faults))


def refusal(key: str) -> str:
    """Why a key (as Textual names it) cannot be used, in a few words; empty where it can."""
    *modifiers, last = key.split("+")
    if not modifiers:
        if last in PLAIN or last in CHARACTERS.values() or (len(last) == 1 and last in string.ascii_letters + string.digits):
            return ""
        if number := re.fullmatch(r"f([1-9]|1[0-9]|2[0-4])", last):
            return FUNCTION.get(int(number[1]), "" if int(number[1]) <= 12 else "terminals do not agree on what it sends")
        if len(last) == 1:
            return "not every keyboard, locale and terminal sends it; take a letter, digit or sign of ASCII"
        return "no key is called so; write a character, enter, tab, space, esc, up, home, pgdn, f2 or ctrl+l"
    if key in PLAIN:
        return ""
    if "alt" in modifiers:
        return "alt arrives as escape and then the key, and over a slow line the two fall apart"
    if "super" in modifiers:
        return "that key belongs to the desktop, and no terminal sends it"
    if "shift" in modifiers:
        return (
            "terminals do not send shift with it" if "ctrl" in modifiers else "terminals keep it for themselves, or send it without shift"
        )
    if len(last) == 1 and last in string.ascii_lowercase:
        return CONTROL.get(last, "")
    return "terminals send ctrl with letters only; with others it arrives as another key or not at all"


def _unknown(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(named(name).lower(), known, n=1, cutoff=0.5)
    return f"keys.{named(name)}: nothing is called so; " + (
        f"did you mean '{near[0]}'?" if near else "docs/keys.md and `tmplan config` list the names"
    )


def _keys(binding: Binding, wish: object) -> tuple[str, ...] | str:
    """The keys a wish names, or the sentence why not."""
    listed = [wish] if isinstance(wish, str) else wish
    if not isinstance(listed, Sequence) or not all(isinstance(text, str) for text in listed):
        return f"must be a key in quotes or a list of them, not {quoted(wish)}"
    keys = list(dict.fromkeys(read(text) for text in listed if text))
    always = ALWAYS.get(binding.action, ())
    for text, key in ((text, read(text)) for text in listed if text):
        if key not in always and (why := refusal(key)):
            return f"{quoted(text)} cannot be used: {why}"
    if binding.action in NEEDED and not keys:
        return f"{binding.label} needs a key; name one"
    return (*keys, *(key for key in always if key not in keys))


def _with(registry: tuple[Binding, ...], own: Mapping[str, tuple[str, ...]]) -> tuple[Binding, ...]:
    return tuple(replace(binding, keys=own.get(binding.id, binding.keys)) for binding in registry)


def _clash(bindings: Iterable[Binding], own: Mapping[str, tuple[str, ...]]) -> tuple[str, str] | None:
    """The last wish that gives a key a second meaning in some pane, and the sentence that says so."""
    listed = list(bindings)
    for name in reversed(tuple(own)):
        mine = next(binding for binding in listed if binding.id == name)
        for other in listed:
            shared = [context for context in ALL if context in mine.contexts and context in other.contexts]
            both = [key for key in mine.keys if key in other.keys]
            if other.id != name and shared and both:
                where = CONTEXTS[""] if len(shared) == len(ALL) else " and ".join(CONTEXTS[context] for context in shared)
                return name, f"'{shown(both[0])}' is already the key of '{other.id}' {where}; give that another key, or choose another here"
    return None
