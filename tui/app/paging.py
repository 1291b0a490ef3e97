"""Paging: pages (tui.pages) worked out on threads and put into the detail, or into the comparison beside it.

A page follows the plan under the cursor and the document. Each turn of a pane has a number: what comes late for another is dropped.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

from textual import events
from textual.message import Message

from tui.app.answering import Answering
from tui.pages.subject import Subject
from tui.state.threads import begin, error_text
from tui.widgets.page_pane import PagePane

ANYHOW = ("nomenclature",)  # pages that need no plan


class Turned(Message):
    """A page has been worked out, or cannot be."""

    def __init__(self, pane: str, number: int, drawing: Any = None, found: Any = None, fault: str = "") -> None:
        super().__init__()
        self.pane, self.number, self.drawing, self.found, self.fault = pane, number, drawing, found, fault


@dataclass
class Turn:
    """What a pane was last asked to show."""

    number: int = 0
    about: Any = None
    argument: str = ""


class Paging(Answering):
    """The program with pages."""

    def start(self) -> None:
        self.lent = False  # the detail shows a page for the sake of the form at hand, and nobody asked for it
        self.turns = {"detail": Turn(), "compare": Turn()}
        self.aside.turn("compare")
        super().start()

    def on_resize(self, event: events.Resize) -> None:
        super().on_resize(event)
        if self.answer is not None:
            self.call_after_refresh(self.show_detail)  # the comparison may have a place now

    def open_page(self, name: str, argument: str = "") -> None:
        """Show a page in the detail, in the room of the plans too where there is little."""
        self.turns["detail"].argument, self.lent = argument, False
        self.detail.turn(name)
        self.tall = True
        self.table.focus_on(False)
        if self.pane == "detail":
            self.arrange()
            self.show_detail()
        self.go("detail")

    def close_page(self) -> None:
        """The detail as ever."""
        self.lent = False
        if self.detail.page:
            self.turns["detail"].number += 1
            self.turns["detail"].about = None
            self.detail.turn("")
        self.tall = False

    def arrived(self, pane: str) -> None:
        if pane == "run" and not self.detail.page and self.shows("detail"):
            self.lent = True
            self.detail.turn("budget")  # what the fields of this pane are about
        elif pane != "run" and self.lent and pane != "detail":
            self.close_page()
        if pane == "detail" or self.shows("detail"):
            self.show_detail()

    def show_detail(self) -> None:
        """The detail of the plan under the cursor, or the page open there; and the comparison where it has a place."""
        if self.detail.page:
            self.work(self.detail)
        else:
            super().show_detail()
        if self.shows("compare"):
            self.work(self.aside)
        elif not self._placed:  # the plans were there before the screen was laid out
            self.call_after_refresh(self.show_detail)

    def work(self, pane: PagePane) -> None:
        """Work out a pane's page for the plan under the cursor, unless that is what it shows or is working on."""
        turn, answer, plan = self.turns[str(pane.id)], self.answer, self.subject
        if answer is None or answer.job is None or answer.result is None or (plan is None and pane.page not in ANYHOW):
            turn.about = None
            pane.tell("" if answer is None else "there is no plan here; wait for the plans, or change what is asked")
            return
        about = (pane.page, turn.argument, answer.result, plan, tuple(self.pins), self.document)
        if turn.about is not None and _same(turn.about, about):
            return
        turn.about = about
        turn.number += 1
        number = turn.number
        job, result = answer.job, answer.result
        subject = Subject(self.document, job, plan, result, tuple(self.pins), turn.argument, lambda: turn.number != number)  # type: ignore[arg-type]
        pane.wait()
        self.spawn(str(pane.id), number, pane.page, subject)

    def spawn(self, pane: str, number: int, page: str, subject: Subject) -> None:
        """Work a page out on a thread of its own."""

        def run() -> None:
            try:
                module = importlib.import_module(f"tui.pages.{page}")
                turned = Turned(pane, number, module.draw, module.work(subject))
            except Exception as error:  # on a thread nobody else would hear of it
                if subject.cancelled():
                    return
                turned = Turned(pane, number, fault=error_text(error))
            self.post(turned)

        begin(run)

    def post(self, message: Message) -> None:
        """Post from a thread, unless the program is over."""
        if self.is_running:
            self.post_message(message)

    def on_turned(self, message: Turned) -> None:
        """Put a page on the screen, if it is still the one wanted."""
        pane = self.detail if message.pane == "detail" else self.aside
        if message.number != self.turns[message.pane].number:
            return
        if message.fault:
            pane.tell(message.fault, "bad")
        else:
            pane.put(message.drawing, message.found)


def _same(old: tuple[Any, ...], new: tuple[Any, ...]) -> bool:
    """Whether two turns are of one page, about the same result, plan, pins and document."""
    return old[2] is new[2] and old[:2] == new[:2] and old[3:] == new[3:]
