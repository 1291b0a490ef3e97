"""Viewing: how the plans are shown, and in which colours."""

from __future__ import annotations

from dataclasses import replace

from planner.errors import TmplanError
from planner.report.columns import COLUMNS
from tui.app.whatif import WhatIf
from tui.settings import theme_files, themes
from tui.settings.bindings import key_of
from tui.state.filter import parse_filter
from tui.state.table_columns import MORE, TABLE, table_keys
from tui.state.view import View
from tui.widgets.line_edit import LineEdit
from tui.widgets.prompt import Prompt


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

        help = f"like mem<72 tp=8 recompute=full fits; empty shows all; {key_of('help')} tells more"
        self.ask(Prompt("filter", done, LineEdit.of(self.view.filter), help))

    def action_theme(self) -> None:
        """Choose a theme for now; config.toml keeps one."""
        from tui.settings import config

        def done(name: str) -> None:
            try:
                self.wear(themes.load(name))
            except TmplanError as error:
                self.foot.say(str(error), "bad")
                return
            self.repaint()
            self.foot.say(f'theme {name} for now; theme = "{name}" in {config.path()} keeps it')

        self.pick("theme", [(name, _title(name)) for name in theme_files.names()], done, at=self.look.name)


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
