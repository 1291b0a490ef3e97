"""The Typer application; its commands are declared in tui.cli.declare_*."""

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
SUBJECTS = ("plans", "questions", "exchange", "measured", "settings")  # tui.cli.declare_*, in the order of the help

for _subject in SUBJECTS:
    importlib.import_module(f"tui.cli.declare_{_subject}")


def call(argv: list[str]) -> Answer:
    """Run one command line; Typer's usage errors propagate as exceptions with a `format_message` method."""
    if "--help" in argv:
        return Answer(help_of(argv[0]))
    if argv[0] == "--version":
        return Answer(f"tmplan {version()}")
    check_memory()
    answer = app(argv, prog_name="tmplan", standalone_mode=False)
    return answer if isinstance(answer, Answer) else Answer(code=answer if isinstance(answer, int) else 0)


def help_of(name: str) -> str:
    """The help of a command, or of the application. Built directly, since parsing `--help` would first import pydantic."""
    group: Any = typer.main.get_command(app)
    context = typer.Context(group, info_name="tmplan")
    command = group.get_command(context, name)
    text: str = command.get_help(typer.Context(command, parent=context, info_name=name)) if command else group.get_help(context)
    return text


@app.callback()
def top(version: Annotated[bool, typer.Option("--version", help="print the version")] = False) -> None:
    """Root command. `tmplan --help` prints the application's help; `call` handles --version, which Typer would print itself."""
