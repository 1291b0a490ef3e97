"""Pieces of Markdown: a page with its notice, a table, code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

NOTICE = "<!-- Made from the program by `python -m tui.manual`; edit what it is made from, not this file. -->"
PIPE = r"\|"  # in a cell, in code too


def page(title: str, *parts: str) -> str:
    """A page: its title, the notice that it is made, its parts one below the other."""
    return "\n\n".join([f"# {title}", NOTICE, *(part.strip("\n") for part in parts if part)]) + "\n"


def table(head: Sequence[str], rows: Iterable[Iterable[str]]) -> str:
    """A table; a bar within a cell does not end it."""
    lines: list[Iterable[str]] = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(' '.join(cell.split()).replace('|', PIPE) for cell in line)} |" for line in lines)


def code(text: str) -> str:
    """A text as code within a line; empty stays empty."""
    if not text:
        return ""
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def plain(text: str) -> str:
    """A text in which Markdown finds nothing to do."""
    return "".join(f"\\{char}" if char in r"*_<>[]" else char for char in text)


def block(lines: Iterable[str], kind: str = "sh") -> str:
    """Lines of code."""
    return "\n".join([f"```{kind}", *lines, "```"])
