"""`tmplan validate`: scores of predictions against measured runs, as tables or JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from planner.calibration import accuracy
from planner.errors import FileError
from planner.plaintext import flat, quoted
from planner.runs.row_file import by_id, numbered_rows, read_predictions
from planner.runs.score import COLUMNS, Score, score
from planner.specs.validate import choice
from tui.cli.answer import Answer, narrate
from tui.cli.plan import reporting

SCHEMA = 1  # version of the JSON; docs/json.md
GROUPS = ("time", "memory", "ranking", "oom", "band")  # figures by group
SECONDS = ("step_seconds", "step_low", "step_high")
STAGES = ("stage_allocated_gib", "stage_reserved_gib", "stage_device_gib")
LARGEST = 1e15
# Title, headings, and the format of each figure, in the order of the fields of a row.
TABLES: Mapping[str, tuple[str, Sequence[str], str]] = {
    "time": ("step time, %", ("n", "MAPE", "median", "p90", "bias", "<=10%"), "d .1f .1f .1f +.1f .1f"),
    "memory": ("memory, %", ("n", "MAPE", "median", "p90", "bias", "<=10%"), "d .1f .1f .1f +.1f .1f"),
    "ranking": ("ranking", ("sweeps", "rho", "top 1, %", "top 3, %"), "d .2f .1f .1f"),
    "oom": ("out of memory", ("oom", "caught", "ran", "false"), "d d d d"),
    "band": ("80 % band", ("n", "inside, %"), "d .1f"),
}
WIDTH = 9  # cells of a column of figures


def validate(runs_path: str, predictions_path: str, *, worst: int, format: str) -> Answer:
    """Score a file of predictions against a file of runs; lists the `worst` runs."""
    choice("format", format, ("table", "json"))
    runs = by_id(numbered_rows(runs_path, COLUMNS, reporting("rows read")), runs_path)
    for name, run in runs.items():
        _refuse(f"{runs_path}: run {quoted(name)}", run, RUN)
    predictions = read_predictions(predictions_path, {*PREDICTION, "error"}, reporting("predictions read"))
    for name, prediction in predictions.items():
        _refuse(f"{predictions_path}: prediction {quoted(name)}", prediction, PREDICTION)
    if strangers := len(predictions.keys() - runs.keys()):
        narrate(f"{strangers:,} of {len(predictions):,} predictions match no run in {runs_path}")
    result = score(list(runs.values()), predictions)
    if format == "json":
        return Answer(json.dumps(as_json(result, worst), indent=2, allow_nan=False) + "\n")
    return Answer(as_tables(result, worst))


def as_json(result: Score, worst: int) -> dict[str, Any]:
    """Headline figures, figures by group, and the worst runs; docs/json.md documents the keys."""
    figures = asdict(result)
    groups = {key: figures.pop(key) for key in GROUPS}
    return {"schema": SCHEMA, **figures, "groups": groups, "worst": figures["worst"][:worst]}


def as_tables(result: Score, worst: int) -> str:
    """The headline, a table for each kind of figure with a line per group, and the worst runs."""
    lines = [*shipped_headline(), "", *headline(result)]
    tables = {key: {group: asdict(row) for group, row in getattr(result, key).items()} for key in GROUPS}
    first = max(map(len, [*(flat(group) for rows in tables.values() for group in rows), *(title for title, _, _ in TABLES.values())]))
    for key, rows in tables.items():
        title, headings, formats = TABLES[key]
        if rows:
            lines += ["", title.ljust(first) + "".join(heading.rjust(WIDTH + 1) for heading in headings)]
        for group, row in rows.items():
            figures = zip(row.values(), formats.split(), strict=True)
            lines.append(flat(group).ljust(first) + "".join(f"{value:{how}}".rjust(WIDTH + 1) for value, how in figures))
    if result.worst[:worst]:
        lines += ["", "    error    measured s   predicted s  run"]
    lines += [
        f"{m.error_percent:8.1f}%  {m.measured_seconds:12.3f}  {m.predicted_seconds:12.3f}  {flat(m.id)}" for m in result.worst[:worst]
    ]
    return "\n".join(lines) + "\n"


def shipped_headline() -> list[str]:
    """What to expect of runs that no fit has used: the errors of published runs left out of the fit."""
    figures = accuracy.shipped()
    titles = ("with their source left out of the fit", "with their model left out", "in the fit")
    errors = (figures.sources.error, figures.models.error, figures.fitted.error)
    names = ("published runs", "", "")
    return [f"{name:15s}{error:8.2f} % mean error of step times {title}" for name, error, title in zip(names, errors, titles, strict=True)]


def headline(result: Score) -> list[str]:
    """One figure per line; a dash if it cannot be computed."""
    figures = (
        ("coverage", 100 * result.coverage, ".1f", "% of runs answered"),
        ("step time", result.time_mape, ".2f", "% mean error"),
        ("", result.within_10_percent, ".2f", "% within 10 %"),
        ("", result.within_band_percent, ".2f", "% inside the 80 % band"),
        ("ranking", result.rho, ".2f", f"rho over {result.sweeps} sweep{'s' * (result.sweeps != 1)}"),
        ("", result.regret_top1, ".2f", "% regret of the pick"),
        ("", result.regret_top3, ".2f", "% regret of the best of three"),
        ("memory", result.memory_mape, ".2f", "% mean error"),
        ("out of memory", result.oom_recall, ".2f", "% caught"),
        ("", result.false_oom, ".2f", "% false alarms"),
    )
    return [f"{name:15s}{'-' if value is None else format(value, how):>8s} {label}" for name, value, how, label in figures]


def _blank_or_number(text: Any) -> bool:
    try:
        return text == "" or 1e-9 <= float(text) <= LARGEST
    except ValueError:
        return False


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= LARGEST


def _number_or_none(value: Any) -> bool:
    return value is None or _number(value)


def _stages(value: Any) -> bool:
    return _number_or_none(value) or (isinstance(value, list) and bool(value) and all(map(_number, value)))


Rules = Mapping[str, tuple[Callable[[Any], bool], str]]  # key -> check of its value, and its description
RUN: Rules = {
    **dict.fromkeys(("step_s", "peak_mem_gib"), (_blank_or_number, f"a number from 1e-9 to {LARGEST:g}, or blank")),
    "oom": (lambda text: text in ("", "0", "1"), "1, 0 or blank"),
}
PREDICTION: Rules = {
    **dict.fromkeys(SECONDS, (_number_or_none, f"a number from 0 to {LARGEST:g}")),
    **dict.fromkeys(STAGES, (_stages, f"a number from 0 to {LARGEST:g}, or a list of them, one per pipeline stage")),
    "fits": (lambda value: value in (None, True, False), "true or false"),
}


def _refuse(where: str, row: Mapping[str, Any], rules: Rules) -> None:
    """Raise FileError for the first invalid value."""
    for key, (holds, words) in rules.items():
        if not holds(row.get(key)):
            raise FileError(f"{key} must be {words}, not {quoted(row[key])}", where=where)
