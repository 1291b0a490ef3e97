"""The help: every key from the registry, and how fields, degrees and filters are written."""

from __future__ import annotations

from collections.abc import Iterable

from textual.events import Key

from tui.bindings import BINDINGS, CONTEXTS, DETAIL, FORM, PLANS, Binding
from tui.lines import Line, LinePane

WRITING = (
    ("Fields", (
        ("8192  8_192  8k", "a number; k is 1,024, m is 1,048,576"),
        ("enter on a preset", "a list; type to search it, or type the path of a file"),
        ("•", "set by hand, not by the preset; * gives it back"),
        ("✗", "refused; what was typed stays until it is mended"),
    )),
    ("Degrees", (
        ("*", "left to the search"),
        ("8", "just that"),
        ("1,2,4", "one of these"),
        ("<=16  >=2  2..8", "at most, at least, from 2 to 8"),
    )),
    ("Filter", (
        ("mem<72 tp=8", "conditions side by side: all must hold"),
        ("pp=2..8 cp!=1 mb=1,2", "a range, a difference, one of several"),
        ("recompute=full sharding=fsdp", "by name"),
        ("fits  !fits  sp", "yes or no"),
        ("mfu>40%", "a share, in percent"),
    )),
)  # fmt: skip


def groups() -> Iterable[tuple[str, list[Binding]]]:
    """The bindings by where they hold, those that hold everywhere first."""
    for context in ("", FORM, PLANS, DETAIL):
        found = [
            b
            for b in BINDINGS
            if (set(b.contexts) == {FORM, PLANS, DETAIL} if not context else context in b.contexts and len(b.contexts) < 3)
        ]
        if found:
            yield CONTEXTS[context], found


class Help(LinePane):
    """The help over the panes, scrolled with the keys of the panes."""

    def __init__(self) -> None:
        super().__init__(id="help")
        self.open = False
        self.top = 0

    def take(self, event: Key) -> bool:
        """Use a key; whether the help is over."""
        page = max(1, self.size.height - 3)
        step = {
            "down": 1,
            "j": 1,
            "up": -1,
            "k": -1,
            "pagedown": page,
            "space": page,
            "pageup": -page,
            "home": -999,
            "g": -999,
            "end": 999,
            "G": 999,
        }
        if event.key not in step:
            return event.key in ("escape", "q", "question_mark", "enter")
        self.top = max(0, min(self.top + step[event.key], len(content()) - self.size.height + 2))
        self.redraw()
        return False

    def draw(self, width: int, height: int) -> Iterable[Line]:
        inner = width - 2
        lines = content()
        yield [("╭─", "rule"), (" help ", "title-on"), ("─" * (inner - 20), "rule"), (" esc closes ", "dim"), ("─╮", "rule")]
        for i in range(self.top, self.top + height - 2):
            keys, text, role = lines[i] if i < len(lines) else ("", "", "text")
            keys = f" {keys:<21} " if text else f" {keys}"
            yield [("│", "rule"), (keys, role), (f"{text}"[: inner - len(keys)].ljust(inner - len(keys)), "text"), ("│", "rule")]
        yield [("╰" + "─" * inner + "╯", "rule")]


def content() -> list[tuple[str, str, str]]:
    """Every line of the help: keys, what they do, role of the keys."""
    lines: list[tuple[str, str, str]] = []
    for where, bindings in groups():
        lines += [(where.capitalize(), "", "title"), *((b.shown, b.help, "key") for b in bindings), ("", "", "text")]
    for title, rows in WRITING:
        lines += [(title, "", "title"), *((sample, meaning, "key") for sample, meaning in rows), ("", "", "text")]
    return lines[:-1]
