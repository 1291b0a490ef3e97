"""PagePane: a page (tui.pages) in a scrolled pane."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tui.draw.lines import Line, LinePane, rule, wrap

TITLES = {
    "whynot": "why not",
    "nomenclature": "symbols",
    "fit": "serving",
    "step": "step by part",
    "verify": "memory in the framework",
}  # titles that are not the name
Drawing = Callable[[Any, int], Sequence[Line]]
LEAST = 56  # cells of the narrowest drawing; a smaller pane cuts it


class PagePane(LinePane):
    """Lines of a page, scrolled. `title` is the page's name; the lines are made once for each width."""

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self.page = ""
        self.top = 0
        self.at_find = -1  # the line of the last match; the next search continues after it
        self.working = False
        self._drawing: Drawing | None = None
        self._computed: Any = None
        self._made: tuple[int, Sequence[Line]] | None = None
        self._message: tuple[str, str] = ("", "dim")

    @property
    def shortcut(self) -> str:
        """The key that goes to the pane, if there is one."""
        return ""

    @property
    def body(self) -> int:
        """Rows of content there is room for."""
        return self._room(self.size.height, len(self.content(self.size.width)) if self.page else 0)

    def _room(self, height: int, count: int) -> int:
        """Rows for `count` lines: all, except the line with the position, above them or, without a title, below."""
        return max(1, height - (self.titled or count > height))

    def turn(self, page: str) -> None:
        """Show another page from its top, empty until it is computed."""
        if page != self.page:
            self.page, self.top, self.working, self.at_find = page, 0, False, -1
            self._drawing, self._computed, self._made, self._message = None, None, None, ("", "dim")

    def wait(self) -> None:
        """The page is being computed; the present content stays until then."""
        self.working = True
        self.redraw()

    def put(self, drawing: Drawing, computed: Any) -> None:
        """Show the computed page."""
        self._drawing, self._computed, self._made, self._message, self.working = drawing, computed, None, ("", "dim"), False
        self.redraw()

    def show_message(self, sentence: str, role: str = "dim") -> None:
        """Show a message in place of the page."""
        self._drawing, self._computed, self._made, self._message, self.working = None, None, None, (sentence, role), False
        self.redraw()

    def move(self, by: int) -> None:
        """Scroll by lines, never beyond the last page."""
        self.top = max(0, min(self.top + by, len(self.content(self.size.width)) - self.body))
        self.redraw()

    def find(self, text: str) -> bool:
        """Scroll to the next line that holds a text, whatever its case, round the end if need be; whether there is one."""
        lines = ["".join(run for run, _ in line).lower() for line in self.every(self.size.width)]
        order = [*range(self.at_find + 1, len(lines)), *range(min(self.at_find + 1, len(lines)))]
        at = next((i for i in order if text.lower() in lines[i]), None)
        if at is None:
            return False
        self.at_find = at
        self.top = max(0, min(at, len(lines) - self.body))
        self.redraw()
        return True

    def every(self, width: int) -> Sequence[Line]:
        """Every line that can be scrolled to."""
        return self.content(width)

    def content(self, width: int) -> Sequence[Line]:
        """Every line."""
        if self._drawing is None:
            sentence, role = ("working …", "dim") if self.working else self._message
            mark = "✗ " if role == "bad" and sentence else ""
            return [[(f" {line}", role)] for line in wrap(mark + sentence, max(8, width - 2))]
        if self._made is None or self._made[0] != width:
            self._made = (width, self._drawing(self._computed, max(LEAST, width)))
        return self._made[1]

    def draw(self, width: int, height: int) -> Iterable[Line]:
        lines = self.content(width)
        room = self._room(height, len(lines))
        self.top = max(0, min(self.top, len(lines) - room))
        more = f"{self.top + 1}-{min(self.top + room, len(lines))} of {len(lines)}" if len(lines) > room else ""
        if self.titled:
            title = TITLES.get(self.page, self.page or str(self.id))
            yield rule(self.shortcut, title, "working …" if self.working else more, self.current, width)
        yield from lines[self.top : self.top + room]
        if more and not self.titled:
            yield [(f" {more}", "dim")]
