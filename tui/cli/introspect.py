"""The command line as data, from its Typer declarations: source of the manual and of shell completion."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import typer.main

from planner.document.fields import BY_KEY, JOB_GROUPS
from planner.document.space import AXES, NAMES
from planner.specs.job import RANGE

FILES = ("FILE", "PLANFILE", "PATH", "FOLDER", "RUNS", "PREDICTIONS", "MEASURED")  # metavars of files and folders


@dataclass(frozen=True)
class Parameter:
    """An option or an argument. `values` are its choices, or preset:<kind>, file, axis, column, target or text."""

    key: str
    names: tuple[str, ...]  # --top; for a switch also --no-...; for an argument its metavar
    metavar: str  # placeholder of its value; empty for a switch
    help: str
    default: str
    argument: bool
    required: bool
    repeatable: bool
    values: tuple[str, ...]

    @property
    def of_the_job(self) -> bool:
        """Whether it sets a field of a job or bounds an axis; every command that plans has these."""
        return not self.argument and (self.key in AXES or (self.key in BY_KEY and BY_KEY[self.key].group in JOB_GROUPS))

    @property
    def written(self) -> str:
        """Its form in a synopsis."""
        return f"{self.names[0]} {self.metavar}" if self.metavar and not self.argument else "/".join(self.names)


@dataclass(frozen=True)
class Command:
    """A command: its description, examples (each a command line), exit codes and parameters."""

    name: str
    about: str
    examples: tuple[str, ...]
    codes: str
    parameters: tuple[Parameter, ...]


def commands() -> tuple[Command, ...]:
    """All commands, in the order of declaration."""
    from tui.cli.app import app

    group: Any = typer.main.get_command(app)
    return tuple(_command(name, command) for name, command in group.commands.items() if not command.hidden)


def _command(name: str, command: Any) -> Command:
    paragraphs = [" ".join(paragraph.split()) for paragraph in (command.help or "").split("\n\n")]
    shown = [paragraph.removeprefix("Example: ") for paragraph in paragraphs if paragraph.startswith("Example: ")]
    about = " ".join(paragraph for paragraph in paragraphs if not paragraph.startswith("Example: "))
    examples = tuple(line for text in shown for line in re.split(", (?:then|or) (?=tmplan )", text))
    return Command(name, about, examples, command.epilog or "", tuple(_parameters(command)))


def _parameters(command: Any) -> Iterator[Parameter]:
    for given in command.params:
        argument = given.param_type_name == "argument"
        switch = bool(getattr(given, "is_flag", False))
        key, names = str(given.name), (*given.opts, *given.secondary_opts)
        metavar = "" if switch else str(given.metavar or "TEXT")
        yield Parameter(
            key, (metavar,) if argument else names, metavar, str(given.help or ""),
            str(given.default) if isinstance(given.default, str | int | float) and given.show_default and not switch else "",
            argument, bool(given.required), bool(getattr(given, "multiple", False)), () if switch else _values(key, metavar),
        )  # fmt: skip


def _values(key: str, metavar: str) -> tuple[str, ...]:
    """The values a parameter accepts, derived from its key and metavar."""
    field = BY_KEY.get(key)
    if field is not None and field.kind == "preset":
        return (f"preset:{field.preset_kind}",)
    if field is not None and field.choices:
        return field.choices
    if key in NAMES:
        return tuple(NAMES[key])
    if key == "zero":
        return tuple(map(str, range(RANGE[key][0], RANGE[key][1] + 1)))
    special: Mapping[str, tuple[str, ...]] = {"AXIS=VALUES": ("axis",), "AXIS=N": ("axis",), "AXES": ("axis",), "COLUMN": ("column",)}
    if key == "to":
        return ("target",)
    if metavar in special:
        return special[metavar]
    if metavar in FILES:
        return ("file",)
    return tuple(metavar.split("|")) if re.fullmatch(r"[a-z0-9]+(\|[a-z0-9]+)+", metavar) and key not in AXES else ("text",)
