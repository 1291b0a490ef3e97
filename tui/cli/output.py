"""Output formats of commands: JSON with schema and version, CSV with a header line, and pages as plain text."""

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

FORMULA = ("=", "+", "-", "@")  # first characters that make a spreadsheet evaluate a cell
SCHEMA = 1  # version of the JSON of every command; docs/json.md


def as_json(data: Mapping[str, Any], code: int = DONE, *, indent: int | None = 2) -> Answer:
    """One JSON object that starts with the schema and the version of tmplan."""
    return Answer(json.dumps({"schema": SCHEMA, "version": version()} | dict(data), indent=indent, allow_nan=False) + "\n", code)


def as_json_of_many(data: Mapping[str, Any], key: str, records: Iterable[Mapping[str, Any]], code: int = DONE) -> Answer:
    """`as_json` of an object whose last key holds a list that is written while it is computed."""

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
    """A list that is computed while it is written: blocks of some of its values, or a value that is itself such a list."""

    def __init__(self, blocks: Iterable[list[Any] | Blocks]) -> None:
        self.blocks = blocks


def as_json_in_blocks(data: Mapping[str, Any], code: int = DONE) -> Answer:
    """`as_json` on one line, of an object with `Blocks` among its values or those of nested objects."""
    return Answer(code=code, more=chain(_pieces({"schema": SCHEMA, "version": version()} | dict(data)), "\n"))


def _pieces(value: Any) -> Iterator[str]:
    """A value as JSON, piece by piece, identical to json.dumps."""
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
    """A header line and a line for each row; true and false as in JSON, empty for a missing value."""
    return csv_lines([heads, *rows])


def csv_lines(rows: Iterable[Sequence[Any]]) -> str:
    """A line for each row."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([list(map(_cell, row)) for row in rows])
    return out.getvalue()


def _cell(value: Any) -> Any:
    """A value as a CSV cell. A text is one line and never a spreadsheet formula, since names come from untrusted files."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return str(value).lower() if isinstance(value, bool) else value
    text = flat(value)
    return f"'{text}" if text.startswith(FORMULA) else text


def as_steps(trees: Mapping[str, Step], depth: int | None = None) -> dict[str, Any]:
    """Trees as plain values by name, cut at a depth."""
    return {name: _pruned(step.as_dict(), depth) for name, step in trees.items()}


def _pruned(step: dict[str, Any], depth: int | None) -> dict[str, Any]:
    if depth is None:
        return step
    return step | {"children": [_pruned(child, depth - 1) for child in step["children"]] if depth > 1 else []}


def printed(lines: Iterable[Line]) -> str:
    """A page as text, without its margin cell."""
    return "".join(flat("".join(text for text, _ in line)).removeprefix(" ").rstrip() + "\n" for line in lines)
