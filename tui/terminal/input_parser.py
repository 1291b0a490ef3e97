"""Typed: the keys and pastes that a terminal's bytes stand for, whatever the bytes are and however they are cut into reads.

Textual's parser finds the keys. It raises on some of what a terminal may send, and takes an empty text for the end of all input: what
it cannot read is left out here, and a new parser goes on behind it. Pastes are taken down here: one whose end never comes would
swallow every later key, and one without a bound all memory.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Generator, Iterable, Iterator

from textual import events, messages
from textual._xterm_parser import XTermParser
from textual.message import Message

START, END = "\x1b[200~", "\x1b[201~"  # what a terminal puts around pasted text
LARGEST_PASTE = 65_536  # characters that are kept of one; no field takes as many
# A mouse was not asked for, nor were reports of size: the kernel tells the size, and what else claims one is line noise.
TAKEN = (events.Key, events.Paste, messages.TerminalSupportsSynchronizedOutput)


class Typed:
    """What has been typed so far and has not come to its end."""

    def __init__(self, parser: Callable[[], XTermParser] = XTermParser) -> None:
        self._new_parser = parser
        self._parser = parser()
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._recent = ""  # the last characters outside a paste
        self._pasted: list[str] | None = None  # what has come of a paste
        self._size = 0  # its characters
        self._last = ""  # the last characters of it, among which its end may begin

    @property
    def pasting(self) -> bool:
        """Whether a paste has begun and not ended."""
        return self._pasted is not None

    def feed(self, data: bytes) -> Iterator[Message]:
        """The keys and pastes that these bytes complete."""
        text = self._decode(data)
        while text:
            text = yield from self._paste(text) if self.pasting else self._keys(text)

    def tick(self) -> list[Message]:
        """What a pause completes: an escape that nothing followed is the key."""
        found = self._read(self._parser.tick)
        if found:
            self._recent = ""
        return found

    def rest(self) -> list[Message]:
        """What has come of a paste, when nothing has for long: its end is lost, and what is typed from now on are keys."""
        return [] if self._pasted is None else [self._end_paste(self._last)]

    def _keys(self, text: str) -> Generator[Message, None, str]:
        """The keys of a text up to the start of a paste; gives back what comes behind that."""
        for at, char in enumerate(text):
            yield from self._read(lambda char=char: self._parser.feed(char))  # type: ignore[misc]
            self._recent = (self._recent + char)[-len(START) :]
            if self._recent == START:  # for the parser it has begun too: the next key is for one that knows nothing of it
                self._parser, self._recent, self._pasted = self._new_parser(), "", []
                return text[at + 1 :]
        return ""

    def _paste(self, text: str) -> Generator[Message, None, str]:
        """The paste, if its end is in the text; gives back what comes behind that."""
        whole = self._last + text
        end = whole.find(END)
        if end < 0:
            held = len(whole) - len(END) + 1
            self._keep(whole[: max(0, held)])
            self._last = whole[max(0, held) :]
            return ""
        yield self._end_paste(whole[:end])
        return whole[end + len(END) :]

    def _keep(self, text: str) -> None:
        assert self._pasted is not None
        self._pasted.append(text[: LARGEST_PASTE - self._size])
        self._size += len(self._pasted[-1])

    def _end_paste(self, last: str) -> events.Paste:
        self._keep(last)
        found = events.Paste("".join(self._pasted or ()).replace("\0", ""))
        self._pasted, self._size, self._last = None, 0, ""
        return found

    def _read(self, parsed: Callable[[], Iterable[Message]]) -> list[Message]:
        """The messages of a call of the parser, those of use here; what it cannot read is left out."""
        found: list[Message] = []
        try:
            found.extend(parsed())
        except Exception:  # whatever the parser makes of line noise, the next key is to arrive
            self._parser, self._recent = self._new_parser(), ""
        return [message for message in found if isinstance(message, TAKEN)]
