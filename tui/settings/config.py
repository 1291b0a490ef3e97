"""The config file: `config.toml` in the config folder, with a theme and keys of one's own. Nothing here needs Textual.

A wrong file never keeps the program from starting: what is wrong stands at its default, and the sentence is kept to be shown.
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
from tui.settings import theme_files as themefiles
from tui.settings import theme_table as themetable
from tui.settings.bindings import BINDINGS, Binding
from tui.settings.keymap import keymap

KNOWN = ("theme", "keys")


@dataclass(frozen=True)
class Config:
    """What a person has set, environment included: the name of a theme there is, bindings to use, a sentence for each fault."""

    theme: str = themefiles.DEFAULT
    keys: tuple[Binding, ...] = BINDINGS
    faults: tuple[str, ...] = ()


def path() -> Path:
    """Where the config file lies, whether or not there is one."""
    return config_folder() / "config.toml"


def load(environment: Mapping[str, str] = os.environ) -> Config:
    """The settings: those of the file, and NO_COLOR and TMPLAN_THEME before them. Nothing is raised."""
    where = path()
    told: Mapping[str, object] = {}
    faults: list[str] = []
    try:
        told = read_toml(where) if exists(where) else {}
    except TmplanError as error:
        faults.append(f"{error}; the settings are the defaults")
    faults += [f"{where}: unknown key {quoted(key)}; known: {', '.join(KNOWN)}" for key in told if key not in KNOWN]
    theme, wrong = _theme(told.get("theme", themefiles.DEFAULT), environment, where)
    faults += wrong
    wishes = told.get("keys", {})
    if not isinstance(wishes, dict):
        faults.append(f'{where}: keys must be a table, such as [keys] and below it filter = "ctrl+f", not {quoted(wishes)}')
        wishes = {}
    keys, refused = keymap(wishes) if wishes else (BINDINGS, ())
    faults += [f"{where}: {why}" for why in refused]
    return Config(theme, keys, tuple(map(sentence, faults)))


def _theme(named: object, environment: Mapping[str, str], where: Path) -> tuple[str, list[str]]:
    """The theme to use, of those there are, and why it is not the one named."""
    if not isinstance(named, str):
        return themefiles.preferred(environment), [f"{where}: theme must be the name of a theme in quotes, not {quoted(named)}"]
    asked = themefiles.preferred(environment, named)
    by = "TMPLAN_THEME" if environment.get("TMPLAN_THEME") == asked else str(where)
    own = themefiles.own()
    try:
        if asked in own:
            themetable.read(asked, *themefiles.read(asked))
        elif asked != themefiles.DEFAULT:
            themefiles.read(asked)
    except TmplanError as error:
        instead = next((name for name in (themefiles.DEFAULT, themefiles.PLAIN) if name not in own), themefiles.DEFAULT)
        return instead, [f"{by}: {error}; `tmplan themes` lists them, the theme is '{instead}'"]
    return asked, []
