"""`tmplan estimate`: a prediction for every row of a runs file, as JSON lines, computed and written block by block."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from planner import presets
from planner.errors import FieldError, FileError
from planner.files import reader
from planner.presets.folders import problems
from planner.runs.columns import NEEDED, misspelt
from planner.runs.predict import listed_stages, predicted
from planner.runs.row import cell
from planner.runs.row_file import Numbered, numbered_rows
from tui.cli.answer import DONE, NO_PLAN, Answer, narrate
from tui.cli.inputs import report_left_out
from tui.cli.main import PIECE
from tui.cli.plan import reporting
from tui.state.overwrite import put, vacant

SENTENCES = 8  # distinct refusals reported individually; the rest are summed up
DISTINCT = 10_000  # distinct refusals counted individually
MOST_STAGES = 1 << 24  # pipeline stages of all rows: three numbers each, about 1 GB


def estimate(path: str, out: str | None, *, force: bool = False) -> Answer:
    """Predict every row of a file; the lines go to stdout, or to the file `out`, and a summary of the rows to stderr."""
    rows = read(path)
    if out and os.path.exists(out) and os.path.samefile(reader.expand_home(path), out):
        raise FieldError("out", f"{out} is the runs file; name another file for the predictions")
    if out:
        vacant(out, force=force)
    tally = Tally()
    lines = pieces(map(tally.counted, predicted(rows, progress=reporting(f"of {len(rows):,} rows done"))))
    if not out:
        return Answer(more=lines, ending=lambda: ended(tally))
    put(out, lines, force=force)
    return Answer(code=ended(tally, out))


def read(path: str) -> list[dict[str, str]]:
    """The rows of a runs file, each with an id (by default its line number); FileError beyond MOST_STAGES."""
    rows, stages, report = numbered(path), 0, reporting("rows checked")
    for done, (line, row) in enumerate(rows):
        row["id"] = row.get("id", "").strip() or str(line)
        stages += listed_stages(row)
        if stages > MOST_STAGES:
            raise FileError(f"the rows up to line {line} exceed {MOST_STAGES:,} pipeline stages in total; split the file", where=path)
        report(done)
    return [row for _, row in rows]


def numbered(path: str, *needed: str) -> Numbered[dict[str, str]]:
    """The rows of a runs file with their line numbers; reports columns whose names look misspelt."""
    rows = numbered_rows(path, (*NEEDED, *needed), reporting("rows read"))
    for sentence in misspelt(rows[0][1]):
        narrate(sentence)
    report_left_out(problems())
    if any(cell(row, "experts") for _, row in rows):  # for these, missing columns are completed from presets
        report_left_out(presets.every("models", presets.model)[1])
    return rows


def pieces(predictions: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """A line of JSON for each prediction, short lines joined into pieces."""
    lines: list[str] = []
    size = 0
    for prediction in predictions:
        lines.append(json.dumps(prediction, allow_nan=False) + "\n")
        size += len(lines[-1])
        if size >= PIECE:
            yield "".join(lines)
            lines, size = [], 0
    if lines:
        yield "".join(lines)


class Tally:
    """Counts of rows predicted and of rows refused by message; rows refused by messages beyond DISTINCT are only counted in total."""

    def __init__(self) -> None:
        self.rows = self.others = 0
        self.refused: Counter[str] = Counter()

    def counted(self, prediction: Mapping[str, Any]) -> Mapping[str, Any]:
        """Count a prediction and return it."""
        self.rows += 1
        if "error" in prediction:
            if prediction["error"] in self.refused or len(self.refused) < DISTINCT:
                self.refused[prediction["error"]] += 1
            else:
                self.others += 1
        return prediction

    @property
    def done(self) -> int:
        """Number of rows predicted."""
        return self.rows - self.refused.total() - self.others


def ended(tally: Tally, out: str | None = None) -> int:
    """Print the summary of the rows; returns the exit code."""
    for line in summary(tally, out):
        narrate(line)
    return DONE if tally.done else NO_PLAN


def summary(tally: Tally, out: str | None) -> Sequence[str]:
    """The number of rows predicted, and of rows refused by message."""
    first = tally.refused.most_common(SENTENCES)
    lines = [f"{tally.done:,} of {tally.rows:,} row{'s' * (tally.rows != 1)} predicted{f', written to {out}' if out else ''}"]
    lines += [f"{count:,} refused: {sentence}" for sentence, count in first]
    if rest := tally.rows - tally.done - sum(count for _, count in first):
        lines.append(f"{rest:,} refused by {'more than ' if tally.others else ''}{len(tally.refused) - len(first):,} other messages")
    return lines
