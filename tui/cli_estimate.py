"""`tmplan estimate`: a prediction for every row of a runs file, as JSON lines."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from planner import presets, wholefile
from planner.errors import FieldError
from planner.predict import predict
from planner.presetfolders import troubles
from planner.rowfile import Numbered, numbered_rows
from planner.runcolumns import NEEDED, misspelt
from planner.runrow import told
from tui.cli import DONE, NO_PLAN, Answer, narrate
from tui.cli_inputs import tell_left_out
from tui.cli_plan import reporting
from tui.overwriting import put, vacant

SENTENCES = 8  # refusals told one by one; what is behind them is summed up


def estimate(path: str, out: str | None, *, force: bool = False) -> Answer:
    """Predict every row of a file; the lines on stdout, or in the file `out`, and on stderr what became of the rows."""
    rows = read(path)
    if out and os.path.exists(out) and os.path.samefile(wholefile.expanded(path), out):
        raise FieldError("out", f"{out} is the file of the runs; name another for their predictions")
    if out:
        vacant(out, force=force)
    predictions = predict(rows, progress=reporting(f"of {len(rows):,} rows done"))
    text = "".join(json.dumps(prediction, allow_nan=False) + "\n" for prediction in predictions)
    if out:
        put(out, text, force=force)
    for line in summary(predictions, out):
        narrate(line)
    return Answer("" if out else text, DONE if any("error" not in prediction for prediction in predictions) else NO_PLAN)


def read(path: str) -> list[dict[str, str]]:
    """The rows of a runs file, each with an id, its line number where it has none."""
    return [row | {"id": row.get("id", "").strip() or str(line)} for line, row in numbered(path)]


def numbered(path: str, *needed: str) -> Numbered[dict[str, str]]:
    """The rows of a runs file with the line of each; a column that looks misspelt is told."""
    rows = numbered_rows(path, (*NEEDED, *needed))
    for sentence in misspelt(rows[0][1]):
        narrate(sentence)
    tell_left_out(troubles())
    if any(told(row, "experts") for _, row in rows):  # what columns leave open of these is sought among the presets
        tell_left_out(presets.every("models", presets.model)[1])
    return rows


def summary(predictions: Sequence[Mapping[str, Any]], out: str | None) -> list[str]:
    """How many rows were predicted, and how many each sentence refused."""
    refused = Counter(prediction["error"] for prediction in predictions if "error" in prediction)
    done = len(predictions) - refused.total()
    lines = [f"{done:,} of {len(predictions):,} row{'s' * (len(predictions) != 1)} predicted{f', written to {out}' if out else ''}"]
    lines += [f"{count:,} refused: {sentence}" for sentence, count in refused.most_common(SENTENCES)]
    if rest := refused.total() - sum(count for _, count in refused.most_common(SENTENCES)):
        lines.append(f"{rest:,} refused by {len(refused) - SENTENCES:,} other sentences")
    return lines
