"""Themes: one TOML file a theme (`tui.themefiles` finds it), read into a Textual theme and the styles lines are drawn in."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.errors import StyleSyntaxError
from rich.style import Style
from textual.theme import Theme

from planner.errors import FileError, TmplanError
from tui import themefiles
from tui.themefiles import DEFAULT
from tui.themefiles import preferred as preferred

HUES = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
COLOURS = ("background", "foreground", "faint", "accent", "select", "good", "bad", "memory", "figure", "rule")
TERMINAL = ("ansi_default", *(f"ansi_{bright}{name}" for bright in ("", "bright_") for name in HUES))  # the terminal's own sixteen
STYLES = ("bold", "dim", "reverse", "underline", "on")
ROLES: Mapping[str, str] = {  # how a role is drawn unless the theme says otherwise; a bare colour is the foreground
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
class Look:
    """A theme: its name and title, the Textual theme, and a style for each role."""

    name: str
    title: str
    theme: Theme
    roles: Mapping[str, Style] = field(repr=False)


def load(name: str) -> Look:
    """A theme by its name; UnknownName if there is none, FileError if its file is wrong."""
    return parse(name, *themefiles.read(name))


def chosen(name: str) -> tuple[Look, str]:
    """A theme by its name; where it cannot be had the default one, and the sentence that says why."""
    try:
        return load(name), ""
    except TmplanError as error:
        return parse(DEFAULT, *themefiles.read_shipped(DEFAULT)), f"{error}; the theme is '{DEFAULT}'"


def parse(name: str, text: str, where: str) -> Look:
    """A theme from its TOML; FileError names the file, and the line or key that is wrong."""
    try:
        told: dict[str, Any] = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise FileError(f"is not valid TOML: {error}", where=where) from None
    for key in told:
        if key not in ("title", "dark", "colours", "roles"):
            raise FileError(f"unknown key '{key}'; a theme has title, dark, colours, roles", where=where)
    title, dark = told.get("title", name), told.get("dark", True)
    if not isinstance(title, str) or not isinstance(dark, bool):
        wrong = "title must be text in quotes" if not isinstance(title, str) else f"dark must be true or false, not {dark!r}"
        raise FileError(wrong, where=where)
    colours = _table(told, "colours", where)
    if set(colours) != set(COLOURS):
        odd = sorted(set(COLOURS) ^ set(colours))[0]
        verb = "lacks" if odd in COLOURS else "has an unknown"
        raise FileError(f"colours {verb} '{odd}'; it must have {', '.join(COLOURS)}", where=where)
    for key, colour in colours.items():
        if not re.fullmatch("#[0-9a-fA-F]{6}", colour) and colour not in TERMINAL:
            raise FileError(f"colours.{key}: '{colour}' is no colour; write #rrggbb, or ansi_red for the terminal's own", where=where)
    roles = _table(told, "roles", where)
    for role in roles:
        if role not in ROLES:
            raise FileError(f"unknown role '{role}'; known: {', '.join(ROLES)}", where=where)
    styles = {role: _style(words, colours, f"{where}: roles.{role}") for role, words in {**ROLES, **roles}.items()}
    return Look(name, title, _theme(name, dark, colours), styles)


def _table(told: Mapping[str, Any], key: str, where: str) -> dict[str, str]:
    found = told.get(key, {})
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise FileError(f"{key} must be a table of texts", where=where)
    return found


def _style(words: str, colours: Mapping[str, str], where: str) -> Style:
    """A Rich style from words: styles, and names of the theme's colours."""
    spelled = []
    for word in re.split(r"\s+", words.strip()):
        if word not in STYLES and word not in colours:
            raise FileError(f"'{word}' is neither a colour of the theme nor one of {', '.join(STYLES)}", where=where)
        spelled.append(_rich(colours[word]) if word in colours else word)
    try:
        style = Style.parse(" ".join(spelled))
    except StyleSyntaxError:
        raise FileError(
            f"'{words}' is no style; write a colour, `on` and the one behind it, and {', '.join(STYLES[:4])}", where=where
        ) from None
    return style if style.bgcolor else style + Style(bgcolor=_rich(colours["background"]))


def _rich(colour: str) -> str:
    """A colour as Rich writes it: the terminal's own by name, others in hex."""
    return colour.removeprefix("ansi_") if colour.startswith("ansi_") else colour.lower()


def _theme(name: str, dark: bool, colours: Mapping[str, str]) -> Theme:
    background, foreground = colours["background"], colours["foreground"]
    ansi = background.startswith("ansi_")
    variables = {"ansi-background": background, "ansi-foreground": foreground} if ansi else {}  # Textual's own styles name them
    return Theme(
        name=f"tmplan-{name}", primary=colours["accent"], accent=colours["accent"], foreground=foreground, background=background,
        surface=background, panel=background, boost=background, success=colours["good"], warning=colours["bad"], error=colours["bad"],
        secondary=colours["figure"], dark=dark, ansi=ansi, variables=variables,
    )  # fmt: skip
