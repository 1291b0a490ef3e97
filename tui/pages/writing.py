"""What pages write alike: a sentence broken into lines, a heading, a plan in a few words, a bar of several parts."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

from planner.columns import recompute_code, schedule_code, sharding_code, write_figure, write_recompute, write_schedule, write_sharding

if TYPE_CHECKING:
    from planner.plan import Plan
    from planner.specs import Job
    from tui.lines import Line

SHADES = "█▒▓░"  # neighbours in a bar differ by shade as well as by letter


def heading(text: str) -> Line:
    """A line that names what follows."""
    return [(f" {text}", "title")]


def sentence(text: str, width: int, role: str = "text", indent: int = 1) -> list[Line]:
    """A sentence broken at spaces, set in by so many cells."""
    left = " " * indent
    return [[(line, role)] for line in textwrap.wrap(text, max(20, width - 1), initial_indent=left, subsequent_indent=left)]


def named(job: Job, plan: Plan) -> str:
    """One plan in a few words: its degrees above one, sharding, micro-batch, recomputation."""
    degrees = [f"{axis} {getattr(plan, axis)}" for axis in ("tp", "pp", "vpp", "cp", "dp", "ep", "etp") if getattr(plan, axis) > 1]
    said = [*degrees] or ["one GPU"]
    if plan.schedule:
        said.append(write_schedule(schedule_code(plan)))
    if plan.zero:
        said.append(write_sharding(sharding_code(plan)))
    if plan.sequence_parallel:
        said.append("sp")
    said.append(f"micro-batch {plan.micro_batch}")
    if plan.recompute:
        said.append(f"recompute {write_recompute(recompute_code(plan))}")
    return ", ".join(said)


def stacked(parts: Sequence[tuple[str, float]], cells_a_unit: float) -> str:
    """Parts one behind the other as a bar: each begins with its letter, neighbours differ by shade; what rounds to no cell is not drawn.

    A part keeps its shade from bar to bar where the same parts are given in the same order.
    """
    drawn, end, total = "", 0, 0.0
    for (letter, value), shade in zip(parts, cycle(SHADES), strict=False):
        total += max(0.0, value)
        cells = round(total * cells_a_unit) - end
        if cells > 0:
            drawn += letter + shade * (cells - 1)
            end += cells
    return drawn


def cut(text: str, width: int) -> str:
    """The text, an ellipsis at its end where it is longer than its room."""
    return text if len(text) <= width else text[: width - 1] + "…"


def seconds(value: float) -> str:
    """Seconds as a figure; what is something never reads as nothing."""
    return "<0.001" if 0 < value < 0.0005 else write_figure(value)


def one(value: Any) -> float:
    """The number of a column of one row, or a plain number."""
    return float(value[0]) if getattr(value, "ndim", 0) else float(value)
