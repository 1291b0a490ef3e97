"""Tmplan: the Textual app that draws the program and hands it keys, and how it starts, fails and ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from pathlib import Path
from typing import Any, ClassVar

from rich.console import RenderableType
from textual import events
from textual.app import App
from textual.binding import BindingType
from textual.driver import Driver
from textual.screen import Screen
from textual.widget import Widget

from planner.document.planfile import Document
from planner.errors import fault
from tui.app import theme_choice
from tui.app.panes import Panes
from tui.app.program import Program
from tui.settings import themes
from tui.state.history import History, Moment
from tui.state.planner_thread import Planner
from tui.state.session import Session, State
from tui.terminal.screen import QuietScreen

SETTLE = 0.08  # seconds the cursor rests before the detail of its plan is computed


class Tmplan(App[None], inherit_bindings=False):
    """The terminal program on a document, or on the state of a session."""

    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = []
    TITLE = "tmplan"

    def __init__(
        self,
        document: Document,
        path: Path | None = None,
        *,
        planner: Planner | None = None,
        settle: float = SETTLE,
        theme: str | None = None,
        state: State | None = None,
        session: Session | None = None,
        notices: tuple[str, ...] = (),
    ) -> None:
        look = themes.load(theme or themes.preferred())  # before App takes NO_COLOR out of the environment
        super().__init__(ansi_color=look.theme.ansi or None)
        theme_choice.apply(self, look)
        self.notices = (*notices, *([session.fault] if session and session.fault else []))
        state = state or State(History([Moment.of(document, path)]))
        self.program = Program(self, self.leave, Panes(), state, session, planner or Planner(), look, self.notices, settle)
        self.left = False  # whether it is ending
        self._event_loop: asyncio.AbstractEventLoop | None = None

    # ── the driver and the screen ────────────────────────────────────────────────────────────────────────────────────────────

    def get_driver_class(self) -> type[Driver]:
        chosen = super().get_driver_class()
        if chosen.__name__ != "LinuxDriver":  # another system
            return chosen
        from tui.terminal.driver import QuietDriver

        return QuietDriver

    def get_default_screen(self) -> Screen[Any]:
        return QuietScreen(self.program.layout.places)

    def compose(self) -> list[Widget]:
        return self.program.panes.widgets()

    def repaint(self) -> None:
        """Paint the whole screen (tui.terminal.driver)."""
        self.program.layout.repaint()

    # ── events ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def on_mount(self) -> None:
        program, session, now = self.program, self.program.session, self.program.history.now
        if session and session.first_ever and now.document.plan is None and now.path is None:
            program.panes.welcome.open = True
        program.start()
        dialogs = program.dialogs
        if self.notices or dialogs.unentered.notice:
            sentences = (*self.notices, dialogs.unentered.notice, dialogs.message)
            dialogs.say("; ".join(filter(None, sentences)), "bad" if self.notices else "text")

    def on_resize(self, event: events.Resize) -> None:
        program = self.program
        program.layout.resized(event.size)
        if program.ranking.answer is not None:
            program.loop.after_repaint(program.pages.show)  # the comparison may have a region now

    async def on_key(self, event: events.Key) -> None:
        event.stop()
        event.prevent_default()
        if not self.left:
            self.program.keyboard.press(event)

    def on_paste(self, event: events.Paste) -> None:
        self.program.keyboard.paste(event.text)

    def on_unmount(self) -> None:
        self.program.external_editor.clean_up()

    # ── faults: each ends the program; tui.app.run reports it in a sentence. Textual would print every local variable. ──

    def _handle_exception(self, error: Exception) -> None:
        self._return_code = 2
        if self._exception is None:
            self._exception = error
            self._exception_event.set()
        self._close_messages_no_wait()

    def panic(self, *renderables: RenderableType) -> None:
        self._handle_exception(RuntimeError(" ".join(map(str, renderables)) or "the screen failed"))

    def _print_error_renderables(self) -> None:
        self._exit_renderables.clear()

    def thread_failed(self, error: BaseException | None, thread: threading.Thread | None) -> None:
        """An uncaught error of a thread: shown in the message line; if the thread writes to the terminal, the terminal is gone."""
        if isinstance(error, OSError) and thread is not None and thread is getattr(self._driver, "_writer_thread", None):
            os.kill(os.getpid(), signal.SIGHUP)
        elif isinstance(error, Exception) and self.is_running:
            self.call_later(self.program.dialogs.say, fault(error), "bad")

    # ── the way out ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def run_async(self, **options: Any) -> None:
        self._event_loop = asyncio.get_running_loop()
        await super().run_async(**options)

    @property
    def begun(self) -> bool:
        """Whether the terminal may be the program's."""
        return self._event_loop is not None

    def leave(self, code: int = 0) -> None:
        """Stop the program and restore the terminal."""
        if self.left:
            return
        self.left = True
        try:
            self.program.stop()
        except Exception as error:
            self._handle_exception(error)
        finally:
            self.exit(return_code=code)

    def request_leave(self, code: int) -> None:
        """Leave as soon as what was typed before is done; from a signal, at any moment."""
        with contextlib.suppress(RuntimeError):  # it has left
            if self._event_loop is not None:
                self._event_loop.call_soon_threadsafe(self._leave_behind_keys, code)

    def _leave_behind_keys(self, code: int) -> None:
        """Leave behind the keys in the queues: a key passes the app, the screen and the app again, and so does this call."""
        if not self.is_running or not self.screen_stack:
            self.leave(code)
        else:
            self.call_later(self.screen.call_later, self.call_later, self.leave, code)
