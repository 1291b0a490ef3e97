"""The commands of `tmplan` as Typer is told of them, by subject. What they do is in tui.cli_*, loaded when one is called."""
