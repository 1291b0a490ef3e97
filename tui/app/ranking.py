"""Ranking: the plans of the document, computed by the planner's threads; an answer to an older question is dropped."""

from __future__ import annotations

from collections.abc import Callable

from planner.errors import FieldError
from planner.specs.job import Job
from planner.specs.plan import Plan
from tui.app.dialogs import Dialogs
from tui.app.loop import Loop
from tui.state.history import History
from tui.state.planner_thread import Answer, Planner, Question
from tui.state.view import View
from tui.widgets.table import Table


class Ranking:
    """The newest question, its answer and the view of the plans. `answered` is called with each answer to the newest question."""

    def __init__(
        self, planner: Planner, history: History, view: View, table: Table, dialogs: Dialogs, loop: Loop, answered: Callable[[Answer], None]
    ) -> None:
        self._planner, self._history, self._table, self._dialogs, self._loop = planner, history, table, dialogs, loop
        self._answered = answered
        self.view = view
        self.question: Question | None = None
        self.generation = 0
        self.newest: Answer | None = None  # the newest answer, including refusals of the job or the view
        self.answer: Answer | None = None  # the newest that was not a refusal
        self.faults: dict[str, str] = {}  # field -> why the job cannot take its value

    def start(self) -> None:
        """Receive answers from now on, and request plans unless that was done before."""
        self._planner.attach(lambda answer: self._loop.deliver(self._receive, answer))
        if self.question is None:
            self.plan()

    def expect(self, question: Question, generation: int) -> None:
        """The plans were requested before the program was composed (tui.app.run)."""
        self.question, self.generation = question, generation

    def plan(self) -> None:
        """Ask for the plans of the present document in the present view."""
        document = self._history.now.document
        self.question = Question(document.inputs, document.space, self.view)
        self.generation = self._planner.ask(self.question)

    def look_at(self, view: View) -> None:
        """Show the plans in another view."""
        if view != self.view:
            self.view = view
            self.plan()

    def _receive(self, answer: Answer) -> None:
        """An answer of the planner."""
        if answer.generation != self.generation:
            return
        if answer.ahead is None:
            self.newest, error = answer, answer.error
            self.faults = {error.key: str(error)} if isinstance(error, FieldError) else {}
        self._answered(answer)

    @property
    def job(self) -> Job | None:
        """The job of the newest answer that was not a refusal."""
        return self.answer.job if self.answer else None

    @property
    def plan_under_cursor(self) -> Plan | None:
        """The plan under the cursor; with advice in place of plans, the plan that the advice is about."""
        answer, plan = self.answer, self._table.plan
        if answer is not None and (answer.advice or plan is None):
            return answer.nearest
        return plan

    def current(self) -> tuple[Job, Plan] | None:
        """The job and the plan under the cursor; None while the plans on the screen are not those of the present inputs."""
        answer, plan = self.answer, self.plan_under_cursor
        if answer is None or answer.job is None or self._table.stale or answer.question is not self.question:
            return None
        return (answer.job, plan) if plan is not None else None

    def current_to(self, purpose: str) -> tuple[Job, Plan] | None:
        """The same for a purpose ("export"); where there is no plan, a message says so."""
        current = self.current()
        if current is None:
            self._dialogs.say(f"there is no plan here to {purpose}; wait for the plans, or change the inputs", "bad")
        return current
