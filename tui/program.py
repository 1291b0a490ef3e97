"""Program: the Textual app. It holds the document and the view, hands keys out, and puts answers on the screen.

One document, replaced whole by `edit`; one view, replaced by `look`; every change asks the planner anew. Panes draw what they
are given and decide nothing. Which key does what is in tui.bindings, what that is in tui.actions.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from textual import events
from textual.app import App
from textual.binding import BindingType
from textual.geometry import Region
from textual.message import Message
from textual.screen import Screen
from textual.timer import Timer
from textual.widget import Widget

from planner.columns import BY_KEY
from planner.errors import FieldError, TmplanError
from planner.plan import Plan
from planner.planfile import Document
from tui import document as edits
from tui import themes
from tui.bindings import DETAIL, FORM, PLANS
from tui.detail import Detail
from tui.form import Form
from tui.help import Help
from tui.layout import FORMS, places, shape
from tui.lines import LinePane
from tui.picker import Picker
from tui.planning import Answer, Planner, Question
from tui.rankview import Ranks
from tui.rows import FASTEST, View
from tui.screen import QuietScreen
from tui.status import Foot, Small, Status, StatusLine, Tabs
from tui.table import Table

SETTLE = 0.08  # seconds the cursor rests before the detail of its plan is worked out


class Answered(Message):
    """An answer has come from a planning thread."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


class Program(App[None], inherit_bindings=False):
    """The terminal program on one document; tui.actions adds what the keys do."""

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
    ) -> None:
        self.look = themes.load(theme or themes.preferred())  # before App takes NO_COLOR out of the environment
        super().__init__(ansi_color=self.look.theme.ansi or None)
        self.register_theme(self.look.theme)
        self.theme = self.look.theme.name
        self.document, self.saved = document, document
        self.path: Path | None = path
        self.planner = planner or Planner()
        self.question: Question | None = None
        self.generation = 0
        self.settle = settle
        self.view = View()
        self.heard: Answer | None = None  # the newest answer
        self.answer: Answer | None = None  # the newest that was no refusal
        self.pane, self.form = "plans", FORMS[-1]
        self.forms = {name: Form(name) for name in FORMS}
        self.table, self.detail = Table(), Detail()
        self.status, self.tabs, self.foot, self.small = StatusLine(), Tabs(), Foot(), Small()
        self.picker, self.help, self.ranks = Picker(), Help(), Ranks()
        self.overs = (self.picker, self.help, self.ranks)  # what may lie over the panes, the topmost first
        self._settling: Timer | None = None
        self._wrong: dict[str, str] = {}
        self._placed: dict[str, Region] = {}

    # ── starting, and leaving ────────────────────────────────────────────────────────────────────────────────────────

    def get_default_screen(self) -> Screen[Any]:
        return QuietScreen(self.places)

    def compose(self) -> list[Widget]:
        return [self.status, self.tabs, *self.forms.values(), self.table, self.detail, self.foot, self.small, *self.overs]

    def on_mount(self) -> None:
        LinePane.roles = self.look.roles
        for number in (signal.SIGTERM, signal.SIGHUP):
            self._on_signal(number)
        self.table.chosen = self.document.plan
        self.show_document()
        self.planner.attach(self._receive)
        if self.question is None:
            self.plan()

    def _on_signal(self, number: int) -> None:
        import asyncio
        import contextlib

        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):  # not in the main thread, as in some tests
            asyncio.get_running_loop().add_signal_handler(number, self.leave, 128 + number)

    def _print_error_renderables(self) -> None:
        """Nothing: `tui.app` says in a sentence what went wrong."""

    def leave(self, code: int = 0) -> None:
        """Give up planning and restore the terminal."""
        self.planner.stop()
        self.exit(return_code=code)

    # ── the layout ───────────────────────────────────────────────────────────────────────────────────────────────────

    def places(self, width: int, height: int) -> dict[str, Region]:
        """Where everything lies now (tui.layout), and what is open over it."""
        titled = shape(width, height) != "narrow"
        found = places(width, height, self.pane, self.form, {name: len(form.entries) + titled for name, form in self.forms.items()})
        if "small" not in found:
            for over in self.overs:
                if over.open:
                    tall = len(over.choices) + 3 if isinstance(over, Picker) else height
                    wide, tall = min(over.wide, width - 4), min(tall, height - 4)
                    found[str(over.id)] = Region((width - wide) // 2, (height - tall) // 2, wide, tall)
        self._placed = found
        return found

    def on_resize(self, event: events.Resize) -> None:
        self.screen.set_class(shape(*event.size) == "narrow", "narrow")

    def arrange(self) -> None:
        """Lay out again after the pane or what is open changed, if that moves anything."""
        screen = self.screen
        placed = self._placed
        if isinstance(screen, QuietScreen) and self.places(*screen.size) != placed:
            screen.arrange_anew()

    def go(self, pane: str) -> None:
        """Give a pane the keyboard."""
        if pane == self.pane:
            return
        self.pane = pane
        self.form = pane if pane in FORMS else self.form
        panes: tuple[Form | Table | Detail, ...] = (*self.forms.values(), self.table, self.detail)
        for widget in panes:
            widget.focus_on(widget.id == pane)
        self.tabs.pane = pane
        self.tabs.redraw()
        self.arrange()
        self.show_foot()
        if pane == DETAIL:
            self.show_detail()

    @property
    def context(self) -> str:
        """Where keys are looked up."""
        return FORM if self.pane in FORMS else DETAIL if self.pane == "detail" else PLANS

    @property
    def unsaved(self) -> bool:
        """Whether the document holds changes that no file has."""
        return (self.document.inputs, self.document.space) != (self.saved.inputs, self.saved.space)

    @property
    def active_form(self) -> Form:
        """The form with the keyboard, or the last that had it."""
        return self.forms[self.form]

    # ── edits ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def edit(self, change: Callable[[Document], Document], key: str, typed: str = "") -> None:
        """Replace the document by a changed one and plan it; a change refused marks its field and keeps what was typed."""
        form = next(self.forms[group] for group, entries in edits.ENTRIES.items() if any(entry.key == key for entry in entries))
        try:
            changed = change(self.document)
        except TmplanError as error:
            form.refused[key] = (typed, str(error))
        else:
            form.refused.pop(key, None)
            self.replace(changed)
        self.show_document()

    def replace(self, document: Document) -> None:
        """Another document, and its plans."""
        if document != self.document:
            self.document = document
            self.plan()

    # ── planning ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def plan(self) -> None:
        """Ask for the plans of the present document in the present view."""
        self.question = Question(self.document.inputs, self.document.space, self.view)
        self.generation = self.planner.ask(self.question)

    def expect(self, question: Question, generation: int) -> None:
        """The planner was asked before the program stood (tui.app)."""
        self.question, self.generation = question, generation

    def look_at(self, view: View) -> None:
        """Show the plans in another way."""
        if view != self.view:
            self.view = view
            self.plan()

    def _receive(self, answer: Answer) -> None:
        self.post_message(Answered(answer))

    def on_answered(self, message: Answered) -> None:
        """Put an answer on the screen, if it is one to the newest question."""
        answer = message.answer
        if answer.generation != self.generation:
            return
        self.heard, error = answer, answer.error
        self._wrong = {error.key: str(error)} if isinstance(error, FieldError) else {}
        if error is not None:
            self.refuse(error, answer)
        else:
            self.answer = answer
            self.table.tell(self._note(answer))
            if not answer.advice and answer.result is not None:
                self.table.show(answer.result, answer.rows, answer.question.view)
                if self.table.lost():
                    self.foot.say(self.table.lost())
        self.show_document()
        self.show_detail()

    def refuse(self, error: TmplanError, answer: Answer) -> None:
        """The job, or the view, cannot be: say so, and keep the last plans, marked as such."""
        self.table.tell([(str(error), "bad")], stale=True)
        known = isinstance(error, FieldError) and error.key in edits.BY_KEY
        if not known or self.active_form.entry.key != getattr(error, "key", ""):
            self.foot.say(str(error), "bad")

    def _note(self, answer: Answer) -> list[tuple[str, str]]:
        """What stands in the table when it has no rows."""
        if answer.advice:
            return list(answer.advice)
        if answer.thinking:
            return [("Nothing fits; working out what is nearest, and what would help …", "dim")]
        shown = "no plan passes the filter" if self.view.filter else "every plan fits" if self.view.unfit else "no plans"
        return [(f"{shown}; {'/ changes the filter' if self.view.filter else '! shows the others'}", "dim")]

    # ── showing ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def show_document(self) -> None:
        """Fields, status and foot, as the document and the last answer have them."""
        texts, size = edits.texts(self.document), edits.size(self.document)
        before = [len(form.entries) for form in self.forms.values()]
        for group, entries in edits.listed(self.document, texts).items():
            self.forms[group].show(entries, texts, self._wrong, size if group == "model" else "")
        if self._placed and before != [len(form.entries) for form in self.forms.values()]:
            self.arrange()
        self.tabs.tell(self.answer.job.cluster.calibration if self.answer and self.answer.job else "", size)
        self.show_status()
        self.show_foot()

    def show_status(self) -> None:
        """The top line."""
        answer, result = self.answer, self.answer.result if self.answer else None
        counts = f"{result.counts.fit:,} fit / {result.counts.evaluated:,} plans" if result else "planning …"
        job = answer.job if answer else None
        about = f"{job.model.name} · {job.cluster.gpus:,} x {job.cluster.gpu.name}" if job else ""
        column = "fastest first" if self.view.column == FASTEST and not self.view.reverse else f"by {BY_KEY[self.view.column].heading}"
        self.status.show(Status(self.path.name if self.path else "", self.unsaved, counts, about, column, self.view.filter))

    def show_foot(self) -> None:
        """Hints of the pane, and what is wrong with the field under the cursor."""
        self.foot.context = self.context
        form = self.active_form
        self.foot.standing, self.foot.about = (form.fault, form.entry.help) if self.context == FORM else ("", "")
        self.foot.redraw()

    def cursor_moved(self) -> None:
        """The table's cursor is on another plan: show its detail, once it rests if stages and explanation are in view too."""
        if self._settling is not None:
            self._settling.stop()
        if self.detail.cheap:
            self.show_detail()
            return
        self._settling = self.set_timer(self.settle, self.show_detail)

    def show_detail(self) -> None:
        """The detail of the plan under the cursor."""
        self.detail.show(self.answer.job if self.answer else None, self.subject)

    @property
    def subject(self) -> Plan | None:
        """The plan under the cursor; where advice stands in place of plans, the one it is about, never one left of an older answer."""
        answer, plan = self.answer, self.table.plan
        if answer is not None and (answer.advice or plan is None):
            return answer.nearest
        return plan
