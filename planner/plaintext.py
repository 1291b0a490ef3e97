"""Text that is safe to show: free of what a terminal would act on, and values cut to a readable length.

Files, presets, arguments and the environment are data, for the terminal too: a name that holds an escape sequence must not write a
clipboard or a title, and one with a bidirectional override must not read as another.
"""

from __future__ import annotations

import re
import reprlib
from typing import Any

LONGEST = 1000  # characters of a sentence
SHORT = 48  # characters of a value within one
PATH = 240  # characters of a path within one
# C0 and C1 controls but for tab and newline; what turns the order of text or joins it unseen (marks, embeddings, overrides, isolates,
# invisible operators, annotations, tags); line and paragraph separators; byte order mark; halves of surrogate pairs, which no UTF-8 holds,
# and the two that no XML holds.
HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ufffe\uffff"
    "\U000e0000-\U000e007f\ud800-\udfff]"
)
ASCII_HIDDEN = bytes(code for code in range(128) if HIDDEN.match(chr(code)))


def plain(text: str) -> str:
    """A text of one or several lines without control characters, tabs and newlines apart."""
    if text.isprintable():
        return text
    if text.isascii():  # four times as fast: commands print a hundred megabytes of JSON
        return text.encode().translate(None, ASCII_HIDDEN).decode()
    return HIDDEN.sub("", text)


def flat(text: str) -> str:
    """A text without control characters on one line of a table or a page, its spaces as they are."""
    return text if text.isprintable() else plain(text).replace("\n", " ").replace("\t", " ")


def escaped(text: str) -> str:
    """TOML whose strings are all in double quotes, with the characters that `plain` removes written by number: it is read back unchanged.

    But for halves of surrogate pairs, which neither TOML nor UTF-8 holds: each becomes U+FFFD.
    """
    return HIDDEN.sub(lambda match: "\ufffd" if "\ud800" <= match[0] <= "\udfff" else f"\\U{ord(match[0]):08x}", text)


def line(text: str) -> str:
    """A text as one line without control characters."""
    return plain(" ".join(text.split()))


def sentence(text: str) -> str:
    """A readable sentence: one line, without control characters, of `LONGEST` characters at most, cut in its middle."""
    return short(line(text))


def short(text: str) -> str:
    """A text of `LONGEST` characters at most, cut in its middle."""
    half = LONGEST // 2 - 2
    return text if len(text) <= LONGEST else f"{text[:half]} … {text[-half:]}"


class _Short(reprlib.Repr):
    """The representation of a value without ever writing out one that is large or nested."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxdict, self.maxlist, self.maxtuple, self.maxset, self.maxstring = 2, 3, 4, 4, 4, SHORT

    def repr_int(self, x: int, level: int) -> str:
        """Python refuses to write out thousands of digits."""
        return repr(x) if abs(x) < 10**40 else "a number that large"


_SHORT = _Short()


def quoted(value: Any) -> str:
    """A value as a sentence can show it: short, and free of control characters."""
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e30:
        return f"{value:,}" if isinstance(value, int) else f"{value:g}"
    shown = plain(_SHORT.repr(value))
    return shown if len(shown) <= SHORT else f"{shown[: SHORT - 4]}...'"


def named(name: str, longest: int = 2 * SHORT) -> str:
    """A name or a key within a sentence: without control characters, cut in its middle where it is longer."""
    whole = line(name)
    return whole if len(whole) <= longest else f"{whole[: longest // 2 - 2]}...{whole[1 - longest // 2 :]}"
