"""Names of keys: Textual's, those that users write, and those displayed. This module does not import Textual."""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Mapping


def _named(char: str) -> str:
    """Textual's name of a character's key: its Unicode name, or a shorter one for a few."""
    short = {"/": "slash", "\\": "backslash", "@": "at", "-": "minus", "+": "plus", "_": "underscore"}
    return short.get(char) or re.sub("[ -]", "_", unicodedata.name(char).lower())


CHARACTERS: Mapping[str, str] = {char: _named(char) for char in string.punctuation}
SHOWN: Mapping[str, str] = {name: char for char, name in CHARACTERS.items()} | {
    "escape": "esc", "pageup": "pgup", "pagedown": "pgdn", "up": "↑", "down": "↓", "left": "←", "right": "→",
}  # fmt: skip
PLAIN = ("enter", "tab", "shift+tab", "escape", "space", "backspace", "delete", "insert", "home", "end", "pageup", "pagedown",
         "up", "down", "left", "right")  # fmt: skip
ALSO: Mapping[str, str] = {  # alternative spellings
    " ": "space", "esc": "escape", "return": "enter", "ret": "enter", "pgup": "pageup", "pgdn": "pagedown", "pgdown": "pagedown",
    "page_up": "pageup", "page_down": "pagedown", "del": "delete", "ins": "insert", "bksp": "backspace", "backtab": "shift+tab",
    "↑": "up", "↓": "down", "←": "left", "→": "right",
}  # fmt: skip
MODIFIERS: Mapping[str, str] = {
    "ctrl": "ctrl", "control": "ctrl", "c": "ctrl", "^": "ctrl", "alt": "alt", "meta": "alt", "m": "alt", "option": "alt",
    "shift": "shift", "s": "shift", "super": "super", "cmd": "super", "win": "super", "hyper": "super",
}  # fmt: skip
ORDER = ("ctrl", "alt", "super", "shift")


def shown(key: str) -> str:
    """A key as displayed."""
    return SHOWN.get(key, key)


def read(text: str) -> str:
    """Textual's name of the key that a user writes as `?`, `pgdn`, `Esc`, `^L`, `C-l`, `ctrl-l` or `shift+a` (which is `A`)."""
    if text in CHARACTERS:
        return CHARACTERS[text]
    if len(text) == 1 and text != " ":
        return ALSO.get(text, text)
    *words, last = _parts(text)
    modifiers = {MODIFIERS[word] for word in words}
    key = last if len(last) == 1 else last.lower()
    key = ALSO.get(key, CHARACTERS.get(key, key))
    if modifiers == {"shift"} and len(key) == 1 and key.isalpha():
        return key.upper()
    if "ctrl" in modifiers and len(key) == 1 and key.isupper():
        modifiers, key = modifiers | ({"shift"} if "-" not in text and "^" not in text else set()), key.lower()  # ^L and C-L are ctrl+l
    return "+".join([name for name in ORDER if name in modifiers] + [key])


def _parts(text: str) -> list[str]:
    """The modifiers and the key: separated by + or -, or a ^ prefix."""
    parts: list[str] = []
    rest = " " if text == " " else text.strip()
    while match := re.match(r"([A-Za-z]+)[+-](?=.)|\^(?=.)", rest):
        word = (match[1] or "^").lower()
        if word not in MODIFIERS:
            break
        parts.append(word)
        rest = rest[match.end() :]
    return [*parts, rest]
