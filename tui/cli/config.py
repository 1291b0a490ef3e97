"""`tmplan config` and `tmplan themes`: the settings there are, what they stand at, and the themes to choose from."""

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
    """The config file as it would be written with the present settings, or (init) written with the default ones."""
    where = config.path()
    if init:
        return _init(where)
    found, now = config.load({}), config.load()
    faults = tuple(dict.fromkeys((*found.faults, *now.faults)))
    for fault in faults:
        narrate(f"tmplan: {fault}")
    if now.theme != found.theme:
        narrate(f"tmplan: {'NO_COLOR' if 'NO_COLOR' in os.environ else 'TMPLAN_THEME'} comes before the file: the theme is '{now.theme}'")
    if not reader.exists(where):
        narrate(f"tmplan: {where} is not there; `tmplan config --init` writes it")
    return Answer(template(found, str(where)), REFUSED if faults else DONE)


def _init(where: Path) -> Answer:
    there = FileError("is there already, and is left as it is; `tmplan config` prints it with every setting", where=str(where))
    if os.path.lexists(where):
        raise there
    try:
        where.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"the folder cannot be made: {reader.reason(error)}", where=str(where.parent)) from None
    try:
        writer.write(where, template(config.Config(), str(where)), over=atomic.ABSENT)
    except atomic.Changed:
        raise there from None
    narrate(f"wrote {where}")
    return Answer()


def template(found: config.Config, where: str) -> str:
    """Every setting as the config file has it: those at their default commented out."""
    free = "# " if found.theme == theme_files.DEFAULT else ""
    lines = [
        f"# Settings of tmplan: {flat(where)}",
        f"# A theme: {flat(', '.join(theme_files.names()))}. `tmplan themes` describes them; yours: {flat(str(theme_files.folder()))}.",
        "# NO_COLOR and TMPLAN_THEME come before it.",
        f"{free}theme = {_quoted(found.theme)}",
        "",
        "# Keys: a key, or a list of them; [] takes all away. A character stands for itself, others are named: enter, tab, space, esc,",
        "# up, down, left, right, home, end, pgup, pgdn, f2, ctrl+l. Keys that ssh or tmux do not deliver are refused.",
        "[keys]",
    ]
    usual = {binding.id: binding.keys for binding in BINDINGS}
    for binding in found.keys:
        free = "# " if binding.keys == usual[binding.id] else ""
        lines.append(f"{free + _setting(binding):<44}# {binding.help}{held(binding)}")
    return "\n".join(lines) + "\n"


def _setting(binding: Binding) -> str:
    keys = [_quoted(NAMED.get(key, shown(key))) for key in binding.keys]
    return f"{binding.id} = {keys[0]}" if len(keys) == 1 else f"{binding.id} = [{', '.join(keys)}]"


NAMED = {"up": "up", "down": "down", "left": "left", "right": "right"}  # words, for those who have no arrows to type


def _quoted(text: str) -> str:
    """A text as TOML writes it."""
    return json.dumps(text)


def list_themes(format: str) -> Answer:
    """Every theme, a person's own among them. One that cannot be read is told on stderr and left out."""
    choice("format", format, ("table", "json"))
    from tui.settings import themes

    preferred, rows = config.load().theme, []
    if told := theme_files.trouble():
        narrate(f"tmplan: {told}")
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
