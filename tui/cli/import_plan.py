"""`tmplan import`: an existing training configuration as a plan with its prediction, next to tmplan's choice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from planner import presets
from planner.document import planfile
from planner.document.inputs import resolve, shown
from planner.document.space import AXES, Space
from planner.document.version import version
from planner.importers.formats import read
from planner.importers.imported import Imported, document_of, inputs_of
from planner.importers.sizes import differing
from planner.report.best import why_none
from planner.report.columns import BY_KEY, predictions, records
from planner.search.search import Estimate
from planner.specs.job import Job
from planner.specs.validate import choice
from tui.cli.answer import DONE, NO_PLAN, Answer, narrate
from tui.cli.chosen_plan import first
from tui.cli.inputs import bounded, report_left_out, report_notes, values_of
from tui.cli.output import as_json
from tui.cli.plan import advised, distinguishable, job_values, searched
from tui.draw.aligned import aligned
from tui.state.overwrite import put, vacant
from tui.state.table_columns import table_keys

ASSUMED = ("model", "gpu", "gpus", "sequence", "global_batch")  # reported on stderr if the file does not contain them
SHOWN = 20  # lines not understood reported on stderr; --format json has all of them
SPELL = {"today": "the file's plan", "best": "tmplan's choice"}


def imported(path: str, given: Mapping[str, str | bool], *, format: str, save: str | None, force: bool = False) -> Answer:
    """Read a file of another framework; print its plan with its prediction and tmplan's best for the job; optionally save the former."""
    choice("format", format, ("table", "json"))
    if save:
        vacant(save, force=force)
    source = read(path)
    document = document_for(source, given, path)
    job = resolve(document.inputs)
    differs = list(differing(source.sizes, job.model, [key for key in given if key != "model"]))
    report(source, document, given)
    for sentence in differs:
        narrate(f"note: {sentence}")
    report_notes([document])
    today = searched(job, document)  # pinned to the one plan that was read
    free = bounded(Space(), None, None, None, {axis: str(text) for axis, text in given.items() if axis in AXES})
    best = searched(job, replace(document, space=free))
    rows = {name: estimate for name, result in (("today", today), ("best", best)) if (estimate := first(result)) is not None}
    advice = [] if "today" in rows else advised(today)
    for sentence in advice:
        narrate(sentence)
    if best.alike:
        narrate(distinguishable(best))
    if save:
        predicted = predictions(rows["today"]) if "today" in rows else None
        put(save, planfile.dumps(replace(document, predictions=predicted, version=version())), force=force)
        narrate(f"saved the plan of {path} in {save}; `tmplan {save}` opens it")
    code = DONE if "today" in rows and best.counts.fit else NO_PLAN
    if format == "table":
        return Answer(as_table(job, rows), code)
    plans = {name: records(rows[name])[0] if name in rows else None for name in SPELL}
    data = {"framework": source.framework, "job": job_values(document.inputs), "not_understood": list(source.not_understood),
            "differs": differs}  # fmt: skip
    lacking = advice or ([] if best.counts.fit else [why_none(best)])
    return as_json(data | {"plans": plans, "advice": lacking}, code)


def document_for(source: Imported, given: Mapping[str, str | bool], where: str) -> planfile.Document:
    """The document that a file describes, with the options applied to its job."""
    inputs = inputs_of(source, where, str(given.get("model") or ""))
    return document_of(source, inputs.with_all(values_of({key: text for key, text in given.items() if key not in AXES}, inputs)))


def report(source: Imported, document: planfile.Document, given: Mapping[str, Any]) -> None:
    """Report on stderr: the kind of file, the values assumed, and the lines not understood."""
    narrate(f"read as {source.framework}, stack {source.stack}")
    if source.sizes and not (given.get("model") or source.job.get("model")):  # the model was looked up among the presets
        report_left_out(presets.every("models", presets.model)[1])
    at = shown(document.inputs)
    values = {key: at[key][0] for key in ASSUMED if key not in document.inputs.values and key not in given}
    values |= {axis: document.space.text(axis) for axis in source.unspecified}
    if values:
        silent = (f"--{key.replace('_', '-')} {value}" for key, value in values.items())
        narrate(f"not in the file, assumed: {', '.join(silent)}")
    for line in source.not_understood[:SHOWN]:
        narrate(f"not understood: {line}")
    if len(source.not_understood) > SHOWN:
        narrate(f"not understood: {len(source.not_understood) - SHOWN:,} more")


def as_table(job: Job, rows: Mapping[str, Estimate]) -> str:
    """A line per plan, and a last line with the relative step time of the best."""
    columns = [BY_KEY[key] for key in (*table_keys(job), "over_gib")]
    cells: list[Sequence[str]] = [["Plan", *(SPELL[name] for name in rows)]]
    cells += [[c.title, *(c.texts(estimate)[0] for estimate in rows.values())] for c in columns]
    lines = aligned(list(zip(*cells, strict=True)), left=(0,))
    if set(rows) == set(SPELL):
        today, best = (float(rows[name].step[0]) for name in SPELL)
        lines.append(f"step time of the best: {100 * (best / today - 1):+.1f} %")
    return "".join(f"{line}\n" for line in lines)
