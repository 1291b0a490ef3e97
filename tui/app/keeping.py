"""Keeping: the session is written soon after whatever outlives the program has changed; where it cannot be, quitting asks."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from textual.events import Key
from textual.message import Message
from textual.timer import Timer

from planner.errors import TmplanError
from planner.plaintext import named
from tui.app.showing import Showing
from tui.state.history import History
from tui.widgets.prompt import Question

REST = 2.0  # seconds after the first change not yet written at which all are, however many follow and however the program may end


class Unkept(Message):
    """A session could not be written, or can again."""


@dataclass
class Quit(Question):
    """Whether to quit although something would be lost. `stay` is called on no."""

    stay: Callable[[], None] = lambda: None

    def take(self, event: Key) -> bool:
        if event.key not in ("y", "Y"):
            self.stay()
        return super().take(event)


class Keeping(Showing):
    """The program with its session."""

    behind = False  # whether a document with changes that no file has was left behind, an undo away

    def begin_keeping(self) -> None:
        """Hold what is there now for written: it was read from the session, or given."""
        self._resting: Timer | None = None
        self._kept = self.state().mark()
        self._said = self.session.problem if self.session else ""  # the notices begin with it
        self._began = self.document

    def touch(self) -> None:
        """Something was done: if it changed what outlives the program, have it written soon. Costs nothing while one only looks."""
        if self._resting is None and self.session and self.session.writable and self.state().mark() != self._kept:
            self._resting = self.set_timer(REST, self.keep_aside)

    def keep_aside(self) -> None:
        """Write the session on a thread: a slow disk never holds the keyboard."""
        self._resting = None
        session, state = self.session, self.state()
        if session:
            self._kept = state.mark()
            state.history = History(state.history.moments, state.history.at)
            session.hand(state, self._written)

    def take_down(self) -> None:
        """Have the text of the document at hand written down: a preset's file that it rests on may be gone later."""
        with contextlib.suppress(TmplanError):
            self.history.now.stored.text  # noqa: B018

    def _written(self) -> None:
        """A state was written, or could not be: called on the thread."""
        if self.session and self.session.problem != self._said and self.is_running:
            self.post_message(Unkept())

    def on_unkept(self) -> None:
        """Say why the session is not kept any more, once; the status line says so as long as it is not."""
        self._said = self.session.problem if self.session else ""
        if self._said:
            self.foot.say(self._said, "bad")
        self.show_status()

    # ── quitting ─────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def unwritten(self) -> bool:
        """Whether there is something that only a session would keep: edits that no file has, or text that was not taken."""
        return self.behind or self.edited or bool(self.state().refused)

    @property
    def edited(self) -> bool:
        """Whether the document at hand holds edits that no file has, or the forms text that was not taken."""
        document, began = self.document, self._began
        changed = self.path is not None or (document.inputs, document.space) != (began.inputs, began.space)
        return (changed and self.unsaved) or any(form.refused for form in self.forms.values())

    def unkept(self) -> str:
        """Why the session does not keep it, tried just now; nothing where it does."""
        self.keep()
        return self.session.problem if self.session else "no session is kept"

    def action_leave(self) -> None:
        """Quit; where no session keeps them, changes that were not written are asked about. Asked once: whoever quits again means it."""
        asking = self.foot.prompt
        if isinstance(asking, Quit) or not self.unwritten or not (why := self.unkept()):
            self.leave()
            return
        whose = f"the changes to {named(self.path.name, 24)}" if self.path else "the changes"

        def stay() -> None:
            self.small.ask("")
            if asking:
                self.ask(asking)

        quit_ = Quit(f"{whose} are not written; quit all the same?", lambda yes: self.leave(), help=f"y: yes, any other key: no; {why}")
        quit_.stay = stay
        self.ask(quit_)
        self.small.ask(f"{quit_.label} {quit_.help}")
