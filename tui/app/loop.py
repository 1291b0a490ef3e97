"""Loop: what the objects of the program use of Textual's message loop: threads that report back, timers, calls after a repaint."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from textual.app import App
from textual.timer import Timer

from tui.state.threads import begin

Result = TypeVar("Result")


class Loop:
    """The message loop of a Textual app. Only `deliver` may be called from other threads."""

    def __init__(self, app: App[None]) -> None:
        self._app = app

    def start(self, work: Callable[[], Result], then: Callable[[Result], None]) -> None:
        """Do some work on a thread and hand its result to `then` in the program's thread. TmplanError where the system has no thread."""
        begin(lambda: self.deliver(then, work()))

    def deliver(self, then: Callable[[Result], None], result: Result) -> None:
        """Hand a result to `then` in the program's thread, unless the program has ended."""
        if self._app.is_running:
            self._app.call_later(then, result)

    def after(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Call back after some time."""
        return self._app.set_timer(seconds, callback)

    def after_repaint(self, callback: Callable[[], None]) -> None:
        """Call back once the screen has been laid out and painted."""
        self._app.call_after_refresh(callback)

    def next(self, callback: Callable[[], None]) -> None:
        """Call back behind the key that is being handled."""
        self._app.call_next(callback)
