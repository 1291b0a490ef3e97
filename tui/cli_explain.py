"""`tmplan explain`: where every number of one plan comes from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from planner import search
from planner.checks import choice
from planner.errors import UnknownName
from planner.explained import HEADLINES, explained, named
from planner.formula import Step
from planner.plan import Plan
from planner.planfile import Document
from planner.specs import Job
from tui.choosing import choose, headline, tell_misfit
from tui.cli import NO_PLAN, Answer
from tui.cli_plan import SCHEMA, job_values


def tree(document: Document, *, pinned: bool, of: Sequence[str], format: str, depth: int | None) -> Answer:
    """The trees of one plan: the best within the pins, else the plan file's own, else the best of all."""
    choice("format", format, ("text", "json"))
    found = choose(document, pinned=pinned, nearest=True)
    if found is None:
        return Answer(code=NO_PLAN)
    job, plan, record = found.job, found.plan, found.record
    trees = asked(job, plan, of) if of else search.explain(job, plan)
    tell_misfit(found)
    if format == "json":
        data = {"schema": SCHEMA, "version": document.version, "job": job_values(document.inputs), "plan": record}
        data["steps"] = {name: pruned(step.as_dict(), depth) for name, step in trees.items()}
        return Answer(json.dumps(data, indent=2, allow_nan=False) + "\n", found.code)
    lines = [headline(job, plan, record)]
    for step in trees.values():
        lines += ["", *drawn(step, depth)]
    return Answer("\n".join(lines) + "\n", found.code)


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


def drawn(step: Step, depth: int | None, lead: str = "", branch: str = "", seen: set[int] | None = None) -> Iterator[str]:
    """The lines of a tree: value and meaning, below it the notation, the notation with numbers put in, and the source.

    seen: steps (their ids) that were told already and are not told again, where a caller holds them.
    """
    if seen is not None and id(step) in seen:
        yield f"{lead}{branch}{step.symbol} = {step.text}  {step.meaning}{' (told above)' if step.children else ''}"
        return
    yield f"{lead}{branch}{step.symbol} = {step.text}  {step.meaning}"
    if seen is not None:
        seen.add(id(step))
    inner = lead + {"": "", "├─ ": "│  ", "└─ ": "   "}[branch]
    children = step.children if depth is None or depth > 1 else ()
    bar = "│  " if children else "   "
    yield f"{inner}{bar}= {step.notation}"
    if step.substituted != step.notation:
        yield f"{inner}{bar}= {step.substituted}"
    if step.source:
        yield f"{inner}{bar}[{step.source}]"
    for i, child in enumerate(children):
        yield from drawn(child, None if depth is None else depth - 1, inner, "└─ " if i == len(children) - 1 else "├─ ", seen)


def pruned(step: dict[str, Any], depth: int | None) -> dict[str, Any]:
    """A tree as data, cut at a depth."""
    if depth is None:
        return step
    children = [pruned(child, depth - 1) for child in step["children"]] if depth > 1 else []
    return step | {"children": children}
