"""`tmplan plan`: the ranking as a table, JSON, CSV or Markdown."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from planner.cost.error_band import band, family
from planner.cost.memory_band import memory_band
from planner.document import planfile
from planner.document.fields import JOB_GROUPS
from planner.document.inputs import BY_KEY as BY_FIELD
from planner.document.inputs import Inputs, Value, resolve, shown
from planner.document.planfile import Document
from planner.errors import FieldError
from planner.report.advice import nearest
from planner.report.best import why_none
from planner.report.columns import RISK, at_risk, find, predictions
from planner.report.number_text import write_size
from planner.report.sort import RowFigures, ordered
from planner.report.wording import band_in_words, in_words
from planner.search import search
from planner.search.broken_rules import broken_rules
from planner.search.row_store import ROWS
from planner.specs.hardware import GIB
from planner.specs.job import Job
from planner.specs.plan import Column
from planner.specs.validate import choice
from tui.cli.answer import DONE, NO_PLAN, Answer, narrate
from tui.cli.listing import Listing
from tui.cli.output import as_json_of_many
from tui.state.overwrite import put, vacant

PATIENCE = 1.0  # seconds of silence before a search reports progress


def ranking(document: Document, *, top: int, format: str, save: str | None, every: bool, sort: str | None, force: bool = False) -> Answer:
    """Search, rank, print, and optionally save the first row."""
    choice("format", format, ("table", "json", "csv", "markdown"))
    column = find(sort) if sort else None
    if save is not None and not save.strip():
        raise FieldError("save", "--save takes the name of a plan file, not an empty text")
    if save:
        vacant(save, force=force)
    job = resolve(document.inputs)
    result = searched(job, document)
    rows = candidates(result, every)
    if column is not None:
        rows = ordered(result, rows, column)
    listing = Listing(result, rows[:top], every)
    narrate(summary(job, result, len(listing)))
    if result.counts.unkept:
        narrate(unlisted(result))
    if result.alike:
        narrate(distinguishable(result))
    marked = f", marked {RISK} before GiB" if format in ("table", "markdown") else ""
    for sentence in risks(listing, marked):
        narrate(sentence)
    for sentence in unlike(job):
        narrate(sentence)
    advice = [] if result.counts.fit else advised(result)
    for sentence in advice:
        narrate(sentence)
    if save:
        saved(save, document, result, rows, force=force)
    code = DONE if result.counts.fit else NO_PLAN
    if format == "json":
        return as_json_of_many(contract(document, result, advice), "plans", listing.records(), code)
    return Answer(code=code, more={"csv": listing.csv, "table": listing.table, "markdown": listing.markdown}[format]())


def searched(job: Job, document: Document) -> search.Result:
    """Run the search; it reports progress on stderr once it takes longer than PATIENCE."""
    return search.search(job, document.space, progress=reporting(), clock=time.perf_counter)


def reporting(what: str = "plans evaluated") -> Callable[[int], None]:
    """A progress callback that is silent for PATIENCE seconds, and then reports at most once per PATIENCE seconds."""
    spoken = time.monotonic()

    def report(evaluated: int) -> None:
        nonlocal spoken
        if time.monotonic() - spoken >= PATIENCE:
            spoken = time.monotonic()
            narrate(f"{evaluated:,} {what} so far")

    return report


def candidates(result: search.Result, every: bool) -> Column:
    """Rows that fit, fastest first; with `every`, followed by those that do not, least excess first."""
    if not every:
        return result.order
    import numpy as np

    return np.concatenate([result.order, result.rejected_order])


def advised(result: search.Result) -> list[str]:
    """The reasons why no plan fits: the rules that refused plans, or the plan nearest to fitting and changes that would help."""
    if not result.counts.evaluated:
        refused = [f"no plan is valid: {sentence} ({count:,} refused)" for sentence, count in search.why_refused(result.counts)]
        if "bounds" in result.counts.refused or not refused:  # with pins, few or no plans reach a rule that would refuse them
            return [f"no plan is valid: {rule.text}" for rule in broken_rules(result.job, result.space)] or refused or [why_none(result)]
        return refused
    near = nearest(result)
    helps = [advice.sentence for advice in near.advice] if near else []
    return [near.sentence, *(helps or ["No single change of those tried makes a plan fit."])] if near else []


def summary(job: Job, result: search.Result, printed: int) -> str:
    """One line on the search and its counts."""
    counts, cluster = result.counts, job.cluster
    calibrated = f" ({cluster.calibration})" if cluster.calibration else ""
    return (
        f"{job.model.name} ({write_size(job.model)}) on {cluster.gpus:,} {cluster.gpu.name}{calibrated}, {job.stack.dated}: "
        f"{counts.seen:,} plans seen, {sum(counts.refused.values()):,} refused by rules, {counts.evaluated:,} evaluated, "
        f"{counts.fit:,} fit, {counts.seconds:.2f} s; {printed:,} printed"
    )


def unlisted(result: search.Result) -> str:
    """One line on plans beyond the number that a search holds."""
    return (
        f"{result.counts.unkept:,} of the plans evaluated are counted but not listed, since a search holds about {ROWS:,}: listed are the "
        f"{len(result.order):,} fastest that fit, the {len(result) - len(result.order):,} nearest to fitting, and every plan that no other "
        "beats in both memory and step time"
    )


def distinguishable(result: search.Result) -> str:
    """One line on the error band of the estimates, and on the number of first plans that it does not distinguish."""
    alike = "the first plan is distinct" if result.alike == 1 else f"the first {result.alike:,} plans are too close to distinguish"
    return f"{band_in_words(band(result.job))}: {alike}{without_risk(result)}"


def without_risk(result: search.Result) -> str:
    """Of the plans too close to distinguish the fastest that is not at risk, if the first is."""
    tied = result.order[: result.alike]
    risky = at_risk(RowFigures(result, tied))
    if not risky[0] or risky.all():
        return ""
    place = int(risky.argmin())
    gib = result.memory_bytes[tied[place]] / GIB
    return f"; the fastest of them that is not at risk is number {place + 1:,}, {gib:.1f} GiB: {in_words(result.plan(int(tied[place])))}"


def risks(listing: Listing, marked: str) -> list[str]:
    """A sentence on the plans printed that are at risk and on their mark; nothing if none is."""
    count, printed = listing.risky, len(listing)
    if not count:
        return []
    limit = f"the 80 % band of memory crosses the limit of {listing.job.memory_limit / GIB:.1f} GiB"
    return [f"{count:,} of the {printed:,} printed {'is' if count == 1 else 'are'} at risk{marked}: {limit}"]


def unlike(job: Job) -> list[str]:
    """A sentence on the band of memory of a job that no measured run is like; nothing for others."""
    known = memory_band(job)
    if known.like == family(job):
        return []
    ends = f"{100 * (known.low - 1):+.0f} to {100 * (known.high - 1):+.0f} %"
    return [f"no measured peak is of a job like this: the 80 % band of its memory, {ends}, is of {known.runs:,} runs ({known.like})"]


def saved(path: str, document: Document, result: search.Result, rows: Column, *, force: bool) -> None:
    """Write the first row to a plan file; FieldError if there is none."""
    if not len(rows):
        raise FieldError("save", f"there is no plan to save in {path}: no plan fits; --all saves the nearest, other inputs may fit")
    first = result.estimate(rows[:1])
    plan = Document(document.inputs, document.space, first.plan.one(0), predictions(first), document.version)
    put(path, planfile.dumps(plan), force=force)
    narrate(f"saved the first plan in {path}")


def contract(document: Document, result: search.Result, advice: list[str]) -> dict[str, Any]:
    """The JSON, schema 1, without the plans; docs/json.md documents the keys."""
    counts = result.counts
    return {
        "job": job_values(document.inputs),
        "space": {axis: document.space.text(axis) for axis in document.space.bounds},
        "counts": {
            "seen": counts.seen,
            "refused": dict(counts.refused),
            "evaluated": counts.evaluated,
            "fit": counts.fit,
            "unkept": counts.unkept,
            "seconds": counts.seconds,
        },
        "advice": advice,
    }


def job_values(inputs: Inputs) -> dict[str, Value]:
    """The value of every field of the job, in its display unit, by key."""
    values = {key: value for key, (value, _) in shown(inputs).items() if BY_FIELD[key].group in JOB_GROUPS}
    return {key: int(value) if BY_FIELD[key].numbered else value for key, value in values.items()}
