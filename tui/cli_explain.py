"""`tmplan explain`: where every number of one plan comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from planner.checks import choice
from planner.columns import records
from planner.errors import UnknownName
from planner.explained import HEADLINES, explained, headlines, named
from planner.formula import Step
from planner.plan import Plan
from planner.planfile import Document
from planner.specs import Job
from tui.choosing import Lacking, choose, code, headline, misfit, tell_misfit
from tui.cli import Answer
from tui.cli_plan import job_values
from tui.data import as_json, as_steps
from tui.steptree import printed_trees


def tree(document: Document, *, pinned: bool, of: Sequence[str], format: str, depth: int | None) -> Answer:
    """The trees of one plan: the best within the pins, else the plan file's own, else the best of all."""
    choice("format", format, ("text", "json"))
    found = choose(document, pinned=pinned, nearest=True)
    if isinstance(found, Lacking):
        return found.answer(format, {"job": job_values(document.inputs), "plan": None, "steps": {}})
    trees = asked(found.job, found.plan, of) if of else headlines(found.job, found.plan)
    tell_misfit(found)
    if format == "json":
        told = {"job": job_values(document.inputs), "plan": records(found.estimate)[0], "steps": as_steps(trees, depth)}
        return as_json(told | {"advice": misfit(found)}, code(found))
    return Answer(f"{headline(found)}\n\n{printed_trees(trees, depth)}", code(found))


def asked(job: Job, plan: Plan, of: Sequence[str]) -> dict[str, Step]:
    """The trees of some numbers: the headline ones by the names they have here, others by the keys of their columns."""
    every = explained(job, plan)
    keys = {name: named(every, name) for name in of}
    return {name if name in HEADLINES else key: every[key] for name, key in keys.items()}


def chosen(trees: Mapping[str, Step], of: Sequence[str]) -> dict[str, Step]:
    """The trees asked for by name; all of them where none is."""
    for name in of:
        if name not in trees:
            raise UnknownName("number", name, trees)
    return {name: step for name, step in trees.items() if not of or name in of}
