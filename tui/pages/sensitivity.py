"""Sensitivity: what each input of the job would bring, ranked, for the plan under the cursor and for the best plan then."""

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

ROOMY = 96  # cells from which values and steps stand beside the bars
MANY = 1_000_000  # plans of a job beyond which a page takes one factor alone: two would take some five seconds


@dataclass(frozen=True)
class Found:
    """What is drawn: the changes, and a sentence on what was left out, if anything."""

    told: Sensitivity
    left_out: str = ""


def work(subject: Subject) -> Found:
    """The plan under the cursor with every input doubled, and a tenth more where that does not take long; Cancelled as search."""
    document, many = subject.document, subject.result.counts.evaluated
    factors = FACTORS if many <= MANY else FACTORS[:1]
    now = first(subject.result)
    told = sensitivity(document.inputs, document.space, subject.plan, factors=factors, now=now, cancelled=subject.cancelled)
    others = " and ".join(times(factor) for factor in FACTORS[len(factors) :])
    return Found(told, f"Left out: {others}, for each search is of {many:,} plans; `tmplan sensitivity` has it too." if others else "")


def draw(drawn: Found, width: int) -> list[Line]:
    """A ranked chart for each factor, and what would help most."""
    found = drawn.told
    lines = sentence(f"this plan  {in_words(found.this.plan)}", width, hang=11)
    fit = "" if found.this.fit == "fits" else f", {found.this.fit}"
    lines += sentence(f"step {write_figure(found.this.step)} s{fit}{_against(found)}", width)
    for factor in found.factors():
        lines += [[], *_ranked(found, factor, width), []]
        lines += sentence(found.verdict(factor), width, "strong")
    return [*lines, [], *sentence(drawn.left_out, width, "dim")] if drawn.left_out else lines


def _against(found: Sensitivity) -> str:
    """How far the best plan is from this one."""
    if found.best is None:
        return "; nothing fits as it is"
    if found.best.plan == found.this.plan:
        return ", the best plan"
    return f"; the best plan takes {write_figure(found.best.step)} s: {', '.join(changed(found.this.plan, found.best.plan))}"


def times(factor: float) -> str:
    """A factor in words: twice, half, 10% more."""
    words = {2.0: "twice each input", 0.5: "half of each input"}
    return words.get(factor, f"{factor:g} times each input" if factor > 2 else f"each input {100 * (factor - 1):+.4g}%")


def _ranked(found: Sensitivity, factor: float, width: int) -> Iterator[Line]:
    """The bars of one factor, and notes on what could not be changed by just that, or does not fit."""
    changes, roomy = found.of(factor), width >= ROOMY
    yield heading(f"{times(factor)}: tokens/s")
    yield [(f"{'this plan':>{width - 1 - (20 if roomy else 10)}}{'best then':>{20 if roomy else 10}}", "dim")]
    names = [c.input.label for c in changes]
    labels = [f"{name:<14} {span(c)}" if roomy else name for name, c in zip(names, changes, strict=True)]
    texts = [_cells(found, c, roomy) for c in changes]
    values = [found.matters(c) if c.best or c.this else math.nan for c in changes]
    yield from set_in(bars([Bar(*row) for row in zip(labels, values, texts, strict=True)], width - 2))
    stepped = [c for c in changes if not math.isclose(c.after / c.before, factor, rel_tol=1e-9)]
    if stepped:
        yield from sentence(f"to the next value allowed: {'; '.join(f'{c.input.label} {span(c)}' for c in stepped)}", width, "dim")
    if any(c.this and not c.this.fits for c in changes):
        yield from sentence("! this plan does not fit then", width, "dim")
    if any(made and made.at_risk for c in changes for made in (c.this, c.best)):
        yield from sentence(f"{RISK} at risk then: the 80 % band of its memory crosses the limit", width, "dim")
    for who, whys in (("this plan", [c.this_why for c in changes]), ("best plan", [c.best_why for c in changes])):
        for why in dict.fromkeys(filter(None, whys)):
            of = ", ".join(c.input.label for c, told_of in zip(changes, whys, strict=True) if told_of == why)
            yield from sentence(f"- {who} ({of}): {why}", width, "dim", hang=2)


def _cells(found: Sensitivity, change: Change, roomy: bool) -> str:
    """What a change brings to this plan and to the best, with their steps where there is room; ! where this plan does not fit then."""
    out = ""
    for gain, made in zip(found.gains(change), (change.this, change.best), strict=True):
        text = f"{gain:+.1%}" if gain is not None else "fits" if made else "-"
        mark = {"fits": "", "at risk": RISK, "does not fit": "!"}[made.fit] if made else ""
        out += f"{mark + text:>10}" + (f"{_step(made):>10}" if roomy else "")
    return out


def _step(found: EvaluatedPlan | None) -> str:
    return f"{write_figure(found.step)} s" if found else ""
