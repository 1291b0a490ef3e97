"""Themes: one TOML file a theme (`theme_files` finds it, `theme_table` reads it), as a Textual theme and the styles of lines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rich.style import Style
from textual.theme import Theme

from tui.settings import theme_files as themefiles
from tui.settings.theme_files import preferred as preferred
from tui.settings.theme_table import COLOURS as COLOURS
from tui.settings.theme_table import ROLES as ROLES
from tui.settings.theme_table import read


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


def parse(name: str, text: str, where: str) -> Look:
    """A theme from its TOML; FileError names the file, and the line or key that is wrong."""
    told = read(name, text, where)
    styles = {role: _style(words, told.colours) for role, words in told.roles.items()}
    return Look(name, told.title, _theme(name, told.dark, told.colours), styles)


def _style(words: str, colours: Mapping[str, str]) -> Style:
    """A Rich style from words: styles, and names of the theme's colours."""
    style = Style.parse(" ".join(_rich(colours[word]) if word in colours else word for word in words.split()))
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
