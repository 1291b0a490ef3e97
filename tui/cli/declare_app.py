"""The Typer app that every command is declared on."""

from __future__ import annotations

import typer

EXIT_CODES = "Exit codes: 0 done, 1 no plan fits or is valid (stdout still has what was found), 2 an input was refused, 130 interrupted."
app = typer.Typer(
    add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False,
    help="Plan distributed LLM training in the terminal. `tmplan [FILE] [OPTIONS]` opens the program; the options are those of `open`.",
    epilog=f"stdout is data, stderr is narration. {EXIT_CODES} `tmplan COMMAND --help` has an example. docs/commands.md has it all.",
)  # fmt: skip
