"""`tmplan explain`: the derivation of every number of one plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from planner.document.planfile import Document
from planner.errors import UnknownName
from planner.formula.trace import Step
from planner.report.columns import HEADLINES, records
from planner.report.explain import explained, headlines, named
from planner.report.wording import band_in_words, peak_in_words
from planner.specs.job import Job
from planner.specs.plan import Plan
from planner.specs.validate import choice
from tui.cli.answer import Answer
from tui.cli.chosen_plan import Lacking, choose, code, misfit, report_misfit
from tui.cli.output import as_json, as_steps
from tui.cli.plan import job_values
from tui.draw.step_tree import printed_trees
from tui.state.headline import headline


def tree(document: Document, *, pinned: bool, of: Sequence[str], format: str, depth: int | None) -> Answer:
    """The trees of one plan: the best within the pins, else that of the plan file, else the best of the job."""
    choice("format", format, ("text", "json"))
    plan = choose(document, pinned=pinned, nearest=True)
    if isinstance(plan, Lacking):
        return plan.answer(format, {"job": job_values(document.inputs), "plan": None, "steps": {}})
    trees = trees_of(plan.job, plan.plan, of) if of else headlines(plan.job, plan.plan)
    report_misfit(plan)
    if format == "json":
        data = {"job": job_values(document.inputs), "plan": records(plan.estimate)[0], "steps": as_steps(trees, depth)}
        return as_json(data | {"advice": misfit(plan)}, code(plan))
    dated = f"the stack is {plan.job.stack.title}\n" if plan.job.stack.released else ""
    peak = f"memory is largest {peak_in_words(plan.estimate)}"
    band = band_in_words(plan.estimate.step_band)
    return Answer(f"{headline(plan)}\n{dated}{peak}\n{band}\n\n{printed_trees(trees, depth)}", code(plan))


def trees_of(job: Job, plan: Plan, of: Sequence[str]) -> dict[str, Step]:
    """The trees of some numbers: headline numbers by name, others by the keys of their columns."""
    every = explained(job, plan)
    names = {column.name for column in HEADLINES}
    keys = {name: named(every, name) for name in of}
    return {name if name in names else key: every[key] for name, key in keys.items()}


def chosen(trees: Mapping[str, Step], of: Sequence[str]) -> dict[str, Step]:
    """The trees selected by name; all of them if no name is given."""
    for name in of:
        if name not in trees:
            raise UnknownName("number", name, trees)
    return {name: step for name, step in trees.items() if not of or name in of}
