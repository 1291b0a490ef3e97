"""The derivation page: the tree of each number requested, and the works that the trees cite."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from planner.cost.evaluate import evaluate
from planner.errors import TmplanError
from planner.formula.bibliography import SOURCES
from planner.formula.citations import works_cited
from planner.report.columns import HEADLINES
from planner.report.explain import explained, named
from planner.report.wording import in_words, peak_in_words
from tui.draw.step_tree import tree
from tui.draw.writing import heading, sentence

if TYPE_CHECKING:
    from planner.formula.trace import Step
    from planner.specs.job import Job
    from planner.specs.plan import Plan
    from tui.draw.lines import Line
    from tui.pages.subject import Subject


@dataclass(frozen=True)
class Derivations:
    """When memory is largest, the trees requested, the keys of all trees, and a message if a name is unknown."""

    job: Job
    plan: Plan
    peak: str
    trees: Mapping[str, Step]
    known: Sequence[str]
    refused: str = ""


def work(subject: Subject) -> Derivations:
    """The trees of the plan under the cursor named in `subject.argument`, separated by commas; if empty, the headline numbers."""
    every = explained(subject.job, subject.plan)
    peak = peak_in_words(evaluate(subject.job, subject.plan))
    names = [name for name in subject.argument.split(",") if name.strip()]
    try:
        keys = [named(every, name) for name in names] or [column.key for column in HEADLINES if column.key in every]
    except TmplanError as error:
        return Derivations(subject.job, subject.plan, peak, {}, tuple(every), f"{error}.")
    return Derivations(subject.job, subject.plan, peak, {key: every[key] for key in dict.fromkeys(keys)}, tuple(every))


def draw(derivations: Derivations, width: int) -> list[Line]:
    """The trees, each shared step shown once; the works they cite; the other numbers available."""
    lines: list[Line] = [heading("derivation of the numbers"), *sentence(in_words(derivations.plan), width, "dim")]
    if derivations.job.stack.released:
        lines += sentence(f"the stack is {derivations.job.stack.title}", width, "dim")
    lines += sentence(f"memory is largest {derivations.peak}", width, "dim")
    if derivations.refused:
        lines += [[], *sentence(derivations.refused, width, "bad")]
    seen: set[int] = set()
    for key, step in derivations.trees.items():
        lines += [[], *sentence(key, width, "dim"), *tree(step, width, 0, seen)]
    if derivations.trees:
        lines += [[], heading("sources"), *works(derivations.trees.values(), width)]
    others = [key for key in derivations.known if key not in derivations.trees]
    return [*lines, [], heading("other numbers"), *sentence(", ".join(others), width, "dim")]


def works(trees: Iterable[Step], width: int) -> Iterator[Line]:
    """Each work that the trees cite, in the order of the bibliography: short name, title, and location."""
    cited = {source for step in _steps(trees) for source in works_cited(step.source)}
    for source in SOURCES.values():
        if source in cited:
            yield from sentence(f"{source.short}: {source.title}. {source.where}", width)


def _steps(trees: Iterable[Step]) -> Iterator[Step]:
    """Every distinct step of the trees."""
    stack, seen = list(trees), set[int]()
    while stack:
        step = stack.pop()
        if id(step) not in seen:
            seen.add(id(step))
            yield step
            stack += step.children
