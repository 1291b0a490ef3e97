"""The plans of a search as text, computed and written block by block: a million plans are never held as text or as full records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from planner.report.columns import BY_KEY, at_risk, columns_for, records
from planner.report.sort import RowFigures
from tui.cli.output import csv_lines
from tui.draw.aligned import spread, widths
from tui.state.table_columns import table_keys

if TYPE_CHECKING:
    from planner.search.search import Estimate, Result
    from planner.specs.job import Job
    from planner.specs.plan import Column

BLOCK = 1 << 12  # plans evaluated completely at a time


class Listing:
    """Rows of a result, to be written."""

    def __init__(self, result: Result, rows: Column, every: bool) -> None:
        self.result, self.rows, self.every = result, rows, every

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def job(self) -> Job:
        """The job of the plans."""
        return self.result.job

    @property
    def risky(self) -> int:
        """Number of rows at risk."""
        return int(at_risk(RowFigures(self.result, self.rows)).sum()) if len(self) else 0

    def estimates(self) -> Iterator[Estimate]:
        """Estimates of the rows, block by block; one empty block if there are no rows."""
        for at in range(0, max(len(self), 1), BLOCK):
            yield self.result.estimate(self.rows[at : at + BLOCK])

    def records(self) -> Iterator[dict[str, Any]]:
        """One mapping of plain values per row, as in the JSON."""
        for estimate in self.estimates():
            yield from records(estimate)

    def csv(self) -> Iterator[str]:
        """A line of keys, and a line per plan, with a column for every number."""
        for number, estimate in enumerate(self.estimates()):
            columns = columns_for(estimate)
            values = [list(map(c.plain, c.values(estimate))) for c in columns]
            yield csv_lines(([] if number else [[c.key for c in columns]]) + [list(row) for row in zip(*values, strict=True)])

    def cells(self) -> Iterator[list[list[str]]]:
        """Rows of cells of the job's table, block by block, headings first; with `every`, a last column with the excess memory."""
        columns = [BY_KEY[key] for key in (*table_keys(self.job), *(("over_gib",) if self.every else ()))]
        yield [[c.title for c in columns]]
        for estimate in self.estimates():
            yield [list(line) for line in zip(*(c.texts(estimate) for c in columns), strict=True)]

    def table(self) -> Iterator[str]:
        """A line per plan in aligned columns; long listings are computed twice, once for the widths and once for the text."""
        blocks: Iterable[list[list[str]]] = list(self.cells()) if len(self) <= BLOCK else self.cells()
        width = [max(each) for each in zip(*map(widths, (block for block in blocks if block)), strict=True)]
        for block in blocks if isinstance(blocks, list) else self.cells():
            yield "".join(f"{line}\n" for line in spread(block, width))

    def markdown(self) -> Iterator[str]:
        """The same table in Markdown, right-aligned."""
        for number, block in enumerate(self.cells()):
            lines = [[cell.strip() for cell in line] for line in block]
            if not number:
                lines.append(["---:"] * len(lines[0]))
            yield "".join(f"| {' | '.join(line)} |\n" for line in lines)
