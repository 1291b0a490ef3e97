"""LinePane: a widget drawn as a list of lines that repaints only the cells that changed.

Over SSH, bytes are latency. Textual repaints a whole widget when any part of it changes; this base class compares the new lines
with those on the screen and refreshes only the cells that differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar
from unicodedata import normalize

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from planner.plaintext import flat
from tui.terminal.encode import NEAR, cells

Run = tuple[str, str]  # text, and the role (see tui.settings.themes.ROLES) that determines its style
Line = Sequence[Run]
MOST = 8  # characters examined per cell of room; combining characters take no cell


@lru_cache(4096)
def drawn(text: str) -> str:
    """A text as cells can show it: one line, without control characters and without characters of zero width."""
    composed = normalize("NFC", flat(text))  # composes a combining accent with its letter
    return "".join(char for char in composed if cell_len(char))


def padded(text: str, width: int) -> str:
    """A text as cells can show it, padded with spaces to `width` cells; a longer text is not cut."""
    shown = drawn(text)
    return shown + " " * (width - cell_len(shown))


def fit(line: Line, width: int) -> list[Run]:
    """The line cut or padded to exactly `width` cells, adjacent runs of one role joined; an ellipsis marks a cut.

    All text on the screen passes through this function and so contains no control characters (`drawn`).
    """
    out: list[Run] = []
    left = width
    for text, role in line:
        if not (text.isascii() and text.isprintable()):
            text = drawn(text[: MOST * width])
        size = len(text) if text.isascii() else cell_len(text)
        if size > left:
            text = set_cell_size(text, left - 1) + "…" if left > 0 else ""
            size = left
        if text:
            if out and out[-1][1] == role:
                out[-1] = (out[-1][0] + text, role)
            else:
                out.append((text, role))
        left -= size
        if left <= 0:
            break
    if left > 0:
        if out and out[-1][1] == "text":
            out[-1] = (out[-1][0] + " " * left, "text")
        else:
            out.append((" " * left, "text"))
    return out


def changes(old: Line, new: Line) -> list[tuple[int, int]]:
    """Half-open spans of cells in which two lines of equal width differ; spans at most NEAR apart are joined."""
    same = 0
    while same < min(len(old), len(new)) and old[same] == new[same]:
        same += 1
    spans: list[tuple[int, int]] = []
    for x, (a, b) in enumerate(zip(cells(old[same:]), cells(new[same:]), strict=False), _width(old[:same])):
        if a != b:
            if spans and x - spans[-1][1] <= NEAR:
                spans[-1] = (spans[-1][0], x + 1)
            else:
                spans.append((x, x + 1))
    return spans


class LinePane(Widget, can_focus=False):
    """A widget drawn line by line: subclasses implement `draw`, callers call `redraw` after a change of state."""

    DEFAULT_CSS = "LinePane { height: auto; width: auto; padding: 0; border: none; }"
    roles: ClassVar[Mapping[str, Style]] = {}  # set by the program when the theme changes, for all panes

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines: list[list[Run]] = []
        self.current = False  # has the keyboard

    @property
    def titled(self) -> bool:
        """Whether the pane has a title line: not on a narrow screen, where a row of tabs names the panes."""
        return not self.screen.has_class("narrow")

    def focus_on(self, current: bool) -> None:
        """Set whether the pane has the keyboard."""
        if current != self.current:
            self.current = current
            self.redraw()

    def draw(self, width: int, height: int) -> Iterable[Line]:
        """The lines to show in `width` by `height` cells, from the top; missing lines are blank, excess lines are dropped."""
        raise NotImplementedError

    def redraw(self) -> None:
        """Draw the lines and repaint the cells that differ from the screen."""
        width, height = self.size
        if not width or not height:
            return
        old, new = self._lines, self._fill(width, height)
        self._lines = new
        if len(old) != height or not old or _width(old[0]) != width:
            self.refresh()
            return
        regions = [Region(x1, y, x2 - x1, 1) for y, (a, b) in enumerate(zip(old, new, strict=True)) if a != b for x1, x2 in changes(a, b)]
        if regions:
            self.refresh(*regions)

    def lines(self) -> list[str]:
        """The lines on the screen, as plain text."""
        return ["".join(text for text, _ in line) for line in self._lines]

    def render_line(self, y: int) -> Strip:
        if len(self._lines) != self.size.height:
            self._lines = self._fill(*self.size)
        if y >= len(self._lines):
            return Strip.blank(self.size.width)
        roles = self.roles
        plain = roles.get("text", Style())
        return Strip([Segment(text, roles.get(role, plain)) for text, role in self._lines[y]], self.size.width)

    def _fill(self, width: int, height: int) -> list[list[Run]]:
        lines = [fit(line, width) for line, _ in zip(self.draw(width, height), range(height), strict=False)]
        return lines + [fit((), width) for _ in range(height - len(lines))]

    def _on_resize(self, event: Any) -> None:
        self.redraw()


def _width(line: Line) -> int:
    return sum(len(text) if text.isascii() else cell_len(text) for text, _ in line)


def rule(key: str, title: str, note: str, current: bool, width: int) -> list[Run]:
    """The title line of a pane: its key, if it has one, its name, and a note on the right."""
    head = named(key, title)
    tail = f" {drawn(note)} " if note else ""
    fill = width - cell_len(head) - cell_len(tail) - 2
    if fill < 1:
        tail, fill = "", max(0, width - cell_len(head) - 1)
    return [("─", "rule"), (head, "title-on" if current else "title"), ("─" * fill, "rule"), (tail, "dim"), ("─", "rule")]


def named(key: str, title: str) -> str:
    """A pane's name, preceded by its key if it has one."""
    return f" {key} {title} " if key else f" {title} "


def wrap(text: str, width: int) -> list[str]:
    """A sentence wrapped at spaces into lines of at most `width` cells."""
    out: list[str] = []
    line = ""
    for word in drawn(text).split():
        if line and cell_len(line) + 1 + cell_len(word) > width:
            out.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return [*out, line] if line else out
