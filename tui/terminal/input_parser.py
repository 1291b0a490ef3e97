"""InputParser: keys and pastes from a terminal's bytes, for any bytes and however they are split into reads.

Textual's parser recognises the keys. It raises on some sequences that a terminal may send, and takes an empty text for the end of all
input: what it cannot parse is dropped here and a new parser continues after it. Pastes are collected here: one without an end marker
would swallow every later key, and one without a size limit could exhaust the memory.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Generator, Iterable, Iterator

from textual import events, messages
from textual._xterm_parser import XTermParser
from textual.message import Message

START, END = "\x1b[200~", "\x1b[201~"  # a terminal's markers around pasted text
LARGEST_PASTE = 65_536  # characters; the rest of a longer paste is dropped, no field accepts that many
# Neither mouse events nor size reports are enabled (the kernel reports the size), so any that arrive are line noise.
TAKEN = (events.Key, events.Paste, messages.TerminalSupportsSynchronizedOutput)


class InputParser:
    """Incremental parser: holds the input received so far that is not complete."""

    def __init__(self, parser: Callable[[], XTermParser] = XTermParser) -> None:
        self._new_parser = parser
        self._parser = parser()
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._recent = ""  # the last characters outside a paste
        self._pasted: list[str] | None = None  # parts of the paste in progress
        self._size = 0  # characters of it
        self._last = ""  # its last characters, which may start the end marker

    @property
    def pasting(self) -> bool:
        """Whether a paste has begun and not ended."""
        return self._pasted is not None

    def feed(self, data: bytes) -> Iterator[Message]:
        """Yield the keys and pastes that these bytes complete."""
        text = self._decode(data)
        while text:
            text = yield from self._paste(text) if self.pasting else self._keys(text)

    def tick(self) -> list[Message]:
        """Messages that a pause completes: an escape without a successor is the escape key."""
        completed = self._read(self._parser.tick)
        if completed:
            self._recent = ""
        return completed

    def rest(self) -> list[Message]:
        """The paste in progress, ended after a long pause: its end marker is lost, and later input is keys."""
        return [] if self._pasted is None else [self._end_paste(self._last)]

    def _keys(self, text: str) -> Generator[Message, None, str]:
        """Yield the keys of a text up to the start of a paste; returns the text after that."""
        for at, char in enumerate(text):
            yield from self._read(lambda char=char: self._parser.feed(char))  # type: ignore[misc]
            self._recent = (self._recent + char)[-len(START) :]
            if self._recent == START:  # a new parser, because this one has seen the start of the paste too
                self._parser, self._recent, self._pasted = self._new_parser(), "", []
                return text[at + 1 :]
        return ""

    def _paste(self, text: str) -> Generator[Message, None, str]:
        """Yield the paste if its end marker is in the text; returns the text after that."""
        received = self._last + text
        end = received.find(END)
        if end < 0:
            held = len(received) - len(END) + 1
            self._collect(received[: max(0, held)])
            self._last = received[max(0, held) :]
            return ""
        yield self._end_paste(received[:end])
        return received[end + len(END) :]

    def _collect(self, text: str) -> None:
        assert self._pasted is not None
        self._pasted.append(text[: LARGEST_PASTE - self._size])
        self._size += len(self._pasted[-1])

    def _end_paste(self, last: str) -> events.Paste:
        self._collect(last)
        paste = events.Paste("".join(self._pasted or ()).replace("\0", ""))
        self._pasted, self._size, self._last = None, 0, ""
        return paste

    def _read(self, parsed: Callable[[], Iterable[Message]]) -> list[Message]:
        """The messages of one parser call that the program handles; input that the parser fails on is dropped."""
        completed: list[Message] = []
        try:
            completed.extend(parsed())
        except Exception:  # line noise may make the parser fail in any way; later keys must still arrive
            self._parser, self._recent = self._new_parser(), ""
        return [message for message in completed if isinstance(message, TAKEN)]
