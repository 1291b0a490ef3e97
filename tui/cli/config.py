"""`tmplan config` and `tmplan themes`: all settings with their values, and the available themes."""

from __future__ import annotations

import json
import os
from pathlib import Path

from planner.errors import FileError, TmplanError
from planner.files import atomic, reader, writer
from planner.plaintext import flat
from planner.specs.validate import choice
from tui.cli.answer import DONE, REFUSED, Answer, narrate
from tui.draw.aligned import aligned
from tui.settings import config, theme_files
from tui.settings.bindings import BINDINGS, Binding
from tui.settings.bindings import where as held
from tui.settings.key_names import shown


def settings(init: bool) -> Answer:
    """Print the config file with the current settings, or (init) write it with the default settings."""
    where = config.path()
    if init:
        return _init(where)
    stored, now = config.load({}), config.load()
    faults = tuple(dict.fromkeys((*stored.faults, *now.faults)))
    for fault in faults:
        narrate(f"tmplan: {fault}")
    if now.theme != stored.theme:
        narrate(f"tmplan: {'NO_COLOR' if 'NO_COLOR' in os.environ else 'TMPLAN_THEME'} overrides the file: the theme is '{now.theme}'")
    if not reader.exists(where):
        narrate(f"tmplan: {where} does not exist; `tmplan config --init` creates it")
    return Answer(template(stored, str(where)), REFUSED if faults else DONE)


def _init(where: Path) -> Answer:
    there = FileError("exists already and is left unchanged; `tmplan config` prints it with every setting", where=str(where))
    if os.path.lexists(where):
        raise there
    try:
        where.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"the folder cannot be created: {reader.reason(error)}", where=str(where.parent)) from None
    try:
        writer.write(where, template(config.Config(), str(where)), over=atomic.ABSENT)
    except atomic.Changed:
        raise there from None
    narrate(f"wrote {where}")
    return Answer()


def template(chosen: config.Config, where: str) -> str:
    """The config file with every setting; those at their default are commented out."""
    free = "# " if chosen.theme == theme_files.DEFAULT else ""
    lines = [
        f"# Settings of tmplan: {flat(where)}",
        f"# A theme: {flat(', '.join(theme_files.names()))}. `tmplan themes` describes them; yours: {flat(str(theme_files.folder()))}.",
        "# NO_COLOR and TMPLAN_THEME override it.",
        f"{free}theme = {_quoted(chosen.theme)}",
        "",
        "# Keys: a key, or a list of keys; [] removes all. A character is its own name, other keys are enter, tab, space, esc,",
        "# up, down, left, right, home, end, pgup, pgdn, f2, ctrl+l. Keys that ssh or tmux do not deliver are refused.",
        "[keys]",
    ]
    usual = {binding.id: binding.keys for binding in BINDINGS}
    for binding in chosen.keys:
        free = "# " if binding.keys == usual[binding.id] else ""
        lines.append(f"{free + _setting(binding):<44}# {binding.help}{held(binding)}")
    return "\n".join(lines) + "\n"


def _setting(binding: Binding) -> str:
    keys = [_quoted(NAMED.get(key, shown(key))) for key in binding.keys]
    return f"{binding.id} = {keys[0]}" if len(keys) == 1 else f"{binding.id} = [{', '.join(keys)}]"


NAMED = {"up": "up", "down": "down", "left": "left", "right": "right"}  # names instead of arrows, which are hard to type


def _quoted(text: str) -> str:
    """A text as a TOML string."""
    return json.dumps(text)


def list_themes(format: str) -> Answer:
    """List all themes, including the user's. One that cannot be read is reported on stderr and omitted."""
    choice("format", format, ("table", "json"))
    from tui.settings import themes

    preferred, rows = config.load().theme, []
    if problem := theme_files.trouble():
        narrate(f"tmplan: {problem}")
    for name in theme_files.names():
        try:
            look = themes.load(name)
        except TmplanError as error:
            narrate(f"tmplan: left out {name}: {error}")
            continue
        ground = "terminal" if look.theme.ansi else "dark" if look.theme.dark else "light"
        rows.append({"name": name, "title": look.title, "ground": ground, "own": name in theme_files.custom(), "chosen": name == preferred})
    if format == "json":
        return Answer(json.dumps({"schema": 1, "themes": rows}, indent=2) + "\n")
    lines = [["name", "title", "ground", "own", "chosen"]]
    lines += [[str(cell) if isinstance(cell, str) else "yes" if cell else "-" for cell in row.values()] for row in rows]
    return Answer("".join(f"{line}\n" for line in aligned(lines, range(5))))
