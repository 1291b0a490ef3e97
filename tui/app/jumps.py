"""Jumps: letters at every visible field and plan, and the move to the one that is typed."""

from __future__ import annotations

from tui.app.actions import action
from tui.app.dialogs import Dialogs
from tui.app.layout import PaneLayout
from tui.app.pages import Pages
from tui.app.panes import Panes

LETTERS = "asdfghjklqwertyuiopzxcvbnmASDFGHJKLQWERTYUIOPZXCVBNM1234567890"


class Jumps:
    """The open jump, if there is one. `targets`: the pane and the field or row of each letter."""

    def __init__(self, panes: Panes, layout: PaneLayout, pages: Pages, dialogs: Dialogs) -> None:
        self._panes, self._layout, self._pages, self._dialogs = panes, layout, pages, dialogs
        self.targets: dict[str, tuple[str, str]] = {}

    @action
    def begin(self) -> None:
        """Show a letter at every field and plan in view."""
        self.targets = {}
        letters, table = iter(LETTERS), self._panes.table
        shown = [form for name, form in self._panes.forms.items() if self._layout.shows(name)]
        for form in shown:
            form.labels = dict(zip(form.in_view(), letters, strict=False))
            self.targets |= {letter: (str(form.id), key) for key, letter in form.labels.items()}
        if self._layout.shows("plans"):
            table.labels = dict(zip(table.in_view(), letters, strict=False))
            self.targets |= {letter: ("plans", str(row)) for row, letter in table.labels.items()}
        self._dialogs.say("press a letter to go there")
        for pane in (*shown, table):
            pane.redraw()

    def go(self, letter: str) -> None:
        """Go to the field or plan of a letter; any other key ends the jump."""
        target, self.targets = self.targets.get(letter), {}
        table, forms = self._panes.table, self._panes.forms
        for form in forms.values():
            form.labels = {}
        table.labels = {}
        self._dialogs.say("")
        if target is not None:
            pane, place = target
            self._layout.go(pane)
            if pane == "plans":
                table.move(int(place) - table.at)
                self._pages.cursor_moved()
            else:
                forms[pane].go(place)
                self._layout.show_hints()
        for widget in (*forms.values(), table):
            widget.redraw()
