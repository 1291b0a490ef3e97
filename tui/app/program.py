"""Program: the Textual app, its state, and how it starts and ends.

One document, the last of a history of edits; one view; the pinned plans; the newest answer. On it, each in a module of its own: `panes`
lays out, `answering` plans and shows, `paging` works pages out, `keyboard` hands keys out; `whatif`, `viewing`, `asking`, `reaching`,
`files` and `external_editor` hold what the keys do.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any, ClassVar

from rich.console import RenderableType
from textual.app import App
from textual.binding import BindingType
from textual.driver import Driver
from textual.geometry import Region
from textual.screen import Screen
from textual.timer import Timer
from textual.widget import Widget

from planner.document.planfile import Document
from planner.errors import fault
from planner.specs.plan import Plan
from tui.draw.lines import LinePane
from tui.settings import themes
from tui.settings.bindings import key_of
from tui.state.history import History, Moment
from tui.state.planner_thread import Answer, Planner, Question
from tui.state.prompt_texts import LEFT, PendingTexts
from tui.state.session import Session, State
from tui.terminal.layout import FORMS
from tui.terminal.screen import QuietScreen
from tui.widgets.detail import Detail
from tui.widgets.form import Form
from tui.widgets.help import Help
from tui.widgets.page_pane import PagePane
from tui.widgets.picker import Picker
from tui.widgets.status import Foot, Small, StatusLine, Tabs
from tui.widgets.table import Table
from tui.widgets.welcome import Welcome

SETTLE = 0.08  # seconds the cursor rests before the detail of its plan is worked out


def again(typed: str, told: str) -> tuple[str, str]:
    """What a field of a session holds that was not taken, and why: of a text left in an open editor, the key that goes on with it now."""
    return typed, f"{LEFT}; {key_of('edit')} takes it" if told.startswith(LEFT) else told


class Program(App[None], inherit_bindings=False):
    """The terminal program on one document, without its keys."""

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
        self.wear(look)
        state = state or State(History([Moment.of(document, path)]))
        self.history, self.pins, self.view, self.session = state.history, state.pins, state.view, session
        self.notices = [*notices, *([session.fault] if session and session.fault else [])]  # said once the program stands
        self.planner = planner or Planner()
        self.question: Question | None = None
        self.generation = 0
        self.settle = settle
        self.heard: Answer | None = None  # the newest answer
        self.answer: Answer | None = None  # the newest that was no refusal
        self.pane, self.form, self.zoomed = "plans", FORMS[2], False
        self.forms = {name: Form(name) for name in FORMS}
        for form in self.forms.values():
            form.refused |= {entry.key: again(*state.refused[entry.key]) for entry in form.entries if entry.key in state.refused}
        self.table, self.detail, self.aside = Table(), Detail(), PagePane("compare")
        self.table.chosen = self.document.plan if state.chosen is None else state.chosen
        self.table.wanted, self.table.pins = state.columns, tuple(state.pins)
        self.status, self.tabs, self.foot, self.small = StatusLine(), Tabs(), Foot(), Small()
        self.picker, self.help, self.welcome = Picker(), Help(), Welcome()
        self.overs = (self.picker, self.help, self.welcome)  # what may lie over the panes, the topmost first
        self.asked = PendingTexts(state.refused)
        self.left = False  # it has been told to end
        self.guest: subprocess.Popen[bytes] | None = None  # who has the terminal meanwhile (tui.app.external_editor)
        self._running_in: asyncio.AbstractEventLoop | None = None
        self._settling: Timer | None = None
        self._wrong: dict[str, str] = {}
        self._placed: dict[str, Region] = {}

    def wear(self, look: themes.Look) -> None:
        """Have this theme from now on."""
        self.look, LinePane.roles = look, look.roles
        self.register_theme(look.theme)
        self.ansi_color = look.theme.ansi or None
        self.theme = look.theme.name

    @property
    def document(self) -> Document:
        """The document at hand."""
        return self.history.now.document

    @property
    def path(self) -> Path | None:
        """The file it belongs to."""
        return self.history.now.path

    @property
    def unsaved(self) -> bool:
        """Whether the document holds what no file has."""
        saved, document = self.history.now.saved, self.document
        return saved is None or (document.inputs, document.space) != (saved.document.inputs, saved.document.space)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns a person chose; none: as many as there is room for."""
        return self.table.wanted

    # ── starting, and leaving ────────────────────────────────────────────────────────────────────────────────────────

    def places(self, width: int, height: int) -> dict[str, Region]:
        """Where everything lies (tui.app.panes)."""
        raise NotImplementedError

    def get_driver_class(self) -> type[Driver]:
        chosen = super().get_driver_class()
        if chosen.__name__ != "LinuxDriver":  # another system
            return chosen
        from tui.terminal.driver import QuietDriver

        return QuietDriver

    def get_default_screen(self) -> Screen[Any]:
        return QuietScreen(self.places)

    async def run_async(self, **options: Any) -> None:
        self._running_in = asyncio.get_running_loop()
        await super().run_async(**options)

    @property
    def begun(self) -> bool:
        """Whether the terminal may be the program's."""
        return self._running_in is not None

    def compose(self) -> list[Widget]:
        panes = (self.table, self.detail, self.aside)
        return [self.status, self.tabs, *self.forms.values(), *panes, self.foot, self.small, *self.overs]

    def on_mount(self) -> None:
        if self.session and self.session.first_ever and self.document.plan is None and self.path is None:
            self.welcome.open = True
        self.start()
        told = (*self.notices, self.asked.notice, self.foot.message)
        if any(told[:-1]):
            self.foot.say("; ".join(filter(None, told)), "bad" if self.notices else "text")

    def start(self) -> None:
        """Show the document and ask for its plans (tui.app.answering)."""
        raise NotImplementedError

    # A fault of the program ends it; `tui.app` says in a sentence what it was. Textual would show every local variable.

    def _handle_exception(self, error: Exception) -> None:
        self._return_code = 2
        if self._exception is None:
            self._exception = error
            self._exception_event.set()
        self._close_messages_no_wait()

    def panic(self, *renderables: RenderableType) -> None:
        self._handle_exception(RuntimeError(" ".join(map(str, renderables)) or "the screen cannot go on"))

    def _print_error_renderables(self) -> None:
        self._exit_renderables.clear()

    def thread_broke(self, error: BaseException | None, thread: threading.Thread | None) -> None:
        """What nobody caught on a thread: said in the message line; where nothing can be written any more, the terminal is gone."""
        if isinstance(error, OSError) and thread is not None and thread is getattr(self._driver, "_writer_thread", None):
            os.kill(os.getpid(), signal.SIGHUP)
        elif isinstance(error, Exception) and self.is_running:
            self.call_later(self.foot.say, fault(error), "bad")

    def being_typed(self) -> dict[str, str]:
        """What is typed at a prompt, or as a path in a list, and not entered, by the label."""
        prompt, picker = self.foot.prompt, self.picker
        typed = {prompt.label: prompt.edit.text} if prompt and prompt.touched else {}
        return typed | ({picker.title: picker.edit.text} if picker.open and picker.freely and picker.edit.text else {})

    def state(self) -> State:
        """What is to outlive the program, with what is typed and not entered: it is there again next time."""
        refused = {key: told for form in self.forms.values() for key, told in form.refused.items()}
        refused |= {form.entry.key: (form.left, LEFT) for form in self.forms.values() if form.left is not None}
        refused |= self.asked.stored(self.being_typed())
        return State(self.history, list(self.pins), self.view, self.columns, refused, self.table.chosen)

    def keep(self) -> None:
        """Write the session."""
        if self.session:
            self.session.write(self.state())

    def leave(self, code: int = 0) -> None:
        """Give up planning, keep the session, and restore the terminal."""
        if self.left:
            return
        self.left = True
        try:
            self.planner.stop()
            self.keep()
        except Exception as error:
            self._handle_exception(error)
        finally:
            self.exit(return_code=code)

    def ask_to_leave(self, code: int) -> None:
        """Leave as soon as what was typed before is done; from a signal, at any moment."""
        with contextlib.suppress(RuntimeError):  # it has left
            if self._running_in is not None:
                self._running_in.call_soon_threadsafe(self._leave_behind_keys, code)

    def _leave_behind_keys(self, code: int) -> None:
        """A key goes through the program, the screen and the program again; so does this."""
        if not self.is_running or not self.screen_stack:
            self.leave(code)
        else:
            self.call_later(self.screen.call_later, self.call_later, self.leave, code)

    @property
    def subject(self) -> Plan | None:
        """The plan under the cursor; where advice stands in place of plans, the one it is about, never one left of an older answer."""
        answer, plan = self.answer, self.table.plan
        if answer is not None and (answer.advice or plan is None):
            return answer.nearest
        return plan
