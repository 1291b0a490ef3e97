"""The scaling page: the best plan from 8 GPUs upwards as a table and a chart, layout changes, and why scaling saturates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from planner.document.training_run import DAY
from planner.report.number_text import write_figure, write_percent, write_tokens
from planner.report.wording import in_words, some_gpus
from planner.whatif.scaling import ScalingCurve, ScalingPoint, scaling_curve, sizes
from tui.draw.aligned import aligned
from tui.draw.chart import Axis, Series, plot, short
from tui.draw.writing import heading, sentence, set_in

if TYPE_CHECKING:
    from tui.draw.lines import Line
    from tui.pages.subject import Subject

CHART = 13  # lines
ROOMY = 72  # least width for a column of GPU-hours


def work(subject: Subject) -> ScalingCurve:
    """Strong scaling of the document within its bounds, or weak scaling if the argument is `weak`; Cancelled as by search."""
    document = subject.document
    weak = "weak" in subject.argument.split()
    return scaling_curve(document.inputs, document.space, sizes(document.inputs), weak=weak, cancelled=subject.cancelled)


def draw(scaling: ScalingCurve, width: int) -> list[Line]:
    """The table, the chart, and the conclusions."""
    lines: list[Line] = [*_table(scaling, width), []]
    if len(scaling.fitted) > 1:
        lines += [*set_in(_chart(scaling, width - 2)), []]
    lines += sentence(scaling.verdict(), width, "strong")
    for slower in scaling.slower():
        lines += sentence(f"! {slower}", width, "bad")
    return [*lines, *_layouts(scaling, width)]


def _table(scaling: ScalingCurve, width: int) -> Iterator[Line]:
    """A line per size, and notes on the figures below."""
    batch, each = scaling.points[0].global_batch, scaling.points[0].global_batch / scaling.points[0].gpus
    weak = f"{each:.4g} sequence{'s' * (each != 1)} per GPU and step"
    setting = weak if scaling.weak else f"a batch of {batch:,.0f} sequences at every size"
    yield heading(f"{'weak' if scaling.weak else 'strong'} scaling: {setting}")
    costs = [best.budget.cost for best in scaling.trained]
    shown = (width >= ROOMY, width >= ROOMY and None not in costs)
    head = ["GPUs", *(["Batch"] if scaling.weak else []), "Step s", "tokens/s", "MFU", "Eff", "Days"]
    head += [name for name, fits in zip(("GPU-h", "Cost"), shown, strict=True) if fits]
    rows = [_cells(scaling, point)[: len(head)] for point in scaling.points]
    filled = [row or [f"{point.gpus:,}", *[""] * (len(head) - 1)] for row, point in zip(rows, scaling.points, strict=True)]
    head_line, *body = aligned([head, *filled])
    yield [(f" {head_line}", "dim")]
    for row, point, line in zip(rows, scaling.points, body, strict=True):
        yield from ([[(f" {line}", "text")]] if row else sentence(f"{line}  {point.why}", width, "dim", hang=len(line) + 2))
    if scaling.fitted:
        least = scaling.fitted[0][0]
        yield from sentence(f"Eff: tokens/s/GPU relative to {some_gpus(least)}. {_days(scaling)}", width, "dim")
        if risky := [f"{gpus:,}" for gpus, best in scaling.fitted if best.at_risk]:
            yield from sentence(f"At risk, the 80 % band of memory crosses the limit, on GPUs: {', '.join(risky)}.", width, "dim")


def _days(scaling: ScalingCurve) -> str:
    """The assumptions behind the days."""
    if not scaling.trained:
        return ""
    run = scaling.trained[0].budget
    return f"Days: {write_tokens(run.tokens)} tokens, with failures and checkpoints, as in tmplan budget."


def _cells(scaling: ScalingCurve, point: ScalingPoint) -> list[str]:
    """The figures of one size; empty if no plan fits."""
    best, budget = point.best, point.budget
    if best is None:
        return []
    figures = [f"{point.gpus:,}", *([f"{point.global_batch:,.0f}"] if scaling.weak else []), write_figure(best.step)]
    figures += [f"{best.tokens_per_second:,.0f}", write_percent(best.mfu), f"{scaling.efficiency(best):.0%}"]
    if budget is None:
        return [*figures, "never", "-", "-"]
    return [*figures, write_figure(budget.elapsed_seconds / DAY), short(budget.gpu_hours), short(budget.cost or 0.0)]


def _chart(steps: ScalingCurve, width: int) -> Sequence[Line]:
    """Tokens per second over GPUs, with ideal scaling from the smallest size as a dotted line."""
    (least, base), (most, _) = steps.fitted[0], steps.fitted[-1]
    ideal = [(float(n), base.rate * n) for n in (least, most)]
    points = [(float(n), best.tokens_per_second) for n, best in steps.fitted]
    series = [Series(ideal, "", "dim", "·"), Series(points, "●")]
    across = Axis("GPUs (dotted: ideal)", lambda gpus: f"{gpus:,.0f}", 2)
    return plot(series, width, CHART, x=across, y=Axis("tokens/s", short, 10))


def _layouts(steps: ScalingCurve, width: int) -> Iterator[Line]:
    """The layout at the smallest size, and its changes at larger sizes."""
    if not steps.fitted:
        return
    gpus, best = steps.fitted[0]
    yield []
    yield heading("layout")
    wide = len(f"{steps.fitted[-1][0]:,}")
    yield from sentence(f"{gpus:>{wide},}  {in_words(best.plan)}", width, hang=wide + 2)
    for _, after, changes in steps.changes():
        yield from sentence(f"{after:>{wide},}  {', '.join(changes)}", width, hang=wide + 2)
