"""Commands that list presets, and those for the user's settings: themes, config, completion."""

from __future__ import annotations

from typing import Annotated

import typer

from tui.cli import options as opt
from tui.cli.answer import Answer
from tui.cli.declare_app import app
from tui.cli.main import LISTS


def _listing(kind: str) -> None:
    """Declare the command that lists one kind of preset."""

    def listing(format: opt.TableFormat = "table") -> Answer:
        from tui.cli.presets import list_presets

        return list_presets(kind, format)

    app.command(kind, help=f"List the presets of {kind}, including yours.\n\nExample: tmplan {kind} --format json")(listing)


for _kind in LISTS[:-1]:
    _listing(_kind)


@app.command("stacks")
def stacks(name: opt.StackName = None, format: opt.TableFormat = "table") -> Answer:
    """List the presets of stacks, including yours; with a name, what came with each release of one, and where that is written.

    `--stack-release` of other commands plans with the stack of a month.

    Example: tmplan stacks megatron-core
    """
    from tui.cli.presets import list_presets, list_releases

    return list_releases(name, format) if name else list_presets("stacks", format)


@app.command("themes")
def themes(format: opt.TableFormat = "table") -> Answer:
    """List all themes, including yours: one TOML file each, in themes/ of the config folder.

    Example: tmplan themes
    """
    from tui.cli.config import list_themes

    return list_themes(format)


@app.command("config")
def config(init: Annotated[bool, typer.Option("--init", help="create the config file, unless it exists")] = False) -> Answer:
    """Print the config file with every setting, yours included, and report errors in it on stderr.

    Example: tmplan config --init
    """
    from tui.cli.config import settings

    return settings(init)


@app.command("completion")
def completion(shell: Annotated[str, typer.Argument(metavar="bash|zsh|fish", help="the shell")]) -> Answer:
    """Print the script for a shell that completes commands, options and names of presets.

    Write it to a startup file of your shell, and print it again after an upgrade.

    Example: tmplan completion bash
    """
    from tui.cli.completion import completion

    return completion(shell)
