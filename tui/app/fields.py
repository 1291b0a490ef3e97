"""Fields: what is done to the field under the cursor of a form, and to all degrees at once."""

from __future__ import annotations

from dataclasses import replace

from planner import presets
from planner.document.space import AXES, Bounds
from tui.app.actions import action
from tui.app.dialogs import Dialogs
from tui.app.editing import Editing
from tui.app.layout import PaneLayout
from tui.app.ranking import Ranking
from tui.state import edits
from tui.widgets.table import Table


class Fields:
    """Edits, frees and locks fields."""

    def __init__(self, layout: PaneLayout, table: Table, editing: Editing, ranking: Ranking, dialogs: Dialogs) -> None:
        self._layout, self._table, self._editing, self._ranking, self._dialogs = layout, table, editing, ranking, dialogs

    @action
    def edit(self) -> None:
        """Edit the field under the cursor; a preset or a choice is picked from a list."""
        form = self._layout.active_form
        entry = form.entry
        if entry.kind not in ("preset", "choice", "bool") or entry.key in form.refused:
            form.begin()
            return
        preset = entry.kind == "preset"
        names = presets.names(entry.preset_kind) if preset else entry.choices
        choices = [(name, edits.about(entry.key, name) if preset else "") for name in names]
        self._dialogs.pick(entry.label, choices, lambda name: self._set(entry.key, name), at=form.texts[entry.key][0], freely=preset)

    def close(self) -> None:
        """Enter what is typed in an open editor: nothing typed is lost."""
        if self._layout.active_form.edit:
            self.enter()

    def enter(self) -> None:
        """Enter what the open editor holds, and close it."""
        form = self._layout.active_form
        typed, key = form.edit.text if form.edit else "", form.entry.key
        unchanged = form.edit is not None and (form.edit.fresh or typed == form.texts.get(key, ("", False))[0]) and key not in form.refused
        form.end()
        if not unchanged:
            self._set(key, typed)

    def _set(self, key: str, typed: str) -> None:
        self._editing.edit(lambda document: edits.set_text(document, key, typed), key, typed)

    @action
    def free(self) -> None:
        """Leave a degree to the search, or a field to its preset."""
        key = self._layout.active_form.entry.key
        self._editing.edit(lambda document: edits.free(document, key), key)

    @action
    def lock(self) -> None:
        """Lock the degree under the cursor to the value of the selected plan."""
        key = self._layout.active_form.entry.key
        if key not in AXES:
            self._dialogs.say("only what the search tries can be locked to a plan: degrees, sharding, micro-batch, recompute", "bad")
        elif current := self._ranking.current_to("lock to"):
            from planner.search.legal_values import bounded

            bounds = Bounds((int(bounded(current[1], key)),))
            self._editing.edit(lambda document: replace(document, space=document.space.with_(key, bounds)), key)

    @action
    def adopt(self) -> None:
        """Lock every degree to the values of the selected plan."""
        if current := self._ranking.current_to("adopt"):
            self._table.chosen = current[1]
            self._editing.replace(edits.adopted(self._editing.document, *current), "a plan adopted")
