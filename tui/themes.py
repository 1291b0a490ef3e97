"""Themes: one TOML file a theme, shipped in `themes/`, read into a Textual theme and the styles lines are drawn in."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from rich.style import Style
from textual.color import Color, ColorParseError
from textual.theme import Theme

from planner.errors import FileError

DEFAULT, PLAIN = "dark", "ansi"
COLOURS = ("background", "foreground", "faint", "accent", "select", "good", "bad", "memory", "figure", "rule")
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


def shipped() -> tuple[str, ...]:
    """The names of the themes that come with tmplan."""
    return tuple(sorted(entry.name.removesuffix(".toml") for entry in files("themes").iterdir() if entry.name.endswith(".toml")))


def load(name: str) -> Look:
    """A theme by its name; FileError if there is none or its file is wrong."""
    if name not in shipped():
        raise FileError(f"no theme is called '{name}'; known: {', '.join(shipped())}")
    return parse(name, files("themes").joinpath(f"{name}.toml").read_text(encoding="utf-8"), f"{name}.toml")


def preferred(environment: Mapping[str, str] = os.environ) -> str:
    """The theme to start with: colourless where NO_COLOR is set, else TMPLAN_THEME, else the default."""
    return PLAIN if "NO_COLOR" in environment else environment.get("TMPLAN_THEME", DEFAULT)


def parse(name: str, text: str, where: str) -> Look:
    """A theme from its TOML; FileError names the file, and the line or key that is wrong."""
    try:
        told: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FileError(f"is not valid TOML: {error}", where=where) from None
    for key in told:
        if key not in ("title", "dark", "colours", "roles"):
            raise FileError(f"unknown key '{key}'; a theme has title, dark, colours, roles", where=where)
    colours = _table(told, "colours", where)
    if set(colours) != set(COLOURS):
        odd = sorted(set(COLOURS) ^ set(colours))[0]
        verb = "lacks" if odd in COLOURS else "has an unknown"
        raise FileError(f"colours {verb} '{odd}'; it must have {', '.join(COLOURS)}", where=where)
    for key, colour in colours.items():
        try:
            Color.parse(colour)
        except ColorParseError:
            wrong = f"colours.{key}: '{colour}' is no colour; write #rrggbb, or ansi_red for the terminal's own"
            raise FileError(wrong, where=where) from None
    roles = _table(told, "roles", where)
    for role in roles:
        if role not in ROLES:
            raise FileError(f"unknown role '{role}'; known: {', '.join(ROLES)}", where=where)
    styles = {role: _style(words, colours, f"{where}: roles.{role}") for role, words in {**ROLES, **roles}.items()}
    return Look(name, str(told.get("title", name)), _theme(name, bool(told.get("dark", True)), colours), styles)


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
    style = Style.parse(" ".join(spelled))
    return style if style.bgcolor else style + Style(bgcolor=_rich(colours["background"]))


def _rich(colour: str) -> str:
    """A colour as Rich writes it: the terminal's own by name, others in hex."""
    return colour.removeprefix("ansi_") if colour.startswith("ansi_") else Color.parse(colour).hex6.lower()


def _theme(name: str, dark: bool, colours: Mapping[str, str]) -> Theme:
    background, foreground = colours["background"], colours["foreground"]
    ansi = background.startswith("ansi_")
    variables = {"ansi-background": background, "ansi-foreground": foreground} if ansi else {}  # Textual's own styles name them
    return Theme(
        name=f"tmplan-{name}", primary=colours["accent"], accent=colours["accent"], foreground=foreground, background=background,
        surface=background, panel=background, boost=background, success=colours["good"], warning=colours["bad"], error=colours["bad"],
        secondary=colours["figure"], dark=dark, ansi=ansi, variables=variables,
    )  # fmt: skip
