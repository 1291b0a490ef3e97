"""Charts as lines of text: points and lines over two axes, in any width and without colour.

A library is not used because of the cost of a redraw over SSH: Textual's Sparkline sends 54 kB, textual-plotext 14.6 kB (and plotext,
which it uses, was last released in November 2024), with a style for nearly every cell. A chart here has one style for its axes and one
for each mark, so each line consists of a few runs, and only changed lines are sent. Series differ by their mark, not by colour alone.
This module does not import Textual: the command line prints the same lines.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from planner.report.number_text import write_figure

if TYPE_CHECKING:
    from tui.draw.lines import Line, Run

Point = tuple[float, float]


@dataclass(frozen=True)
class Axis:
    """One axis: its name, the format of its numbers, the base of its logarithm (0: linear), whether it starts at zero."""

    name: str = ""
    write: Callable[[float], str] = write_figure
    log: int = 0
    from_zero: bool = False

    def place(self, value: float) -> float:
        """The position of a value on the axis: the value or its logarithm; NaN where the logarithm is undefined."""
        if not self.log:
            return value
        return math.log(value, self.log) if value > 0 else math.nan


@dataclass(frozen=True)
class Series:
    """Points drawn with one mark, later ones over earlier ones; `joined` is the character of the line between points, if any."""

    points: Sequence[Point]
    mark: str = "o"
    role: str = "figure"
    joined: str = ""


@dataclass(frozen=True)
class _Scale:
    """An axis mapped to cells: position `low` in cell 0 to `high` in the last."""

    axis: Axis
    low: float
    high: float
    cells: int

    def cell(self, place: float) -> int:
        """The cell of a position."""
        span = self.high - self.low
        return round((place - self.low) / span * (self.cells - 1)) if span > 0 else (self.cells - 1) // 2

    def ticks(self, most: int) -> list[tuple[int, str]]:
        """At most about `most` cells with round numbers: powers of the logarithm's base if the axis spans at least two of them."""
        low, high = self.low, self.high
        if self.axis.log:
            powers = [float(p) for p in range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1)]
            if len(powers) > 1 or low == high:
                places = powers[:: max(1, -(-len(powers) // max(1, most)))] or [low]
                return [(self.cell(p), self.axis.write(float(self.axis.log) ** p)) for p in places]
            low, high = self.axis.log**low, self.axis.log**high
        values = _round_values(low, high, most)
        places = [self.axis.place(v) for v in values]
        return [(self.cell(place), self.axis.write(value)) for place, value in zip(places, values, strict=True)]


def scatter(
    points: Sequence[Point], width: int, height: int, marks: Sequence[Run], *, x: Axis | None = None, y: Axis | None = None
) -> list[Line]:
    """Points with a (character, role) mark each; where two fall in one cell the later one is visible. See `plot`."""
    return plot([Series([point], mark, role) for point, (mark, role) in zip(points, marks, strict=True)], width, height, x=x, y=y)


def plot(series: Sequence[Series], width: int, height: int, *, x: Axis | None = None, y: Axis | None = None) -> list[Line]:
    """Series over two axes, in `width` cells and `height` lines (at least 6), including the names and numbers of the axes.

    Points that are not finite, or not positive on a logarithmic axis, are omitted; with no points left, one line states this.
    """
    across, up = x or Axis(), y or Axis()
    placed = [(s, [p for at in s.points if _finite(p := (across.place(at[0]), up.place(at[1])))]) for s in series]
    every = [point for _, points in placed for point in points]
    if not every:
        return [[("nothing to draw", "dim")]]
    rows = max(3, height - 3)
    vertical = _Scale(up, *_limits([p[1] for p in every], up), rows)
    labels = dict(vertical.ticks(max(2, rows // 2)))
    margin = max(map(len, labels.values()), default=0)
    horizontal = _Scale(across, *_limits([p[0] for p in every], across), max(8, width - margin - 1))
    grid = _Grid(horizontal, vertical)
    for one, points in placed:
        grid.add(one, points)
    name = f"{up.name} by {across.name}" if up.name and across.name else up.name or across.name
    lines: list[Line] = [[(name, "dim")]]
    for row in range(rows - 1, -1, -1):
        label = labels.get(row, "")
        lines.append([(f"{label:>{margin}}{'┤' if label else '│'}", "rule"), *grid.runs(row)])
    return [*lines, *_foot(horizontal, margin)]


class _Grid:
    """The cells of a plot."""

    def __init__(self, horizontal: _Scale, vertical: _Scale) -> None:
        self.horizontal, self.vertical = horizontal, vertical
        self.cells: dict[tuple[int, int], Run] = {}

    def add(self, series: Series, points: Sequence[Point]) -> None:
        """Draw the lines between the points, then the points over them."""
        at = [(self.horizontal.cell(px), self.vertical.cell(py)) for px, py in points]
        if series.joined:
            for (x1, y1), (x2, y2) in pairwise(at):
                steps = max(abs(x2 - x1), abs(y2 - y1), 1)
                for i in range(steps + 1):
                    self.cells[round(x1 + (x2 - x1) * i / steps), round(y1 + (y2 - y1) * i / steps)] = (series.joined, series.role)
        if series.mark:
            self.cells.update(dict.fromkeys(at, (series.mark, series.role)))

    def runs(self, row: int) -> list[Run]:
        """One row of cells: blanks take the role of the preceding text, so that a line has few runs."""
        out: list[Run] = []
        last = max((cx for cx, cy in self.cells if cy == row), default=-1)
        for column in range(last + 1):
            text, role = self.cells.get((column, row), (" ", out[-1][1] if out else "rule"))
            if out and out[-1][1] == role:
                out[-1] = (out[-1][0] + text, role)
            else:
                out.append((text, role))
        return out


def _foot(scale: _Scale, margin: int) -> Iterator[Line]:
    """The horizontal axis and the numbers below it, as many as fit without touching."""
    most = max(2, scale.cells // 9)
    ticks = scale.ticks(most)
    rule, text, end = ["─"] * scale.cells, "", 0
    for column, label in ticks:
        start = min(max(column + margin + 1 - len(label) // 2, 0), margin + 1 + scale.cells - len(label))
        if start < end + (1 if text else 0):
            continue
        rule[column] = "┬"
        text = text.ljust(start) + label
        end = start + len(label)
    yield [(" " * margin + "└" + "".join(rule), "rule")]
    yield [(text, "rule")]


def _finite(point: Point) -> bool:
    return all(map(math.isfinite, point))


def _limits(places: Sequence[float], axis: Axis) -> tuple[float, float]:
    low, high = min(places), max(places)
    return (min(low, 0.0) if axis.from_zero and not axis.log else low), high


def _round_values(low: float, high: float, most: int) -> list[float]:
    """At most `most` (or two) round numbers from low to high: multiples of 1, 2 or 5 times a power of ten."""
    if not high - low > 1e-300:
        return [low]
    least = (high - low) / max(1, most - 1)
    power = 10.0 ** math.floor(math.log10(least))
    step = next(power * m for m in (1, 2, 5, 10, 20) if power * m >= least * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [first * step + i * step for i in range(most + 1) if first * step + i * step <= high + 1e-9 * step]


def short(value: float) -> str:
    """A number in three digits with a suffix for its power of a thousand: 8, 512, 21.6k, 2.67M, 1T."""
    for power, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= power * 0.9995:
            return f"{value / power:.3g}{letter}" if abs(value) < 999.5 * power else f"{value / power:,.0f}{letter}"
    return f"{value:.3g}" if abs(value) < 999.5 else f"{value:.0f}"
