"""AnswerDisplay: the planner's answers on the screen, and the messages about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.errors import FieldError, TmplanError
from planner.report.number_text import write_figure
from planner.report.wording import in_words
from tui.app.dialogs import Dialogs
from tui.app.document_display import DocumentDisplay
from tui.app.earlier_plans import EarlierPlans
from tui.app.layout import PaneLayout
from tui.app.pages import Pages
from tui.app.ranking import Ranking
from tui.settings.bindings import key_of
from tui.state import edits
from tui.state.history import History
from tui.state.planner_thread import Answer
from tui.state.view import View
from tui.widgets.table import Table

if TYPE_CHECKING:
    from planner.report.best import EvaluatedPlan


class AnswerDisplay:
    """Shows answers. `notices`: messages of the start, placed before the message of the first answer."""

    def __init__(
        self,
        history: History,
        ranking: Ranking,
        earlier: EarlierPlans,
        table: Table,
        layout: PaneLayout,
        document: DocumentDisplay,
        pages: Pages,
        dialogs: Dialogs,
        notices: tuple[str, ...],
    ) -> None:
        self._history, self._ranking, self._earlier, self._table = history, ranking, earlier, table
        self._layout, self._document, self._pages, self._dialogs = layout, document, pages, dialogs
        self._notices = notices
        self._progress = ""  # the message while a search continues
        self._assumed: list[str] = []  # assumptions about the model that a message has stated

    def show(self, answer: Answer) -> None:
        """Show an answer to the newest question."""
        if answer.ahead is not None:
            self._show_progress(answer.ahead)
            return
        if answer.error is not None:
            self._refuse(answer.error)
        else:
            self._show_plans(answer)
        self._document.show()
        self._pages.show()

    def _show_plans(self, answer: Answer) -> None:
        last, self._ranking.answer = self._ranking.answer, answer
        fresh = last is None or answer.result is not last.result  # not so for another order of the same plans
        self._table.show_note(note(answer, self._ranking.view))
        if answer.result is None:
            return
        self._earlier.remember(answer, fresh=fresh)
        if not answer.advice:
            self._table.before = self._earlier.compared
            self._table.show(answer.result, answer.rows, answer.question.view)
        if self._progress and self._dialogs.message == self._progress:
            self._dialogs.say("")
        if fresh:
            self._summarise(answer)

    def _show_progress(self, best: EvaluatedPlan) -> None:
        """The best plan is known, the others are still being ranked."""
        before = self._earlier.compared
        summary = f"{self._history.now.label}: {before.best_step(best.step)}" if before else f"best {write_figure(best.step)} s"
        self._progress = f"{summary}, {in_words(best.plan)}; ranking the others …"
        self._dialogs.say(self._progress)

    def _refuse(self, error: TmplanError) -> None:
        """The job or the view is refused: show why, and leave the last plans on the screen, marked as outdated."""
        self._table.show_note([(str(error), "bad")], stale=True)
        field = error.key if isinstance(error, FieldError) and error.key in edits.BY_KEY else None
        if field is None or self._layout.active_form.entry.key != field:  # the field under the cursor shows it
            self._dialogs.say(str(error), "bad")

    def _summarise(self, answer: Answer) -> None:
        """Show a message with the assumptions about a new model, the effect of the edit, and the loss of the plan under the cursor."""
        before = self._earlier.compared
        summary = f"{self._history.now.label}: {before.summary(answer.result)}" if before and answer.result else ""
        sentences = [*self.assumed(), summary, self._table.lost()]
        self._dialogs.say_all(*(self._notices if any(sentences) else ()), *sentences)
        self._notices = ()

    def assumed(self) -> list[str]:
        """The assumptions about the model that were not stated of the model before it."""
        before, self._assumed = self._assumed, edits.notes(self._history.now.document)
        return [sentence for sentence in self._assumed if sentence not in before]


def note(answer: Answer, view: View) -> list[tuple[str, str]]:
    """The text of a table without rows: sentences and their roles."""
    if answer.advice:
        return list(answer.advice)
    if answer.thinking:
        return [("Nothing fits; working out what is nearest, and what would help …", "dim")]
    shown = "no plan passes the filter" if view.filter else "every plan fits" if view.unfit else "no plans"
    way = f"{key_of('filter')} changes the filter" if view.filter else f"{key_of('misfits')} shows the others"
    return [(f"{shown}; {way}", "dim")]
