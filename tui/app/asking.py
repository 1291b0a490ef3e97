"""Asking: plans pinned and compared, and pages opened on what is asked of the plan under the cursor."""

from __future__ import annotations

from collections.abc import Callable

from planner.errors import TmplanError
from tui.app.viewing import Viewing
from tui.settings.bindings import key_of
from tui.widgets.line_edit import LineEdit
from tui.widgets.prompt import Prompt


class Asking(Viewing):
    """The program with pins and pages."""

    found = ""  # the word last found in the detail

    def action_pin(self) -> None:
        """Pin the plan under the cursor, or take its pin away."""
        current = self.plan_to("pin")
        if current is None:
            return
        plan = current[1]
        if plan in self.pins:
            self.pins.remove(plan)
            self.foot.say(f"unpinned; {count(len(self.pins))} left" if self.pins else "unpinned; none is left")
        else:
            self.pins.append(plan)
            self.foot.say(f"pinned; {key_of('compare')} compares {count(len(self.pins))} and the one under the cursor")
        self.table.pins = tuple(self.pins)
        self.table.redraw()
        self.show_detail()

    def action_compare(self) -> None:
        """The pinned plans and the one under the cursor side by side, term by term."""
        if not self.pins:
            self.foot.say(f"compared with the first plan; {key_of('pin')} pins others to compare with")
        self.open_page("compare")

    def action_whynot(self) -> None:
        """Ask for a plan: the rules it breaks, or where it ranks and what costs it."""

        def done(text: str) -> str | None:
            from tui.pages.whynot import parse_axes

            if not text:
                return "type a plan, like tp=16 pp=8"
            return self.page_on(text, "whynot", parse_axes)

        self.ask(Prompt("why not", done, LineEdit(), "a plan, like tp=16 pp=8 recompute=full; axes left out are free"))

    def page_on(self, text: str, page: str, read: Callable[[str], object]) -> str | None:
        """Open a page on what was typed; a sentence, with which the text stays to be mended, where it cannot be read."""
        try:
            read(text)
        except TmplanError as error:
            return str(error)
        self.open_page(page, text)
        return None

    def action_versus(self) -> None:
        """Ask for another cluster, and show the best plan there beside the best one here."""

        def done(text: str) -> str | None:
            from planner.document.other_cluster import against

            if not text:
                return "type a GPU or cluster, like b200 or aws-p5,gpus=1024"
            return self.page_on(text, "versus", lambda typed: against(self.document.inputs, typed))

        self.ask(Prompt("versus", done, LineEdit(), "a GPU or cluster preset or file, and what else differs: b200,gpus=8192"))

    def action_explain(self) -> None:
        """Choose a number of the plan, and see where it comes from."""
        from planner.report.explain import explained

        current = self.plan_to("explain")
        if current is None:
            return
        choices = [(name, f"{step.text}  {step.meaning}") for name, step in explained(*current).items()]
        self.pick("explain", choices, lambda name: self.open_page("explain", name))

    def action_plans(self) -> None:
        """Back to the plans, all panes on the screen; a page is closed."""
        self.zoomed = False
        self.close_page()
        if self.pane == "plans":
            self.arrange()
            self.show_detail()
        self.go("plans")

    def action_turn(self, page: str) -> None:
        """Show a page about the plan under the cursor, or leave it. Words behind its name are what is asked of it."""
        name, _, argument = page.partition(" ")
        if self.pane == "detail" and (self.detail.page, self.turns["detail"].argument) == (name, argument):
            self.action_plans()
        else:
            self.open_page(name, argument)

    def action_find(self) -> None:
        """Ask for a word, and go to the next line of the detail that has it; the same word again goes on."""

        def done(text: str) -> str | None:
            if not text:
                return "type a word to find"
            if not self.detail.find(text):
                return f"'{text}' is not there"
            self.found = text
            return None

        self.ask(
            Prompt(
                "find",
                done,
                LineEdit.of(self.found, fresh=True),
                "enter goes to the next line that has it; after the last, to the first",
            )
        )


def count(number: int) -> str:
    """So many plans, in words."""
    return "1 plan" if number == 1 else f"{number} plans"
