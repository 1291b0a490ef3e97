"""The sensitivity page: the gain from each input of the job, ranked, for the plan under the cursor and for the new best plan."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from planner.report.best import EvaluatedPlan, first
from planner.report.columns import RISK
from planner.report.number_text import write_figure
from planner.report.wording import changed, in_words
from planner.whatif.sensitivity import FACTORS, Change, Sensitivity, sensitivity, span
from tui.draw.bar_chart import Bar, bars
from tui.draw.writing import heading, sentence, set_in

if TYPE_CHECKING:
    from tui.draw.lines import Line
    from tui.pages.subject import Subject

ROOMY = 96  # least width for values and step times next to the bars
MANY = 1_000_000  # plans of a job above which the page uses only one factor: two would take about five seconds


@dataclass(frozen=True)
class SensitivityPage:
    """Contents of the page: the changes, and a sentence on omitted factors, if any."""

    changes: Sensitivity
    left_out: str = ""


def work(subject: Subject) -> SensitivityPage:
    """The plan under the cursor with every input doubled, and increased by 10 % if that does not take long; Cancelled as by search."""
    document, many = subject.document, subject.result.counts.evaluated
    factors = FACTORS if many <= MANY else FACTORS[:1]
    now = first(subject.result)
    changes = sensitivity(document.inputs, document.space, subject.plan, factors=factors, now=now, cancelled=subject.cancelled)
    others = " and ".join(times(factor) for factor in FACTORS[len(factors) :])
    return SensitivityPage(changes, f"Omitted: {others}, as each search has {many:,} plans; see `tmplan sensitivity`." if others else "")


def draw(drawn: SensitivityPage, width: int) -> list[Line]:
    """A ranked chart for each factor, and the input that would help most."""
    changes = drawn.changes
    lines = sentence(f"this plan  {in_words(changes.this.plan)}", width, hang=11)
    fit = "" if changes.this.fit == "fits" else f", {changes.this.fit}"
    lines += sentence(f"step {write_figure(changes.this.step)} s{fit}{_against(changes)}", width)
    for factor in changes.factors():
        lines += [[], *_ranked(changes, factor, width), []]
        lines += sentence(changes.verdict(factor), width, "strong")
    return [*lines, [], *sentence(drawn.left_out, width, "dim")] if drawn.left_out else lines


def _against(changes: Sensitivity) -> str:
    """The best plan relative to this one."""
    if changes.best is None:
        return "; no plan fits unchanged"
    if changes.best.plan == changes.this.plan:
        return ", the best plan"
    return f"; the best plan takes {write_figure(changes.best.step)} s: {', '.join(changed(changes.this.plan, changes.best.plan))}"


def times(factor: float) -> str:
    """A factor as text: twice, half, +10%."""
    words = {2.0: "twice each input", 0.5: "half of each input"}
    return words.get(factor, f"{factor:g} times each input" if factor > 2 else f"each input {100 * (factor - 1):+.4g}%")


def _ranked(changes: Sensitivity, factor: float, width: int) -> Iterator[Line]:
    """The bars of one factor, and notes on inputs that could not change by exactly it and on plans that do not fit."""
    ranked, roomy = changes.of(factor), width >= ROOMY
    yield heading(f"{times(factor)}: tokens/s")
    yield [(f"{'this plan':>{width - 1 - (20 if roomy else 10)}}{'new best':>{20 if roomy else 10}}", "dim")]
    names = [c.input.label for c in ranked]
    labels = [f"{name:<14} {span(c)}" if roomy else name for name, c in zip(names, ranked, strict=True)]
    texts = [_cells(changes, c, roomy) for c in ranked]
    values = [changes.matters(c) if c.best or c.this else math.nan for c in ranked]
    yield from set_in(bars([Bar(*row) for row in zip(labels, values, texts, strict=True)], width - 2))
    stepped = [c for c in ranked if not math.isclose(c.after / c.before, factor, rel_tol=1e-9)]
    if stepped:
        yield from sentence(f"to the next value allowed: {'; '.join(f'{c.input.label} {span(c)}' for c in stepped)}", width, "dim")
    if any(c.this and not c.this.fits for c in ranked):
        yield from sentence("! this plan no longer fits", width, "dim")
    if any(made and made.at_risk for c in ranked for made in (c.this, c.best)):
        yield from sentence(f"{RISK} at risk: the 80 % band of memory crosses the limit", width, "dim")
    for who, whys in (("this plan", [c.this_why for c in ranked]), ("best plan", [c.best_why for c in ranked])):
        for why in dict.fromkeys(filter(None, whys)):
            of = ", ".join(c.input.label for c, reason in zip(ranked, whys, strict=True) if reason == why)
            yield from sentence(f"- {who} ({of}): {why}", width, "dim", hang=2)


def _cells(changes: Sensitivity, change: Change, roomy: bool) -> str:
    """The gain of a change for this plan and for the best, with step times if there is room; ! if this plan no longer fits."""
    out = ""
    for gain, made in zip(changes.gains(change), (change.this, change.best), strict=True):
        text = f"{gain:+.1%}" if gain is not None else "fits" if made else "-"
        mark = {"fits": "", "at risk": RISK, "does not fit": "!"}[made.fit] if made else ""
        out += f"{mark + text:>10}" + (f"{_step(made):>10}" if roomy else "")
    return out


def _step(planned: EvaluatedPlan | None) -> str:
    return f"{write_figure(planned.step)} s" if planned else ""
