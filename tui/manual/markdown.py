"""Elements of Markdown: a page with its notice, a table, code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

NOTICE = "<!-- Generated from the program by `python -m tui.manual`; edit its source, not this file. -->"
PIPE = r"\|"  # a bar in a cell, also within code


def page(title: str, *parts: str) -> str:
    """A page: its title, the notice that it is generated, and its parts in order."""
    return "\n\n".join([f"# {title}", NOTICE, *(part.strip("\n") for part in parts if part)]) + "\n"


def table(head: Sequence[str], rows: Iterable[Iterable[str]]) -> str:
    """A table; bars within cells are escaped."""
    lines: list[Iterable[str]] = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(' '.join(cell.split()).replace('|', PIPE) for cell in line)} |" for line in lines)


def code(text: str) -> str:
    """A text as inline code; empty if the text is."""
    if not text:
        return ""
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def plain(text: str) -> str:
    """A text with Markdown's special characters escaped."""
    return "".join(f"\\{char}" if char in r"*_<>[]" else char for char in text)


def block(lines: Iterable[str], kind: str = "sh") -> str:
    """A block of code."""
    return "\n".join([f"```{kind}", *lines, "```"])
