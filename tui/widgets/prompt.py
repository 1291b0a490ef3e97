"""Prompts of the message line: for a line of text, or for a yes or no."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from textual.events import Key

from tui.draw.lines import Line
from tui.widgets.line_edit import LineEdit

REFUSE = Callable[[str], str | None]


@dataclass
class Prompt:
    """A request for a line of text. `done` gets it on enter; it returns a message to refuse the text, which then stays to be corrected."""

    label: str
    done: REFUSE
    edit: LineEdit = field(default_factory=LineEdit)
    help: str = "enter accepts, esc cancels"
    refusal: str = ""

    def __post_init__(self) -> None:
        self._offered = self.edit.text

    @property
    def touched(self) -> bool:
        """Whether the user has changed the text."""
        return self.edit.text not in ("", self._offered)

    def take(self, event: Key) -> bool:
        """Handle a key; whether the prompt is finished."""
        if event.key == "escape":
            return True
        if event.key == "enter":
            self.refusal = self.done(self.edit.text.strip()) or ""
            return not self.refusal
        if self.edit.take(event):
            self.refusal = ""
        return False

    def draw(self, width: int) -> list[Line]:
        """Two lines: the text being typed, and what is wrong with it or what the keys do."""
        label = f" {self.label} "
        refusal = self.refusal or self.edit.fault
        below = (f" ✗ {refusal}", "bad") if refusal else (f" {self.help}", "dim")
        return [[(label, "title-on"), *self.edit.runs(max(8, width - len(label) - 1))], [below]]


@dataclass
class Question(Prompt):
    """A request for a yes or no. `done` is called only on yes; every other key means no."""

    help: str = "y: yes, any other key: no"

    def take(self, event: Key) -> bool:
        if event.key in ("y", "Y"):
            self.done("yes")
        return True

    def draw(self, width: int) -> list[Line]:
        return [[(f" {self.label}", "bad")], [(f" {self.help}", "dim")]]
