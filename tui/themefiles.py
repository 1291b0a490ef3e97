"""Where theme files lie: those shipped in `themes/`, and a person's own under the config folder. Nothing here needs Textual."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from planner.errors import FileError, UnknownName
from planner.presets import config_folder
from planner.wholefile import content

DEFAULT, PLAIN = "dark", "ansi"
LARGEST = 65_536  # bytes of a theme file: no theme is as long


def shipped() -> tuple[str, ...]:
    """The names of the themes that come with tmplan."""
    return tuple(sorted(entry.name.removesuffix(".toml") for entry in files("themes").iterdir() if entry.name.endswith(".toml")))


def folder() -> Path:
    """Where a person's own themes lie: <name>.toml in it."""
    return config_folder() / "themes"


def own() -> tuple[str, ...]:
    """The names of a person's own themes; none where the folder cannot be looked into."""
    try:
        return tuple(sorted(file.stem for file in folder().glob("*.toml")))
    except OSError:
        return ()


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
    try:
        return content(path, LARGEST, "is no theme: it is larger than any").decode("utf-8"), str(path)
    except UnicodeDecodeError as error:
        raise FileError(f"is not UTF-8 text (byte {error.start})", where=str(path)) from None


def read_shipped(name: str) -> tuple[str, str]:
    """The same of a theme that comes with tmplan, whatever a person's own of that name says."""
    return files("themes").joinpath(f"{name}.toml").read_text(encoding="utf-8"), f"{name}.toml"


def preferred(environment: Mapping[str, str] = os.environ, configured: str = DEFAULT) -> str:
    """The theme to start with: colourless where NO_COLOR is set, else TMPLAN_THEME, else what the config file says."""
    return PLAIN if "NO_COLOR" in environment else environment.get("TMPLAN_THEME") or configured
