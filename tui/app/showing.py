"""Showing: fields, status and detail, as the document and the last answer have them."""

from __future__ import annotations

from planner.report.columns import BY_KEY
from tui.app.panes import Panes
from tui.state import edits
from tui.state.view import FASTEST
from tui.widgets.status import Status


class Showing(Panes):
    """The program with what it shows of a document and its plans."""

    def show_document(self) -> None:
        """Fields, status and foot, as the document and the last answer have them."""
        texts, size = edits.texts(self.document), edits.size(self.document)
        before = [len(form.entries) for form in self.forms.values()]
        for group, entries in edits.listed(self.document, texts).items():
            self.forms[group].show(entries, texts, self._wrong, size if group == "model" else "")
        if self._placed and before != [len(form.entries) for form in self.forms.values()]:
            self.arrange()
        self.tabs.tell(self.answer.job.cluster.calibration if self.answer and self.answer.job else "", size)
        self.show_status()
        self.show_foot()

    def show_status(self) -> None:
        """The top line."""
        answer, result = self.answer, self.answer.result if self.answer else None
        counts = f"{result.counts.fit:,} fit / {result.counts.evaluated:,} plans" if result else "planning …"
        if result and result.counts.unkept:
            counts += f", {len(result.order):,} ranked"
        job = answer.job if answer else None
        about = f"{job.model.name} · {job.cluster.gpus:,} x {job.cluster.gpu.name}" if job else ""
        column = "fastest first" if self.view.column == FASTEST and not self.view.reverse else f"by {BY_KEY[self.view.column].heading}"
        unkept = bool(self.session and self.session.problem)
        self.status.show(Status(self.path.name if self.path else "", self.unsaved, unkept, counts, about, column, self.view.filter))

    def cursor_moved(self) -> None:
        """The table's cursor is on another plan: show its detail, once it rests if more than the bars are in view."""
        if self._settling is not None:
            self._settling.stop()
        if self.detail.cheap and not self.shows("compare"):
            self.show_detail()
            return
        self._settling = self.set_timer(self.settle, self.show_detail)

    def show_detail(self) -> None:
        """The detail of the plan under the cursor."""
        plan = self.subject
        known = self.table.estimate if plan is not None and plan == self.table.plan else None
        self.detail.show(self.answer.job if self.answer else None, plan, known)
