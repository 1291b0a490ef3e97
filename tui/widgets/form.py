"""A form: the fields of one pane as drawn lines, with one editor that opens in the line under the cursor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rich.cells import cell_len
from textual.events import Key

from tui.draw.lines import Line, LinePane, Run, padded, rule
from tui.settings.bindings import key_of
from tui.state.edits import ENTRIES, Entry, Texts
from tui.terminal.layout import TITLES
from tui.widgets.line_edit import LineEdit

LABEL = 16  # cells of a label


class Form(LinePane):
    """One of the input panes. It holds the typed text; the program enters it."""

    def __init__(self, group: str) -> None:
        super().__init__(id=group)
        self.entries: tuple[Entry, ...] = ENTRIES[group]
        self.texts: Texts = {}
        self.refused: dict[str, tuple[str, str]] = {}  # key -> refused text and the reason: until it is corrected or freed
        self.wrong: dict[str, str] = {}  # key -> why the job as a whole cannot take this field's value
        self.note = ""  # at the right of the line above
        self.at = 0
        self.top = 0
        self.edit: LineEdit | None = None
        self.labels: dict[str, str] = {}  # the letter at each field while a jump is being made

    @property
    def entry(self) -> Entry:
        """The field under the cursor."""
        return self.entries[self.at]

    @property
    def fault(self) -> str:
        """What is wrong with the field under the cursor, if anything."""
        key = self.entry.key
        return self.refused[key][1] if key in self.refused else self.wrong.get(key, "")

    def show(self, entries: tuple[Entry, ...], texts: Texts, wrong: Mapping[str, str], note: str = "") -> None:
        """Show these lines with their texts, and mark the fields that are wrong. The cursor stays on its field."""
        key, self.texts, self.note = self.entry.key, texts, note
        self.entries = tuple(e for e in ENTRIES[str(self.id)] if e in entries or e.key in self.refused or e.key in wrong)
        self.wrong = {entry.key: wrong[entry.key] for entry in self.entries if entry.key in wrong}
        keys = [entry.key for entry in self.entries]
        self.at = keys.index(key) if key in keys else min(self.at, len(keys) - 1)
        self.redraw()

    def in_view(self) -> list[str]:
        """The fields in view, from the top."""
        room = self.size.height - self.titled
        return [entry.key for entry in self.entries[self.top : self.top + room]]

    def move(self, by: int) -> bool:
        """Move the cursor; whether it could."""
        to = min(max(0, self.at + by), len(self.entries) - 1)
        moved, self.at = to != self.at, to
        self.redraw()
        return moved

    def go(self, key: str) -> None:
        """Put the cursor on a field."""
        self.at = next(i for i, entry in enumerate(self.entries) if entry.key == key)
        self.redraw()

    def begin(self) -> None:
        """Open the editor on the field under the cursor, with what was refused there if something was."""
        key = self.entry.key
        self.edit = (
            LineEdit.of(self.refused[key][0]) if key in self.refused else LineEdit.of(self.texts.get(key, ("", False))[0], fresh=True)
        )
        self.redraw()

    def take(self, event: Key) -> bool:
        """Give a key to the open editor; whether the editor used it."""
        used = self.edit is not None and self.edit.take(event)
        if used:
            self.redraw()
        return used

    @property
    def unentered(self) -> str | None:
        """Text in the open editor that was not entered."""
        if self.edit is None or self.edit.fresh:
            return None
        key = self.entry.key
        before = self.refused[key][0] if key in self.refused else self.texts.get(key, ("", False))[0]
        return None if self.edit.text == before else self.edit.text

    def end(self) -> None:
        """Close the editor."""
        self.edit = None
        self.redraw()

    def draw(self, width: int, height: int) -> Iterable[Line]:
        group = str(self.id)
        room = height - self.titled
        self.top = min(max(self.top, self.at - room + 1), self.at, max(0, len(self.entries) - room))
        self.top = max(0, self.top)
        if self.titled:
            hidden = len(self.entries) > room and (self.current or not self.note)
            note = f"{self.at + 1}/{len(self.entries)}" if hidden else self.note
            yield rule(key_of(group, ""), TITLES[group], note, self.current, width)
        for i in range(self.top, min(self.top + room, len(self.entries))):
            yield self._line(self.entries[i], i == self.at and self.current, width)

    def _line(self, entry: Entry, here: bool, width: int) -> list[Run]:
        text, by_hand = self.texts.get(entry.key, ("", False))
        fault = entry.key in self.refused or entry.key in self.wrong
        text = self.refused[entry.key][0] if entry.key in self.refused else _written(entry, text)
        mark = "✗" if fault else "•" if by_hand else " "
        label = f"{self.labels.get(entry.key) or ('▸' if here else ' ')}{mark}{entry.label:<{LABEL}.{LABEL}} "
        room = width - cell_len(label)
        if self.labels:
            return [(label[:1], "key"), (label[1:], "dim"), (text, "text")]
        if here and self.edit:
            return [(label, "strong"), *self.edit.runs(room)]
        unit = f" {entry.unit}" if entry.unit and text else ""
        if here:
            return [(padded(label + text + unit, width), "cursor-bad" if fault else "cursor")]
        role = "bad" if fault else "set" if by_hand else "text"
        return [(label, "dim"), (text, role), (unit, "dim")]


def _written(entry: Entry, text: str) -> str:
    """A whole number with its thousands apart; a figure cut to six digits."""
    if entry.kind == "float" and text:
        return f"{float(text):,.6g}"
    if entry.kind != "int" or not text.isdecimal():
        return text
    return f"{int(text) / 1e12:.6g}T" if int(text) >= 10**11 else f"{int(text):,}"
