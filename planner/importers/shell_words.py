"""The words of a shell script or command line, with its variables expanded. Nothing is executed."""

from __future__ import annotations

import re
import shlex

from planner.errors import FileError

ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
VARIABLE = re.compile(r"\$\{?([A-Za-z_]\w*)(?::-([^}]*))?\}?")
LARGEST = 2**20  # characters to which the variables of a script may expand


def words(text: str, where: str) -> list[str]:
    """The words of a script with variables expanded; FileError for an unclosed quote or too long an expansion."""
    try:
        split = shlex.split(text.replace("\\\n", " "), comments=True)
    except ValueError as error:
        raise FileError(f"is not a valid shell script: {str(error).lower()}", where=where) from None
    variables = _Variables(where)
    for word in split:
        if (assignment := ASSIGNMENT.fullmatch(word)) and not word.startswith("-"):
            variables.values[assignment[1]] = variables.expand(_without_parentheses(assignment[2]))
    expand = variables.expand
    return [expand(word).strip("()") if word.count("(") != word.count(")") else expand(word) for word in split]


def _without_parentheses(value: str) -> str:
    """An assigned value without the parentheses of an array; the closing one may be in another word."""
    return value if value.count("(") == value.count(")") and not value.startswith("(") else value.strip("()")


class _Variables:
    """The variables of a script, and how many characters they may still expand to: each may refer to others twice, and so on."""

    def __init__(self, where: str) -> None:
        self.values: dict[str, str] = {}
        self.where, self.left = where, LARGEST

    def expand(self, word: str) -> str:
        """A word with each variable replaced by its value or its default; FileError where the expansion is too long."""
        return VARIABLE.sub(self._value, word) if "$" in word else word

    def _value(self, match: re.Match[str]) -> str:
        value = self.values.get(match[1], match[2] if match[2] is not None else match[0])
        self.left -= len(value)
        if self.left < 0:
            raise FileError(f"its variables expand to more than {LARGEST:,} characters, which no command line has", where=self.where)
        return value
