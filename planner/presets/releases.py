"""Releases of a stack: what came in which month, and the keys of its file that differed before.

A file lists them in tables such as [before.2025-05]: `came` and `source` say what came in that month and where it is written, every other
key has the value of the months before. `built_on` names a stack whose releases a stack has as well, with its own over them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from planner.errors import FieldError, FileError
from planner.plaintext import quoted

MONTH = re.compile(r"[12]\d{3}-(0[1-9]|1[0-2])")
TEXTS = ("came", "source")


@dataclass(frozen=True)
class Release:
    """A month in which a stack changed."""

    month: str
    came: str  # what came
    source: str  # where that is written
    before: Mapping[str, Any]  # keys of its file that differed before


def listed(values: Mapping[str, Any], where: str, base: Iterable[Release] = ()) -> tuple[Release, ...]:
    """The releases in the tables of a stack's file, oldest first, with those of the stack it is built on; FileError for another heading.

    One of that stack that changes nothing here is left out.
    """
    tables: Mapping[str, Mapping[str, Any]] = values.get("before", {})
    months = {release.month: release for release in base}
    for month, table in tables.items():
        if not MONTH.fullmatch(month):
            raise FileError(f"table 'before' lists months such as 2026-05, not {quoted(month)}", where=where)
        if not isinstance(table, Mapping) or not all(isinstance(table.get(key), str) for key in TEXTS):
            raise FileError(f"table [before.{month}] must say in texts what came and its source", where=where)
        below = months.get(month)
        came, source = (f"{getattr(below, key)}; {table[key]}" if below else str(table[key]) for key in TEXTS)
        keys = {key: value for key, value in table.items() if key not in TEXTS}
        months[month] = Release(month, came, source, {**(below.before if below else {}), **keys})
    changing, state = [], dict(values)
    for month in sorted(months, reverse=True):
        if (before := {**state, **months[month].before}) != state:
            changing.append(months[month])
        state = before
    return tuple(reversed(changing))


def values_at(values: Mapping[str, Any], releases: Iterable[Release], released: str) -> dict[str, Any]:
    """The keys of a stack's file as they were at a date, YYYY-MM or YYYY-MM-DD: those that differed before each later release."""
    result = dict(values)
    for release in sorted(releases, key=lambda release: release.month, reverse=True):
        result |= release.before if released < release.month else {}
    return result


def first_month(releases: Iterable[Release], released: str) -> str:
    """The month of the last release up to a date; empty before the first, and for no date."""
    return max((release.month for release in releases if release.month <= released), default="")


def check(name: str, known_since: str, released: str) -> None:
    """FieldError for a date before the first known one of a stack."""
    if released < known_since:
        listed = f"`tmplan stacks {name}` lists its releases"
        raise FieldError("stack_release", f"{name} is known from {known_since} on, {released} is earlier; {listed}, empty is the newest")
