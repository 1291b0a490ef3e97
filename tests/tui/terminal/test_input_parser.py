"""What a terminal sends, in whatever bytes and cut into whatever reads: nothing of it ends the input, and later keys arrive."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.events import Key, Paste
from textual.message import Message

from tui.app.run import SETTINGS
from tui.terminal.input_parser import LARGEST_PASTE, InputParser

os.environ.update(SETTINGS)

NUMBERS = st.sampled_from(["0", "1", "5", "48", "97", "255", "2026", "1114112", "99999999", "-1", "", "9" * 30, "x"])
REPORTS = st.builds(
    lambda mark, numbers, between, end: f"\x1b[{mark}{between.join(numbers)}{end}".encode(),
    st.sampled_from(["", "", "?", "<", ">", "="]), st.lists(NUMBERS, max_size=5), st.sampled_from([";", ":"]),
    st.sampled_from(list("ABMRZmntu~$yI")),
)  # fmt: skip
ODD = st.sampled_from(
    [b"\x1b", b"\x1b\x1b", b"\x1bO", b"\x1b[", b"\x1b[M!", b"\x1b]52;c;", b"\x1bP", b"\x9b1m", b"\0", b"\xc3", b"\xf0\x9f"]
)
PASTES = st.builds(
    lambda text, end: b"\x1b[200~" + text.encode() + end, st.text("aé\n\x1b[20~", max_size=30), st.sampled_from([b"\x1b[201~", b""])
)
SENT = st.lists(st.one_of(REPORTS, ODD, PASTES, st.binary(max_size=8)), max_size=8).map(b"".join)
CUTS = st.lists(st.integers(1, 6), min_size=1, max_size=40)


@contextmanager
def clock() -> Iterator[list[float]]:
    """A clock for the parser that stands until it is set."""
    now = [0.0]
    with mock.patch("textual._parser.get_time", side_effect=lambda: now[0]):
        yield now


def parts(data: bytes, sizes: list[int]) -> Iterator[bytes]:
    """The bytes in reads of these sizes, the last as long as it takes."""
    for size in sizes:
        if data:
            yield data[:size]
        data = data[size:]
    if data:
        yield data


def shown(messages: list[Message]) -> list[str]:
    """Keys by their names, pastes by their text."""
    return [message.key if isinstance(message, Key) else repr(message.text) if isinstance(message, Paste) else "" for message in messages]


def pause(typed: InputParser, now: list[float]) -> list[Message]:
    """Nothing comes for long."""
    now[0] += 10
    return [*typed.tick(), *typed.rest()]


@given(SENT, CUTS)
def test_whatever_is_sent_later_keys_arrive(data: bytes, sizes: list[int]) -> None:
    """No bytes, cut at any places, raise or stop the input: after a pause the next key is the key it is."""
    with clock() as now:
        typed = InputParser()
        for part in parts(data, sizes):
            list(typed.feed(part))
            typed.tick()
        pause(typed, now)
        assert shown(list(typed.feed(b"jk")))[-2:] == ["j", "k"]


@given(SENT, CUTS)
def test_how_the_bytes_are_cut_does_not_matter(data: bytes, sizes: list[int]) -> None:
    """The same keys and pastes come of bytes in one read and in many."""
    with clock() as now:
        whole, cut = InputParser(), InputParser()
        at_once = [*whole.feed(data), *pause(whole, now)]
        one_by_one = [message for part in parts(data, sizes) for message in cut.feed(part)]
        assert shown(at_once) == shown([*one_by_one, *pause(cut, now)])


def test_a_character_in_two_reads_is_one_key() -> None:
    """Half a character does not end the input, and a byte that belongs to none is one unreadable character."""
    typed = InputParser()
    assert list(typed.feed(b"\xc3")) == []
    assert [message.character for message in typed.feed(b"\xa9") if isinstance(message, Key)] == ["é"]
    assert [message.character for message in typed.feed(b"\xc9j") if isinstance(message, Key)] == ["\ufffd", "j"]


@pytest.mark.parametrize("report", [b"\x1b[48;0;0;0;0t", b"\x1b[48;99999;99999;1;1t", b"\x1b[48;30;100;0;0t\x1b[<0;10;10M", b"\x1b[I"])
def test_nobody_but_the_kernel_shows_a_size(report: bytes) -> None:
    """Reports of size, of the mouse and of focus are left out, and so is what Textual's parser raises on them."""
    typed = InputParser()
    assert shown(list(typed.feed(report + b"\x1b[<0;10;10Mj"))) == ["j"]


def test_a_paste_comes_whole() -> None:
    """Pasted text is one paste, keys in it are none, and what follows are keys again."""
    typed = InputParser()
    assert shown(list(typed.feed(b"a\x1b[200~q\x1b[B\xc3\xa9\r\x1b[201~b"))) == ["a", repr("q\x1b[Bé\r"), "b"]


def test_a_paste_without_an_end_ends_with_a_pause() -> None:
    """Where the end of a paste is lost, a pause is its end: the text is pasted and the next key is a key."""
    typed = InputParser()
    assert list(typed.feed(b"\x1b[200~tp=8")) == [] and typed.pasting
    assert shown(typed.rest()) == [repr("tp=8")]
    assert shown(list(typed.feed(b"q"))) == ["q"] and not typed.pasting


def test_a_paste_has_a_bound() -> None:
    """Of an endless paste, no more is stored than any field accepts."""
    typed = InputParser()
    list(typed.feed(b"\x1b[200~"))
    for _ in range(40):
        list(typed.feed(b"x" * 4096))
    (pasted,) = typed.feed(b"\x1b[201~")
    assert isinstance(pasted, Paste) and len(pasted.text) == LARGEST_PASTE
