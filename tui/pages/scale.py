"""Scaling: the best plan from 8 GPUs on, as a table and a chart, where the layout changes, and why more GPUs stop paying."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from planner.best import Found
from planner.columns import (
    recompute_code,
    schedule_code,
    sharding_code,
    write_figure,
    write_percent,
    write_recompute,
    write_schedule,
    write_sharding,
)
from planner.scale import Ladder, Rung, ladder, sizes, tokens_per_second, uninterrupted_cost, uninterrupted_hours, uninterrupted_seconds
from planner.specs import SCHEDULES
from tui.aligned import aligned
from tui.chart import Axis, Series, plot, short

if TYPE_CHECKING:
    from tui.lines import Line
    from tui.pages.subject import Subject

TOKENS = 1e12  # to train on, where nobody says
DAY = 86_400.0
CHART = 13  # lines
ROOMY = 72  # cells from which GPU-hours have a column


@dataclass(frozen=True)
class Scaling:
    """A ladder of sizes, the tokens to train on, and the price of a GPU-hour (0: none)."""

    ladder: Ladder
    tokens: float = TOKENS
    price: float = 0.0

    def seconds(self, found: Found) -> float:
        """Time to train on the tokens."""
        return float(uninterrupted_seconds(self.tokens, tokens_per_second(found.job.cluster.gpus, found.rate)))

    def hours(self, found: Found) -> float:
        """GPU-hours to train on them."""
        return float(uninterrupted_hours(found.job.cluster.gpus, self.seconds(found)))

    def cost(self, found: Found) -> float:
        """What they cost at the price."""
        return float(uninterrupted_cost(self.hours(found), self.price))


def work(subject: Subject) -> Scaling:
    """Strong scaling of the document within its bounds, or weak scaling where the argument says `weak`; Cancelled as search."""
    document = subject.document
    weak = "weak" in subject.argument.split()
    return Scaling(ladder(document.inputs, document.space, sizes(document.inputs), weak=weak, cancelled=subject.cancelled))


def draw(found: Scaling, width: int) -> list[Line]:
    """The table, the chart and what is to be said of them."""
    lines = [*_table(found, width), []]
    steps = found.ladder
    if len(steps.fitted) > 1:
        lines += [*_chart(steps, width), []]
    lines += told(steps.verdict(), width, "strong")
    for sentence in steps.slower():
        lines += told(f"! {sentence}", width, "bad")
    return [*lines, *_layouts(steps, width)]


def told(sentence: str, width: int, role: str = "text", indent: str = "") -> list[Line]:
    """A sentence over as many lines as it takes."""
    return [[(line, role)] for line in textwrap.wrap(sentence, max(20, width), subsequent_indent=indent)]


def _table(found: Scaling, width: int) -> Iterator[Line]:
    """A line a size, and below it what its figures mean."""
    steps = found.ladder
    each = "batch grows with the GPUs" if steps.weak else f"a batch of {steps.rungs[0].global_batch:,.0f} sequences at every size"
    yield [(f"{'weak' if steps.weak else 'strong'} scaling: {each}", "title")]
    head = ["GPUs", *(["Batch"] if steps.weak else []), "Step s", "tokens/s", "MFU", "Eff", "Days", *(["GPU-h"] if width >= ROOMY else [])]
    head += ["Cost"] if found.price and width >= ROOMY else []
    rows = [_cells(found, rung, width) for rung in steps.rungs]
    filled = [row or [f"{rung.gpus:,}", *[""] * (len(head) - 1)] for row, rung in zip(rows, steps.rungs, strict=True)]
    head_line, *body = aligned([head, *filled])
    yield [(head_line, "dim")]
    for row, rung, line in zip(rows, steps.rungs, body, strict=True):
        yield from ([[(line, "text")]] if row else told(f"{line}  {rung.why}", width, "dim", " " * (len(line) + 2)))
    if steps.fitted:
        price = f", at {found.price:g} a GPU-hour" if found.price else ""
        note = f"Eff: tokens/s a GPU over those of {steps.fitted[0][0]:,} GPUs. Days: {short(found.tokens)} tokens without interruptions"
        yield from told(f"{note}{price}.", width, "dim")


def _cells(found: Scaling, rung: Rung, width: int) -> list[str]:
    """The figures of one size; none where no plan fits."""
    best = rung.found
    if best is None:
        return []
    figures = [f"{rung.gpus:,}", *([f"{rung.global_batch:,.0f}"] if found.ladder.weak else []), write_figure(best.step)]
    figures += [f"{best.tokens_per_second:,.0f}", write_percent(best.mfu), f"{found.ladder.efficiency(best):.0%}"]
    figures.append(write_figure(found.seconds(best) / DAY))
    if width >= ROOMY:
        figures += [short(found.hours(best)), *([short(found.cost(best))] if found.price else [])]
    return figures


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
    yield [("layout", "title")]
    wide = len(f"{steps.fitted[-1][0]:,}")
    yield from told(f"{gpus:>{wide},}  {layout(best)}", width, "text", " " * (wide + 2))
    for _, after, changes in steps.changes():
        yield from told(f"{after:>{wide},}  {', '.join(changes)}", width, "text", " " * (wide + 2))


def layout(best: Found) -> str:
    """A plan in one line of words, without what stands at one or says nothing."""
    plan = best.plan
    words = [f"{axis} {getattr(plan, axis)}" for axis in ("tp", "pp", "vpp", "cp", "dp", "ep", "etp") if getattr(plan, axis) > 1]
    if best.job.stack.schedules != SCHEDULES[:1] and plan.pp > 1:
        words.append(write_schedule(schedule_code(plan)))
    words += [write_sharding(sharding_code(plan))] if plan.zero else []
    words += [f"micro-batch {plan.micro_batch}", f"recompute {write_recompute(recompute_code(plan))}"]
    return ", ".join(words)
