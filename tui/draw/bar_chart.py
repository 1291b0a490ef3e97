"""Bars as lines of text, to one scale, in any width and without colour: negative ones run to the left of a common zero, hatched."""

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
    """One bar: what it is of, how long, and what stands behind it."""

    label: str
    value: float
    text: str = ""
    role: str = "figure"


def bars(rows: Sequence[Bar], width: int) -> list[Line]:
    """A line for each bar, all to one scale; where some are negative they run to the left of a common zero, hatched.

    A value that is not finite has no bar. Labels and texts are kept whole, the bars get what room is left, 4 cells at least.
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
    reach = min(behind * (longest / least) if least else math.inf, ahead * (longest / most) if most else math.inf)  # cells of the longest
    lines: list[Line] = []
    for row in rows:
        size = abs(row.value) / longest * reach if math.isfinite(row.value) and row.value else 0.0
        hatched = "░" * max(1, round(size)) if row.value < 0 else ""
        bar = f"{hatched:>{behind}}│{_block(size) if row.value >= 0 else ''}"
        lines.append([(f"{row.label:<{left}} ", "text"), (bar.ljust(room + 1), row.role), (f"  {row.text:>{right}}", "text")])
    return lines


def _block(size: float) -> str:
    """A bar of so many cells, to an eighth; what is more than nothing is seen."""
    eighths = max(1, round(size * 8)) if size > 0 else 0
    return "█" * (eighths // 8) + (EIGHTHS[eighths % 8] if eighths % 8 else "")
