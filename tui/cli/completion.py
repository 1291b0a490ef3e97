"""`tmplan completion SHELL`: the script that lets bash, zsh or fish complete a command line.

Commands, options and choices are written into the script (`shell_scripts`), so that completing them starts no process; the script queries
names of presets, which the user may extend, with `tmplan completion names KIND`, which `tui.cli` answers without Typer and numpy.
"""

from __future__ import annotations

from planner.document.space import AXES
from planner.report.columns import COLUMNS
from planner.specs.validate import choice
from tui.cli.answer import Answer
from tui.cli.introspect import Parameter, commands
from tui.cli.shell_scripts import Completed, Taken, bash, fish, zsh

SHELLS = {"bash": bash, "zsh": zsh, "fish": fish}


def completion(shell: str) -> Answer:
    """The script of a shell."""
    choice("shell", shell, tuple(SHELLS))
    return Answer(SHELLS[shell](completed()))


def completed() -> list[Completed]:
    """Every command with the values that its options and arguments accept."""
    return [
        Completed(
            command.name,
            command.about.partition(". ")[0].partition(": ")[0].rstrip("."),
            {
                name: (taken(parameter), parameter.help)
                for parameter in command.parameters
                if not parameter.argument
                for name in parameter.names
            },
            [taken(parameter) for parameter in command.parameters if parameter.argument],
        )
        for command in commands()
    ]


def taken(parameter: Parameter) -> Taken | None:
    """The completions of a parameter's value; None for a switch."""
    if not parameter.metavar:
        return None
    first = parameter.values[0]
    if first.startswith("preset:"):
        return Taken(preset=first.removeprefix("preset:"), files=True)
    if first == "axis":
        return Taken(words=tuple(f"{axis}=" for axis in AXES))
    if first == "column":
        return Taken(words=tuple(column.key for column in COLUMNS))
    if first == "target":
        from planner.exporters.registry import targets

        return Taken(words=tuple(targets()))
    return Taken(files=first == "file", words=() if first in ("file", "text") else parameter.values)
