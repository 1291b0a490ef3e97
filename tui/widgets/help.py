"""The help: every key from the registry, and how fields, degrees and filters are written."""

from __future__ import annotations

from itertools import zip_longest

from textual.events import Key

from tui.draw.lines import Line, fit, wrap
from tui.settings.bindings import active, sections, where, with_keys
from tui.widgets.overlay import Overlay

COLUMN = 68  # cells of a column; twice as many give two columns
WRITING = (  # keys in braces, by the names of their bindings
    ("Fields", (
        ("8192  8_192  8k", "a number; k is 1,024, m is 1,048,576"),
        ("{edit} on a preset", "a list; type to search it, or type the path of a file"),
        ("•", "set by hand, not by the preset; {free} gives it back"),
        ("✗", "refused; the text stays until it is corrected"),
    )),
    ("Degrees", (
        ("*", "left to the search"),
        ("8", "just that"),
        ("1,2,4", "one of these"),
        ("<=16  >=2  2..8", "at most, at least, from 2 to 8"),
    )),
    ("Plans", (
        ("?72.3", "GiB of a plan at risk: it fits, but the 80 % band of its memory crosses the limit"),
    )),
    ("Filter", (
        ("mem<72 tp=8", "conditions side by side: all must hold"),
        ("pp=2..8 cp!=1 mb=1,2", "a range, a difference, one of several"),
        ("recompute=full sharding=fsdp", "by name"),
        ("fits  !risk  sp", "yes or no"),
        ("mfu>40%", "a share, in percent"),
    )),
)  # fmt: skip


class Help(Overlay):
    """The help over the panes."""

    wide = 160

    def __init__(self) -> None:
        super().__init__("help")
        self.session = ""  # the path of the session, or why it is not written

    def take(self, event: Key) -> bool:
        """Handle a key; whether it closes the help: the key that opened it does too."""
        return super().take(event) or any(event.key in b.keys for b in active() if b.id == "help")

    def content(self, width: int) -> list[Line]:
        if width < COLUMN * 2:
            return [line for block in self.blocks(width) for line in (*block, [])][:-1]
        room = width // 2
        left: list[Line] = []
        right: list[Line] = []
        for block in self.blocks(room):
            (left if len(left) <= len(right) else right).extend((*block, []))
        both: list[Line] = [[*fit(a, room), *b] for a, b in zip_longest(left, right, fillvalue=())]
        return both[:-1]

    def blocks(self, width: int) -> list[list[Line]]:
        """All blocks, with the session of this program last."""
        return blocks(width) + ([_block("The session", [("", self.session)], width)] if self.session else [])


def blocks(width: int) -> list[list[Line]]:
    """The help in blocks with a title each: keys and what they do, then how things are written."""
    keys = [_block(title, [(b.shown, b.help + where(b)) for b in bindings], width) for title, bindings in sections()]
    return keys + [_block(title, [(with_keys(sample), with_keys(text)) for sample, text in rows], width) for title, rows in WRITING]


def _block(title: str, rows: list[tuple[str, str]], width: int) -> list[Line]:
    keys = max(len(key) for key, _ in rows)
    lines: list[Line] = [[(f" {title}", "title")]]
    for key, text in rows:
        first, *rest = wrap(text, max(20, width - keys - 5))
        lines.append([(f"   {key:<{keys}} ", "key"), (f" {first}", "text")])
        lines += [[(" " * (keys + 5) + line, "text")] for line in rest]
    return lines
