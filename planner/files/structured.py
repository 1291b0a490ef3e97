"""TOML and JSON as plain values: what is damaged, nested too deep or too long to be meant is one sentence with its line."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from typing import Any

from planner.errors import FileError
from planner.plaintext import PATH, named

PARTS = 64  # of a dotted key; the time and memory that tomllib takes for one grow with their square
PART = r"""(?:[A-Za-z0-9_-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+"""
DOTTED = re.compile(rf"(?:^|[\[{{,])[ \t]*+(?:{PART}){{{PARTS}}}", re.MULTILINE)
LONG_NUMBER = re.compile(r"[0-9_]{4301,}")  # Python reads no more decimal digits
TOO_LONG = "holds a number of thousands of digits, which no setting has"
DEEP = "is nested too deep"


def toml(text: str, where: str, refusal: type[FileError] = FileError, hint: str = "") -> dict[str, Any]:
    """The tables of a TOML text; `refusal`, with `hint` behind it, names the line where it is damaged."""
    try:
        if long := DOTTED.search(text):
            raise refusal(f"line {_line(text, long.start())} is not valid TOML: a key of more than {PARTS} parts{hint}", where=where)
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        said, _, place = str(error).rpartition(" (at ")
        told = re.match(r"line (\d+)", place)
        line, why = told[1] if told else _line(text, len(text)), f"is not valid TOML: {named(said, PATH)}"
    except RecursionError:
        line, why = _line(text, len(text)), "is not valid TOML: tables are nested too deep"
    except ValueError:
        line, why = _long_number(text), TOO_LONG
    raise refusal(f"line {line} {why}{hint}", where=where)


def json_object(text: str, where: str, what: str = "one JSON object", *, once: bool = False) -> dict[str, Any]:
    """The one object of a JSON text; FileError names line and column where it is damaged. `once`: no key may stand there twice."""
    try:
        found = json.loads(text, object_pairs_hook=_each_once(where) if once else None)
    except json.JSONDecodeError as error:
        raise FileError(f"line {error.lineno}, column {error.colno} is not valid JSON: {error.msg}", where=where) from None
    except RecursionError:
        raise FileError(f"is not valid JSON: it {DEEP}", where=where) from None
    except ValueError:
        raise FileError(f"line {_long_number(text)} {TOO_LONG}", where=where) from None
    if not isinstance(found, dict):
        raise FileError(f"must hold {what}", where=where)
    return found


def _each_once(where: str) -> Callable[[list[tuple[str, Any]]], dict[str, Any]]:
    """A maker of objects that refuses a key which stands there twice."""

    def made(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise FileError(f"key '{named(key)}' stands there twice; keep one", where=where)
            found[key] = value
        return found

    return made


def _long_number(text: str) -> int:
    """The line of a number too long to be read."""
    found = LONG_NUMBER.search(text)
    return _line(text, found.start() if found else 0)


def _line(text: str, place: int) -> int:
    """The line of a place of a text, from 1."""
    return text.count("\n", 0, place) + 1
