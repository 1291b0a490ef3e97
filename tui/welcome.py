"""The three lines that a first run shows once: what to press. Any key closes them, and does what it does."""

from __future__ import annotations

from collections.abc import Iterable

from textual.events import Key

from tui.lines import Line, LinePane

TOLD = (
    "1 2 3 and enter change cluster, model and batch; every change plans anew.",
    "4 and the arrows go through the plans; enter explains one, e exports it.",
    "? tells every key, : finds any command, u takes back any edit, q quits.",
)


class Welcome(LinePane):
    """Shown over the panes until the first key."""

    wide, tall = 78, len(TOLD) + 2

    def __init__(self) -> None:
        super().__init__(id="welcome")
        self.open = False

    def take(self, event: Key) -> bool:
        """Any key is the end of it."""
        return True

    def draw(self, width: int, height: int) -> Iterable[Line]:
        inner = width - 2
        title = " welcome to tmplan "
        yield [("╭─", "rule"), (title, "title-on"), ("─" * (inner - 1 - len(title)), "rule"), ("╮", "rule")]
        for line in TOLD:
            yield [("│", "rule"), (f" {line}"[:inner].ljust(inner), "text"), ("│", "rule")]
        yield [("╰" + "─" * inner + "╯", "rule")]
