"""Encodes a screen update in few bytes: cursor moves only where needed, and only the style attributes that change.

Textual writes every run of text with its complete style and a reset, about 45 bytes in true colour. Here consecutive runs share a
style, a style change sends its difference, and the style is reset only at the end.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import TypeVar

from rich.cells import cell_len
from rich.color import Color, ColorSystem
from rich.color_triplet import ColorTriplet
from rich.style import Style

CUBE = (0, 95, 135, 175, 215, 255)  # levels per channel of xterm's colour cube
NEAR = 6  # unchanged cells between two changes that are cheaper to resend than to skip with a cursor move
T = TypeVar("T")
Codes = tuple[str, str, str]  # attributes, foreground, background, each as the inside of an escape sequence
Piece = tuple[int, int, str, Style | None]  # row, column, text, style


def cells(runs: Iterable[tuple[str, T]]) -> list[tuple[str, T]]:
    """One (character, style) per cell, for any type of style; a wide character is followed by an empty cell."""
    out: list[tuple[str, T]] = []
    for text, style in runs:
        if text.isascii():
            out += [(char, style) for char in text]
            continue
        for char in text:
            out.append((char, style))
            if cell_len(char) == 2:
                out.append(("", style))
    return out


def encode(pieces: list[Piece], system: ColorSystem | None, width: int) -> str:
    """The escape sequences and text that draw these runs, in order, on a screen `width` columns wide."""
    out: list[str] = []
    now: Codes | None = None
    at: tuple[int, int] | None = None  # cursor position, None if unknown
    for y, x, text, style in pieces:
        if at != (y, x):
            out.append(_move(at, y, x))
        codes = _codes(style, system)
        if codes != now:
            out.append(_change(now, codes))
            now = codes
        out.append(text)
        end = x + (len(text) if text.isascii() else cell_len(text))
        at = (y, end) if text.isascii() and end < width else None  # terminals differ on some characters and at the right edge
    return "".join(out) + "\x1b[0m" if out else ""


def _move(at: tuple[int, int] | None, y: int, x: int) -> str:
    """The shortest cursor move to (y, x): absolute, or relative to the last position."""
    there = f"\x1b[{y + 1};{x + 1}H"
    if at is None or y < at[0]:
        return there
    down, right = y - at[0], x - at[1]
    step = f"\x1b[{'' if down == 1 else down}B" if down else ""
    side = f"\x1b[{'' if right == 1 else right}C" if right > 0 else "\b" * -right if -right < 5 else f"\x1b[{-right}D"
    return min(there, step + side, key=len)


def by_style(pieces: list[Piece]) -> list[Piece]:
    """The runs grouped by style: fewer bytes where the terminal shows a frame at once."""
    order: dict[Style | None, int] = {}
    for piece in pieces:
        order.setdefault(piece[3], len(order))
    return sorted(pieces, key=lambda piece: order[piece[3]])


@lru_cache(1024)
def _codes(style: Style | None, system: ColorSystem | None) -> Codes:
    if style is None or system is None:
        attributes = style.without_color.render("x", color_system=ColorSystem.STANDARD) if style else "x"
        return (attributes.partition("x")[0][2:-1], "", "")
    attributes = style.without_color.render("x", color_system=system).partition("x")[0]
    return (attributes[2:-1], _colour(style.color, system, True), _colour(style.bgcolor, system, False))


def _colour(colour: Color | None, system: ColorSystem, foreground: bool) -> str:
    """The codes of a colour; by its number, half as long as RGB, where xterm's 256 colours contain it exactly."""
    if colour is None or colour.is_default:
        return ""
    reduced = colour.downgrade(system)
    if reduced.triplet is not None and (number := _number(reduced.triplet)):
        return f"{38 if foreground else 48};5;{number}"
    return ";".join(reduced.get_ansi_codes(foreground=foreground))


def _number(triplet: ColorTriplet) -> int:
    """The number of a colour of xterm's cube (16 to 231) or greys (232 to 255), which terminals do not redefine; 0 for other colours."""
    if all(part in CUBE for part in triplet):
        red, green, blue = (CUBE.index(part) for part in triplet)
        return 16 + 36 * red + 6 * green + blue
    grey, rest = divmod(triplet.red - 8, 10)
    return 232 + grey if triplet.red == triplet.green == triplet.blue and not rest and 0 <= grey < 24 else 0


@lru_cache(4096)
def _change(old: Codes | None, new: Codes) -> str:
    """The sequence that changes one style into another: the difference, or a reset if a colour or attribute other than bold is dropped."""
    if old is not None and {old[0], new[0]} == {"", "1"} and not (old[1] and not new[1]) and not (old[2] and not new[2]):
        bold = "1" if new[0] else "22"
        return f"\x1b[{';'.join([bold, *(b for a, b in zip(old[1:], new[1:], strict=True) if a != b)])}m"
    if old is None or old[0] != new[0] or (old[1] and not new[1]) or (old[2] and not new[2]):
        return f"\x1b[{';'.join(('0', *filter(None, new)))}m"
    return f"\x1b[{';'.join(b for a, b in zip(old[1:], new[1:], strict=True) if a != b)}m"
