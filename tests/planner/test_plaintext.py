"""Text that is shown: nothing in it that a terminal acts on, nothing longer than is readable."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from planner.errors import FileError, UnknownName
from planner.plaintext import LONGEST, PATH, SHORT, escaped, flat, line, named, plain, quoted, sentence
from tests.hostile import HOSTILE, hidden


@given(st.text(st.characters(exclude_categories=())))
def test_no_text_shown_holds_what_a_terminal_acts_on(text: str) -> None:
    """Whatever the text: no control character, half of a pair or bidirectional override is left, and printable text is unchanged."""
    for shown in (plain(text), line(text), flat(text), sentence(text), named(text), quoted(text), str(FileError(text, where=text))):
        assert not hidden(shown)
        assert shown.isascii() or not set("\ufffe\uffff") & set(shown)  # which no XML holds
    assert not text.isprintable() or plain(text) == flat(text) == text


@given(st.text())
def test_a_text_of_one_line_has_one_line(text: str) -> None:
    """Whatever the text: on a line it makes no second one, and a printable text keeps its spaces."""
    assert len(flat(text).splitlines()) <= 1 and len(sentence(text).splitlines()) <= 1


@given(st.dictionaries(st.text(min_size=1), st.text()))
def test_toml_holds_no_control_character_and_loses_none(table: dict[str, str]) -> None:
    """A file of TOML names every control character by its number: shown by `cat` it does nothing, read back it is what it was."""
    text = escaped(tomli_w.dumps(table))
    assert not hidden(text) and tomllib.loads(text) == table


@given(st.text(st.characters(exclude_categories=())))
def test_toml_of_any_text_can_be_read(text: str) -> None:
    """A text that no UTF-8 holds, as JSON may bring it, makes no file that cannot be read: halves of pairs become U+FFFD."""
    text_read = tomllib.loads(escaped(tomli_w.dumps({"name": text})))["name"]
    assert text_read == "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text)


@pytest.mark.parametrize("value", [HOSTILE, [HOSTILE] * 20_000, {HOSTILE: HOSTILE}, "a" * 60_000, [[1] * 20_000] * 20_000])
def test_a_value_in_a_sentence_is_short(value: Any) -> None:
    """A value of any size and kind is quoted in a few dozen characters."""
    assert len(quoted(value)) <= SHORT and not hidden(quoted(value))


def test_a_value_that_names_itself_many_times_is_quoted_at_once() -> None:
    """Nine levels of nine names for the one below, as YAML aliases make them, are never written out: 9^9 items."""
    value: list[Any] = ["x"] * 9
    for _ in range(9):
        value = [value] * 9
    assert len(quoted(value)) <= SHORT


@pytest.mark.parametrize("number", [10**5000, -(10**5000), 16**4000], ids=["large", "negative", "hexadecimal"])
def test_a_number_of_thousands_of_digits_can_be_named(number: int) -> None:
    """Python refuses to write such a number out; a sentence names it all the same, alone or inside a list."""
    assert quoted(number) == "a number that large"
    assert "that large" in quoted([number])


def test_a_refusal_is_one_readable_line() -> None:
    """However long the message, the file's name and the unknown name, the sentence is a line of at most 1,000 characters."""
    for error in (FileError("x\ny " * 30_000, where="/" + "d" * 4000), UnknownName("gpu", "g" * 60_000, ["a"])):
        assert len(str(error)) <= LONGEST and "\n" not in str(error)
    assert len(FileError("x", where="/" + "d" * 4000).where) <= PATH
