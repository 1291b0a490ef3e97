"""Overlays: scrolled text over the panes, such as the help."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from textual.events import Key

from tui.draw.lines import Line, LinePane, fit

LEAVE = ("escape", "q", "enter")


class Overlay(LinePane):
    """Lines over the panes in a frame, scrolled with the keys of the panes; its id is its title."""

    leave: tuple[str, ...] = LEAVE
    wide = 76  # cells it takes at most

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self.open = False
        self.top = 0

    def content(self, width: int) -> Sequence[Line]:
        """Every line, of at most `width` cells."""
        raise NotImplementedError

    def take(self, event: Key) -> bool:
        """Use a key; whether it is over."""
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
            return event.key in self.leave
        self.top = max(0, min(self.top + step[event.key], len(self.content(self.size.width - 2)) - self.size.height + 2))
        self.redraw()
        return False

    def draw(self, width: int, height: int) -> Iterable[Line]:
        inner = width - 2
        lines = self.content(inner)
        title = f" {self.id} "
        yield [("╭─", "rule"), (title, "title-on"), ("─" * (inner - len(title) - 14), "rule"), (" esc closes ", "dim"), ("─╮", "rule")]
        for i in range(self.top, self.top + height - 2):
            line = fit(lines[i], inner) if i < len(lines) else fit((), inner)
            yield [("│", "rule"), *line, ("│", "rule")]
        yield [("╰" + "─" * inner + "╯", "rule")]
