"""Themes: one TOML file per theme (located by `theme_files`, parsed by `theme_table`), as a Textual theme and styles of roles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rich.style import Style
from textual.theme import Theme

from tui.settings import theme_files
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
    """Load a theme by name; UnknownName if there is none, FileError if its file is wrong."""
    return parse(name, *theme_files.read(name))


def parse(name: str, text: str, where: str) -> Look:
    """Parse a theme from TOML; FileError names the file and the wrong line or key."""
    spec = read(name, text, where)
    styles = {role: _style(words, spec.colours) for role, words in spec.roles.items()}
    return Look(name, spec.title, _theme(name, spec.dark, spec.colours), styles)


def _style(words: str, colours: Mapping[str, str]) -> Style:
    """A Rich style from a role's text of styles and names of the theme's colours."""
    style = Style.parse(" ".join(_rich(colours[word]) if word in colours else word for word in words.split()))
    return style if style.bgcolor else style + Style(bgcolor=_rich(colours["background"]))


def _rich(colour: str) -> str:
    """A colour in Rich's notation: the terminal's colours by name, others in hex."""
    return colour.removeprefix("ansi_") if colour.startswith("ansi_") else colour.lower()


def _theme(name: str, dark: bool, colours: Mapping[str, str]) -> Theme:
    background, foreground = colours["background"], colours["foreground"]
    ansi = background.startswith("ansi_")
    variables = {"ansi-background": background, "ansi-foreground": foreground} if ansi else {}  # used by Textual's built-in styles
    return Theme(
        name=f"tmplan-{name}", primary=colours["accent"], accent=colours["accent"], foreground=foreground, background=background,
        surface=background, panel=background, boost=background, success=colours["good"], warning=colours["bad"], error=colours["bad"],
        secondary=colours["figure"], dark=dark, ansi=ansi, variables=variables,
    )  # fmt: skip
