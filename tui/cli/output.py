"""What commands give as data: JSON with its schema and version, CSV with its keys on the first line; and pages as plain text."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from planner.document.version import version
from planner.plaintext import flat
from tui.cli.answer import DONE, Answer

if TYPE_CHECKING:
    from planner.formula.trace import Step
    from tui.draw.lines import Line

FORMULA = ("=", "+", "-", "@")  # with which a spreadsheet takes a cell to be worked out
SCHEMA = 1  # of the JSON of every command; docs/json.md


def as_json(data: Mapping[str, Any], code: int = DONE, *, indent: int | None = 2) -> Answer:
    """One object on stdout, behind the schema and the version of tmplan that made it."""
    return Answer(json.dumps({"schema": SCHEMA, "version": version()} | dict(data), indent=indent, allow_nan=False) + "\n", code)


def as_json_of_many(data: Mapping[str, Any], key: str, records: Iterable[Mapping[str, Any]], code: int = DONE) -> Answer:
    """`as_json` of an object whose last key holds a list, which is written as it is worked out."""

    def pieces() -> Iterator[str]:
        whole = as_json(dict(data) | {key: []}).text
        yield whole.removesuffix("[]\n}\n")
        written = False
        for record in records:
            yield (",\n    " if written else "[\n    ") + json.dumps(record, indent=2, allow_nan=False).replace("\n", "\n    ")
            written = True
        yield "\n  ]\n}\n" if written else "[]\n}\n"

    return Answer(code=code, more=pieces())


class Blocks:
    """A list that is worked out as it is written: blocks of some of its values each, or of a value that is such a list itself."""

    def __init__(self, blocks: Iterable[list[Any] | Blocks]) -> None:
        self.blocks = blocks


def as_json_in_blocks(data: Mapping[str, Any], code: int = DONE) -> Answer:
    """`as_json` on one line, of an object that has `Blocks` among its values, or among those of objects in it."""
    return Answer(code=code, more=chain(_pieces({"schema": SCHEMA, "version": version()} | dict(data)), "\n"))


def _pieces(value: Any) -> Iterator[str]:
    """A value as JSON, piece by piece, as json.dumps writes it whole."""
    if isinstance(value, Blocks):
        lead = "["
        for block in value.blocks:
            if isinstance(block, Blocks):
                yield lead
                yield from _pieces(block)
            elif block:
                yield lead + json.dumps(block, allow_nan=False)[1:-1]
            else:
                continue
            lead = ", "
        yield "[]" if lead == "[" else "]"
    elif isinstance(value, Mapping) and value:
        for number, (key, each) in enumerate(value.items()):
            yield f"{', ' if number else '{'}{json.dumps(key)}: "
            yield from _pieces(each)
        yield "}"
    else:
        yield json.dumps(value, allow_nan=False)


def as_csv(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A line for each row under the line of keys; true and false as JSON has them, nothing for what there is not."""
    return csv_lines([heads, *rows])


def csv_lines(rows: Iterable[Sequence[Any]]) -> str:
    """A line for each row."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([list(map(_cell, row)) for row in rows])
    return out.getvalue()


def _cell(value: Any) -> Any:
    """A value as CSV has it. A text on one line, and no formula of a spreadsheet: names come from files of others."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return str(value).lower() if isinstance(value, bool) else value
    text = flat(value)
    return f"'{text}" if text.startswith(FORMULA) else text


def as_steps(trees: Mapping[str, Step], depth: int | None = None) -> dict[str, Any]:
    """Trees as plain values by their names, cut at a depth."""
    return {name: _pruned(step.as_dict(), depth) for name, step in trees.items()}


def _pruned(step: dict[str, Any], depth: int | None) -> dict[str, Any]:
    if depth is None:
        return step
    return step | {"children": [_pruned(child, depth - 1) for child in step["children"]] if depth > 1 else []}


def printed(lines: Iterable[Line]) -> str:
    """A page as text, without the cell that keeps it off the edge of its pane."""
    return "".join(flat("".join(text for text, _ in line)).removeprefix(" ").rstrip() + "\n" for line in lines)
