"""TOML and JSON as plain values: what is damaged, too deep or too long is one sentence with its line."""

from __future__ import annotations

from typing import Any

import pytest

from planner.errors import FileError, PlanFileError
from planner.files import structured
from tests.nasty import readable

TOML = [
    ("a = 1\nb = = 2\n", "line 2 is not valid TOML: Invalid value"),
    ("a = 1\n\nb = " + "9" * 5000, "line 3 holds a number of thousands of digits"),
    ("a = " + "[" * 5000, "not valid TOML"),
    ("a = " + "{a=" * 100_000, "not valid TOML"),
    ("x = 1\n" + "a." * 500_000 + "b = 1", "line 2 is not valid TOML: a key of more than 64 parts"),
    ("[" + "a . " * 500_000 + "b]", "line 1 is not valid TOML: a key of more than 64 parts"),
    ("'a'." * 200_000 + "b = 1", "line 1 is not valid TOML: a key of more than 64 parts"),
    ('x = {"a"' + '."b"' * 200_000 + " = 1}", "line 1 is not valid TOML: a key of more than 64 parts"),
]
READ = [
    "a = 1.5", 'a = "' + "b. " * 100 + '"', "a = [" + "0.1, " * 5000 + "]", "a.b.c = 1", "# " + "." * 500, "e" * 500_000 + " = 1",
    'name = "' + "a." * 100 + '"', "a = 1" + " " * 500_000,
]  # fmt: skip
JSON = [
    ('{"a": 1,\n}', "line 2, column 1 is not valid JSON"),
    ('{"a":\n ' + "9" * 5000 + "}", "line 2 holds a number of thousands of digits"),
    ("[" * 200_000, "is nested too deep"),
    ('{"a":' * 200_000, "is nested too deep"),
    ("[1]", "must hold one JSON object"),
    ('{"a": 1, "b": {"c": 1, "c": 2}}', "key 'c' stands there twice; keep one"),
]


@pytest.mark.parametrize(("text", "said"), TOML, ids=range(len(TOML)))
def test_damaged_toml_is_refused_with_its_line(text: str, said: str) -> None:
    """The refusal is that of the caller's kind, with the line, at once, however long or deep the text."""
    with pytest.raises(PlanFileError) as refusal:
        structured.toml(text, "x.toml", PlanFileError, "; or else")
    assert said in str(refusal.value) and str(refusal.value).endswith("; or else") and readable(str(refusal.value))


@pytest.mark.parametrize(("text", "said"), JSON, ids=range(len(JSON)))
def test_damaged_json_is_refused_with_its_line(text: str, said: str) -> None:
    """Damage, depth, length and a key told twice are each one sentence."""
    with pytest.raises(FileError) as refusal:
        structured.json_object(text, "x.json", once=True)
    assert said in str(refusal.value) and readable(str(refusal.value))


@pytest.mark.parametrize("text", READ, ids=range(len(READ)))
def test_what_is_no_dotted_key_is_read(text: str) -> None:
    """Numbers, prose and names of any length are no keys of many parts."""
    assert structured.toml(text, "x.toml") is not None


def test_json_of_one_key_twice_is_read_where_others_read_it() -> None:
    """Without `once` the last value of a key counts, as everywhere else."""
    found: dict[str, Any] = structured.json_object('{"a": 1, "a": 2}', "x.json")
    assert found == {"a": 2}
