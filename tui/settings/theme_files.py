"""Where theme files lie: those shipped in `themes/`, and a person's own under the config folder. Nothing here needs Textual."""

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
LARGEST = 65_536  # bytes of a theme file: no theme is as long
BEYOND = f"is larger than {LARGEST:,} bytes; a theme is a few hundred"


def shipped() -> tuple[str, ...]:
    """The names of the themes that come with tmplan."""
    return tuple(name.removesuffix(".toml") for name in names_in(SHIPPED, ".toml"))


def folder() -> Path:
    """Where a person's own themes lie: <name>.toml in it."""
    return config_folder() / "themes"


def own() -> tuple[str, ...]:
    """The names of a person's own themes; none where the folder cannot be listed."""
    try:
        return tuple(name.removesuffix(".toml") for name in names_in(folder(), ".toml"))
    except FileError:
        return ()


def trouble() -> str:
    """Why a person's own themes are left out; empty where they are not."""
    try:
        names_in(folder(), ".toml")
    except FileError as error:
        return f"{error}; your own themes there are left out"
    return ""


def names() -> tuple[str, ...]:
    """Every theme there is, sorted. Of two that are called the same, the person's own counts."""
    return tuple(sorted({*shipped(), *own()}))


def read(name: str) -> tuple[str, str]:
    """The text of a theme's file, and what to call the file in a sentence. UnknownName, FileError."""
    if name not in names():
        raise UnknownName("theme", name, names())
    if name not in own():
        return read_shipped(name)
    path = folder() / f"{name}.toml"
    return text(path, LARGEST, BEYOND), str(path)


def read_shipped(name: str) -> tuple[str, str]:
    """The same of a theme that comes with tmplan, whatever a person's own of that name says."""
    return text(SHIPPED / f"{name}.toml", LARGEST, BEYOND), f"{name}.toml"


def preferred(environment: Mapping[str, str] = os.environ, configured: str = DEFAULT) -> str:
    """The theme to start with: colourless where NO_COLOR is set, else TMPLAN_THEME, else what the config file says."""
    return PLAIN if "NO_COLOR" in environment else environment.get("TMPLAN_THEME") or configured
