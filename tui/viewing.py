"""Viewing: how the plans are shown, which are pinned and compared, and getting to any place or command at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from planner.columns import COLUMNS
from planner.errors import TmplanError
from tui import themefiles, themes
from tui.bindings import active, where
from tui.editor import LineEdit
from tui.filter import parse_filter
from tui.prompt import Prompt
from tui.rows import View
from tui.tablekeys import MORE, TABLE, table_keys
from tui.whatif import WhatIf


class Viewing(WhatIf):
    """The program with views."""

    def action_sort(self) -> None:
        """Choose the column to sort by."""
        self.pick("sort by", column_choices(), lambda key: self.look_at(replace(self.view, sort=key, reverse=False)), at=self.view.column)

    def action_reverse(self) -> None:
        """Reverse the order."""
        self.look_at(replace(self.view, reverse=not self.view.reverse))

    def action_columns(self, by: str) -> None:
        """Columns further right or left."""
        self.table.scroll_columns(int(by))

    def action_choose_columns(self) -> None:
        """Choose the columns of the table."""

        def toggled(key: str) -> list[tuple[str, str]]:
            shown = self.columns or (table_keys(self.answer.job) if self.answer and self.answer.job else TABLE)
            left = tuple(k for k in shown if k != key) if key in shown else (*shown, key)
            self.table.wanted = () if key == "as ever" else left
            self.table.redraw()
            return listed()

        def listed() -> list[tuple[str, str]]:
            shown = self.columns or (table_keys(self.answer.job) if self.answer and self.answer.job else TABLE)
            first = [("as ever", "as many as there is room for")]
            return first + [(key, f"{'✓' if key in shown else ' '} {about}") for key, about in column_choices()]

        self.picker.choose("columns: enter adds or removes, esc closes", listed(), toggled)
        self.arrange()

    def action_unfit(self) -> None:
        """The plans that do not fit, or those that do."""
        self.look_at(View(filter=self.view.filter, unfit=not self.view.unfit))

    def action_filter(self) -> None:
        """Ask for a filter."""

        def done(text: str) -> str | None:
            try:
                parse_filter(text)
            except TmplanError as error:
                return str(error)
            self.look_at(replace(self.view, filter=" ".join(text.split())))
            return None

        self.ask(
            Prompt("filter", done, LineEdit.of(self.view.filter), "like mem<72 tp=8 recompute=full fits; empty shows all; ? tells more")
        )

    def action_theme(self) -> None:
        """Choose a theme for now; config.toml keeps one."""
        from tui import config

        def done(name: str) -> None:
            try:
                self.wear(themes.load(name))
            except TmplanError as error:
                self.foot.say(str(error), "bad")
                return
            self.repaint()
            self.foot.say(f'theme {name} for now; theme = "{name}" in {config.path()} keeps it')

        self.pick("theme", [(name, _title(name)) for name in themefiles.names()], done, at=self.look.name)

    # ── pins ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def action_pin(self) -> None:
        """Pin the plan under the cursor, or take its pin away."""
        current = self.current_plan()
        if current is None:
            self.foot.say("there is no plan here to pin; wait for the plans, or change what is asked", "bad")
            return
        plan = current[1]
        if plan in self.pins:
            self.pins.remove(plan)
            self.foot.say(f"unpinned; {count(len(self.pins))} left" if self.pins else "unpinned; none is left")
        else:
            self.pins.append(plan)
            self.foot.say(f"pinned; c compares {count(len(self.pins))} and the one under the cursor")
        self.table.pins = tuple(self.pins)
        self.table.redraw()
        self.show_detail()

    def action_compare(self) -> None:
        """The pinned plans and the one under the cursor side by side, term by term."""
        if not self.pins:
            self.foot.say("compared with the first plan; m pins others to compare with")
        self.open_page("compare")

    def action_whynot(self) -> None:
        """Ask for a plan: the rules it breaks, or where it ranks and what costs it."""

        def done(text: str) -> str | None:
            from tui.pages.whynot import asked

            if not text:
                return "type a plan, like tp=16 pp=8"
            return self.page_on(text, "whynot", asked)

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
            from planner.versus import against

            if not text:
                return "type a GPU or cluster, like b200 or aws-p5,gpus=1024"
            return self.page_on(text, "versus", lambda typed: against(self.document.inputs, typed))

        self.ask(Prompt("versus", done, LineEdit(), "a GPU or cluster preset or file, and what else differs: b200,gpus=8192"))

    def action_explain(self) -> None:
        """Choose a number of the plan, and see where it comes from."""
        from planner.explained import explained

        current = self.current_plan()
        if current is None:
            self.foot.say("there is no plan here to explain; wait for the plans, or change what is asked", "bad")
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
        """Show a page about the plan under the cursor, or leave it."""
        if self.pane == "detail" and self.detail.page == page:
            self.action_plans()
        else:
            self.open_page(page)

    # ── places and commands ──────────────────────────────────────────────────────────────────────────────────────────

    def action_zoom(self) -> None:
        """The pane at hand alone on the screen, or all of them again."""
        self.zoomed = not self.zoomed
        self.arrange()

    def action_jump(self) -> None:
        """Show a letter at every field and plan in view; the letter goes there."""
        self.jumps = {}
        letters = iter("asdfghjklqwertyuiopzxcvbnmASDFGHJKLQWERTYUIOPZXCVBNM1234567890")
        shown = [form for name, form in self.forms.items() if self.shows(name)]
        for form in shown:
            form.labels = dict(zip(form.in_view(), letters, strict=False))
            self.jumps |= {letter: (str(form.id), key) for key, letter in form.labels.items()}
        if self.shows("plans"):
            self.table.labels = dict(zip(self.table.in_view(), letters, strict=False))
            self.jumps |= {letter: ("plans", str(row)) for row, letter in self.table.labels.items()}
        self.foot.say("press a letter to go there")
        for pane in (*shown, self.table):
            pane.redraw()

    def jump(self, key: str) -> None:
        """Go where a letter stands; any other key goes nowhere."""
        place, self.jumps = self.jumps.get(key), {}
        for form in self.forms.values():
            form.labels = {}
        self.table.labels = {}
        self.foot.say("")
        if place is None:
            pass
        elif place[0] == "plans":
            self.go("plans")
            self.table.move(int(place[1]) - self.table.at)
            self.cursor_moved()
        else:
            self.go(place[0])
            self.forms[place[0]].go(place[1])
            self.show_foot()
        for pane in (*self.forms.values(), self.table):
            pane.redraw()

    def action_palette(self) -> None:
        """Every command by name, searched by typing."""
        found = {binding.id: binding for binding in active() if binding.action not in ("palette", "move")}
        choices = [(name, f"{binding.shown:<8} {binding.help}{where(binding)}") for name, binding in found.items()]

        def done(name: str) -> None:
            binding = found[name]
            if self.context not in binding.contexts:
                self.go({"form": self.form, "plans": "plans", "detail": "detail"}[binding.contexts[0]])
            self.call_next(lambda: self.perform(binding))

        self.pick("command", choices, done)


def _title(theme: str) -> str:
    """What a theme is called; of one that cannot be read, why."""
    try:
        return themes.load(theme).title
    except TmplanError as error:
        return f"✗ {error}"


def column_choices() -> list[tuple[str, str]]:
    """Every column, those of the table first, and what it is."""
    first = (*TABLE, *MORE)
    about = {column.key: column.help for column in COLUMNS}
    return [(key, about[key]) for key in (*first, *(column.key for column in COLUMNS if column.key not in first))]


def count(number: int) -> str:
    """So many plans, in words."""
    return "1 plan" if number == 1 else f"{number} plans"
