"""The lines around the panes: status on top, the tab strip of narrow screens, message and hints at the foot."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tui.draw.lines import Line, LinePane, Run, named, wrap
from tui.settings.bindings import key_of
from tui.terminal.layout import PANES, shape
from tui.widgets.hints import hints
from tui.widgets.prompt import Prompt


@dataclass(frozen=True)
class Status:
    """The content of the status line."""

    file: str = ""
    changed: bool = False
    unkept: bool = False  # the session cannot be written
    counts: str = "planning …"
    job: str = ""
    order: str = ""
    filter: str = ""


class StatusLine(LinePane):
    """Title, file and counts first: a narrow screen cuts the end."""

    def __init__(self) -> None:
        super().__init__(id="status")
        self.status = Status()

    def show(self, status: Status) -> None:
        """Show another status."""
        if status != self.status:
            self.status = status
            self.redraw()

    def draw(self, width: int, height: int) -> Iterable[Line]:
        status = self.status
        file = f"{status.file}{'*' if status.changed else ''}" if status.file else "unsaved"
        runs: list[Run] = [(" tmplan ", "title-on"), (f" {file} ", "status"), (f"  {status.counts}", "strong")]
        if status.unkept:
            runs.insert(2, (" not saved ", "bad"))
        for text in (f"filter {status.filter}" if status.filter else "", status.order, status.job):
            if text and sum(len(run) for run, _ in runs) + 3 + len(text) <= width:
                runs += [(" · ", "dim"), (text, "text")]
        return [runs]


class Tabs(LinePane):
    """The panes by their keys, for screens that show one at a time; at the right, notes on the job and the cluster, as far as they fit."""

    def __init__(self) -> None:
        super().__init__(id="tabs")
        self.pane = "plans"
        self.notes: tuple[str, ...] = ()

    def show_notes(self, *notes: str) -> None:
        """Show other notes, the most important first."""
        if notes != self.notes:
            self.notes = notes
            self.redraw()

    def draw(self, width: int, height: int) -> Iterable[Line]:
        names = self._labels(width)
        runs = [(text, "tab-on" if name == self.pane else "dim") for name, text in names.items()]
        room, shown = width - sum(len(text) for text, _ in runs) - 2, ""
        for note in filter(None, self.notes):
            longer = f"{note} · {shown}" if shown else note
            shown = longer if len(longer) <= room else shown
        return [[*runs, (shown.rjust(room + 1), "dim")] if shown else runs]

    def _labels(self, width: int) -> dict[str, str]:
        """The panes with their keys: apart or, so that the first note fits, close together; the names alone where keys are too long."""
        wide = {name: named(key_of(name, ""), name) for name in PANES}
        close = {name: label[1:] for name, label in wide.items()}
        close[PANES[-1]] = close[PANES[-1]].rstrip()
        first = next(filter(None, self.notes), "")
        for room in (width - len(first) - 2, width):
            for labels in (wide, close):
                if sum(map(len, labels.values())) <= room:
                    return labels
        return {name: named("", name) for name in PANES}


class Foot(LinePane):
    """Message or prompt, and below it the hints."""

    def __init__(self) -> None:
        super().__init__(id="foot")
        self.context = "plans"
        self.message, self.role = "", "dim"
        self.standing = ""  # what is wrong with the field under the cursor; shown while no message is
        self.about = ""  # what that field is; shown while nothing is wrong
        self.prompt: Prompt | None = None

    def say(self, message: str, role: str = "text") -> None:
        """Show a sentence until the next key; role bad marks a refusal."""
        self.message, self.role = message, role
        self.redraw()

    def draw(self, width: int, height: int) -> Iterable[Line]:
        if self.prompt:
            return self.prompt.draw(width)
        if not self.message and not self.standing:
            return [[(f" {self.about}", "dim")], hints(self.context, width)]
        message, role = (self.message, self.role) if self.message else (self.standing, "bad")
        mark = "✗ " if role == "bad" else ""
        texts = wrap(mark + message, width - 2)
        if len(texts) > 2:
            texts = [texts[0], " ".join(texts[1:])]
        below: Line = [(f" {texts[1]}", role)] if len(texts) > 1 else hints(self.context, width)
        return [[(f" {texts[0]}", role)] if texts else [], below]


class Small(LinePane):
    """The message of a terminal that is too small for the panes."""

    def __init__(self) -> None:
        super().__init__(id="small")
        self.question = ""  # a question that cannot wait for a larger terminal

    def ask(self, question: str) -> None:
        """Ask for a yes in place of the message; empty: ask no more."""
        self.question = question
        self.redraw()

    def draw(self, width: int, height: int) -> Iterable[Line]:
        sentence = self.question or "tmplan needs 60 columns and 16 rows; enlarge the terminal, or run: tmplan plan"
        return [[(line, "text")] for line in wrap(sentence, width)] if shape(width, height) == "small" else []
