"""Dialogs: messages and prompts in the message line, and lists and the help over the panes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tui.app.actions import action
from tui.app.layout import PaneLayout
from tui.app.panes import Panes
from tui.state.prompt_texts import PendingTexts
from tui.state.session import Session
from tui.widgets.line_edit import LineEdit
from tui.widgets.picker import Choice
from tui.widgets.prompt import Prompt


class Dialogs:
    """Messages and questions of the program. `unentered` holds what was typed at prompts and not entered when the program was closed."""

    def __init__(self, panes: Panes, layout: PaneLayout, unentered: PendingTexts, session: Session | None) -> None:
        self._foot, self._picker, self._help = panes.foot, panes.picker, panes.help
        self._panes, self._layout, self.unentered, self._session = panes, layout, unentered, session

    def say(self, message: str, role: str = "text") -> None:
        """Show a message until the next key; the role `bad` marks a refusal."""
        self._foot.say(message, role)

    def say_all(self, *sentences: str) -> None:
        """Show those of these sentences that are not empty, if any is."""
        if any(sentences):
            self.say("; ".join(filter(None, sentences)))

    @property
    def message(self) -> str:
        """The message shown."""
        return self._foot.message

    @property
    def prompt(self) -> Prompt | None:
        """The prompt that is open."""
        return self._foot.prompt

    @property
    def busy(self) -> bool:
        """Whether a prompt, a list or the help is open."""
        return self.prompt is not None or self._panes.overlay is not None

    def ask(self, prompt: Prompt) -> None:
        """Ask in the message line, with what was typed there when the program was closed."""
        if text := self.unentered.take(prompt.label):
            prompt.edit = LineEdit.of(text)
        self._foot.prompt = prompt
        self._foot.redraw()

    def pick(self, title: str, choices: Sequence[Choice], done: Callable[[str], None], *, at: str = "", freely: bool = False) -> None:
        """Open a list over the panes, with the cursor on one of the choices. `freely`: other text is accepted too."""
        self._picker.ask(title, choices, done, at=at, freely=freely)
        if freely and (text := self.unentered.take(title)):
            self._picker.edit = LineEdit.of(text)
        self._layout.arrange()

    def pick_several(self, title: str, choices: Sequence[Choice], toggle: Callable[[str], Sequence[Choice]]) -> None:
        """Ask by a list in which several choices can be selected."""
        self._picker.choose(title, choices, toggle)
        self._layout.arrange()

    def being_typed(self) -> dict[str, str]:
        """What is typed at a prompt, or as a path in a list, and not entered, by the label."""
        prompt, picker = self.prompt, self._picker
        typed = {prompt.label: prompt.edit.text} if prompt and prompt.touched else {}
        return typed | ({picker.title: picker.edit.text} if picker.open and picker.freely and picker.edit.text else {})

    @action
    def help(self) -> None:
        """Show every key, and the notation of fields and filters."""
        self._help.open, self._help.top = True, 0
        self._help.session = self._session.notice if self._session else ""
        self._layout.arrange()
