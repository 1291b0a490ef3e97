"""TableView: which plans the table shows, in which order and columns."""

from __future__ import annotations

from dataclasses import replace

from planner.errors import TmplanError
from planner.report.columns import COLUMNS
from tui.app.actions import action
from tui.app.dialogs import Dialogs
from tui.app.ranking import Ranking
from tui.settings.bindings import key_of
from tui.state.filter import parse_filter
from tui.state.table_columns import MORE, TABLE, table_keys
from tui.state.view import View
from tui.widgets.line_edit import LineEdit
from tui.widgets.picker import Choice
from tui.widgets.prompt import Prompt
from tui.widgets.table import Table

USUAL = "default"  # the choice that restores the default columns


class TableView:
    """Changes the view of the table."""

    def __init__(self, ranking: Ranking, table: Table, dialogs: Dialogs) -> None:
        self._ranking, self._table, self._dialogs = ranking, table, dialogs

    @action
    def sort(self) -> None:
        """Choose the column to sort by."""
        view = self._ranking.view
        self._dialogs.pick(
            "sort by", column_choices(), lambda key: self._ranking.look_at(replace(view, sort=key, reverse=False)), at=view.column
        )

    @action
    def reverse(self) -> None:
        """Reverse the order."""
        self._ranking.look_at(replace(self._ranking.view, reverse=not self._ranking.view.reverse))

    @action
    def unfit(self) -> None:
        """The plans that do not fit, or those that do."""
        self._ranking.look_at(View(filter=self._ranking.view.filter, unfit=not self._ranking.view.unfit))

    @action
    def filter(self) -> None:
        """Ask for a filter."""

        def done(text: str) -> str | None:
            try:
                parse_filter(text)
            except TmplanError as error:
                return str(error)
            self._ranking.look_at(replace(self._ranking.view, filter=" ".join(text.split())))
            return None

        help = f"like mem<72 tp=8 recompute=full fits; empty shows all; {key_of('help')} shows more"
        self._dialogs.ask(Prompt("filter", done, LineEdit.of(self._ranking.view.filter), help))

    @action
    def scroll_columns(self, by: int) -> None:
        """Columns further right or left."""
        self._table.scroll_columns(by)

    @action
    def choose_columns(self) -> None:
        """Choose the columns of the table."""
        self._dialogs.pick_several("columns: enter adds or removes, esc closes", self._choices(), self._toggle)

    def _toggle(self, key: str) -> list[Choice]:
        """Add a column to the table, or remove it; the choices as they are then."""
        shown = self._shown()
        changed = tuple(other for other in shown if other != key) if key in shown else (*shown, key)
        self._table.chosen_columns = () if key == USUAL else changed
        self._table.redraw()
        return self._choices()

    def _choices(self) -> list[Choice]:
        shown = self._shown()
        first = [(USUAL, "as many as fit")]
        return first + [(key, f"{'✓' if key in shown else ' '} {about}") for key, about in column_choices()]

    def _shown(self) -> tuple[str, ...]:
        """The columns chosen by the user, else the default columns of the job."""
        job = self._ranking.job
        return self._table.chosen_columns or (table_keys(job) if job else TABLE)


def column_choices() -> list[Choice]:
    """Every column, those of the table first, and what it is."""
    first = (*TABLE, *MORE)
    about = {column.key: column.help for column in COLUMNS}
    return [(key, about[key]) for key in (*first, *(column.key for column in COLUMNS if column.key not in first))]
