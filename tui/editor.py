"""LineEdit: one line of text being typed, as state alone; forms, prompts and the picker draw it."""

from __future__ import annotations

from dataclasses import dataclass

from rich.cells import cell_len
from textual.events import Key

from tui.lines import Run


@dataclass
class LineEdit:
    """A text and the place in it where typing goes. A `fresh` text is replaced by the first character typed."""

    text: str = ""
    at: int = 0
    fresh: bool = False

    @classmethod
    def of(cls, text: str, *, fresh: bool = False) -> LineEdit:
        """An editor with the cursor behind the text."""
        return cls(text, len(text), fresh)

    def take(self, event: Key) -> bool:
        """Whether the key was one for editing, and so has been used."""
        if event.is_printable and event.character:
            self.insert(event.character)
        elif not self._move(event.key) and not self._delete(event.key):
            return False
        self.fresh = False
        return True

    def insert(self, text: str) -> None:
        """Text at the cursor, as typed or pasted; what cannot stand in one line is left out."""
        text = "".join(char for char in text if char.isprintable())
        if self.fresh:
            self.text, self.at, self.fresh = "", 0, False
        self.text = self.text[: self.at] + text + self.text[self.at :]
        self.at += len(text)

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
            kept = self.text[: self.at].rstrip()
            kept = kept[: kept.rfind(" ") + 1]
            self.text, self.at = kept + self.text[self.at :], len(kept)
        else:
            return False
        return True

    def runs(self, width: int, role: str = "edit") -> list[Run]:
        """The text with its cursor in `width` cells, scrolled so that the cursor shows."""
        start = 0
        while cell_len(self.text[start : self.at]) >= width > 0:
            start += 1
        before, under, after = self.text[start : self.at], self.text[self.at : self.at + 1] or " ", self.text[self.at + 1 :]
        room = max(0, width - cell_len(before) - cell_len(under))
        while cell_len(after) > room:
            after = after[:-1]
        return [(before, role), (under, "caret"), (after + " " * (room - cell_len(after)), role)]
