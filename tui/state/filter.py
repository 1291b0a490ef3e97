"""Filter expressions over the columns of the table: `mem<72 tp=8 recompute=full fits`.

Terms are separated by spaces and all must hold. A term compares a column with a number (`<` `<=` `>` `>=` `=` `!=`), with one of
several (`tp=4,8`), a range (`pp=2..8`) or a name (`sharding=fsdp`, `fit=risk`); a yes-or-no column is a term by itself (`fits`, `!risk`).
A column is named by its key, its heading, or a prefix of its key; a name by the beginning of any of its words.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from planner.errors import FieldError, UnknownName
from planner.plaintext import named, quoted
from planner.report.columns import COLUMNS, Column

TERM = re.compile(r"(?P<key>[a-z][a-z0-9_/]*)(?P<op><=|>=|!=|==|=|<|>)(?P<value>[^<>=!]+)")
COMPARE: dict[str, Callable[[Any, Any], Any]] = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


@dataclass(frozen=True)
class Term:
    """One condition on one column; the values are numbers, or names for a column of names."""

    column: Column
    op: str
    values: tuple[float | str, ...]

    def mask(self, estimate: Any) -> Any:
        """Which rows of an estimate satisfy the condition (bool column)."""
        column = self.column.values(estimate)
        if self.op in COMPARE:
            return COMPARE[self.op](column, self.values[0])
        if self.op == "..":
            return (column >= self.values[0]) & (column <= self.values[1])
        hit = column != column
        for value in self.values:
            for code in self._codes(column, value):
                hit = hit | (abs(column - code) <= self._slack(code))
        return hit != (self.op == "!=")

    def holds(self, name: str) -> bool:
        """Whether a name of the column satisfies the condition."""
        return any(_names(name, str(value)) for value in self.values) != (self.op == "!=")

    def _codes(self, column: Any, value: float | str) -> list[Any]:
        if not isinstance(value, str):
            return [value]
        write, plain = self.column.write, self.column.plain
        return [code for code in sorted(set(column.tolist())) if _names(write(code).lower(), value) or str(plain(code)).lower() == value]

    def _slack(self, code: Any) -> float:
        """Tolerance of equality: half a unit of the last digit that the table shows."""
        return 0.05 if self.column.unit in ("GiB", "tokens/s") else 0.0005 if self.column.unit else 0.0


def parse_filter(text: str) -> tuple[Term, ...]:
    """Parse the terms of an expression; FieldError (UnknownName for a column) names what cannot be parsed."""
    text = re.sub(r"\s*(<=|>=|!=|==|=|<|>|\.\.|,)\s*", r"\1", text.lower().strip())
    return tuple(_term(word) for word in text.split() if word not in ("and", "&&"))


def _term(word: str) -> Term:
    match = TERM.fullmatch(word)
    if not match:
        bare = word.lstrip("!")
        column = column_of("fits" if bare == "fit" else bare) if re.fullmatch(r"[a-z][a-z0-9_/]*", bare) else None
        if column is None or not column.yes_or_no:
            raise FieldError("filter", f"{quoted(word)} is not a filter; write, for example, mem<72 tp=8 recompute=full fits")
        return Term(column, "=", (0.0 if word.startswith("!") else 1.0,))
    column, op, value = column_of(match["key"]), match["op"].replace("==", "="), match["value"]
    if column.named:
        if op not in ("=", "!="):
            raise FieldError("filter", f"{column.key} has no order; write {column.key}={named(value)}")
        return Term(column, op, tuple(value.split(",")))
    if op == "=" and ".." in value:
        low, _, high = value.partition("..")
        return Term(column, "..", (_number(column, low), _number(column, high)))
    values = tuple(_number(column, part) for part in value.split(","))
    if op in COMPARE and len(values) > 1:
        raise FieldError("filter", f"{quoted(word)} compares with several values; {op} takes one")
    return Term(column, op, values)


def column_of(key: str) -> Column:
    """A column by its key, its heading, or a prefix of its key."""
    for hit in (lambda c: key in (c.key, c.heading.lower()), lambda c: c.key.startswith(key)):
        for column in COLUMNS:
            if hit(column):
                return column
    raise UnknownName("column", key, [c.key for c in COLUMNS], where="filter")


def _names(text: str, value: str) -> bool:
    """Whether a value begins a text, or a word of it: risk is at risk."""
    return any(word.startswith(value) for word in (text, *text.split()))


def _number(column: Column, text: str) -> float:
    """Parse a number in the column's unit; a share may be written in percent."""
    yes_no = {"yes": 1.0, "no": 0.0, "true": 1.0, "false": 0.0}
    if column.yes_or_no and text in yes_no:
        return yes_no[text]
    bare = text.removesuffix("%")
    if not re.fullmatch(r"-?[0-9]+(\.[0-9]*)?(e[0-9]+)?k?", bare):
        raise FieldError("filter", f"{column.key} is compared with a number, not {quoted(text)}")
    value = float(bare.removesuffix("k")) * (1024 if bare.endswith("k") else 1)
    return value / 100 if column.unit == "share" and (text.endswith("%") or value > 2) else value
