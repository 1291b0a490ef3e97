"""PagePane: a page (tui.pages) as a scrolled pane; the page of the moment, or that it is being worked out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tui.draw.lines import Line, LinePane, rule, wrap

TITLES = {"whynot": "why not", "nomenclature": "symbols", "fit": "serving", "step": "step by part"}  # of pages called otherwise
Drawing = Callable[[Any, int], Sequence[Line]]
LEAST = 56  # cells that every page can be drawn in; a terminal too small to show one gives it fewer


class PagePane(LinePane):
    """Lines of a page, scrolled. `title` is the page's name; the lines are made once for each width."""

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self.page = ""
        self.top = 0
        self.at_find = -1  # the line last found; from there on the next is looked for
        self.working = False
        self._drawing: Drawing | None = None
        self._found: Any = None
        self._made: tuple[int, Sequence[Line]] | None = None
        self._told: tuple[str, str] = ("", "dim")

    @property
    def way(self) -> str:
        """The key that goes to the pane, where one does."""
        return ""

    @property
    def body(self) -> int:
        """Rows of content there is room for."""
        return self._room(self.size.height, len(self.content(self.size.width)) if self.page else 0)

    def _room(self, height: int, count: int) -> int:
        """Rows for so many lines: all, but for the line that tells where in them the pane is, above them or, where none is, below."""
        return max(1, height - (self.titled or count > height))

    def turn(self, page: str) -> None:
        """Show another page, from its top; nothing of it is there yet."""
        if page != self.page:
            self.page, self.top, self.working, self.at_find = page, 0, False, -1
            self._drawing, self._found, self._made, self._told = None, None, None, ("", "dim")

    def wait(self) -> None:
        """The page is being worked out; what stood there stays until it is."""
        self.working = True
        self.redraw()

    def put(self, drawing: Drawing, found: Any) -> None:
        """What the page came to."""
        self._drawing, self._found, self._made, self._told, self.working = drawing, found, None, ("", "dim"), False
        self.redraw()

    def tell(self, sentence: str, role: str = "dim") -> None:
        """A sentence in place of the page."""
        self._drawing, self._found, self._made, self._told, self.working = None, None, None, (sentence, role), False
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
            sentence, role = ("working …", "dim") if self.working else self._told
            mark = "✗ " if role == "bad" and sentence else ""
            return [[(f" {line}", role)] for line in wrap(mark + sentence, max(8, width - 2))]
        if self._made is None or self._made[0] != width:
            self._made = (width, self._drawing(self._found, max(LEAST, width)))
        return self._made[1]

    def draw(self, width: int, height: int) -> Iterable[Line]:
        lines = self.content(width)
        room = self._room(height, len(lines))
        self.top = max(0, min(self.top, len(lines) - room))
        more = f"{self.top + 1}-{min(self.top + room, len(lines))} of {len(lines)}" if len(lines) > room else ""
        if self.titled:
            title = TITLES.get(self.page, self.page or str(self.id))
            yield rule(self.way, title, "working …" if self.working else more, self.current, width)
        yield from lines[self.top : self.top + room]
        if more and not self.titled:
            yield [(f" {more}", "dim")]
