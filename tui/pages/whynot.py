"""The why-not page for a plan typed by the user: the rules it breaks, or its rank and the terms that make it slower."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from planner.document.axis_pairs import pairs
from planner.document.space import Space, parse_bounds
from planner.errors import TmplanError
from planner.report.wording import in_words
from planner.whatif.why_not import WhyNot, why_not
from tui.draw.writing import sentence
from tui.pages.compare import table

if TYPE_CHECKING:
    from tui.draw.lines import Line
    from tui.pages.subject import Subject

EXAMPLE = "tp=8,pp=16,micro_batch=1"


@dataclass(frozen=True)
class Reply:
    """The text typed, and the answer, or the reason why the text cannot be parsed."""

    typed: str
    answer: WhyNot | None
    refused: str = ""


def parse_axes(text: str) -> Space:
    """Parse axes typed as `tp=16,pp=8` or separated by spaces; FieldError names what cannot be parsed."""
    space = Space()
    for axis, values in pairs("plan", re.sub(r"\s+(?=[a-zA-Z_]+\s*=)", ",", re.sub(r",\s+", ",", text.strip()))):
        space = space.meet(axis, parse_bounds(axis, values))
    return space


def work(subject: Subject) -> Reply:
    """The answer for the plan typed (`subject.argument`)."""
    typed = subject.argument.strip()
    if not typed:
        return Reply("", None, f"Type a plan, such as {EXAMPLE}; omitted axes are free.")
    try:
        return Reply(typed, why_not(subject.result, parse_axes(typed), cancelled=subject.cancelled))
    except TmplanError as error:
        return Reply(typed, None, f"{error}.")


def draw(reply: Reply, width: int) -> list[Line]:
    """The answer in sentences, and a comparison with the best plan term by term if there is one."""
    lines = sentence(f"why not {reply.typed}", width, "title")
    answer = reply.answer
    if answer is None:
        return lines + sentence(reply.refused, width)
    role = "bad" if not answer.plan or not answer.plan.fits else "text"
    if answer.broken:
        count = len(answer.broken)
        lines += sentence(f"It breaks {f'{count} rules' if count > 1 else 'a rule'}:", width, "bad")
        for rule in answer.broken:
            lines += [*sentence(f"✗ {rule.text}", width, "text", 3), *sentence(f"[{rule.source}]", width, "dim", 5)]
    for text in answer.sentences[len(answer.broken) :]:
        lines += sentence(text, width, role)
        role = "text"
    if answer.plan is None:
        return lines
    lines += [
        [],
        *sentence(f"{'This plan' if answer.plans == 1 else 'The best of these'}: {in_words(answer.plan.plan)}", width),
    ]
    if answer.best is not None and answer.best.plan != answer.plan.plan:
        lines += sentence(f"The best plan: {in_words(answer.best.plan)}", width)
        lines += [[], *table(replace(answer.best, name="best"), [replace(answer.plan, name="this")])]
    return lines
