"""Files of rows: CSV by its header, or JSON lines (one object a line). Every refusal is a FileError naming file and line."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from planner import wholefile
from planner.errors import FileError
from planner.plaintext import quoted
from planner.structured import DEEP, TOO_LONG

LARGEST = 2**24  # bytes; a collection of 5,000 runs has 4 million
MOST_ROWS = 500_000
MOST_CELLS = 4_000_000  # of all rows, blank ones counted; some 100 bytes each
T = TypeVar("T", dict[str, str], dict[str, Any])
Numbered = list[tuple[int, T]]  # each row behind the line it ends on, counted from 1


def read_predictions(path: str) -> dict[str, dict[str, Any]]:
    """The objects of a JSON-lines file by their id, values as JSON has them."""
    return by_id(numbered_objects(path), path)


def numbered_rows(path: str, needed: tuple[str, ...] = ()) -> Numbered[dict[str, str]]:
    """The rows of a file as text by column, each with every column of the file (what it leaves out is blank), with the line of each.

    FileError where one of the columns needed is absent from the whole file.
    """
    text = _text(path)
    if text.lstrip().startswith("{"):
        rows = [(line, {key: _cell(key, value, line, path) for key, value in row.items()}) for line, row in _objects(text, path, str)]
        columns, place = list(dict.fromkeys(key for _, row in rows for key in row)), "every line"
        _bound(len(rows), len(columns), path)
        rows = [(line, {column: row.get(column, "") for column in columns}) for line, row in rows]
    else:
        rows, columns, place = _csv(text, path)
    if absent := [column for column in needed if column not in columns]:
        raise FileError(f"{place} lacks {' and '.join(map(quoted, absent))}; needed are {', '.join(needed)}", where=path)
    if not rows:
        raise FileError("holds a header and no rows", where=path)
    return rows


def numbered_objects(path: str) -> Numbered[dict[str, Any]]:
    """The objects of a JSON-lines file, values as JSON has them, with the line of each."""
    return list(_objects(_text(path), path))


def by_id(rows: Iterable[tuple[int, T]], path: str) -> dict[str, T]:
    """Rows by their `id`; FileError for a row without one, and for one that an earlier row has."""
    found: dict[str, T] = {}
    lines: dict[str, int] = {}
    for line, row in rows:
        name = row.get("id", "")
        if isinstance(name, bool) or not isinstance(name, str | int) or not str(name).strip():
            raise FileError(f"line {line} has no id", where=path)
        if str(name) in found:
            raise FileError(f"line {line} has the id {quoted(str(name))} of line {lines[str(name)]}; keep one", where=path)
        found[str(name)], lines[str(name)] = row, line
    return found


def _text(path: str) -> str:
    """What a file holds, without a byte order mark."""
    beyond = f"is larger than {LARGEST:,} bytes; a thousand runs are some 700,000; split it"
    text = wholefile.text(wholefile.expanded(path), LARGEST, beyond).removeprefix("\ufeff")
    if not text.strip():
        raise FileError("is empty", where=path)
    return text


def _csv(text: str, path: str) -> tuple[Numbered[dict[str, str]], list[str], str]:
    """Rows, columns, and where the columns stand."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, skipinitialspace=True)
    filled = ((reader.line_num, cells) for cells in reader if cells)
    rows: Numbered[dict[str, str]] = []
    try:
        top, columns = next(filled)
        if twice := [column for column, count in Counter(columns).items() if count > 1]:
            raise FileError(f"line {top} has the column {quoted(twice[0])} twice", where=path)
        for line, cells in filled:
            if len(cells) > len(columns):
                raise FileError(f"line {line} has {len(cells)} fields under a header of {len(columns)}", where=path)
            _bound(len(rows) + 1, len(columns), path)
            rows.append((line, dict.fromkeys(columns, "") | dict(zip(columns, cells, strict=False))))
    except csv.Error as error:
        raise FileError(f"line {reader.line_num} is not valid CSV: {error}", where=path) from None
    return rows, columns, f"line {top}"


def _bound(rows: int, columns: int, path: str) -> None:
    """Refuse more rows or cells than tmplan holds: every row has every column, so that a few bytes a row may be thousands."""
    if rows > MOST_ROWS:
        raise FileError(f"has more than {MOST_ROWS:,} rows; split it", where=path)
    if rows * columns > MOST_CELLS:
        raise FileError(f"has more than {MOST_CELLS:,} cells ({rows:,} rows by {columns:,} columns so far); split it", where=path)


def _objects(text: str, path: str, numbers: type[str] | None = None) -> Iterator[tuple[int, dict[str, Any]]]:
    """The JSON objects of a text, one a line, blank lines skipped; `numbers` makes a number of its digits."""
    rows = 0
    for line, content in enumerate(io.StringIO(text, newline=""), 1):
        if not content.strip():
            continue
        rows += 1
        _bound(rows, 1, path)
        try:
            value = json.loads(content.rstrip(), parse_int=numbers, parse_float=numbers, parse_constant=numbers)
        except json.JSONDecodeError as error:
            raise FileError(f"line {line}, column {error.colno} is not valid JSON: {error.msg}; one object a line", where=path) from None
        except RecursionError:
            raise FileError(f"line {line} {DEEP}", where=path) from None
        except ValueError:
            raise FileError(f"line {line} {TOO_LONG}", where=path) from None
        if not isinstance(value, dict):
            raise FileError(f"line {line} is not a JSON object", where=path)
        yield line, value


def _cell(key: str, value: Any, line: int, path: str) -> str:
    """A JSON value as the text a CSV would hold."""
    if isinstance(value, list | dict):
        raise FileError(f"line {line}: key {quoted(key)} must be text, a number, true, false or null, not a list or an object", where=path)
    return "" if value is None else str(int(value)) if isinstance(value, bool) else str(value)
