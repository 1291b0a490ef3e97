"""EarlierPlans: the plans of earlier documents of the history, which the table compares the present ones with."""

from __future__ import annotations

from functools import partial

from planner.errors import TmplanError
from tui.app.actions import action
from tui.app.dialogs import Dialogs
from tui.app.loop import Loop
from tui.app.ranking import Ranking
from tui.settings.bindings import key_of
from tui.state.before import Before
from tui.state.history import History, Moment, StoredDocument
from tui.state.planner_thread import Answer
from tui.widgets.table import Table

MOST = 16  # documents whose plans are remembered


class EarlierPlans:
    """The plans of the last documents. `back`: number of edits between them and the present plans; 0: no comparison."""

    def __init__(self, history: History, ranking: Ranking, table: Table, dialogs: Dialogs, loop: Loop) -> None:
        self._history, self._ranking, self._table, self._dialogs, self._loop = history, ranking, table, dialogs, loop
        self.back = 0
        self.plans: dict[StoredDocument, Before] = {}

    def remember(self, answer: Answer, *, fresh: bool) -> None:
        """Remember the plans of the present document, unless they are known and not `fresh`; the oldest are dropped."""
        key = self._history.now.stored
        if answer.result is None or (key in self.plans and not fresh):
            return
        self.plans.pop(key, None)
        self.plans[key] = Before.of(answer.result)
        for old in list(self.plans)[:-MOST]:
            del self.plans[old]

    def rename(self, document: StoredDocument) -> None:
        """The present document is represented by another object from now on, since it was written to a file."""
        if self._history.now.stored in self.plans:
            self.plans[document] = self.plans[self._history.now.stored]

    @property
    def compared(self) -> Before | None:
        """The plans that the table compares with, if they are known."""
        moment = self._moment()
        return self.plans.get(moment.stored) if moment else None

    def _moment(self) -> Moment | None:
        return self._history.before(self.back) if self.back else None

    @action
    def compare(self, by: int) -> None:
        """Compare the table with the edit before (1), or with a later one (-1)."""
        back = self.back + by
        moment = self._history.before(back) if back > 0 else None
        if back > 0 and moment is None:
            self._dialogs.say("there is no edit before that" if self._history.at else "nothing was edited yet; compare after an edit")
            return
        self.back = max(0, back)
        if moment is not None and moment.stored not in self.plans:
            self._loop.start(partial(plans_of, moment), partial(self._planned, moment))
        self._show()

    def _planned(self, moment: Moment, plans: Before | None) -> None:
        """The plans of an earlier document are available again; None: it has no plans to compare with."""
        if plans is None:
            return
        self.plans[moment.stored] = plans
        now = self._moment()
        if now is not None and now.stored is moment.stored:
            self._show()

    def _show(self) -> None:
        """Show the table with what it is compared with."""
        self._table.before = before = self.compared
        self._table.redraw()
        if not self.back:
            self._dialogs.say(f"compared with nothing; {key_of('edit-before')} compares with the edit before")
            return
        after = self._history.before(self.back - 1)
        sentence = f"compared with before: {after.label if after else ''}"
        result = self._ranking.answer.result if self._ranking.answer else None
        self._dialogs.say(f"{sentence}: {before.summary(result)}" if before and result else f"{sentence} …")


def plans_of(moment: Moment) -> Before | None:
    """The plans of a document of the history; None where it has none."""
    from planner.document.inputs import resolve
    from planner.search.search import search

    try:
        document = moment.document
        return Before.of(search(resolve(document.inputs), document.space))
    except TmplanError:
        return None
