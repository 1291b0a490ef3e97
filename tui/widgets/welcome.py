"""The three lines that the first run shows: the most important keys. Any key closes them and is handled as usual."""

from __future__ import annotations

from collections.abc import Iterable

from textual.events import Key

from tui.draw.lines import Line, LinePane
from tui.settings.bindings import PLANS, key_of, lookup, with_keys

SENTENCES = (  # keys by the names of their bindings
    "{cluster} {model} {batch} and {edit} change cluster, model and batch; every change updates the plans.",
    "{plans} and {arrows} go through the plans; {explain} explains one, {export} exports it.",
    "{help} shows every key, {commands} finds any command, {undo} takes back any edit, {quit} quits.",
)


def sentences() -> list[str]:
    """The lines, with the keys as they are now."""
    return [with_keys(sentence, arrows=arrows()) for sentence in SENTENCES]


def arrows() -> str:
    """The keys that move up and down: the arrows, unless the user has changed them."""
    moved = [lookup(PLANS, name) for name in ("down", "up")]
    return "the arrows" if [b and b.id for b in moved] == ["down", "up"] else f"{key_of('down')} {key_of('up')}"


class Welcome(LinePane):
    """Shown over the panes until the first key."""

    wide, tall = 78, len(SENTENCES) + 2

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
        for line in sentences():
            yield [("│", "rule"), (f" {line}"[:inner].ljust(inner), "text"), ("│", "rule")]
        yield [("╰" + "─" * inner + "╯", "rule")]
