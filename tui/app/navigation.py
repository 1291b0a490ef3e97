"""Navigation: the cursor, within a pane and from pane to pane."""

from __future__ import annotations

from tui.app.actions import action
from tui.app.layout import PaneLayout
from tui.app.pages import Pages
from tui.app.panes import Panes
from tui.terminal.layout import FORMS, PANES

FAR = 2**31  # lines, more than any pane has


class Navigation:
    """Moves the cursor."""

    def __init__(self, panes: Panes, layout: PaneLayout, pages: Pages) -> None:
        self._panes, self._layout, self._pages = panes, layout, pages

    @action
    def pane(self, name: str) -> None:
        """Go to a pane."""
        self._layout.go(name)

    @action
    def next_pane(self, by: int) -> None:
        """Go to the next pane, or the one before."""
        self._layout.go(PANES[(PANES.index(self._layout.pane) + by) % len(PANES)])

    @action
    def next_field(self, by: int) -> None:
        """Go to the next field or the one before, in the next pane if this one has no more."""
        if not self._layout.active_form.move(by):
            self.next_pane(by)
            if self._layout.pane not in FORMS:
                return
            self._layout.active_form.move(-by * FAR)
        self._layout.show_hints()

    @action
    def move(self, by: int) -> None:
        """Move the cursor of the pane by lines."""
        if self._layout.pane == "plans":
            self._panes.table.move(by)
            self._pages.cursor_moved()
        elif self._layout.pane == "detail":
            self._panes.detail.move(by)
        else:
            self._layout.active_form.move(by)
            self._layout.show_hints()

    @action
    def scroll(self, by: int) -> None:
        """A page up or down in the pane."""
        panes, pane = self._panes, self._layout.pane
        rows = panes.detail.body if pane == "detail" else panes.table.body if pane == "plans" else self._layout.active_form.size.height
        self.move(by * max(2, rows - 1))

    @action
    def edge(self, by: int) -> None:
        """To the first line or the last."""
        self.move(by * FAR)
