"""A tree of steps as lines: what a number is and comes to, its notation with the numbers put in, its source, and what it is made of."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from planner.formula import Step
    from tui.lines import Line


def tree(step: Step, width: int, depth: int = 0, seen: set[int] | None = None) -> Iterator[Line]:
    """The lines of a tree: what a number is and comes to, then its notation with the numbers put in, and its source."""
    seen = set() if seen is None else seen
    indent = " " * (1 + 2 * min(depth, 12))
    told_above = id(step) in seen
    mark = "▾" if step.children and not told_above else "·"
    above = ("  (told above)" if step.children else "", "dim") if told_above else ("", "dim")
    figure = f"{step.symbol} = {step.text}"
    if len(indent) + 3 + len(step.meaning) + len(figure) + len(above[0]) > width:  # the number is not to be what is cut off
        for i, line in enumerate(textwrap.wrap(step.meaning, max(20, width - len(indent) - 4))):
            yield [(f"{indent}{mark if i == 0 else ' '} ", "dim"), (line, "text")]
        yield [(f"{indent}  {figure}", "figure"), above]
    else:
        yield [(f"{indent}{mark} ", "dim"), (f"{step.meaning} ", "text"), (figure, "figure"), above]
    if told_above:
        return
    seen.add(id(step))
    told = step.notation if step.substituted in ("", step.notation) else f"{step.notation} = {step.substituted}"
    source = f" [{step.source}]" if step.source else ""
    if told:
        for line in textwrap.wrap(f"= {told}{source}", max(20, width - len(indent) - 4)):
            yield [(f"{indent}    {line}", "dim")]
    for child in step.children:
        yield from tree(child, width, depth + 1, seen)
