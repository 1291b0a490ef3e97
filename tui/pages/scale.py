"""Scaling: the best plan from 8 GPUs on, as a table and a chart, where the layout changes, and why more GPUs stop paying."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from planner.document.training_run import DAY
from planner.report.number_text import write_figure, write_percent, write_tokens
from planner.report.wording import in_words, some_gpus
from planner.whatif.scaling import Ladder, Rung, ladder, sizes
from tui.draw.aligned import aligned
from tui.draw.chart import Axis, Series, plot, short
from tui.draw.writing import heading, sentence, set_in

if TYPE_CHECKING:
    from tui.draw.lines import Line
    from tui.pages.subject import Subject

CHART = 13  # lines
ROOMY = 72  # cells from which GPU-hours have a column


def work(subject: Subject) -> Ladder:
    """Strong scaling of the document within its bounds, or weak scaling where the argument says `weak`; Cancelled as search."""
    document = subject.document
    weak = "weak" in subject.argument.split()
    return ladder(document.inputs, document.space, sizes(document.inputs), weak=weak, cancelled=subject.cancelled)


def draw(found: Ladder, width: int) -> list[Line]:
    """The table, the chart and what is to be said of them."""
    lines: list[Line] = [*_table(found, width), []]
    if len(found.fitted) > 1:
        lines += [*set_in(_chart(found, width - 2)), []]
    lines += sentence(found.verdict(), width, "strong")
    for slower in found.slower():
        lines += sentence(f"! {slower}", width, "bad")
    return [*lines, *_layouts(found, width)]


def _table(found: Ladder, width: int) -> Iterator[Line]:
    """A line a size, and below it what its figures mean."""
    batch, each = found.rungs[0].global_batch, found.rungs[0].global_batch / found.rungs[0].gpus
    weak = f"{each:.4g} sequence{'s' * (each != 1)} a GPU and step"
    said = weak if found.weak else f"a batch of {batch:,.0f} sequences at every size"
    yield heading(f"{'weak' if found.weak else 'strong'} scaling: {said}")
    costs = [best.budget.cost for best in found.trained]
    shown = (width >= ROOMY, width >= ROOMY and None not in costs)
    head = ["GPUs", *(["Batch"] if found.weak else []), "Step s", "tokens/s", "MFU", "Eff", "Days"]
    head += [name for name, wanted in zip(("GPU-h", "Cost"), shown, strict=True) if wanted]
    rows = [_cells(found, rung)[: len(head)] for rung in found.rungs]
    filled = [row or [f"{rung.gpus:,}", *[""] * (len(head) - 1)] for row, rung in zip(rows, found.rungs, strict=True)]
    head_line, *body = aligned([head, *filled])
    yield [(f" {head_line}", "dim")]
    for row, rung, line in zip(rows, found.rungs, body, strict=True):
        yield from ([[(f" {line}", "text")]] if row else sentence(f"{line}  {rung.why}", width, "dim", hang=len(line) + 2))
    if found.fitted:
        least = found.fitted[0][0]
        yield from sentence(f"Eff: tokens/s a GPU over those at {some_gpus(least)}. {_days(found)}", width, "dim")
        if risky := [f"{gpus:,}" for gpus, best in found.fitted if best.at_risk]:
            yield from sentence(f"At risk, the 80 % band of memory crosses the limit, on GPUs: {', '.join(risky)}.", width, "dim")


def _days(found: Ladder) -> str:
    """What the days are of."""
    if not found.trained:
        return ""
    run = found.trained[0].budget
    return f"Days: {write_tokens(run.tokens)} tokens, failures and checkpoints counted, as in tmplan budget."


def _cells(found: Ladder, rung: Rung) -> list[str]:
    """The figures of one size; none where no plan fits."""
    best, budget = rung.found, rung.budget
    if best is None:
        return []
    figures = [f"{rung.gpus:,}", *([f"{rung.global_batch:,.0f}"] if found.weak else []), write_figure(best.step)]
    figures += [f"{best.tokens_per_second:,.0f}", write_percent(best.mfu), f"{found.efficiency(best):.0%}"]
    if budget is None:
        return [*figures, "never", "-", "-"]
    return [*figures, write_figure(budget.elapsed_seconds / DAY), short(budget.gpu_hours), short(budget.cost or 0.0)]


def _chart(steps: Ladder, width: int) -> Sequence[Line]:
    """Tokens a second by GPUs, beside what they would be if each GPU did what those of the smallest size do."""
    (least, base), (most, _) = steps.fitted[0], steps.fitted[-1]
    ideal = [(float(n), base.rate * n) for n in (least, most)]
    points = [(float(n), best.tokens_per_second) for n, best in steps.fitted]
    series = [Series(ideal, "", "dim", "·"), Series(points, "●")]
    across = Axis("GPUs (dotted: ideal)", lambda gpus: f"{gpus:,.0f}", 2)
    return plot(series, width, CHART, x=across, y=Axis("tokens/s", short, 10))


def _layouts(steps: Ladder, width: int) -> Iterator[Line]:
    """The layout at the smallest size, and what changes from there on."""
    if not steps.fitted:
        return
    gpus, best = steps.fitted[0]
    yield []
    yield heading("layout")
    wide = len(f"{steps.fitted[-1][0]:,}")
    yield from sentence(f"{gpus:>{wide},}  {in_words(best.plan)}", width, hang=wide + 2)
    for _, after, changes in steps.changes():
        yield from sentence(f"{after:>{wide},}  {', '.join(changes)}", width, hang=wide + 2)
