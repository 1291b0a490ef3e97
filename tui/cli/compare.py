"""`tmplan compare`: plans side by side, and why they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from planner.document.space import AXES
from planner.errors import FieldError
from planner.report.columns import records
from planner.specs.hardware import GIB
from planner.specs.validate import choice
from planner.whatif.compare import Entry, difference, entry, why_larger, why_slower
from tui.cli.answer import DONE, NO_PLAN, Answer, narrate
from tui.cli.chosen_plan import Lacking, choose
from tui.cli.inputs import document_from, tell_notes
from tui.cli.output import as_json, printed
from tui.pages.compare import LETTERS, draw


def compare(files: Sequence[str], plans: Sequence[str], given: Mapping[str, str | bool], *, format: str, width: int) -> Answer:
    """The plans of some plan files, and the best within some pins (of the first file's job, or of what the options say)."""
    choice("format", format, ("text", "json"))
    asked: list[tuple[str, str | None, list[str]]] = [(file, file, []) for file in files]
    asked += [(text, files[0] if files else None, [text]) for text in plans]
    if len(asked) < 2:
        raise FieldError("plan", "compare takes two plans or more: plan files, or --plan tp=8,pp=16 once for each")
    if len(asked) > len(LETTERS):
        raise FieldError("plan", f"compare takes {len(LETTERS)} plans at most, not {len(asked)}")
    found: list[Entry] = []
    said: list[str] = []
    said_of = {"fits": "", "at risk": ", which is at risk", "does not fit": ", which does not fit"}
    bounded = any(axis in given for axis in AXES)  # of a plan file too then the best within is meant
    documents = [document_from(file, given, pins) for _, file, pins in asked]
    tell_notes(documents)
    for letter, (name, _, pins), document in zip(LETTERS, asked, documents, strict=False):
        chosen = choose(document, pinned=bool(pins) or bounded, nearest=True)
        if isinstance(chosen, Lacking):
            narrate(why := f"so there is nothing to compare: no plan is {name}")
            return Lacking((*chosen.advice, why)).answer(format, record(found, [name for name, _, _ in asked[: len(found)]]))
        said.append(f"{letter} is {name}{said_of[chosen.fit]}")
        narrate(said[-1])
        found.append(entry(letter, chosen.job, chosen.plan))
    fits = any(each.fits for each in found)
    if format == "json":
        told = record(found, [name for name, _, _ in asked]) | {"advice": [] if fits else said}
        return as_json(told, DONE if fits else NO_PLAN)
    return Answer(printed(draw(found, width)), DONE if fits else NO_PLAN)


def record(found: Sequence[Entry], names: Sequence[str]) -> dict[str, Any]:
    """Every plan, and what each has more than the first."""
    return {
        "plans": [{"name": name} | records(each.estimate)[0] for name, each in zip(names, found, strict=True)],
        "differences": [
            {
                "name": name,
                "step_seconds": each.step - found[0].step,
                "memory_gib": (each.memory - found[0].memory) / GIB,
                "time_parts_seconds": difference(found[0], each, "time"),
                "memory_parts_gib": {part: value / GIB for part, value in difference(found[0], each, "memory").items()},
                "why": [why_slower(found[0], each), why_larger(found[0], each)],
            }
            for name, each in zip(names[1:], found[1:], strict=True)
        ],
    }
