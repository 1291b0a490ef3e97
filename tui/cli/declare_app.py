"""The Typer application on which every command is declared."""

from __future__ import annotations

import typer

EXIT_CODES = "Exit codes: 0 done, 1 no plan fits or is valid (stdout still has the results), 2 an input was refused, 130 interrupted."
app = typer.Typer(
    add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False,
    help="Plan distributed LLM training in the terminal. `tmplan [FILE] [OPTIONS]` opens the program, with the options of `open`.",
    epilog=f"Data goes to stdout, messages to stderr. {EXIT_CODES} `tmplan COMMAND --help` shows an example; docs/commands.md is complete.",
)  # fmt: skip
