"""Quitting: at once, or after a question if neither a file nor the session holds the edits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from textual.events import Key

from planner.plaintext import named
from tui.app.actions import action
from tui.app.dialogs import Dialogs
from tui.app.session_keeper import SessionKeeper
from tui.app.unsaved import UnsavedEdits
from tui.state.history import History
from tui.widgets.prompt import Question
from tui.widgets.status import Small


@dataclass
class QuitQuestion(Question):
    """Whether to quit although something would be lost. `stay` is called on no."""

    stay: Callable[[], None] = lambda: None

    def take(self, event: Key) -> bool:
        if event.key not in ("y", "Y"):
            self.stay()
        return super().take(event)


class Quitting:
    """Quits on request of the user. `leave` ends the program."""

    def __init__(
        self, history: History, unsaved: UnsavedEdits, keeper: SessionKeeper, dialogs: Dialogs, small: Small, leave: Callable[[], None]
    ) -> None:
        self._history, self._unsaved, self._keeper, self._dialogs, self._small = history, unsaved, keeper, dialogs, small
        self._leave = leave

    @property
    def asking(self) -> bool:
        """Whether the question is open."""
        return isinstance(self._dialogs.prompt, QuitQuestion)

    @action
    def quit(self) -> None:
        """Quit; if edits would be lost, only after a yes, or when the key is pressed again."""
        prompt, path = self._dialogs.prompt, self._history.now.path
        if self.asking or not self._unsaved.any() or not (failure := self._keeper.failure()):
            self._leave()
            return

        def stay() -> None:
            self._small.ask("")
            if prompt:
                self._dialogs.ask(prompt)

        changes = f"the changes to {named(path.name, 24)}" if path else "the changes"
        question = QuitQuestion(
            f"{changes} are not written; quit all the same?",
            lambda yes: self._leave(),
            help=f"y: yes, any other key: no; {failure}",
            stay=stay,
        )
        self._dialogs.ask(question)
        self._small.ask(f"{question.label} {question.help}")
