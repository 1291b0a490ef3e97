"""Campaign: config.toml with keys and a user theme, and theme files, mutated; names of keys."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from random import Random
from typing import Any

from tests.fuzz import nasty, place, tomltext
from tests.fuzz.campaign import Bench, Campaign, Case, register
from tests.fuzz.mutate import mutated, shaken
from tests.fuzz.promises import tried
from tui.settings import config, themes
from tui.settings.bindings import BINDINGS

KEYS = (
    "ctrl+f", "f2", "^L", "C-l", "ctrl-", "+", "ctrl++", "alt+x", "", " ", "shift+A", "hyper+q", "q", "?", "é", "\x1b", "pgdn", "1" * 500,
    "-", "^^", "ctrl+^", "S-",
)  # fmt: skip
THEMES = ("dark", "ansi", "contrast")


def draw(rng: Random) -> Case:
    """A config.toml and, of the name it may choose, a theme."""
    theme = files("themes").joinpath(f"{rng.choice(THEMES)}.toml").read_text(encoding="utf-8")
    tables = mutated(rng, tomllib.loads(theme), none=False)
    settings = tomltext.dumps(mutated(rng, _settings(rng), none=False, rate=0.03), rng).encode("utf-8", "replace")
    text = tomltext.dumps(tables, rng).encode("utf-8", "replace")
    if rng.random() < 0.15:
        settings, text = shaken(rng, settings), shaken(rng, text)
    return {"config": nasty.packed(settings), "theme": nasty.packed(text), "way": rng.choices(("load", "command"), (80, 20))[0]}


def _settings(rng: Random) -> dict[str, Any]:
    wishes: dict[str, Any] = {}
    for _ in range(rng.choice((0, 1, 2, 5, 40))):
        name = rng.choice([*(binding.id for binding in BINDINGS), *nasty.TEXTS])
        wishes[name] = rng.choice((rng.choice(KEYS), nasty.value(rng, none=False), ["a", "b"], [rng.choice(nasty.TEXTS)] * 3))
    theme = rng.choice(("dark", "paper", "mine", "mine", nasty.value(rng, none=False), "../../nowhere", "/nowhere"))
    return {"theme": theme, "keys": wishes if rng.random() < 0.9 else nasty.value(rng, none=False)}


def check(case: Case, bench: Bench) -> None:
    """Settings never keep the program from starting: what is wrong has a sentence, and the theme chosen can be drawn with."""
    folder = place.settings_folder()
    (folder / "themes").mkdir(parents=True, exist_ok=True)
    where, theme = folder / "config.toml", folder / "themes" / "mine.toml"
    bench.put(where, nasty.unpacked(case["config"]))
    bench.put(theme, nasty.unpacked(case["theme"]))
    if case["way"] == "command":
        for argv in (["config"], ["themes"]):
            tried(argv)
        return
    themes.load(config.load({}).theme)


register(Campaign("settings", "config.toml, keys and themes", draw, check, weight=0.7, shrinks=("config", "theme")))
