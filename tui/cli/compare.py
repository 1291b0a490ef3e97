"""`tmplan compare`: plans side by side, and the reasons for their differences."""

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
from tui.cli.inputs import document_from, report_notes
from tui.cli.output import as_json, printed
from tui.pages.compare import LETTERS, draw


def compare(files: Sequence[str], plans: Sequence[str], given: Mapping[str, str | bool], *, format: str, width: int) -> Answer:
    """Compare the plans of plan files, and the best plans within pins (of the first file's job, or of the job of the options)."""
    choice("format", format, ("text", "json"))
    requests: list[tuple[str, str | None, list[str]]] = [(file, file, []) for file in files]
    requests += [(text, files[0] if files else None, [text]) for text in plans]
    if len(requests) < 2:
        raise FieldError("plan", "compare takes at least two plans: plan files, or one --plan tp=8,pp=16 per plan")
    if len(requests) > len(LETTERS):
        raise FieldError("plan", f"compare takes at most {len(LETTERS)} plans, not {len(requests)}")
    entries: list[Entry] = []
    messages: list[str] = []
    qualifier = {"fits": "", "at risk": ", which is at risk", "does not fit": ", which does not fit"}
    bounded = any(axis in given for axis in AXES)  # then the best plan within the bounds is used, for plan files too
    documents = [document_from(file, given, pins) for _, file, pins in requests]
    report_notes(documents)
    for letter, (name, _, pins), document in zip(LETTERS, requests, documents, strict=False):
        chosen = choose(document, pinned=bool(pins) or bounded, nearest=True)
        if isinstance(chosen, Lacking):
            narrate(why := f"nothing to compare: there is no plan {name}")
            return Lacking((*chosen.advice, why)).answer(format, record(entries, [name for name, _, _ in requests[: len(entries)]]))
        messages.append(f"{letter} is {name}{qualifier[chosen.fit]}")
        narrate(messages[-1])
        entries.append(entry(letter, chosen.job, chosen.plan))
    fits = any(each.fits for each in entries)
    if format == "json":
        data = record(entries, [name for name, _, _ in requests]) | {"advice": [] if fits else messages}
        return as_json(data, DONE if fits else NO_PLAN)
    return Answer(printed(draw(entries, width)), DONE if fits else NO_PLAN)


def record(entries: Sequence[Entry], names: Sequence[str]) -> dict[str, Any]:
    """Every plan, and the difference of each from the first."""
    return {
        "plans": [{"name": name} | records(each.estimate)[0] for name, each in zip(names, entries, strict=True)],
        "differences": [
            {
                "name": name,
                "step_seconds": each.step - entries[0].step,
                "memory_gib": (each.memory - entries[0].memory) / GIB,
                "time_parts_seconds": difference(entries[0], each, "time"),
                "memory_parts_gib": {part: value / GIB for part, value in difference(entries[0], each, "memory").items()},
                "why": [why_slower(entries[0], each), why_larger(entries[0], each)],
            }
            for name, each in zip(names[1:], entries[1:], strict=True)
        ],
    }
