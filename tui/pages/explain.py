"""The page of where numbers come from: the tree of each that is asked for, and beneath it the works to look up."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from planner.errors import TmplanError
from planner.formula.bibliography import SOURCES, Source
from planner.report.explain import FIRST, explained, named
from planner.report.wording import in_words
from tui.draw.step_tree import tree
from tui.draw.writing import heading, sentence

if TYPE_CHECKING:
    from planner.formula.trace import Step
    from planner.specs.job import Job
    from planner.specs.plan import Plan
    from tui.draw.lines import Line
    from tui.pages.subject import Subject


@dataclass(frozen=True)
class Found:
    """The trees asked for, the keys of all that could be, and a sentence where a name was not known."""

    job: Job
    plan: Plan
    trees: Mapping[str, Step]
    known: Sequence[str]
    refused: str = ""


def work(subject: Subject) -> Found:
    """The trees that `subject.argument` names, several by commas, of the plan under the cursor; the headline numbers where it is empty."""
    every = explained(subject.job, subject.plan)
    names = [name for name in subject.argument.split(",") if name.strip()]
    try:
        keys = [named(every, name) for name in names] or [key for key in FIRST if key in every]
    except TmplanError as error:
        return Found(subject.job, subject.plan, {}, tuple(every), f"{error}.")
    return Found(subject.job, subject.plan, {key: every[key] for key in dict.fromkeys(keys)}, tuple(every))


def draw(found: Found, width: int) -> list[Line]:
    """The trees, what stands in one told there alone; the works they cite; the other numbers that can be asked for."""
    lines: list[Line] = [heading("where the numbers come from"), *sentence(in_words(found.plan), width, "dim")]
    if found.refused:
        lines += [[], *sentence(found.refused, width, "bad")]
    seen: set[int] = set()
    for key, step in found.trees.items():
        lines += [[], *sentence(key, width, "dim"), *tree(step, width, 0, seen)]
    if found.trees:
        lines += [[], heading("to look up"), *works(found.trees.values(), width)]
    others = [key for key in found.known if key not in found.trees]
    return [*lines, [], heading("the other numbers"), *sentence(", ".join(others), width, "dim")]


def works(trees: Iterable[Step], width: int) -> Iterator[Line]:
    """Each work that trees cite, in the order of the bibliography: its short name, title, and where it is found."""
    cited = {source for step in _steps(trees) for source in cited_by(step)}
    for source in SOURCES.values():
        if source in cited:
            yield from sentence(f"{source.short}: {source.title}. {source.where}", width)


def cited_by(step: Step) -> list[Source]:
    """The works a step cites: the one whose short name its source begins with, and those it names by their keys."""
    words = set(re.findall(r"\w+", step.source))
    return [s for key, s in SOURCES.items() if key in words or step.source == s.short or step.source.startswith(f"{s.short}, ")]


def _steps(trees: Iterable[Step]) -> Iterator[Step]:
    """Every step of some trees, each once."""
    stack, seen = list(trees), set[int]()
    while stack:
        step = stack.pop()
        if id(step) not in seen:
            seen.add(id(step))
            yield step
            stack += step.children
