"""The contents of a theme file, checked completely so that every accepted theme can be drawn. This module does not import Textual."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from planner.errors import FileError
from planner.files import decode
from planner.plaintext import named, quoted

HUES = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
COLOURS = ("background", "foreground", "faint", "accent", "select", "good", "bad", "memory", "figure", "rule")
TERMINAL = ("ansi_default", *(f"ansi_{bright}{name}" for bright in ("", "bright_") for name in HUES))  # the terminal's 16 colours
STYLES = ("bold", "dim", "reverse", "underline")
ROLES: Mapping[str, str] = {  # default style of each role; a single colour is the foreground
    "text": "foreground",
    "dim": "faint",
    "strong": "foreground bold",
    "status": "accent",
    "rule": "rule",
    "title": "faint bold",
    "title-on": "background on accent bold",
    "tab-on": "background on accent bold",
    "head": "faint",
    "head-on": "accent bold",
    "key": "accent bold",
    "set": "accent",
    "good": "good",
    "bad": "bad",
    "memory": "memory",
    "figure": "figure",
    "cursor": "foreground on select",
    "cursor-off": "foreground on rule",
    "cursor-bad": "bad on select",
    "edit": "foreground underline",
    "caret": "background on foreground",
}


@dataclass(frozen=True)
class ThemeSpec:
    """The contents of a theme file: title, whether the background is dark, colours by name, and a style text for each role."""

    title: str
    dark: bool
    colours: Mapping[str, str]
    roles: Mapping[str, str]


def read(name: str, text: str, where: str) -> ThemeSpec:
    """Parse a theme from TOML; FileError names the file and the wrong line or key."""
    table = decode.toml(text, where)
    for key in table:
        if key not in ("title", "dark", "colours", "roles"):
            raise FileError(f"unknown key '{named(key)}'; a theme has title, dark, colours, roles", where=where)
    title, dark = table.get("title", name), table.get("dark", True)
    if not isinstance(title, str) or not isinstance(dark, bool):
        wrong = "title must be text in quotes" if not isinstance(title, str) else f"dark must be true or false, not {quoted(dark)}"
        raise FileError(wrong, where=where)
    colours = _colours(_table(table, "colours", where), where)
    roles = _table(table, "roles", where)
    for role, words in roles.items():
        if role not in ROLES:
            raise FileError(f"unknown role '{named(role)}'; known: {', '.join(ROLES)}", where=where)
        _check(words, f"{where}: roles.{named(role)}")
    return ThemeSpec(named(title), dark, colours, {**ROLES, **roles})


def _table(table: Mapping[str, Any], key: str, where: str) -> dict[str, str]:
    entries = table.get(key, {})
    if not isinstance(entries, dict) or not all(isinstance(value, str) for value in entries.values()):
        raise FileError(f"{key} must be a table of texts", where=where)
    return entries


def _colours(colours: dict[str, str], where: str) -> dict[str, str]:
    """The colours, checked: exactly the required names, each a valid colour."""
    if set(colours) != set(COLOURS):
        odd = sorted(set(COLOURS) ^ set(colours))[0]
        verb = "lacks" if odd in COLOURS else "has an unknown"
        raise FileError(f"colours {verb} '{named(odd)}'; it must have {', '.join(COLOURS)}", where=where)
    for key, colour in colours.items():
        if not re.fullmatch("#[0-9a-fA-F]{6}", colour) and colour not in TERMINAL:
            raise FileError(
                f"colours.{key}: {quoted(colour)} is not a colour; write #rrggbb, or a terminal colour such as ansi_red", where=where
            )
    return colours


def _check(words: str, where: str) -> None:
    """Refuse a role's text unless it consists of styles, at most one colour, and at most one background (`on` and a colour)."""
    for word in words.split():
        if word not in STYLES and word != "on" and word not in COLOURS:
            raise FileError(f"{quoted(word)} is neither a colour of the theme nor one of on, {', '.join(STYLES)}", where=where)
    kinds = "".join("o" if word == "on" else "s" if word in STYLES else "c" for word in words.split()).replace("oc", "b")
    if "o" in kinds or kinds.count("b") > 1 or kinds.count("c") > 1:
        raise FileError(f"{quoted(words)} is not a style; write a colour, `on` and a background, and {', '.join(STYLES)}", where=where)
