"""SessionKeeper: writes the session soon after any change of its state."""

from __future__ import annotations

from collections.abc import Callable

from textual.timer import Timer

from tui.app.dialogs import Dialogs
from tui.app.document_display import DocumentDisplay
from tui.app.loop import Loop
from tui.state.history import History
from tui.state.session import Session, State

DELAY = 2.0  # seconds from the first change not yet written until all are, however many follow and however the program may end


class SessionKeeper:
    """Keeps the session, if there is one. `state` returns the state to store."""

    def __init__(self, session: Session | None, state: Callable[[], State], display: DocumentDisplay, dialogs: Dialogs, loop: Loop) -> None:
        self.session, self.state, self._display, self._dialogs, self._loop = session, state, display, dialogs, loop
        self.timer: Timer | None = None
        self._failure = session.problem if session else ""  # the failure that was last shown; the notices of the start include it

    def begin(self) -> None:
        """Take the present state as written: it was read from the session, or is the initial one."""
        self._written = self.state().mark()

    def touch(self) -> None:
        """Schedule a write if the state has changed. Cheap if it has not."""
        if self.timer is None and self.session and self.session.writable and self.state().mark() != self._written:
            self.timer = self._loop.after(DELAY, self.write_soon)

    def write_soon(self) -> None:
        """Write the session on a thread: a slow disk never holds the keyboard."""
        self.timer = None
        session, state = self.session, self.state()
        if session:
            self._written = state.mark()
            state.history = History(state.history.moments, state.history.at)
            session.hand(state, self._reported)

    def write(self) -> None:
        """Write the session now."""
        if self.session:
            self.session.write(self.state())

    def failure(self) -> str:
        """Write the session: why it cannot be written, or empty."""
        self.write()
        return self.session.problem if self.session else "no session is saved"

    def _reported(self) -> None:
        """A state was written, or could not be: called on the thread."""
        if self.session and self.session.problem != self._failure:
            self._loop.deliver(self.report, self.session)

    def report(self, session: Session) -> None:
        """Show once why the session cannot be written; the status line shows it as long as it cannot."""
        self._failure = session.problem
        if self._failure:
            self._dialogs.say(self._failure, "bad")
        self._display.show_status()
