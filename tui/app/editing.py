"""Editing: the document, changed by edits that can be undone, and planned again after each edit."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from planner.document.planfile import Document
from planner.errors import TmplanError
from tui.app.document_display import DocumentDisplay
from tui.app.earlier_plans import EarlierPlans
from tui.app.panes import Panes
from tui.app.ranking import Ranking
from tui.app.session_keeper import SessionKeeper
from tui.state import edits
from tui.state.history import History, Moment, StoredDocument
from tui.state.view import View


class Editing:
    """Changes the document."""

    def __init__(
        self, history: History, panes: Panes, ranking: Ranking, earlier: EarlierPlans, display: DocumentDisplay, keeper: SessionKeeper
    ) -> None:
        self._history, self._forms, self._table = history, panes.forms, panes.table
        self._ranking, self._earlier, self._display, self._keeper = ranking, earlier, display, keeper

    @property
    def document(self) -> Document:
        """The present document."""
        return self._history.now.document

    def edit(self, change: Callable[[Document], Document], key: str, typed: str = "") -> None:
        """Change a field of the document and plan it; a change that is refused marks the field, with what was typed."""
        form = next(self._forms[group] for group, entries in edits.ENTRIES.items() if any(entry.key == key for entry in entries))
        before = edits.texts(self.document)[key][0]
        try:
            changed = change(self.document)
        except TmplanError as error:
            form.refused[key] = (typed, str(error))
            self._keeper.touch()
            self._display.show()
        else:
            form.refused.pop(key, None)
            after = edits.texts(changed)[key][0]
            self.replace(changed, f"{edits.BY_KEY[key].label} {before or '(none)'} → {after or '(none)'}")

    def replace(self, document: Document, label: str) -> None:
        """Another document in place of the present one."""
        now = self._history.now
        if document != now.document:
            self._history.push(replace(now, stored=StoredDocument(document), label=label))
            self.plan(back=1)
        self._display.show()

    def open(self, document: Document, path: Path | None, label: str) -> None:
        """A document from a file in place of the present one."""
        for form in self._forms.values():
            form.refused.clear()
        self._history.opened(Moment.of(document, path, label))
        self._table.chosen, self._ranking.view = document.plan, View()
        self.plan(back=0)
        self._display.show()

    def plan(self, *, back: int) -> None:
        """The history is at another document: plan it, compare with `back` edits before, and keep the session soon."""
        self._earlier.back = back
        self._ranking.plan()
        with contextlib.suppress(TmplanError):
            self._history.now.stored.text  # noqa: B018  (made now: a preset's file that it rests on may be gone later)
        self._keeper.touch()

    def show(self) -> None:
        """Show the document."""
        self._display.show()
