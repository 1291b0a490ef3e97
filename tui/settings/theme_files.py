"""Locations of theme files: shipped in `themes/`, and the user's in the config folder. This module does not import Textual."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from planner.errors import FileError, UnknownName
from planner.files.reader import names_in, text
from planner.presets.folders import config_folder

SHIPPED = Path(str(files("themes")))
DEFAULT, PLAIN = "dark", "ansi"
LARGEST = 65_536  # bytes; no real theme file is that long
BEYOND = f"is larger than {LARGEST:,} bytes; a theme is a few hundred"


def shipped() -> tuple[str, ...]:
    """Names of the themes that come with tmplan."""
    return tuple(name.removesuffix(".toml") for name in names_in(SHIPPED, ".toml"))


def folder() -> Path:
    """The folder of the user's themes, <name>.toml."""
    return config_folder() / "themes"


def custom() -> tuple[str, ...]:
    """Names of the user's themes; none if the folder cannot be read."""
    try:
        return tuple(name.removesuffix(".toml") for name in names_in(folder(), ".toml"))
    except FileError:
        return ()


def trouble() -> str:
    """The message why the user's themes are not available; empty if they are."""
    try:
        names_in(folder(), ".toml")
    except FileError as error:
        return f"{error}; your themes there are not available"
    return ""


def names() -> tuple[str, ...]:
    """All themes, sorted. A theme of the user replaces a shipped one of the same name."""
    return tuple(sorted({*shipped(), *custom()}))


def read(name: str) -> tuple[str, str]:
    """The text of a theme's file, and the name of the file for messages; UnknownName, FileError."""
    if name not in names():
        raise UnknownName("theme", name, names())
    if name not in custom():
        return read_shipped(name)
    path = folder() / f"{name}.toml"
    return text(path, LARGEST, BEYOND), str(path)


def read_shipped(name: str) -> tuple[str, str]:
    """The same for a theme that comes with tmplan, ignoring a theme of the user with that name."""
    return text(SHIPPED / f"{name}.toml", LARGEST, BEYOND), f"{name}.toml"


def preferred(environment: Mapping[str, str] = os.environ, configured: str = DEFAULT) -> str:
    """The theme to start with: without colours if NO_COLOR is set, else TMPLAN_THEME, else the config file's."""
    return PLAIN if "NO_COLOR" in environment else environment.get("TMPLAN_THEME") or configured
