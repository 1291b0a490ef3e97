"""Files of rows: CSV with a header or JSON lines (one object per line), plain or gzip. Every error is a FileError naming file and line."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, TypeVar

from planner.errors import FileError
from planner.files import reader
from planner.files.decode import DEEP, TOO_LONG
from planner.plaintext import quoted

LARGEST = 2**24  # bytes; a collection of 5,000 runs has 4 million
MOST_ROWS = 500_000
MOST_CELLS = 4_000_000  # of all rows, including blank ones; some 100 bytes each
MOST_COLUMNS = 1_000  # a runs file has some 50
MOST_COMMAS = 100_000  # of a line of CSV, including those in quotes: they are counted before it is split
MOST_VALUES = 300_000  # of a line of JSON: a prediction of 40,000 pipeline stages has 120,000
MOST_VALUES_IN_ALL = 4_000_000  # of all lines of JSON; some 100 bytes each
SHARED = 1 << 16  # distinct texts of cells, the first ones, that are stored once however often they occur
Progress = Callable[[int], None]
T = TypeVar("T", dict[str, str], dict[str, Any])
Numbered = list[tuple[int, T]]  # each row with the number of its last line, from 1


def read_predictions(path: str, keys: Collection[str] | None = None, progress: Progress | None = None) -> dict[str, dict[str, Any]]:
    """The objects of a JSON-lines file by their id; if `keys` is given, only these keys and the id of each.

    `progress` receives the number read. FileError as for `by_id`, for invalid JSON, and above the limits of this module.
    """

    def selected() -> Iterator[tuple[int, dict[str, Any]]]:
        for done, (line, row) in enumerate(_objects(_text(path), path)):
            yield line, row if keys is None else {key: value for key, value in row.items() if key == "id" or key in keys}
            if progress:
                progress(done + 1)

    return by_id(selected(), path)


def numbered_rows(path: str, needed: tuple[str, ...] = (), progress: Progress | None = None) -> Numbered[dict[str, str]]:
    """The rows of a file as text by column, with the line of each; every row has every column of the file, absent ones blank.

    `progress` receives the number read. FileError if a column of `needed` is absent, for invalid text, and above the limits of this module.
    """
    text = _text(path)
    read = _lines if text.lstrip().startswith("{") else _csv
    rows, columns, place = read(text, path, progress or (lambda _: None))
    if absent := [column for column in needed if column not in columns]:
        raise FileError(f"{place} lacks {' and '.join(map(quoted, absent))}; required: {', '.join(needed)}", where=path)
    if not rows:
        raise FileError("has a header but no rows", where=path)
    return rows


def by_id(rows: Iterable[tuple[int, T]], path: str) -> dict[str, T]:
    """Rows by their `id`; FileError for a row without an id, and for a duplicate id."""
    rows_by_id: dict[str, T] = {}
    lines: dict[str, int] = {}
    for line, row in rows:
        name = row.get("id", "")
        if isinstance(name, bool) or not isinstance(name, str | int) or not str(name).strip():
            raise FileError(f"line {line} has no id", where=path)
        if str(name) in rows_by_id:
            raise FileError(f"line {line} has the same id {quoted(str(name))} as line {lines[str(name)]}; keep one", where=path)
        rows_by_id[str(name)], lines[str(name)] = row, line
    return rows_by_id


def _text(path: str) -> str:
    """The text of a file without a byte order mark; FileError if it is empty or too large."""
    beyond = f"is larger than {LARGEST:,} bytes; a thousand runs are some 700,000; split it"
    text = reader.unpacked_text(reader.expand_home(path), LARGEST, beyond).removeprefix("\ufeff")
    if not text.strip():
        raise FileError("is empty", where=path)
    return text


def _lines(text: str, path: str, progress: Progress) -> tuple[Numbered[dict[str, str]], list[str], str]:
    """Rows of JSON lines, their columns, and the place of the columns for messages."""
    rows: Numbered[dict[str, str]] = []
    columns: dict[str, str] = {}
    share = _sharing()
    for line, fields in _objects(text, path, str):
        row = {share(key): share(_cell(key, value, line, path)) for key, value in fields.items()}
        columns |= dict.fromkeys(row, "")
        _columns(len(columns), line, path)
        rows.append((line, row))
        progress(len(rows))
    _bound(len(rows), len(columns), path)
    for i, (line, row) in enumerate(rows):
        rows[i] = line, columns | row
    return rows, list(columns), "every line"


def _sharing() -> Callable[[str], str]:
    """A function that returns its argument, the same object for equal texts: most cells of a file have equal texts."""
    known: dict[str, str] = {}

    def share(text: str) -> str:
        return known.setdefault(text, text) if len(known) < SHARED else known.get(text, text)

    return share


def _columns(count: int, line: int, path: str) -> None:
    """FileError for more columns than a file may have."""
    if count > MOST_COLUMNS:
        raise FileError(f"line {line} brings the file to {count:,} columns; it may have at most {MOST_COLUMNS:,}", where=path)


def _few_commas(text: str, path: str) -> Iterator[str]:
    """The lines of a text; FileError for a line that would be split into too many cells, before it is split."""
    for number, line in enumerate(io.StringIO(text, newline=""), 1):
        if line.count(",") > MOST_COMMAS:
            raise FileError(
                f"line {number} has more than {MOST_COMMAS:,} commas; a file may have at most {MOST_COLUMNS:,} columns", where=path
            )
        yield line


def _csv(text: str, path: str, progress: Progress) -> tuple[Numbered[dict[str, str]], list[str], str]:
    """Rows of CSV, their columns, and the place of the columns for messages."""
    reader = csv.reader(_few_commas(text, path), strict=True, skipinitialspace=True)
    share = _sharing()
    filled = ((reader.line_num, cells) for cells in reader if cells)
    rows: Numbered[dict[str, str]] = []
    try:
        top, columns = next(filled)
        _columns(len(columns), top, path)
        blank = dict.fromkeys(columns, "")
        if twice := [column for column, count in Counter(columns).items() if count > 1]:
            raise FileError(f"line {top} has the column {quoted(twice[0])} twice", where=path)
        for line, cells in filled:
            if len(cells) > len(columns):
                raise FileError(f"line {line} has {len(cells)} fields, its header {len(columns)}", where=path)
            _bound(len(rows) + 1, len(columns), path)
            rows.append((line, blank | dict(zip(columns, map(share, cells), strict=False))))
            progress(len(rows))
    except csv.Error as error:
        raise FileError(f"line {reader.line_num} is not valid CSV: {error}", where=path) from None
    return rows, columns, f"line {top}"


def _bound(rows: int, columns: int, path: str) -> None:
    """FileError for too many rows or cells: every row has every column, so a row of a few bytes may have thousands of cells."""
    if rows > MOST_ROWS:
        raise FileError(f"has more than {MOST_ROWS:,} rows; split it", where=path)
    if rows * columns > MOST_CELLS:
        raise FileError(f"has more than {MOST_CELLS:,} cells ({rows:,} rows by {columns:,} columns so far); split it", where=path)


def _objects(text: str, path: str, numbers: type[str] | None = None) -> Iterator[tuple[int, dict[str, Any]]]:
    """The JSON objects of a text, one per line, without blank lines; `numbers` converts the digits of a number."""
    rows = values = 0
    for line, content in enumerate(io.StringIO(text, newline=""), 1):
        if not content.strip():
            continue
        rows += 1
        _bound(rows, 1, path)
        values += _values(content, line, path)
        if values > MOST_VALUES_IN_ALL:
            raise FileError(
                f"line {line} brings it beyond {MOST_VALUES_IN_ALL:,} values (commas and brackets are counted); split it", where=path
            )
        try:
            value = json.loads(content.rstrip(), parse_int=numbers, parse_float=numbers, parse_constant=numbers)
        except json.JSONDecodeError as error:
            raise FileError(f"line {line}, column {error.colno} is not valid JSON: {error.msg}; one object per line", where=path) from None
        except RecursionError:
            raise FileError(f"line {line} {DEEP}", where=path) from None
        except ValueError:
            raise FileError(f"line {line} {TOO_LONG}", where=path) from None
        if not isinstance(value, dict):
            raise FileError(f"line {line} is not a JSON object", where=path)
        yield line, value


def _values(content: str, line: int, path: str) -> int:
    """An upper bound of the values in a line of JSON, from its commas and brackets before it is parsed; FileError above MOST_VALUES."""
    values = 1 + sum(map(content.count, ",[{"))
    if values > MOST_VALUES:
        raise FileError(f"line {line} holds more than {MOST_VALUES:,} values (commas and brackets are counted)", where=path)
    return values


def _cell(key: str, value: Any, line: int, path: str) -> str:
    """A JSON value as the text of a CSV cell; FileError for lists and objects."""
    if isinstance(value, list | dict):
        raise FileError(f"line {line}: key {quoted(key)} must be text, a number, true, false or null, not a list or an object", where=path)
    return "" if value is None else str(int(value)) if isinstance(value, bool) else str(value)
