"""What the message line can ask for: a line of text, or a yes or no."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from textual.events import Key

from tui.draw.lines import Line
from tui.widgets.line_edit import LineEdit

REFUSE = Callable[[str], str | None]


@dataclass
class Prompt:
    """A line of text wanted. `done` gets it on enter, and gives a sentence to refuse it: then the text stays to be mended."""

    label: str
    done: REFUSE
    edit: LineEdit = field(default_factory=LineEdit)
    help: str = "enter accepts, esc cancels"
    refusal: str = ""

    def __post_init__(self) -> None:
        self._offered = self.edit.text

    @property
    def touched(self) -> bool:
        """Whether it holds what a person typed."""
        return self.edit.text not in ("", self._offered)

    def take(self, event: Key) -> bool:
        """Use a key; whether the prompt is over."""
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
    """A yes or no wanted. `done` is called on yes alone; every other key means no."""

    help: str = "y: yes, any other key: no"

    def take(self, event: Key) -> bool:
        if event.key in ("y", "Y"):
            self.done("yes")
        return True

    def draw(self, width: int) -> list[Line]:
        return [[(f" {self.label}", "bad")], [(f" {self.help}", "dim")]]
