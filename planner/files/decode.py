"""Decoding of TOML and JSON. Invalid, too deeply nested or absurdly long input is refused in one sentence with its line."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from typing import Any

from planner.errors import FileError
from planner.plaintext import PATH, named

PARTS = 64  # parts of a dotted key; time and memory of tomllib grow with their square
PART = r"""(?:[A-Za-z0-9_-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+"""
DOTTED = re.compile(rf"(?:^|[\[{{,])[ \t]*+(?:{PART}){{{PARTS}}}", re.MULTILINE)
LONG_NUMBER = re.compile(r"[0-9_]{4301,}")  # Python converts at most 4300 decimal digits
TOO_LONG = "has a number of thousands of digits, which no setting has"
DEEP = "is nested too deep"


def toml(text: str, where: str, refusal: type[FileError] = FileError, hint: str = "") -> dict[str, Any]:
    """The tables of a TOML text; `refusal`, with `hint` appended, names the line that is invalid."""
    try:
        if long := DOTTED.search(text):
            raise refusal(f"line {_line(text, long.start())} is not valid TOML: a key has more than {PARTS} parts{hint}", where=where)
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        problem, _, position = str(error).rpartition(" (at ")
        match = re.match(r"line (\d+)", position)
        line, why = match[1] if match else _line(text, len(text)), f"is not valid TOML: {named(problem, PATH)}"
    except RecursionError:
        line, why = _line(text, len(text)), "is not valid TOML: tables are nested too deep"
    except ValueError:
        line, why = _long_number(text), TOO_LONG
    raise refusal(f"line {line} {why}{hint}", where=where)


def json_object(text: str, where: str, what: str = "one JSON object", *, once: bool = False) -> dict[str, Any]:
    """The object of a JSON text; FileError names line and column where it is invalid. `once`: a repeated key is an error."""
    try:
        value = json.loads(text, object_pairs_hook=_each_once(where) if once else None)
    except json.JSONDecodeError as error:
        raise FileError(f"line {error.lineno}, column {error.colno} is not valid JSON: {error.msg}", where=where) from None
    except RecursionError:
        raise FileError(f"is not valid JSON: it {DEEP}", where=where) from None
    except ValueError:
        raise FileError(f"line {_long_number(text)} {TOO_LONG}", where=where) from None
    if not isinstance(value, dict):
        raise FileError(f"must be {what}", where=where)
    return value


def _each_once(where: str) -> Callable[[list[tuple[str, Any]]], dict[str, Any]]:
    """A constructor of JSON objects that refuses a repeated key."""

    def build(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, value in pairs:
            if key in result:
                raise FileError(f"key '{named(key)}' is given twice; keep one", where=where)
            result[key] = value
        return result

    return build


def _long_number(text: str) -> int:
    """The line of the first number with too many digits."""
    match = LONG_NUMBER.search(text)
    return _line(text, match.start() if match else 0)


def _line(text: str, offset: int) -> int:
    """The line number of an offset of a text, from 1."""
    return text.count("\n", 0, offset) + 1
