"""What commands give as data: JSON with its schema and version, CSV with its keys on the first line; and pages as plain text."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tui.cli import DONE, Answer
from tui.cli_inputs import version

if TYPE_CHECKING:
    from planner.formula import Step
    from tui.lines import Line

SCHEMA = 1  # of the JSON of every command; docs/json.md


def as_json(data: Mapping[str, Any], code: int = DONE, *, indent: int | None = 2) -> Answer:
    """One object on stdout, behind the schema and the version of tmplan that made it."""
    return Answer(json.dumps({"schema": SCHEMA, "version": version()} | dict(data), indent=indent, allow_nan=False) + "\n", code)


def as_csv(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A line for each row under the line of keys; true and false as JSON has them, nothing for what there is not."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(heads)
    writer.writerows([["" if v is None else str(v).lower() if isinstance(v, bool) else v for v in row] for row in rows])
    return out.getvalue()


def as_steps(trees: Mapping[str, Step], depth: int | None = None) -> dict[str, Any]:
    """Trees as plain values by their names, cut at a depth."""
    return {name: _pruned(step.as_dict(), depth) for name, step in trees.items()}


def _pruned(step: dict[str, Any], depth: int | None) -> dict[str, Any]:
    if depth is None:
        return step
    return step | {"children": [_pruned(child, depth - 1) for child in step["children"]] if depth > 1 else []}


def printed(lines: Iterable[Line]) -> str:
    """A page as text, without the cell that keeps it off the edge of its pane."""
    return "".join("".join(text for text, _ in line).removeprefix(" ").rstrip() + "\n" for line in lines)
