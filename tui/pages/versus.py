"""What if: the same job on two clusters, the best plan of each side by side, and what makes the difference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.document.other_cluster import FORM, against
from planner.errors import FieldError
from planner.report.best import EvaluatedPlan, NoPlan
from planner.report.number_text import write_figure, write_gib, write_percent
from planner.report.wording import in_words
from planner.specs.hardware import GIB
from planner.whatif.versus import Pair, versus
from tui.draw.aligned import aligned
from tui.draw.writing import sentence

if TYPE_CHECKING:
    from tui.draw.lines import Line
    from tui.pages.subject import Subject

LABEL, RATIO = 19, 9  # cells of the names of figures, and of their ratios
SEEN = 5e-4  # of a step: parts that are less of both are not listed
HOURS = 1e9 / 3600.0  # GPU-hours for a billion tokens, over GPU-seconds for one


def work(subject: Subject) -> Pair:
    """The document against the cluster that the argument names; FieldError where it names none, Cancelled as search."""
    if not subject.argument.strip():
        raise FieldError("against", f"say which cluster to compare with: {FORM}")
    document = subject.document
    return versus(document.inputs, document.space, against(document.inputs, subject.argument), subject.cancelled)


def draw(pair: Pair, width: int) -> list[Line]:
    """Figures of the clusters that differ, of the plans, and of the step by part, side by side."""
    names = pair.names()
    room = max(9, (width - LABEL - RATIO - 8) // 2)
    short = [name if len(name) <= room else job.cluster.name[:room] for name, job in zip(names, (pair.here, pair.there), strict=True)]
    rows: list[tuple[str, ...]] = [("", *short, "")]
    for figure, ours, theirs in pair.figures():
        rows.append((f"{figure.label} {figure.unit}".rstrip(), f"{ours:,.5g}", f"{theirs:,.5g}", _ratio(ours, theirs)))
    heads = {0}
    for title, more in (("best plan", _plans(pair)), ("time by part, s", _parts(pair))):
        if more:
            heads.add(len(rows))
            rows += [(title, "", "", ""), *more]
    cells = aligned(rows, left=(0,))
    lines: list[Line] = [[(f" {line}", "title" if i in heads else "text")] for i, line in enumerate(cells)]
    lines.append([])
    for name, found in zip(names, (pair.ours, pair.theirs), strict=True):
        lines += sentence(f"{name}: {_told(found)}", width, hang=2)
    return [*lines, [], *sentence(pair.verdict(), width, "strong")] if pair.both else lines


def _told(found: EvaluatedPlan | NoPlan) -> str:
    """A plan in words and whether it is at risk, or why there is none."""
    if not isinstance(found, EvaluatedPlan):
        return found.why
    return f"{in_words(found.plan)}{f'; {found.risk}' if found.at_risk else ''}"


def _plans(pair: Pair) -> list[tuple[str, ...]]:
    """Figures of the best plans; - where there is none."""
    sides = [found if isinstance(found, EvaluatedPlan) else None for found in (pair.ours, pair.theirs)]
    if not any(sides):
        return []
    figures = (
        ("step s", lambda f: f.step, write_figure),
        ("tokens/s", lambda f: f.tokens_per_second, lambda v: f"{v:,.0f}"),
        ("tokens/s a GPU", lambda f: f.rate, write_figure),
        ("GPU-h for 1B tokens", lambda f: HOURS / f.rate, write_figure),
        ("MFU", lambda f: f.mfu, write_percent),
        ("memory GiB", lambda f: float(f.estimate.memory[0]) / GIB, write_gib),
    )
    rows = []
    for label, value, write in figures:
        numbers = [value(side) if side else None for side in sides]
        texts = ["-" if number is None else write(number) for number in numbers]
        rows.append((label, *texts, _ratio(*numbers)))
    return rows


def _parts(pair: Pair) -> list[tuple[str, ...]]:
    """The step by part, those that differ most first; what is nothing of either step is left out."""
    if pair.both is None:
        return []
    least = SEEN * min(found.step for found in pair.both)
    rows = [row for row in pair.parts() if max(row[1:]) >= least]
    return [
        (name, write_figure(ours), write_figure(theirs), f"{theirs - ours:+.3f}".replace("-0.000", "+0.000")) for name, ours, theirs in rows
    ]


def _ratio(ours: float | None, theirs: float | None) -> str:
    """The other over this one; nothing where they are the same, or one is none."""
    return f"x {theirs / ours:.3g}" if ours and theirs and ours != theirs else ""
