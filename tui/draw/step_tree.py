"""Derivation trees as lines: a quantity's meaning and value, its notation with numbers substituted, its source, and its operands.

Two styles: on the screen each step takes two lines, wrapped to the width and indented by depth; printed, branches are drawn.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from planner.plaintext import flat

if TYPE_CHECKING:
    from planner.formula.trace import Step
    from tui.draw.lines import Line

INNER = {"": "", "├─ ": "│  ", "└─ ": "   "}  # prefix of the lines below a branch


def trees(steps: Iterable[Step], width: int) -> Iterator[Line]:
    """Several trees for the screen; a step shown above is not repeated."""
    seen: set[int] = set()
    for step in steps:
        yield from tree(step, width, 0, seen)


def tree(step: Step, width: int, depth: int = 0, seen: set[int] | None = None) -> Iterator[Line]:
    """The lines of a tree: a quantity's meaning and value, then its notation with the numbers substituted, and its source.

    seen: ids of the steps already shown, if the caller draws several trees.
    """
    seen = set() if seen is None else seen
    indent = " " * (1 + 2 * min(depth, 12))
    shown_above = id(step) in seen
    mark = "▾" if step.children and not shown_above else "·"
    above = ("  (shown above)" if step.children else "", "dim") if shown_above else ("", "dim")
    figure = f"{step.symbol} = {step.text}"
    if len(indent) + 3 + len(step.meaning) + len(figure) + len(above[0]) > width:  # the number must not be cut off
        for i, line in enumerate(textwrap.wrap(step.meaning, max(20, width - len(indent) - 4))):
            yield [(f"{indent}{mark if i == 0 else ' '} ", "dim"), (line, "text")]
        yield [(f"{indent}  {figure}", "figure"), above]
    else:
        yield [(f"{indent}{mark} ", "dim"), (f"{step.meaning} ", "text"), (figure, "figure"), above]
    if shown_above:
        return
    seen.add(id(step))
    equation = step.notation if step.substituted in ("", step.notation) else f"{step.notation} = {step.substituted}"
    source = f" [{step.source}]" if step.source else ""
    if equation:
        for line in textwrap.wrap(f"= {equation}{source}", max(20, width - len(indent) - 4)):
            yield [(f"{indent}    {line}", "dim")]
    for child in step.children:
        yield from tree(child, width, depth + 1, seen)


def printed_trees(steps: Mapping[str, Step], depth: int | None = None, *, named: bool = False) -> str:
    """Trees as text, a blank line between them, each under its name if `named`. With unlimited depth a step shown above is not repeated."""
    seen: set[int] | None = set() if depth is None else None
    lines: list[str] = []
    for name, step in steps.items():
        lines += ["", *([name.replace("_", " ")] if named else []), *_drawn(step, depth, "", "", seen)]
    return "".join(f"{flat(line)}\n" for line in lines[1:])


def _drawn(step: Step, depth: int | None, lead: str, branch: str, seen: set[int] | None) -> Iterator[str]:
    shown_above = seen is not None and id(step) in seen
    yield f"{lead}{branch}{step.symbol} = {step.text}  {step.meaning}{' (shown above)' if shown_above and step.children else ''}".rstrip()
    if shown_above:
        return
    if seen is not None:
        seen.add(id(step))
    inner = lead + INNER[branch]
    children = step.children if depth is None or depth > 1 else ()
    bar = "│  " if children else "   "
    for line in (step.notation, step.substituted if step.substituted != step.notation else ""):
        if line:
            yield f"{inner}{bar}= {line}"
    if step.source:
        yield f"{inner}{bar}[{step.source}]"
    for i, child in enumerate(children, 1):
        yield from _drawn(child, None if depth is None else depth - 1, inner, "└─ " if i == len(children) else "├─ ", seen)
