"""Mutants of the program: its actions and what passes between its objects."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

NAVIGATION = "tui/app/navigation.py"
TABLE_VIEW = "tui/app/table_view.py"
UNDO = "tui/app/undo.py"
STEPPING = "tui/app/stepping.py"
FIELDS = "tui/app/fields.py"
PINS = "tui/app/pins.py"
JUMPS = "tui/app/jumps.py"
KEYBOARD = "tui/app/keyboard.py"
EARLIER = "tui/app/earlier_plans.py"
RANKING = "tui/app/ranking.py"
EDITING = "tui/app/editing.py"
LAYOUT = "tui/app/layout.py"
PAGES = "tui/app/pages.py"
PALETTE = "tui/app/palette.py"

MUTANTS = (
    Mutant(NAVIGATION, "PANES.index(self._layout.pane) + by)", "PANES.index(self._layout.pane) - by)", "direction"),
    Mutant(NAVIGATION, "active_form.move(-by * FAR)", "active_form.move(by * FAR)", "direction"),
    Mutant(NAVIGATION, "            self._pages.cursor_moved()\n", "", "redraw"),
    Mutant(NAVIGATION, "max(2, rows - 1)", "max(2, rows)", "scroll"),
    Mutant(NAVIGATION, 'panes.detail.body if pane == "detail"', 'panes.table.body if pane == "detail"', "target"),
    Mutant(TABLE_VIEW, "sort=key, reverse=False", "sort=key", "direction"),
    Mutant(TABLE_VIEW, "View(filter=self._ranking.view.filter, unfit", "View(unfit", "filter"),
    Mutant(TABLE_VIEW, "() if key == USUAL else changed", "changed", "target"),
    Mutant(TABLE_VIEW, "LineEdit.of(self._ranking.view.filter)", "LineEdit()", "filter"),
    Mutant(TABLE_VIEW, "else (*shown, key)", "else (key, *shown)", "order"),
    Mutant(UNDO, "        self._fields.close()\n        at, undone", "        at, undone", "history"),
    Mutant(UNDO, "            self._history.at = before\n", "", "history"),
    Mutant(UNDO, "{undone.label};", "{self._history.now.label};", "target"),
    Mutant(STEPPING, "1 if steps > 0 else -1", "-1 if steps > 0 else 1", "direction"),
    Mutant(STEPPING, "if self.place(place.axis) == place:", "if True:", "stale"),
    Mutant(STEPPING, "steps = self.pending.pop(place, 0)", "steps = self.pending.get(place, 0)", "stale"),
    Mutant(STEPPING, "document.space.with_(axis, None), axis)", "document.space, axis)", "target"),
    Mutant(FIELDS, "self._table.chosen = current[1]\n", "pass\n", "target"),
    Mutant(FIELDS, " and key not in form.refused\n", "\n", "stale"),
    Mutant(FIELDS, "or entry.key in form.refused:", "or entry.key not in form.refused:", "condition"),
    Mutant(PINS, "        self._table.pins = tuple(self.plans)\n", "", "redraw"),
    Mutant(PINS, "        self._pages.show()\n", "", "redraw"),
    Mutant(PINS, "if plan in self.plans:", "if plan not in self.plans:", "condition"),
    Mutant(JUMPS, "int(place) - table.at)", "int(place))", "index"),
    Mutant(JUMPS, "        table.labels = {}\n", "", "stale"),
    Mutant(JUMPS, 'if self._layout.shows("plans"):', 'if not self._layout.shows("plans"):', "condition"),
    Mutant(KEYBOARD, "                panes.picker.at = 0", "                panes.picker.at = panes.picker.at", "target"),
    Mutant(KEYBOARD, 'return event.key == "enter"', "return True", "direction"),
    Mutant(KEYBOARD, "            self._panes.welcome.open = False\n", "", "stale"),
    Mutant(KEYBOARD, "if over and foot.prompt is prompt:", "if over:", "stale"),
    Mutant(KEYBOARD, "                widget.redraw()\n", "", "redraw"),
    Mutant(EARLIER, "self._history.before(self.back - 1)", "self._history.before(self.back)", "history"),
    Mutant(EARLIER, "if now is not None and now.stored is moment.stored:", "if now is not None:", "stale"),
    Mutant(EARLIER, "self.back = max(0, back)", "self.back = back", "bound"),
    Mutant(RANKING, "if answer.generation != self.generation:", "if answer.generation > self.generation:", "stale"),
    Mutant(RANKING, " or answer.question is not self.question:", ":", "stale"),
    Mutant(RANKING, "if view != self.view:", "if True:", "condition"),
    Mutant(EDITING, "            self.plan(back=1)\n", "            self.plan(back=0)\n", "history"),
    Mutant(EDITING, "            form.refused.pop(key, None)\n", "", "stale"),
    Mutant(EDITING, "if document != now.document:", "if True:", "history"),
    Mutant(LAYOUT, "self.form = pane if pane in FORMS else self.form", "self.form = self.form", "target"),
    Mutant(LAYOUT, "widget.focus_on(widget.id == pane)", "widget.focus_on(widget.id == self.form)", "target"),
    Mutant(LAYOUT, "len(form.entries) + titled", "len(form.entries)", "width"),
    Mutant(LAYOUT, 'DETAIL if self.pane == "detail" else PLANS', "PLANS", "context"),
    Mutant(PAGES, "if number != self._requests[str(pane.id)].number:", "if number > self._requests[str(pane.id)].number:", "stale"),
    Mutant(PAGES, '        if pane == "detail" or self._layout.shows("detail"):', '        if pane == "detail":', "redraw"),
    Mutant(PAGES, "self._panes.detail.redraw()", "pass", "redraw"),
    Mutant(PALETTE, "if self._layout.context not in binding.contexts:", "if self._layout.context in binding.contexts:", "context"),
)
