"""The help: every key from the registry, and how fields, degrees and filters are written."""

from __future__ import annotations

from collections.abc import Iterable

from textual.events import Key

from tui.bindings import CONTEXTS, DETAIL, FORM, PLANS, Binding, active
from tui.lines import Line
from tui.overlay import Overlay

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
            for b in active()
            if (set(b.contexts) == {FORM, PLANS, DETAIL} if not context else context in b.contexts and len(b.contexts) < 3)
        ]
        if found:
            yield CONTEXTS[context], found


class Help(Overlay):
    """The help over the panes."""

    def __init__(self) -> None:
        super().__init__("help")

    def take(self, event: Key) -> bool:
        """Use a key; whether it is over: the key that opened it closes it too."""
        return super().take(event) or any(event.key in b.keys for b in active() if b.action == "help")

    def content(self, width: int) -> list[Line]:
        return [
            [(f" {keys:<21} " if text else f" {keys}", role), (text[: max(0, width - 23)] if text else "", "text")]
            for keys, text, role in content()
        ]


def content() -> list[tuple[str, str, str]]:
    """Every line of the help: keys, what they do, role of the keys."""
    lines: list[tuple[str, str, str]] = []
    for where, bindings in groups():
        lines += [(where.capitalize(), "", "title"), *((b.shown, b.help, "key") for b in bindings), ("", "", "text")]
    for title, rows in WRITING:
        lines += [(title, "", "title"), *((sample, meaning, "key") for sample, meaning in rows), ("", "", "text")]
    return lines[:-1]
