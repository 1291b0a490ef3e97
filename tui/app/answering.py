"""Answering: edits go to the planner, answers go on the screen; an older answer never lands on a newer question."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from textual.message import Message

from planner.document.planfile import Document
from planner.errors import FieldError, TmplanError
from planner.report.number_text import write_figure
from planner.report.wording import in_words
from tui.app.keeping import Keeping
from tui.settings.bindings import key_of
from tui.state import edits
from tui.state.before import Before
from tui.state.history import StoredDocument
from tui.state.planner_thread import Answer, Question
from tui.state.view import View

if TYPE_CHECKING:
    from planner.report.best import EvaluatedPlan


class Answered(Message):
    """An answer has come from a planning thread."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


class Answering(Keeping):
    """The program with plans."""

    back = 0  # the table compares with the moment so many edits back; 0: with none

    def start(self) -> None:
        """Show the document, and ask for its plans unless they were asked for before the program stood (tui.app)."""
        self.befores: dict[StoredDocument, Before] = {}  # the plans of a moment's document, the latest
        self._glimpsed = ""  # what was said of a search that goes on
        self._notices = tuple(self.notices)  # said at the start: what the first answer says stands behind them, not in their place
        self._assumed: list[str] = []  # what was said to be assumed of the model
        self.begin_keeping()
        self.show_document()
        self.planner.attach(self._receive)
        if self.question is None:
            self.plan()
        self.say(self.session.note if self.session else "", *self.assumed())

    # ── edits ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def edit(self, change: Callable[[Document], Document], key: str, typed: str = "") -> None:
        """Replace the document by a changed one and plan it; a change refused marks its field and keeps what was typed."""
        form = next(self.forms[group] for group, entries in edits.ENTRIES.items() if any(entry.key == key for entry in entries))
        old = edits.texts(self.document)[key][0]
        try:
            changed = change(self.document)
        except TmplanError as error:
            form.refused[key] = (typed, str(error))
            self.touch()
        else:
            form.refused.pop(key, None)
            self.replace(changed, f"{edits.BY_KEY[key].label} {old or '(none)'} → {edits.texts(changed)[key][0] or '(none)'}")
        self.show_document()

    def replace(self, document: Document, label: str) -> None:
        """Another document, as an edit that can be undone, and its plans."""
        now = self.history.now
        if document != now.document:
            self.history.push(replace(now, stored=StoredDocument(document), label=label))
            self.back = 1
            self.changed()

    def changed(self) -> None:
        """Another moment of the history is at hand: plan it, and keep the session soon."""
        self.plan()
        self.take_down()
        self.touch()

    # ── planning ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def plan(self) -> None:
        """Ask for the plans of the present document in the present view."""
        self.question = Question(self.document.inputs, self.document.space, self.view)
        self.generation = self.planner.ask(self.question)

    def expect(self, question: Question, generation: int) -> None:
        """The planner was asked before the program stood (tui.app)."""
        self.question, self.generation = question, generation

    def look_at(self, view: View) -> None:
        """Show the plans in another way."""
        if view != self.view:
            self.view = view
            self.plan()

    def _receive(self, answer: Answer) -> None:
        self.post_message(Answered(answer))

    def on_answered(self, message: Answered) -> None:
        """Put an answer on the screen, if it is one to the newest question."""
        answer = message.answer
        if answer.generation != self.generation:
            return
        if answer.ahead is not None:
            self.glimpse(answer.ahead)
            return
        fresh = self.answer is None or answer.result is not self.answer.result
        self.heard, error = answer, answer.error
        self._wrong = {error.key: str(error)} if isinstance(error, FieldError) else {}
        if error is not None:
            self.refuse(error, answer)
        else:
            self.answer = answer
            self.table.tell(self._note(answer))
            if answer.result is not None:
                if fresh or self.history.now.stored not in self.befores:  # not for another order of the same plans
                    self.remember(answer)
                if not answer.advice:
                    self.table.before = self.before()
                    self.table.show(answer.result, answer.rows, answer.question.view)
                self.say_change(answer, fresh)
        self.show_document()
        self.show_detail()

    def glimpse(self, best: EvaluatedPlan) -> None:
        """The best plan is known, the others are still being ranked: say it."""
        before = self.before()
        was = f"{self.history.now.label}: {before.best_step(best.step)}" if before else f"best {write_figure(best.step)} s"
        self._glimpsed = f"{was}, {in_words(best.plan)}; ranking the others …"
        self.foot.say(self._glimpsed)

    def refuse(self, error: TmplanError, answer: Answer) -> None:
        """The job, or the view, cannot be: say so, and keep the last plans, marked as such."""
        self.table.tell([(str(error), "bad")], stale=True)
        known = isinstance(error, FieldError) and error.key in edits.BY_KEY
        if not known or self.active_form.entry.key != getattr(error, "key", ""):
            self.foot.say(str(error), "bad")

    def _note(self, answer: Answer) -> list[tuple[str, str]]:
        """What stands in the table when it has no rows."""
        if answer.advice:
            return list(answer.advice)
        if answer.thinking:
            return [("Nothing fits; working out what is nearest, and what would help …", "dim")]
        shown = "no plan passes the filter" if self.view.filter else "every plan fits" if self.view.unfit else "no plans"
        way = f"{key_of('filter')} changes the filter" if self.view.filter else f"{key_of('misfits')} shows the others"
        return [(f"{shown}; {way}", "dim")]

    # ── what was before ──────────────────────────────────────────────────────────────────────────────────────────────

    def remember(self, answer: Answer) -> None:
        """Keep what the plans of this moment come to, to compare later moments with; the last few moments are enough."""
        assert answer.result is not None
        key = self.history.now.stored
        self.befores.pop(key, None)
        self.befores[key] = Before.of(answer.result)
        for old in list(self.befores)[:-16]:
            del self.befores[old]

    def before(self) -> Before | None:
        """What the table compares with."""
        moment = self.history.before(self.back) if self.back else None
        return self.befores.get(moment.stored) if moment else None

    def say_change(self, answer: Answer, fresh: bool) -> None:
        """In the message line: what is assumed of another model, what the edit came to, and that the plan under the cursor is lost."""
        if self._glimpsed and self.foot.message == self._glimpsed:
            self.foot.say("")
        if not fresh:
            return
        before, lost = self.before(), self.table.lost()
        told = f"{self.history.now.label}: {before.summary(answer.result)}" if before and answer.result else ""
        found = [*self.assumed(), told, lost]
        self.say(*(self._notices if any(found) else ()), *found)
        self._notices = ()

    def assumed(self) -> list[str]:
        """What is assumed of the model, as far as it was not said of the model before."""
        said, self._assumed = self._assumed, edits.notes(self.document)
        return [note for note in self._assumed if note not in said]

    def say(self, *sentences: str) -> None:
        """What there is to say, in the message line."""
        if any(sentences):
            self.foot.say("; ".join(filter(None, sentences)))
