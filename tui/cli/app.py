"""The command line as Typer runs it; its commands are declared in tui.cli.declare_*."""

from __future__ import annotations

import importlib
from typing import Annotated, Any

import typer
import typer.main

from planner.document.version import version
from tui.cli.answer import Answer
from tui.cli.declare_app import app
from tui.cli.unforeseen import check_memory

__all__ = ["app", "call", "help_of"]
SUBJECTS = ("plans", "questions", "exchange", "measured", "own")  # tui.cli.declare_*, in the order that help lists their commands

for _subject in SUBJECTS:
    importlib.import_module(f"tui.cli.declare_{_subject}")


def call(argv: list[str]) -> Answer:
    """Run one command line; Typer's refusals leave as exceptions that have a `format_message`."""
    if "--help" in argv:
        return Answer(help_of(argv[0]))
    if argv[0] == "--version":
        return Answer(f"tmplan {version()}")
    check_memory()
    answer = app(argv, prog_name="tmplan", standalone_mode=False)
    return answer if isinstance(answer, Answer) else Answer(code=answer if isinstance(answer, int) else 0)


def help_of(name: str) -> str:
    """The help of a command, or of them all. Asked of Typer directly: to parse `--help` it would first load pydantic."""
    group: Any = typer.main.get_command(app)
    context = typer.Context(group, info_name="tmplan")
    command = group.get_command(context, name)
    text: str = command.get_help(typer.Context(command, parent=context, info_name=name)) if command else group.get_help(context)
    return text


@app.callback()
def top(version: Annotated[bool, typer.Option("--version", help="print the version")] = False) -> None:
    """What `tmplan --help` says is the app's own help; `call` answers --version, which Typer would print itself."""
