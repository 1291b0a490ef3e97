"""LineEdit: one line of text being typed, as state alone; forms, prompts and the picker draw it."""

from __future__ import annotations

from dataclasses import dataclass

from rich.cells import cell_len
from textual.events import Key

from tui.draw.lines import Run

LONGEST = 4096  # characters of a line, as many as a path may have


@dataclass
class LineEdit:
    """A text and the place in it where typing goes. A `fresh` text is replaced by the first character typed."""

    text: str = ""
    at: int = 0
    fresh: bool = False
    over: int = 0  # characters for which there was no room

    @classmethod
    def of(cls, text: str, *, fresh: bool = False) -> LineEdit:
        """An editor with the cursor behind the text."""
        return cls(text, len(text), fresh)

    def take(self, event: Key) -> bool:
        """Whether the key was one for editing, and so has been used."""
        self.over = 0
        if event.is_printable and event.character:
            self.insert(event.character)
        elif not self._move(event.key) and not self._delete(event.key):
            return False
        self.fresh = False
        return True

    def insert(self, text: str) -> None:
        """Text at the cursor, as typed or pasted, as far as there is room; what cannot stand in one line is left out."""
        text = "".join(char for char in text if char.isprintable())
        if self.fresh:
            self.text, self.at, self.fresh = "", 0, False
        room = max(0, LONGEST - len(self.text))
        self.over = max(0, len(text) - room)
        text = text[:room]
        self.text = self.text[: self.at] + text + self.text[self.at :]
        self.at += len(text)

    @property
    def fault(self) -> str:
        """That what was typed or pasted last has not all been taken."""
        left = f"the last {self.over:,} characters were left out" if self.over > 1 else "the last character was left out"
        return f"a line takes {LONGEST:,} characters; {left}" if self.over else ""

    def _move(self, key: str) -> bool:
        to = {"left": max(0, self.at - 1), "right": min(len(self.text), self.at + 1), "home": 0, "end": len(self.text)}.get(key)
        if to is None:
            return False
        self.at = to
        return True

    def _delete(self, key: str) -> bool:
        if key in ("backspace", "ctrl+h"):
            self.text, self.at = self.text[: max(0, self.at - 1)] + self.text[self.at :], max(0, self.at - 1)
        elif key == "delete":
            self.text = self.text[: self.at] + self.text[self.at + 1 :]
        elif key == "ctrl+u":
            self.text, self.at = self.text[self.at :], 0
        elif key == "ctrl+w":
            before = self.text[: self.at].rstrip()
            before = before[: before.rfind(" ") + 1]
            self.text, self.at = before + self.text[self.at :], len(before)
        else:
            return False
        return True

    def runs(self, width: int, role: str = "edit") -> list[Run]:
        """The text with its cursor in `width` cells, scrolled so that the cursor shows. Only what shows is looked at."""
        before = self.text[max(0, self.at - most(width)) : self.at]
        while cell_len(before) >= width > 0:
            before = before[1 + max(0, (cell_len(before) - width) // 2) :]  # no character takes more than two cells
        under = self.text[self.at : self.at + 1] or " "
        room = max(0, width - cell_len(before) - cell_len(under))
        after = self.text[self.at + 1 : self.at + 1 + most(room)]
        while (over := cell_len(after) - room) > 0:
            after = after[: -((over + 1) // 2)]
        return [(before, role), (under, "caret"), (after + " " * (room - cell_len(after)), role)]


def most(cells: int) -> int:
    """Upper bound of the characters in a number of cells: some take none."""
    return 2 * cells + 8
