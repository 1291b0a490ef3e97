"""Bar charts as lines of text on one scale, in any width and without colour; negative bars extend to the left of zero, hatched."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tui.draw.lines import Line

EIGHTHS = " ▏▎▍▌▋▊▉"


@dataclass(frozen=True)
class Bar:
    """One bar: its label, its length, and the text after it."""

    label: str
    value: float
    text: str = ""
    role: str = "figure"


def bars(rows: Sequence[Bar], width: int) -> list[Line]:
    """A line for each bar, all on one scale; negative bars extend to the left of a common zero, hatched.

    A value that is not finite has no bar. Labels and texts are never cut; the bars share the remaining width, at least 4 cells.
    """
    if not rows:
        return []
    left, right = max(len(r.label) for r in rows), max(len(r.text) for r in rows)
    room = max(4, width - left - right - 4)
    values = [r.value for r in rows if math.isfinite(r.value)]
    most, least = max([*values, 0.0]), max([*(-v for v in values), 0.0])
    span = most + least or 1.0
    behind = min(room - 1, max(1, math.ceil(least / span * room))) if least else 0
    ahead = room - behind
    longest = max(most, least)
    reach = min(
        behind * (longest / least) if least else math.inf, ahead * (longest / most) if most else math.inf
    )  # cells of the longest bar
    lines: list[Line] = []
    for row in rows:
        size = abs(row.value) / longest * reach if math.isfinite(row.value) and row.value else 0.0
        hatched = "░" * max(1, round(size)) if row.value < 0 else ""
        bar = f"{hatched:>{behind}}│{_block(size) if row.value >= 0 else ''}"
        lines.append([(f"{row.label:<{left}} ", "text"), (bar.ljust(room + 1), row.role), (f"  {row.text:>{right}}", "text")])
    return lines


def _block(size: float) -> str:
    """A bar of `size` cells, rounded to an eighth; a positive size is always visible."""
    eighths = max(1, round(size * 8)) if size > 0 else 0
    return "█" * (eighths // 8) + (EIGHTHS[eighths % 8] if eighths % 8 else "")
