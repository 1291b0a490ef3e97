"""A list to choose from, searched by typing: presets, columns, commands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from rich.cells import cell_len, set_cell_size
from textual.events import Key

from tui.draw.lines import Line, LinePane, drawn, padded
from tui.widgets.line_edit import LineEdit

Choice = tuple[str, str]  # what is chosen, and a few words about it


def matches(choices: Sequence[Choice], typed: str) -> list[Choice]:
    """The choices that hold every word typed, those whose name starts with the first word before the rest."""
    words = typed.lower().split()
    hits = [c for c in choices if all(word in f"{c[0]} {c[1]}".lower() for word in words)]
    return sorted(hits, key=lambda c: not c[0].lower().startswith(words[0])) if words else hits


class Picker(LinePane):
    """A searchable list over the panes. Typed text that matches no choice may be accepted too (a path)."""

    wide = 72  # cells it takes at most

    def __init__(self) -> None:
        super().__init__(id="picker")
        self.title = ""
        self.choices: Sequence[Choice] = ()
        self.done: Callable[[str], None] = lambda name: None
        self.toggle: Callable[[str], Sequence[Choice]] | None = None
        self.freely = False
        self.edit = LineEdit()
        self.at = 0
        self.top = 0
        self.open = False

    def ask(self, title: str, choices: Sequence[Choice], done: Callable[[str], None], *, at: str = "", freely: bool = False) -> None:
        """Open on these choices, with the cursor on one of them."""
        self.title, self.choices, self.done, self.freely, self.toggle = title, choices, done, freely, None
        self.edit, self.top, self.open = LineEdit(), 0, True
        self.at = next((i for i, (name, _) in enumerate(choices) if name == at), 0)

    def choose(self, title: str, choices: Sequence[Choice], toggle: Callable[[str], Sequence[Choice]]) -> None:
        """Open on choices that can be selected together: enter does not close the list, and `toggle` returns the updated choices."""
        self.ask(title, choices, lambda name: None)
        self.toggle = toggle

    def take(self, event: Key) -> bool:
        """Use a key; whether the picker is over."""
        listed = matches(self.choices, self.edit.text)
        page = max(1, self.size.height - 3)
        step = {"down": 1, "up": -1, "ctrl+n": 1, "ctrl+p": -1, "pagedown": page, "pageup": -page, "tab": 1, "shift+tab": -1}.get(event.key)
        if event.key == "escape":
            return True
        if event.key == "enter":
            if not listed and not (self.freely and self.edit.text.strip()):
                return False
            if self.toggle:
                self.choices = self.toggle(listed[self.at][0])
                self.redraw()
                return False
            self.done(listed[self.at][0] if listed else self.edit.text.strip())
            return True
        if step:
            self.at = min(max(0, self.at + step), max(0, len(listed) - 1))
        elif self.edit.take(event):
            self.at = self.top = 0
        self.redraw()
        return False

    def draw(self, width: int, height: int) -> Iterable[Line]:
        listed = matches(self.choices, self.edit.text)
        inner, room = width - 2, height - 3
        self.top = max(0, min(max(self.top, self.at - room + 1), self.at))
        count = f" {len(listed)} of {len(self.choices)} "
        head = f" {self.title} "
        yield [("╭─", "rule"), (head, "title-on"), ("─" * (inner - 1 - len(head) - len(count)), "rule"), (count, "dim"), ("╮", "rule")]
        yield [("│", "rule"), (" / ", "key"), *self.edit.runs(inner - 3, "text"), ("│", "rule")]
        wide = min(max((cell_len(drawn(name)) for name, _ in self.choices), default=0) + 2, inner - 4)
        for i in range(self.top, self.top + room):
            name, about = listed[i] if i < len(listed) else ("", "")
            if not listed and i == self.top:
                about = "as typed: a file" if self.freely and self.edit.text else "nothing by that name"
            line = set_cell_size(f" {'▸' if i == self.at and listed else ' '} {padded(name, wide)}{drawn(about)}", inner)
            yield [("│", "rule"), (line, "cursor" if i == self.at and listed else "text"), ("│", "rule")]
        yield [("╰" + "─" * inner + "╯", "rule")]
