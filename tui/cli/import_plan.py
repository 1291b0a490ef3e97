"""`tmplan import`: what people run today as a plan of tmplan, predicted, beside what tmplan would choose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from planner import presets
from planner.document import planfile
from planner.document.inputs import resolve, shown
from planner.document.space import AXES, Space
from planner.document.version import version
from planner.importers.imported import Imported, document_of, inputs_of
from planner.importers.reading import read
from planner.importers.sizes import differing
from planner.report.best import why_none
from planner.report.columns import BY_KEY, predictions, records
from planner.search.search import Estimate
from planner.specs.job import Job
from planner.specs.validate import choice
from tui.cli.answer import DONE, NO_PLAN, Answer, narrate
from tui.cli.chosen_plan import first
from tui.cli.inputs import bounded, tell_left_out, tell_notes, values_of
from tui.cli.output import as_json
from tui.cli.plan import advised, job_values, searched, told_apart
from tui.draw.aligned import aligned
from tui.state.overwrite import put, vacant
from tui.state.table_columns import table_keys

ASSUMED = ("model", "gpu", "gpus", "sequence", "global_batch")  # what is said on stderr where the file does not tell it
SHOWN = 20  # of what was not understood, on stderr; --format json has all of it
SPELL = {"today": "as the file says", "best": "what tmplan would choose"}


def imported(path: str, given: Mapping[str, str | bool], *, format: str, save: str | None, force: bool = False) -> Answer:
    """Read a file of another framework; print its plan, predicted, and tmplan's best of the same job; save the former where asked."""
    choice("format", format, ("table", "json"))
    if save:
        vacant(save, force=force)
    found = read(path)
    document = document_for(found, given, path)
    job = resolve(document.inputs)
    differs = list(differing(found.sizes, job.model, [key for key in given if key != "model"]))
    tell(found, document, given)
    for sentence in differs:
        narrate(f"note: {sentence}")
    tell_notes([document])
    today = searched(job, document)  # pinned to the one plan that was read
    free = bounded(Space(), None, None, None, {axis: str(text) for axis, text in given.items() if axis in AXES})
    best = searched(job, replace(document, space=free))
    rows = {name: estimate for name, result in (("today", today), ("best", best)) if (estimate := first(result)) is not None}
    advice = [] if "today" in rows else advised(today)
    for sentence in advice:
        narrate(sentence)
    if best.alike:
        narrate(told_apart(best))
    if save:
        kept = predictions(rows["today"]) if "today" in rows else None
        put(save, planfile.dumps(replace(document, predictions=kept, version=version())), force=force)
        narrate(f"saved the plan of {path} in {save}; `tmplan {save}` opens it")
    code = DONE if "today" in rows and best.counts.fit else NO_PLAN
    if format == "table":
        return Answer(as_table(job, rows), code)
    plans = {name: records(rows[name])[0] if name in rows else None for name in SPELL}
    told = {"framework": found.framework, "job": job_values(document.inputs), "not_understood": list(found.not_understood),
            "differs": differs}  # fmt: skip
    lacking = advice or ([] if best.counts.fit else [why_none(best)])
    return as_json(told | {"plans": plans, "advice": lacking}, code)


def document_for(found: Imported, given: Mapping[str, str | bool], where: str) -> planfile.Document:
    """The document a file comes to, with what options say of the job on top of it."""
    inputs = inputs_of(found, where, str(given.get("model") or ""))
    return document_of(found, inputs.with_all(values_of({key: text for key, text in given.items() if key not in AXES}, inputs)))


def tell(found: Imported, document: planfile.Document, given: Mapping[str, Any]) -> None:
    """On stderr: what the file is, what it did not tell, and what was not understood."""
    narrate(f"read as {found.framework}, stack {found.stack}")
    if found.sizes and not (given.get("model") or found.job.get("model")):  # the model was sought among the presets
        tell_left_out(presets.every("models", presets.model)[1])
    at = shown(document.inputs)
    values = {key: at[key][0] for key in ASSUMED if key not in document.inputs.values and key not in given}
    values |= {axis: document.space.text(axis) for axis in found.untold}
    if values:
        silent = (f"--{key.replace('_', '-')} {value}" for key, value in values.items())
        narrate(f"the file does not tell these, assumed: {', '.join(silent)}")
    for line in found.not_understood[:SHOWN]:
        narrate(f"not understood: {line}")
    if len(found.not_understood) > SHOWN:
        narrate(f"not understood: {len(found.not_understood) - SHOWN:,} more")


def as_table(job: Job, rows: Mapping[str, Estimate]) -> str:
    """A line a plan, and in the last line how much shorter the best one's step is."""
    columns = [BY_KEY[key] for key in (*table_keys(job), "over_gib")]
    cells: list[Sequence[str]] = [["Plan", *(SPELL[name] for name in rows)]]
    cells += [[c.title, *(c.texts(estimate)[0] for estimate in rows.values())] for c in columns]
    lines = aligned(list(zip(*cells, strict=True)), left=(0,))
    if set(rows) == set(SPELL):
        today, best = (float(rows[name].step[0]) for name in SPELL)
        lines.append(f"step time of the best: {100 * (best / today - 1):+.1f} %")
    return "".join(f"{line}\n" for line in lines)
