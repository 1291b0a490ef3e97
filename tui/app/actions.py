"""Tmplan: the whole program. Here what moves the cursor, and the few keys that belong nowhere else."""

from __future__ import annotations

from planner import presets
from tui.app.external_editor import Elsewhere
from tui.state import edits
from tui.terminal.layout import FORMS, PANES


class Tmplan(Elsewhere):
    """The program with all its actions: a method `action_<name>` for every action that tui.settings.bindings names."""

    def action_pane(self, name: str) -> None:
        """Go to a pane."""
        self.go(name)

    def action_step_pane(self, by: str) -> None:
        """Go to the next pane, or the one before."""
        self.go(PANES[(PANES.index(self.pane) + int(by)) % len(PANES)])

    def action_next(self, by: str) -> None:
        """The next field, in the next pane if this one has no more."""
        form = self.active_form
        if form.move(int(by)):
            self.show_foot()
            return
        self.action_step_pane(by)
        if self.pane in FORMS:
            self.active_form.move(-len(form.entries) * 9 if by == "1" else len(form.entries) * 9)
            self.show_foot()

    def action_move(self, by: str) -> None:
        """Up or down in the pane."""
        self.move(int(by))

    def action_scroll(self, by: str) -> None:
        """A page up or down in the pane."""
        room = self.detail.body if self.pane == "detail" else self.table.body if self.pane == "plans" else self.active_form.size.height
        self.move(int(by) * max(2, room - 1))

    def action_edge(self, by: str) -> None:
        """To the first line or the last."""
        self.move(int(by) * 2**31)

    def move(self, by: int) -> None:
        """Move the cursor of the pane that has the keyboard."""
        if self.pane == "plans":
            self.table.move(by)
            self.cursor_moved()
        elif self.pane == "detail":
            self.detail.move(by)
        else:
            self.active_form.move(by)
            self.show_foot()

    def action_edit(self) -> None:
        """Edit the field under the cursor; a preset or a choice is picked from a list."""
        form, entry = self.active_form, self.active_form.entry
        if entry.kind not in ("preset", "choice", "bool") or entry.key in form.refused:
            form.begin()
            return
        names = presets.names(entry.preset_kind) if entry.kind == "preset" else entry.choices
        choices = [(name, edits.about(entry.key, name) if entry.kind == "preset" else "") for name in names]

        def done(name: str) -> None:
            self.edit(lambda document: edits.set_text(document, entry.key, name), entry.key, name)

        self.pick(entry.label, choices, done, at=form.texts[entry.key][0], freely=entry.kind == "preset")

    def action_free(self) -> None:
        """Leave a degree to the search, or a field to its preset."""
        key = self.active_form.entry.key
        self.edit(lambda document: edits.free(document, key), key)

    def action_help(self) -> None:
        """Every key, and how things are written."""
        self.help.open, self.help.top = True, 0
        self.help.session = self.session.notice if self.session else ""
        self.arrange()

    def action_paint(self) -> None:
        """Paint the whole screen, whatever line noise did to it."""
        self.repaint()
