"""Commands that list presets, and those about what is a person's own: themes, config, completion."""

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

    app.command(kind, help=f"List the {kind} there are presets for, your own among them.\n\nExample: tmplan {kind} --format json")(listing)


for _kind in LISTS:
    _listing(_kind)


@app.command("themes")
def themes(format: opt.TableFormat = "table") -> Answer:
    """List the themes there are, your own among them: one TOML file each, in themes/ under the config folder.

    Example: tmplan themes
    """
    from tui.cli.config import list_themes

    return list_themes(format)


@app.command("config")
def config(init: Annotated[bool, typer.Option("--init", help="write the config file, unless it is there")] = False) -> Answer:
    """Print the config file with every setting, your own as they stand, and say on stderr what is wrong with it.

    Example: tmplan config --init
    """
    from tui.cli.config import settings

    return settings(init)


@app.command("completion")
def completion(shell: Annotated[str, typer.Argument(metavar="bash|zsh|fish", help="the shell")]) -> Answer:
    """Print the script that lets a shell complete commands, options and names of presets.

    Write it to a file that your shell reads when it starts, and print it again after an upgrade.

    Example: tmplan completion bash
    """
    from tui.cli.completion import completion

    return completion(shell)
