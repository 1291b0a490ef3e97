"""Pages: the pages of tui.pages, computed on threads and shown in the detail or in the comparison below it.

A page follows the plan under the cursor and the document. Each request of a pane has a number: a page that comes late is dropped.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

from textual.timer import Timer

from planner.specs.plan import Plan
from tui.app.actions import action
from tui.app.layout import PaneLayout
from tui.app.loop import Loop
from tui.app.panes import Panes
from tui.app.ranking import Ranking
from tui.pages.subject import Subject
from tui.state.history import History
from tui.state.threads import error_text
from tui.widgets.page_pane import Drawing, PagePane

WITHOUT_PLAN = ("nomenclature",)  # pages that need no plan


@dataclass
class Request:
    """The page that a pane is to show."""

    number: int = 0
    about: tuple[Any, ...] | None = None  # what the page depends on
    argument: str = ""


@dataclass(frozen=True)
class Page:
    """A computed page, or the reason why it cannot be computed."""

    drawing: Drawing | None = None
    content: Any = None
    fault: str = ""


class Pages:
    """The detail and the comparison, and the pages in them. `settle`: seconds from the last move of the cursor to the detail."""

    def __init__(
        self, panes: Panes, layout: PaneLayout, ranking: Ranking, history: History, pinned: list[Plan], loop: Loop, settle: float
    ) -> None:
        self._panes, self._layout, self._ranking, self._history, self._loop = panes, layout, ranking, history, loop
        self._pinned, self._settle = pinned, settle
        self._settling: Timer | None = None
        self._for_form = False  # whether the page in the detail was opened for the form that has the keyboard
        self._requests = {"detail": Request(), "compare": Request()}
        panes.comparison.turn("compare")

    # ── opening and closing ──────────────────────────────────────────────────────────────────────────────────────────

    @action
    def turn(self, page: str) -> None:
        """Show a page about the plan under the cursor, or close it. Words behind its name are its argument."""
        name, _, argument = page.partition(" ")
        if self._layout.pane == "detail" and (self._panes.detail.page, self._requests["detail"].argument) == (name, argument):
            self.back()
        else:
            self.open(name, argument)

    @action
    def back(self) -> None:
        """Close the page and go back to the plans, all panes on the screen."""
        self._layout.zoomed = False
        self._close()
        if self._layout.pane == "plans":
            self._layout.arrange()
            self.show()
        self._layout.go("plans")

    def open(self, name: str, argument: str = "") -> None:
        """Show a page in the detail, in the room of the plans too where there is little."""
        self._requests["detail"].argument, self._for_form = argument, False
        self._panes.detail.turn(name)
        self._layout.tall = True
        self._panes.table.focus_on(False)
        if self._layout.pane == "detail":
            self._layout.arrange()
            self.show()
        self._layout.go("detail")

    def _close(self) -> None:
        """The plan's detail in place of the page."""
        self._for_form = False
        if self._panes.detail.page:
            self._requests["detail"].number += 1
            self._requests["detail"].about = None
            self._panes.detail.turn("")
        self._layout.tall = False

    def entered(self, pane: str) -> None:
        """A pane has got the keyboard: the budget goes with the fields of the training run."""
        if pane == "run" and not self._panes.detail.page and self._layout.shows("detail"):
            self._for_form = True
            self._panes.detail.turn("budget")
        elif pane != "run" and self._for_form and pane != "detail":
            self._close()
            self._panes.detail.redraw()  # the plan is the same and the pane stays in its place: neither draws it
        if pane == "detail" or self._layout.shows("detail"):
            self.show()

    # ── showing ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def cursor_moved(self) -> None:
        """Another plan is under the cursor: show its detail, once the cursor rests if more than the bars are in view."""
        if self._settling is not None:
            self._settling.stop()
        if self._panes.detail.cheap and not self._layout.shows("compare"):
            self.show()
            return
        self._settling = self._loop.after(self._settle, self.show)

    def show(self) -> None:
        """Show the detail of the plan under the cursor, or the page open there; and the comparison where it has a region."""
        if self._panes.detail.page:
            self._compute(self._panes.detail)
        else:
            self._show_plan()
        if self._layout.shows("compare"):
            self._compute(self._panes.comparison)
        elif not self._layout.regions:  # the plans were there before the screen was laid out
            self._loop.after_repaint(self.show)

    def _show_plan(self) -> None:
        plan, table = self._ranking.plan_under_cursor, self._panes.table
        estimate = table.estimate if plan is not None and plan == table.plan else None
        self._panes.detail.show(self._ranking.job, plan, estimate)

    def _compute(self, pane: PagePane) -> None:
        """Compute the page of a pane for the plan under the cursor, unless that page is shown or being computed."""
        request, answer, plan = self._requests[str(pane.id)], self._ranking.answer, self._ranking.plan_under_cursor
        if answer is None or answer.job is None or answer.result is None or (plan is None and pane.page not in WITHOUT_PLAN):
            request.about = None
            pane.show_message("" if answer is None else "there is no plan here; wait for the plans, or change the inputs")
            return
        document, pinned = self._history.now.document, tuple(self._pinned)
        about = (pane.page, request.argument, answer.result, plan, pinned, document)
        if request.about is not None and _same(request.about, about):
            return
        request.about = about
        request.number += 1
        number = request.number
        subject = Subject(document, answer.job, plan, answer.result, pinned, request.argument, lambda: request.number != number)  # type: ignore[arg-type]
        name = pane.page
        pane.wait()
        self._loop.start(lambda: computed(name, subject), lambda page: self._put(pane, number, page))

    def _put(self, pane: PagePane, number: int, page: Page) -> None:
        """Show a page, if it is still the one that the pane is to show."""
        if number != self._requests[str(pane.id)].number:
            return
        if page.drawing is None:
            pane.show_message(page.fault, "bad")
        else:
            pane.put(page.drawing, page.content)


def computed(name: str, subject: Subject) -> Page:
    """Compute a page, on a thread."""
    try:
        module = importlib.import_module(f"tui.pages.{name}")
        return Page(module.draw, module.work(subject))
    except Exception as error:  # a thread has no other way to report it
        return Page(fault=error_text(error))


def _same(old: tuple[Any, ...], new: tuple[Any, ...]) -> bool:
    """Whether two pages are one, about the same result, plan, pins and document."""
    return old[2] is new[2] and old[:2] == new[:2] and old[3:] == new[3:]
