"""`tmplan explain`: where every number of one plan comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from planner.document.planfile import Document
from planner.errors import UnknownName
from planner.formula.trace import Step
from planner.report.columns import records
from planner.report.explain import HEADLINES, explained, headlines, named
from planner.specs.job import Job
from planner.specs.plan import Plan
from planner.specs.validate import choice
from tui.cli.answer import Answer
from tui.cli.chosen_plan import Lacking, choose, code, misfit, tell_misfit
from tui.cli.output import as_json, as_steps
from tui.cli.plan import job_values
from tui.draw.step_tree import printed_trees
from tui.state.headline import headline


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
