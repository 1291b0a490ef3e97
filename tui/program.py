"""Program: the Textual app. It holds the document and the view, hands keys out, and puts answers on the screen.

One document, replaced whole by `edit`; one view, replaced by `look`; every change asks the planner anew. Panes draw what they
are given and decide nothing. What each key does is in tui.bindings; the actions here are its methods.
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

from planner.errors import FieldError, TmplanError
from planner.planfile import Document
from tui import document as edits
from tui import themes
from tui.actions import Actions
from tui.bindings import DETAIL, FORM, PLANS, lookup
from tui.detail import Detail
from tui.form import Form
from tui.help import Help
from tui.layout import FORMS, PANES, places, shape
from tui.lines import LinePane
from tui.picker import Picker
from tui.planning import Answer, Planner, Question
from tui.prompt import Prompt
from tui.rows import View
from tui.screen import QuietScreen
from tui.status import Foot, Small, Status, StatusLine, Tabs
from tui.table import Table

SETTLE = 0.08  # seconds the cursor rests before the detail of its plan is worked out


class Answered(Message):
    """An answer has come from a planning thread."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


class Program(Actions, App[None], inherit_bindings=False):
    """The terminal program on one document."""

    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = []
    TITLE = "tmplan"

    def __init__(
        self, document: Document, path: Path | None = None, *, planner: Planner | None = None, settle: float = SETTLE, theme: str | None = None
    ) -> None:
        super().__init__()
        self.document, self.saved, self.path = document, document, path
        self.planner = planner or Planner()
        self.question: Question | None = None
        self.generation = 0
        self.settle = settle
        self.view = View()
        self.answer: Answer | None = None  # the newest that had rows
        self.pane, self.form = "plans", FORMS[-1]
        self.forms = {name: Form(name) for name in FORMS}
        self.table, self.detail = Table(), Detail()
        self.status, self.tabs, self.foot, self.small = StatusLine(), Tabs(), Foot(), Small()
        self.picker, self.help = Picker(), Help()
        self._settling: Timer | None = None
        self._wrong: dict[str, str] = {}
        self.look = themes.load(theme or themes.preferred())

    # ── starting, and leaving ────────────────────────────────────────────────────────────────────────────────────────

    def get_default_screen(self) -> Screen[Any]:
        return QuietScreen(self.places)

    def compose(self) -> list[Widget]:  # type: ignore[override]
        return [self.status, self.tabs, *self.forms.values(), self.table, self.detail, self.foot, self.small, self.picker, self.help]

    def on_mount(self) -> None:
        LinePane.roles = self.look.roles
        self.register_theme(self.look.theme)
        self.theme = self.look.theme.name
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
            for over, wide in ((self.picker, 72), (self.help, 76)):
                if over.open:
                    wide, tall = min(wide, width - 4), min(24 if over is self.picker else height - 4, height - 4)
                    found[str(over.id)] = Region((width - wide) // 2, (height - tall) // 2, wide, tall)
        return found

    def on_resize(self, event: events.Resize) -> None:
        self.screen.set_class(shape(*event.size) == "narrow", "narrow")

    def arrange(self) -> None:
        """Lay out again after the pane or what is open changed."""
        screen = self.screen
        if isinstance(screen, QuietScreen):
            screen.arrange_anew()

    def go(self, pane: str) -> None:
        """Give a pane the keyboard."""
        if pane == self.pane:
            return
        self.close_editor()
        self.pane = pane
        self.form = pane if pane in FORMS else self.form
        for widget in (*self.forms.values(), self.table, self.detail):
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
    def active_form(self) -> Form:
        """The form with the keyboard, or the last that had it."""
        return self.forms[self.form]

    # ── keys ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def on_key(self, event: events.Key) -> None:
        event.stop()
        event.prevent_default()
        if event.key == "ctrl+c":
            self.leave()
        elif self.foot.prompt:
            self._take_prompt(self.foot.prompt, event)
        elif self.picker.open or self.help.open:
            self._take_over(event)
        elif not (self.context == FORM and self.active_form.edit and self._take_editor(event)):
            if self.foot.message:
                self.foot.say("")
            binding = lookup(self.context, event.character if event.character in ("G", "S") else event.key)
            if binding:
                getattr(self, f"action_{binding.action}")(*([binding.argument] if binding.argument else []))

    def _take_prompt(self, prompt: Prompt, event: events.Key) -> None:
        over = prompt.take(event)
        if over and self.foot.prompt is prompt:
            self.foot.prompt = None
        self.foot.redraw()

    def _take_over(self, event: events.Key) -> None:
        over = self.picker if self.picker.open else self.help
        if over.take(event):
            over.open = False
            self.arrange()

    def _take_editor(self, event: events.Key) -> bool:
        if event.key == "escape":
            self.active_form.end()
        elif event.key in ("enter", "tab", "shift+tab", "up", "down"):
            self.commit()
            return event.key == "enter"
        else:
            return self.active_form.take(event)
        return True

    def on_paste(self, event: events.Paste) -> None:
        """Pasted text goes where typed text would."""
        for owner, edit in ((self.foot, self.foot.prompt and self.foot.prompt.edit), (self.active_form, self.active_form.edit)):
            if edit:
                edit.insert(event.text)
                owner.redraw()
                return

    # ── edits ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def edit(self, change: Callable[[Document], Document], key: str, typed: str = "") -> None:
        """Replace the document by a changed one and plan it; a change refused marks its field and keeps what was typed."""
        form = next(form for form in self.forms.values() if any(entry.key == key for entry in form.entries))
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

    def close_editor(self) -> None:
        """What is typed in an open editor counts as entered: nothing typed is lost."""
        if self.active_form.edit:
            self.commit()

    def commit(self) -> None:
        """Take over what the open editor holds."""
        form = self.active_form
        typed, key = form.edit.text if form.edit else "", form.entry.key
        unchanged = form.edit is not None and (form.edit.fresh or typed == form.texts.get(key, ("", False))[0]) and key not in form.refused
        form.end()
        if not unchanged:
            self.edit(lambda document: edits.set_text(document, key, typed), key, typed)

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
        error = answer.error
        self._wrong = {error.key: str(error)} if isinstance(error, FieldError) else {}
        if error is not None:
            self.refuse(error, answer)
        else:
            self.answer = answer
            self.table.tell(self._note(answer))
            if not answer.advice:
                self.table.show(answer.result, answer.rows, answer.question.view)  # type: ignore[arg-type]
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
        texts = edits.texts(self.document)
        for form in self.forms.values():
            form.show(texts, self._wrong)
        self.show_status()
        self.show_foot()

    def show_status(self) -> None:
        """The top line."""
        answer, result = self.answer, self.answer.result if self.answer else None
        counts = f"{result.counts.fit:,} fit / {result.counts.evaluated:,} plans" if result else "planning …"
        job = answer.job if answer else None
        about = f"{job.model.name} · {job.cluster.gpus:,} x {job.cluster.gpu.name}" if job else ""
        column = "fastest first" if self.view.column == "step_seconds" and not self.view.reverse else f"by {self.view.column}"
        changed = (self.document.inputs, self.document.space) != (self.saved.inputs, self.saved.space)
        self.status.show(Status(self.path.name if self.path else "", changed, counts, about, column, self.view.filter))

    def show_foot(self) -> None:
        """Hints of the pane, and what is wrong with the field under the cursor."""
        self.foot.context = self.context
        form = self.active_form
        self.foot.standing = form.fault if self.context == FORM else ""
        self.foot.redraw()

    def cursor_moved(self) -> None:
        """The table's cursor is on another plan: work out its detail once it rests."""
        if self._settling is not None:
            self._settling.stop()
        self._settling = self.set_timer(self.settle, self.show_detail)

    def show_detail(self) -> None:
        """The detail of the plan under the cursor."""
        self.detail.show(self.answer.job if self.answer else None, self.table.plan)
