"""DocumentDisplay: the document in the forms, the tabs and the status line, with what the newest answer says of it."""

from __future__ import annotations

from planner.report.columns import BY_KEY
from tui.app.layout import PaneLayout
from tui.app.panes import Panes
from tui.app.ranking import Ranking
from tui.state import edits
from tui.state.history import History
from tui.state.session import Session
from tui.state.view import FASTEST
from tui.widgets.status import Status


class DocumentDisplay:
    """Shows the document."""

    def __init__(self, history: History, ranking: Ranking, panes: Panes, layout: PaneLayout, session: Session | None) -> None:
        self._history, self._ranking, self._panes, self._layout, self._session = history, ranking, panes, layout, session

    def show(self) -> None:
        """Show the fields, the status line and the hints."""
        document, forms, job = self._history.now.document, self._panes.forms, self._ranking.job
        texts, size = edits.texts(document), edits.size(document)
        before = [len(form.entries) for form in forms.values()]
        for group, entries in edits.listed(document, texts).items():
            forms[group].show(entries, texts, self._ranking.faults, size if group == "model" else "")
        if self._layout.regions and before != [len(form.entries) for form in forms.values()]:
            self._layout.arrange()
        self._panes.tabs.show_notes(job.cluster.calibration if job else "", size)
        self.show_status()
        self._layout.show_hints()

    def show_status(self) -> None:
        """Show the status line."""
        now, view, job = self._history.now, self._ranking.view, self._ranking.job
        result = self._ranking.answer.result if self._ranking.answer else None
        counts = f"{result.counts.fit:,} fit / {result.counts.evaluated:,} plans" if result is not None else "planning …"
        if result is not None and result.counts.unkept:
            counts += f", {len(result.order):,} ranked"
        about = f"{job.model.name} · {job.cluster.gpus:,} x {job.cluster.gpu.name}" if job else ""
        order = "fastest first" if view.column == FASTEST and not view.reverse else f"by {BY_KEY[view.column].heading}"
        unkept = bool(self._session and self._session.problem)
        self._panes.status.show(Status(now.path.name if now.path else "", now.unsaved, unkept, counts, about, order, view.filter))
