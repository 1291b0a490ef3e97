"""The plans: a table of any length. Only the visible rows are evaluated and formatted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from planner.report.columns import BY_KEY, Column
from planner.report.number_text import write_gib
from planner.specs.hardware import GIB
from tui.draw.lines import Line, LinePane, Run, rule, wrap
from tui.settings.bindings import key_of
from tui.state.before import HEADINGS, WIDTHS, Before
from tui.state.table_columns import MORE, keys_within, table_keys
from tui.state.view import FASTEST, View

if TYPE_CHECKING:
    from planner.cost.records import Estimate
    from planner.search.search import Result
    from planner.specs.plan import Plan

MEMORY = ("memory_gib", "memory_fill", "over_gib", "memory_limit_gib")
MARKS = {(False, False): " ", (True, False): "▸", (False, True): "◆", (True, True): "◈"}  # the cursor here, the plan pinned
FIGURES = ("step_seconds", "tokens_per_second_per_gpu", "mfu")


class Table(LinePane):
    """Ranked plans under a heading. The cursor follows its plan, not its place, when the rows change."""

    def __init__(self) -> None:
        super().__init__(id="plans")
        self.result: Result | None = None
        self.rows: Any = ()
        self.view = View()
        self.note: list[tuple[str, str]] = [("planning …", "dim")]  # sentences and roles, shown when there are no rows
        self.stale = False  # the rows answer an older question, because the present one is refused
        self.current = True
        self.at = 0
        self.top = 0
        self.first = 0  # the first column shown, when not all have room
        self.before: Before | None = None  # the plans of an earlier edit, shown for comparison
        self.pins: tuple[Plan, ...] = ()
        self.chosen_columns: tuple[str, ...] = ()  # columns chosen by the user; empty: as many as fit
        self.labels: dict[int, str] = {}  # the letter at each place while a jump is being made
        self.chosen: Plan | None = None  # the plan that the user selected; None: the cursor stays on the first row
        self._texts: dict[int, dict[str, str]] = {}
        self._numbers: dict[int, tuple[Estimate, int]] = {}  # the estimate that each row written is in, and its place there
        self._then: dict[int, tuple[str, str, str]] = {}
        self._then_of: Before | None = None
        self._ranked: Any = None  # the steps of all plans that fit, the fastest first
        self._keys_of: tuple[tuple[str, ...], str] = ((), "")

    @property
    def plan(self) -> Plan | None:
        """The plan under the cursor."""
        return self.result.plan(int(self.rows[self.at])) if self.result is not None and len(self.rows) else None

    @property
    def estimate(self) -> Estimate | None:
        """The estimate of the plan under the cursor, if it was computed to format its row."""
        known = self._numbers.get(int(self.rows[self.at])) if self.result is not None and len(self.rows) else None
        return known[0].row(known[1]) if known else None

    @property
    def body(self) -> int:
        """Rows of plans there is room for."""
        return max(1, self.size.height - self.titled - 1)

    def show(self, result: Result, rows: Any, view: View) -> None:
        """Show other rows, with the cursor on the plan it was on if that is still there."""
        if result is not self.result:
            self._texts, self._then, self._ranked, self._numbers = {}, {}, None, {}
        self.result, self.rows, self.view, self.stale = result, rows, view, False
        self.at = self._place(self.chosen)
        self.redraw()

    def _place(self, plan: Plan | None) -> int:
        """The place of a plan among the rows; 0 if it is not among them."""
        row = self.result.find(plan) if plan is not None and self.result is not None else None
        if row is None:
            return 0
        places = (self.rows == row).nonzero()[0]
        return int(places[0]) if len(places) else 0

    def lost(self) -> str:
        """Why the plan that the user selected is not among the rows, if neither filter nor view is the reason."""
        result = self.result
        if self.chosen is None or result is None or self.chosen == self.plan:
            return ""
        row = result.find(self.chosen)
        if row is None and self.chosen.recompute_layers and result.space["recompute_layers"].free:
            return f"the plan the cursor was on recomputes first {self.chosen.recompute_layers}; shown are the fewest layers that fit"
        if row is None:
            return "the plan the cursor was on is not valid any more"
        if result.fits[row] or self.view.unfit:
            return ""
        return f"the plan the cursor was on does not fit any more: {write_gib(result.memory_bytes[row] / GIB)} GiB"

    def show_note(self, note: list[tuple[str, str]], *, stale: bool = False) -> None:
        """Show a note in place of rows. stale: the rows are those of the last question that was not refused."""
        self.note, self.stale = note, stale
        self.redraw()

    def in_view(self) -> list[int]:
        """The places in view, from the top."""
        return list(range(self.top, min(self.top + self.body, len(self.rows))))

    def move(self, by: int) -> None:
        """Move the cursor by rows; crossing an edge scrolls by a third of the page, so that held keys send little."""
        if not len(self.rows):
            return
        self.at = min(max(0, self.at + by), len(self.rows) - 1)
        self.chosen = self.plan if self.at else None
        jump = max(1, self.body // 3) if abs(by) == 1 else 1
        if self.at < self.top:
            self.top = max(0, self.at - jump + 1)
        elif self.at >= self.top + self.body:
            self.top = self.at - self.body + jump
        self.redraw()

    def scroll_columns(self, by: int) -> None:
        """Show columns further right, or further left."""
        self.first = min(max(0, self.first + by), max(0, len(self.keys(self.size.width)) - 1))
        self.redraw()

    def keys(self, width: int) -> tuple[str, ...]:
        """The columns for this width."""
        if self.result is None:
            return ()
        if self.chosen_columns:
            return self.chosen_columns
        unfit = self.view.unfit or self.view.column == "over_gib"
        comparison = sum(WIDTHS) + len(WIDTHS) if self.before else 0
        return keys_within(self.result.job, width, sort=self.view.column, unfit=unfit, reserved=comparison)

    def draw(self, width: int, height: int) -> Iterable[Line]:
        body = height - self.titled - 1
        self.top = max(0, min(self.top, len(self.rows) - body))
        if not self.top <= self.at < self.top + body:
            self.top = max(0, min(self.at - body // 2, len(self.rows) - body))
        if self.titled:
            yield rule(key_of("plans", ""), self._title(), self._position(body), self.current, width)
        if not len(self.rows):
            for sentence, role in self.note:
                yield from ([(f" {line}", role)] for line in wrap(sentence, width - 2)) if sentence else ([],)
            return
        columns = [BY_KEY[key] for key in self.keys(width)][self.first :]
        yield self._heading(columns)
        self._write([int(row) for row in self.rows[self.top : self.top + body]])
        for place in range(self.top, min(self.top + body, len(self.rows))):
            yield self._line(columns, place, width)

    def _title(self) -> str:
        if self.view.unfit or self.stale:
            return "plans that do not fit" if self.view.unfit else "plans before the refused change"
        if self.before:
            return "plans, compared with an earlier edit"
        plain = self.view.column == FASTEST and not self.view.reverse and not self.view.filter
        alike = self.result.alike if self.result and plain else 0
        return f"plans, the first {alike:,} too close to distinguish" if alike > 1 else "plans"

    def _position(self, body: int) -> str:
        last = min(self.top + body, len(self.rows))
        return f"{self.top + 1:,}-{last:,} of {len(self.rows):,}" if len(self.rows) > body else ""

    def _heading(self, columns: list[Column]) -> list[Run]:
        runs: list[Run] = []
        for column in columns:
            if column.key == self.view.column:
                up = column.ascending != self.view.reverse
                runs += [(f"{column.heading}{'↑' if up else '↓'}".rjust(column.width + 1), "head-on")]
            else:
                runs += [(" " + column.title, "head")]
        if self.before:
            runs += [("".join(f" {heading:>{wide}}" for heading, wide in zip(HEADINGS, WIDTHS, strict=True)), "head-on")]
        return runs

    def _write(self, rows: list[int]) -> None:
        """Write the texts of rows not written yet: one estimate for all of them."""
        self._recall(rows)
        if self._keys_of != (self.chosen_columns, self.view.column):
            self._texts, self._keys_of = {}, (self.chosen_columns, self.view.column)
        missing = [row for row in rows if row not in self._texts]
        if not missing or self.result is None:
            return
        import numpy as np

        estimate = self.result.estimate(np.array(missing))
        keys = dict.fromkeys((*table_keys(self.result.job), *MORE, "over_gib", *self.chosen_columns, self.view.column))
        written = {key: BY_KEY[key].texts(estimate) for key in keys}
        for i, row in enumerate(missing):
            self._numbers[row] = (estimate, i)
            self._texts[row] = {key: texts[i] for key, texts in written.items()}

    def _recall(self, rows: list[int]) -> None:
        """The rows before the edit, computed for those not known yet."""
        if self._then_of is not self.before:
            self._then, self._then_of = {}, self.before
        missing = [row for row in rows if row not in self._then]
        if self.before is None or self.result is None or not missing:
            return
        import numpy as np

        result, earlier = self.result, self.before.values(self.result.plans(np.array(missing)))
        if self._ranked is None:
            self._ranked = result.step_seconds[result.order]
        now = np.searchsorted(self._ranked, result.step_seconds[missing]) + 1
        ranks = np.where(result.fits[missing], now, 0).tolist()
        self._then |= {row: then.texts(rank) for row, rank, then in zip(missing, ranks, earlier, strict=True)}

    def _line(self, columns: list[Column], place: int, width: int) -> list[Run]:
        row = int(self.rows[place])
        texts, then = self._texts[row], self._then.get(row, ())
        was = "".join(f" {text:>{wide}}" for text, wide in zip(then, WIDTHS, strict=False))
        here = place == self.at
        mark = self.labels.get(place) or MARKS[here, self._pinned(row)]
        marked = ("cursor" if self.current else "cursor-off") if here and not self.labels else ""
        fits = bool(self.result.fits[row]) if self.result else True
        runs: list[Run] = []
        for i, column in enumerate(columns):
            role = ("memory" if fits else "bad") if column.key in MEMORY else "figure" if column.key in FIGURES else "text"
            marked = marked if role == "text" else ""  # the cursor marks the plan; its figures keep their colours, and are not sent again
            if i == 0 and mark != " ":
                runs.append((mark, marked or "key"))
            runs.append((("" if i == 0 and mark != " " else " ") + texts[column.key], marked or role))
        return [*runs, (was, "dim")] if was else runs

    def _pinned(self, row: int) -> bool:
        return bool(self.pins) and self.result is not None and self.result.plan(row) in self.pins
