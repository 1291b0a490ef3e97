"""Files of rows: CSV and JSON lines are equivalent, and errors name file and line."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from planner.errors import FileError
from planner.runs import row_file
from planner.runs.configure import MOST_STAGES
from planner.runs.row_file import by_id, numbered_rows, read_predictions


def read_rows(path: str, needed: tuple[str, ...] = ()) -> list[dict[str, str]]:
    """The rows without line numbers."""
    return [row for _, row in numbered_rows(path, needed)]


ROWS = [{"id": "a", "step_s": "1.50", "oom": "0"}, {"id": "b", "step_s": "", "oom": "1"}]


@pytest.fixture
def file(tmp_path: Path) -> Any:
    """A function that writes a file and returns its path."""

    def write(content: str | bytes) -> str:
        path = tmp_path / "rows"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


@pytest.mark.parametrize(
    "content",
    [
        "id,step_s,oom\na,1.50,0\nb,,1\n",
        "\ufeffid,step_s,oom\r\na,1.50,0\r\n\r\nb,,1",
        'id, step_s, oom\n"a", "1.50", 0\nb,,1\n',
        '{"id": "a", "step_s": 1.50, "oom": false}\n\n{"id": "b", "step_s": null, "oom": true}\n',
        '\ufeff \n{"id": "a", "step_s": "1.50", "oom": 0}\r\n{"oom": 1, "id": "b"}',
    ],
    ids=["csv", "csv of Windows", "csv with spaces and quotes", "json lines", "json lines without a key"],
)
def test_csv_and_json_lines_give_the_same_text(file: Any, content: str) -> None:
    """CSV and JSON lines give the same rows of text: numbers as written, absent keys blank, booleans 1 and 0."""
    assert read_rows(file(content)) == ROWS


def test_a_row_shorter_than_the_header_is_blank_where_it_ends(file: Any) -> None:
    """Missing cells of a short CSV row are blank."""
    assert read_rows(file("id,step_s,oom\na\n")) == [{"id": "a", "step_s": "", "oom": ""}]


def test_a_quoted_field_may_hold_commas_quotes_and_lines(file: Any) -> None:
    """A quoted field is read verbatim, and the lines it spans are counted."""
    assert numbered_rows(file('id,note\na,"x, ""y""\nz"\nb,\n')) == [(3, {"id": "a", "note": 'x, "y"\nz'}), (4, {"id": "b", "note": ""})]


def test_only_line_feeds_end_a_line_of_json(file: Any) -> None:
    """A line separator of Unicode inside a text does not break the line of JSON."""
    assert read_rows(file('{"id": "a\u2028b"}\n')) == [{"id": "a\u2028b"}]


def test_predictions_keep_their_json_values(file: Any) -> None:
    """Numbers, lists, booleans and nulls of predictions keep their JSON types; a numeric id becomes text."""
    predictions = read_predictions(
        file('\ufeff{"id": "a", "step_seconds": 2, "fits": true, "stage_allocated_gib": [1.5, 2]}\n{"id": 7, "x": null}\n')
    )
    assert predictions == {"a": {"id": "a", "step_seconds": 2, "fits": True, "stage_allocated_gib": [1.5, 2]}, "7": {"id": 7, "x": None}}


REFUSED = [
    ("", "is empty"),
    (" \n\ufeff"[:2], "is empty"),
    (b"id\n\xff\n", "is not UTF-8 text (byte 3)"),
    ("id,step_s,oom\n", "has a header but no rows"),
    ("id,oom,id\na,1,b\n", "line 1 has the column 'id' twice"),
    ("\n\nid,id\na,b\n", "line 3 has the column 'id' twice"),
    ("id,oom\na,1\nb,1,2\n", "line 3 has 3 fields, its header 2"),
    ('id,oom\na,"1\n', "line 2 is not valid CSV"),
    ('id,oom\na,"1"2\n', "line 2 is not valid CSV"),
    ("id,step_s\na,1\n", "line 1 lacks 'oom'; required: id, oom"),
    ('{"step_s": 1}\n', "every line lacks 'id' and 'oom'; required: id, oom"),
    ('{"id": "a"}\n{"id": \n', "line 2, column 7 is not valid JSON"),
    ('{"id": "a"}\n[1]\n', "line 2 is not a JSON object"),
    ('{\n"id": "a"\n}\n', "line 1, column 2 is not valid JSON"),
    ('{"id": "a", "oom": [1]}\n', "line 1: key 'oom' must be text, a number, true, false or null"),
]


@pytest.mark.parametrize(("content", "message"), REFUSED)
def test_a_damaged_file_of_rows_is_refused_in_one_sentence(file: Any, content: str | bytes, message: str) -> None:
    """A file without rows, or with damaged ones, is refused in one line that starts with the file and names the line."""
    with pytest.raises(FileError) as refusal:
        read_rows(path := file(content), ("id", "oom"))
    assert str(refusal.value).startswith(f"{path}: {message}") and "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ('{"id": "a"}\nid,b\n', "line 2, column 1 is not valid JSON: Expecting value; one object per line"),
        ('{"id": "a"}\n\n{"step_seconds": 1}\n', "line 3 has no id"),
        ('{"id": " "}\n', "line 1 has no id"),
        ('{"id": null}\n', "line 1 has no id"),
        ('{"id": true}\n', "line 1 has no id"),
        ('{"id": "a"}\n{"id": "b"}\n{"id": "a"}\n', "line 3 has the same id 'a' as line 1; keep one"),
        ("[" * 100_000, "line 1 is nested too deep"),
        ('{"id": ' + "1" * 5000 + "}", "line 1 has a number of thousands of digits"),
    ],
    ids=["empty", "no JSON", "no id", "blank id", "null id", "boolean id", "id twice", "nested too deep", "too many digits"],
)
def test_damaged_predictions_are_refused_in_one_sentence(file: Any, content: str, message: str) -> None:
    """A line that is not a JSON object, or has a missing or duplicate id, is refused with file and line."""
    with pytest.raises(FileError) as refusal:
        read_predictions(path := file(content))
    assert str(refusal.value).startswith(f"{path}: {message}") and "\n" not in str(refusal.value)


@pytest.mark.parametrize("read", [read_rows, read_predictions])
@pytest.mark.parametrize(
    ("name", "message"), [("none.csv", "no such file or directory"), (".", "it is a folder, not a file"), ("a\0b", "null byte")]
)
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, read: Any, name: str, message: str) -> None:
    """A path without a readable file is refused with the reason of the operating system."""
    with pytest.raises(FileError, match=f"cannot be read: .*{message}"):
        read(f"{tmp_path}/{name}")


def test_rows_by_id_refuse_a_row_without_one() -> None:
    """Rows are mapped by id, and a row without one is refused."""
    assert by_id([(2, {"id": "a", "oom": "1"})], "runs.csv") == {"a": {"id": "a", "oom": "1"}}
    with pytest.raises(FileError, match=r"^runs.csv: line 2 has no id$"):
        by_id([(2, {"id": "", "oom": "1"})], "runs.csv")


def bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the bounds to a few columns, commas and values."""
    for name, most in (("MOST_COLUMNS", 3), ("MOST_COMMAS", 5), ("MOST_VALUES", 6), ("MOST_VALUES_IN_ALL", 15)):
        monkeypatch.setattr(row_file, name, most)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b,c,d\n1,2,3,4\n", "line 1 brings the file to 4 columns; it may have at most 3"),
        ("a,b,c,d,e,f,g\n1\n", "line 1 has more than 5 commas; a file may have at most 3 columns"),
        ("a,b\n1,2\n,,,,,,,\n", "line 3 has more than 5 commas; a file may have at most 3 columns"),
        ('{"a": 1, "b": 2}\n{"c": 3, "d": 4}\n', "line 2 brings the file to 4 columns; it may have at most 3"),
        ('{"a": 1}\n{"a": [[], [], []]}\n', "line 2 holds more than 6 values (commas and brackets are counted)"),
        ('{"a": 1, "b": 2, "c": 3}\n' * 4, "line 4 brings it beyond 15 values (commas and brackets are counted); split it"),
    ],
    ids=["columns", "commas of the header", "commas of a row", "columns of all lines", "values of a line", "values of all lines"],
)
def test_columns_cells_and_values_are_bounded(file: Any, monkeypatch: pytest.MonkeyPatch, content: str, message: str) -> None:
    """Too many columns, and lines with too many cells or values, are refused in one line with the line number."""
    bounded(monkeypatch)
    with pytest.raises(FileError) as refusal:
        read_rows(path := file(content))
    assert str(refusal.value) == f"{path}: {message}"


def test_a_line_is_bounded_before_it_is_read(file: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line of JSON above the bound is not parsed, one at the bound is."""
    bounded(monkeypatch)
    assert read_rows(file('{"a": 1, "b": 2, "c": "x,y,z"}\n'))
    monkeypatch.setattr("planner.runs.row_file.json.loads", lambda *_, **__: pytest.fail("parsed"))
    with pytest.raises(FileError, match="line 1 holds more than 6 values"):
        read_predictions(file('{"id": "a", "x": [1, 2, 3, 4]}\n'))


def test_a_prediction_of_as_many_stages_as_a_run_may_have_is_read() -> None:
    """The bound of a line exceeds the longest line of `tmplan estimate`: three numbers per stage, four stages per layer."""
    assert 3 * MOST_STAGES * 10_000 < row_file.MOST_VALUES / 2


def test_only_requested_keys_of_predictions_are_stored(file: Any) -> None:
    """Only the id and the requested keys of a prediction are stored."""
    assert read_predictions(file('{"id": "a", "x": [1], "fits": true}\n'), {"fits"}) == {"a": {"id": "a", "fits": True}}


@pytest.mark.parametrize("content", ["id,a\n" + "1,long text\n" * 3, '{"id": 1, "a": "long text"}\n' * 3], ids=["csv", "json lines"])
def test_equal_cells_are_stored_once_and_rows_are_counted(file: Any, content: str) -> None:
    """Equal cells are one object, and the progress callback receives the count after every row."""
    counts: list[int] = []
    rows = [row for _, row in numbered_rows(file(content), (), counts.append)]
    assert len({id(row["a"]) for row in rows}) == 1 and counts == [1, 2, 3]


def test_a_file_packed_with_gzip_is_read_and_a_damaged_one_is_refused(file: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows are those of the plain file; one cut short, with a second part, damaged, or too large unpacked is refused in a sentence."""
    packed = gzip.compress(b"id,step_s,oom\na,1.50,0\nb,,1\n")
    assert read_rows(file(packed)) == ROWS
    for content in (packed[:-9], packed + packed, packed[:12] + b"\xff\xff\xff\xff"):
        with pytest.raises(FileError, match="gzip file"):
            read_rows(file(content))
    monkeypatch.setattr(row_file, "LARGEST", 1000)
    with pytest.raises(FileError, match="larger than"):
        read_rows(file(gzip.compress(b"id\n" + b"a\n" * 1000)))
    with pytest.raises(FileError, match="UTF-8"):
        read_rows(file(gzip.compress(b"id\n\xff\n")))
