"""The config file `config.toml` in the config folder: the theme and the user's keys. This module does not import Textual.

A wrong file never prevents the program from starting: a wrong setting has its default value, and the message is stored for display.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from planner.errors import TmplanError
from planner.files.reader import exists
from planner.plaintext import quoted, sentence
from planner.presets.folders import config_folder
from planner.presets.toml_keys import read_toml
from tui.settings import theme_files, theme_table
from tui.settings.bindings import BINDINGS, Binding
from tui.settings.keymap import keymap

KNOWN = ("theme", "keys")


@dataclass(frozen=True)
class Config:
    """The user's settings, environment included: the name of an existing theme, the bindings, and a message for each fault."""

    theme: str = theme_files.DEFAULT
    keys: tuple[Binding, ...] = BINDINGS
    faults: tuple[str, ...] = ()


def path() -> Path:
    """The path of the config file, whether or not it exists."""
    return config_folder() / "config.toml"


def load(environment: Mapping[str, str] = os.environ) -> Config:
    """The settings of the file, overridden by NO_COLOR and TMPLAN_THEME. Never raises; faults are returned in the result."""
    where = path()
    settings: Mapping[str, object] = {}
    faults: list[str] = []
    try:
        settings = read_toml(where) if exists(where) else {}
    except TmplanError as error:
        faults.append(f"{error}; the settings are the defaults")
    faults += [f"{where}: unknown key {quoted(key)}; known: {', '.join(KNOWN)}" for key in settings if key not in KNOWN]
    theme, wrong = _theme(settings.get("theme", theme_files.DEFAULT), environment, where)
    faults += wrong
    chosen_keys = settings.get("keys", {})
    if not isinstance(chosen_keys, dict):
        faults.append(f'{where}: keys must be a table, such as [keys] and below it filter = "ctrl+f", not {quoted(chosen_keys)}')
        chosen_keys = {}
    keys, refused = keymap(chosen_keys) if chosen_keys else (BINDINGS, ())
    faults += [f"{where}: {why}" for why in refused]
    return Config(theme, keys, tuple(map(sentence, faults)))


def _theme(named: object, environment: Mapping[str, str], where: Path) -> tuple[str, list[str]]:
    """The theme to use, one that exists, and messages if it is not the one named."""
    if not isinstance(named, str):
        return theme_files.preferred(environment), [f"{where}: theme must be the name of a theme in quotes, not {quoted(named)}"]
    requested = theme_files.preferred(environment, named)
    by = "TMPLAN_THEME" if environment.get("TMPLAN_THEME") == requested else str(where)
    custom = theme_files.custom()
    try:
        if requested in custom:
            theme_table.read(requested, *theme_files.read(requested))
        elif requested != theme_files.DEFAULT:
            theme_files.read(requested)
    except TmplanError as error:
        instead = next((name for name in (theme_files.DEFAULT, theme_files.PLAIN) if name not in custom), theme_files.DEFAULT)
        return instead, [f"{by}: {error}; `tmplan themes` lists them, the theme is '{instead}'"]
    return requested, []
