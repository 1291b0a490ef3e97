"""PlanQuestions: pages about a plan, cluster or number that the user types or chooses, and the search for words in them."""

from __future__ import annotations

from collections.abc import Callable

from planner.errors import TmplanError
from tui.app.actions import action
from tui.app.dialogs import Dialogs
from tui.app.pages import Pages
from tui.app.ranking import Ranking
from tui.state.history import History
from tui.widgets.detail import Detail
from tui.widgets.line_edit import LineEdit
from tui.widgets.prompt import Prompt


class PlanQuestions:
    """Asks for the subject of a page, and opens it."""

    def __init__(self, history: History, ranking: Ranking, pages: Pages, detail: Detail, dialogs: Dialogs) -> None:
        self._history, self._ranking, self._pages, self._detail, self._dialogs = history, ranking, pages, detail, dialogs
        self._word = ""  # the word last found in the detail

    @action
    def whynot(self) -> None:
        """Ask for a plan: the rules it breaks, or where it ranks and what costs it."""

        def done(text: str) -> str | None:
            from tui.pages.whynot import parse_axes

            if not text:
                return "type a plan, like tp=16 pp=8"
            return self._open(text, "whynot", parse_axes)

        self._dialogs.ask(Prompt("why not", done, LineEdit(), "a plan, like tp=16 pp=8 recompute=full; axes left out are free"))

    @action
    def versus(self) -> None:
        """Ask for another cluster, and show the best plan there next to the best one here."""

        def done(text: str) -> str | None:
            from planner.document.other_cluster import against

            if not text:
                return "type a GPU or cluster, like b200 or aws-p5,gpus=1024"
            return self._open(text, "versus", lambda typed: against(self._history.now.document.inputs, typed))

        self._dialogs.ask(Prompt("versus", done, LineEdit(), "a GPU or cluster preset or file, and what else differs: b200,gpus=8192"))

    def _open(self, text: str, page: str, read: Callable[[str], object]) -> str | None:
        """Open a page on what was typed; a sentence where it cannot be read: the text stays to be corrected."""
        try:
            read(text)
        except TmplanError as error:
            return str(error)
        self._pages.open(page, text)
        return None

    @action
    def explain(self) -> None:
        """Choose a number of the plan, and show how it is derived."""
        from planner.report.explain import explained

        current = self._ranking.current_to("explain")
        if current is None:
            return
        choices = [(name, f"{step.text}  {step.meaning}") for name, step in explained(*current).items()]
        self._dialogs.pick("explain", choices, lambda name: self._pages.open("explain", name))

    @action
    def find(self) -> None:
        """Ask for a word, and go to the next line of the detail that has it; the same word again goes to the line after."""

        def done(text: str) -> str | None:
            if not text:
                return "type a word to find"
            if not self._detail.find(text):
                return f"'{text}' is not there"
            self._word = text
            return None

        help = "enter goes to the next line that has it; after the last, to the first"
        self._dialogs.ask(Prompt("find", done, LineEdit.of(self._word, fresh=True), help))
