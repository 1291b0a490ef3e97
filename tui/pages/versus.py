"""The cluster comparison page: the same job on two clusters, the best plan of each side by side, and the cause of the difference."""

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

LABEL, RATIO = 19, 9  # cells of labels and of ratios
SEEN = 5e-4  # share of a step; parts below it in both steps are not listed
HOURS = 1e9 / 3600.0  # GPU-hours per billion tokens from GPU-seconds per token


def work(subject: Subject) -> Pair:
    """The document against the cluster that the argument names; FieldError if it names none, Cancelled as by search."""
    if not subject.argument.strip():
        raise FieldError("against", f"name the cluster to compare with: {FORM}")
    document = subject.document
    return versus(document.inputs, document.space, against(document.inputs, subject.argument), subject.cancelled)


def draw(pair: Pair, width: int) -> list[Line]:
    """The differing figures of the clusters, the figures of the plans, and the step by part, side by side."""
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
    for name, plan in zip(names, (pair.ours, pair.theirs), strict=True):
        lines += sentence(f"{name}: {_described(plan)}", width, hang=2)
    return [*lines, [], *sentence(pair.verdict(), width, "strong")] if pair.both else lines


def _described(plan: EvaluatedPlan | NoPlan) -> str:
    """The description of a plan and its risk, or the reason why there is none."""
    if not isinstance(plan, EvaluatedPlan):
        return plan.why
    return f"{in_words(plan.plan)}{f'; {plan.risk}' if plan.at_risk else ''}"


def _plans(pair: Pair) -> list[tuple[str, ...]]:
    """Figures of the best plans; - if there is none."""
    sides = [plan if isinstance(plan, EvaluatedPlan) else None for plan in (pair.ours, pair.theirs)]
    if not any(sides):
        return []
    figures = (
        ("step s", lambda f: f.step, write_figure),
        ("tokens/s", lambda f: f.tokens_per_second, lambda v: f"{v:,.0f}"),
        ("tokens/s/GPU", lambda f: f.rate, write_figure),
        ("GPU-h / 1B tokens", lambda f: HOURS / f.rate, write_figure),
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
    """The step by part, the largest difference first, without parts that are negligible in both steps."""
    if pair.both is None:
        return []
    least = SEEN * min(plan.step for plan in pair.both)
    rows = [row for row in pair.parts() if max(row[1:]) >= least]
    return [
        (name, write_figure(ours), write_figure(theirs), f"{theirs - ours:+.3f}".replace("-0.000", "+0.000")) for name, ours, theirs in rows
    ]


def _ratio(ours: float | None, theirs: float | None) -> str:
    """The second value over the first; empty if they are equal or one is missing."""
    return f"x {theirs / ours:.3g}" if ours and theirs and ours != theirs else ""
