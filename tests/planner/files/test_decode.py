"""Invalid, too deep or too long TOML and JSON is refused in one sentence with its line."""

from __future__ import annotations

from typing import Any

import pytest

from planner.errors import FileError, PlanFileError
from planner.files import decode
from tests.nasty import readable

TOML = [
    ("a = 1\nb = = 2\n", "line 2 is not valid TOML: Invalid value"),
    ("a = 1\n\nb = " + "9" * 5000, "line 3 has a number of thousands of digits"),
    ("a = " + "[" * 5000, "not valid TOML"),
    ("a = " + "{a=" * 100_000, "not valid TOML"),
    ("x = 1\n" + "a." * 500_000 + "b = 1", "line 2 is not valid TOML: a key has more than 64 parts"),
    ("[" + "a . " * 500_000 + "b]", "line 1 is not valid TOML: a key has more than 64 parts"),
    ("'a'." * 200_000 + "b = 1", "line 1 is not valid TOML: a key has more than 64 parts"),
    ('x = {"a"' + '."b"' * 200_000 + " = 1}", "line 1 is not valid TOML: a key has more than 64 parts"),
]
VALID = [
    "a = 1.5", 'a = "' + "b. " * 100 + '"', "a = [" + "0.1, " * 5000 + "]", "a.b.c = 1", "# " + "." * 500, "e" * 500_000 + " = 1",
    'name = "' + "a." * 100 + '"', "a = 1" + " " * 500_000,
]  # fmt: skip
JSON = [
    ('{"a": 1,\n}', "line 2, column 1 is not valid JSON"),
    ('{"a":\n ' + "9" * 5000 + "}", "line 2 has a number of thousands of digits"),
    ("[" * 200_000, "is nested too deep"),
    ('{"a":' * 200_000, "is nested too deep"),
    ("[1]", "must be one JSON object"),
    ('{"a": 1, "b": {"c": 1, "c": 2}}', "key 'c' is given twice; keep one"),
]


@pytest.mark.parametrize(("text", "sentence"), TOML, ids=range(len(TOML)))
def test_damaged_toml_is_refused_with_its_line(text: str, sentence: str) -> None:
    """The refusal has the caller's type and the line, and comes at once for any length and depth."""
    with pytest.raises(PlanFileError) as refusal:
        decode.toml(text, "x.toml", PlanFileError, "; or else")
    assert sentence in str(refusal.value) and str(refusal.value).endswith("; or else") and readable(str(refusal.value))


@pytest.mark.parametrize(("text", "sentence"), JSON, ids=range(len(JSON)))
def test_damaged_json_is_refused_with_its_line(text: str, sentence: str) -> None:
    """Invalid syntax, depth, length and a repeated key are each one sentence."""
    with pytest.raises(FileError) as refusal:
        decode.json_object(text, "x.json", once=True)
    assert sentence in str(refusal.value) and readable(str(refusal.value))


@pytest.mark.parametrize("text", VALID, ids=range(len(VALID)))
def test_what_is_no_dotted_key_is_read(text: str) -> None:
    """Long numbers, prose and names are not taken for keys of many parts."""
    assert decode.toml(text, "x.toml") is not None


def test_a_repeated_key_is_allowed_without_once() -> None:
    """Without `once` the last value of a repeated key counts, as in other JSON readers."""
    value: dict[str, Any] = decode.json_object('{"a": 1, "a": 2}', "x.json")
    assert value == {"a": 2}
