"""`tmplan export`: a plan as the files a framework or launcher takes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from planner.columns import records
from planner.errors import FieldError
from planner.export import registry
from planner.inputs import resolve
from planner.plan import Plan
from planner.planfile import Document
from planner.specs import Job
from tui import exporting
from tui.cli import DONE, NO_PLAN, Answer, narrate
from tui.cli_explain import exactly, headline
from tui.cli_plan import advised, searched


@dataclass(frozen=True)
class Chosen:
    """One plan of a job, and whether it fits."""

    job: Job
    plan: Plan
    fits: bool

    @property
    def code(self) -> int:
        """The exit code of a command that has done what was asked with it."""
        return DONE if self.fits else NO_PLAN


def choose(document: Document, *, pinned: bool) -> Chosen | None:
    """The best plan within the pins, else the plan file's own, else the best of the job; None, and why on stderr, where there is none.

    A plan that someone named is taken even where it does not fit; none such is made up where nobody named one.
    """
    job = resolve(document.inputs)
    own = document.plan is not None and not pinned
    if own and document.plan is not None:
        document = replace(document, space=exactly(document.plan))
    result = searched(job, document)
    rows = result.order if len(result.order) or not (own or pinned) else result.rejected_order
    if not len(rows):
        for sentence in advised(result):
            narrate(sentence)
        return None
    estimate = result.estimate(rows[:1])
    plan, record = estimate.plan.one(0), records(estimate)[0]
    if not own:
        narrate(f"{'the best plan within the bounds' if pinned else 'no plan was given, so the best'}: {headline(job, plan, record)}")
    if not record["fits"]:
        narrate(f"this plan does not fit: it needs {record['memory_gib']:.2f} GiB of {record['memory_limit_gib']:.2f} GiB")
    return Chosen(job, plan, record["fits"])


def export(document: Document, *, pinned: bool, to: str | None, out: str | None, force: bool) -> Answer:
    """Write the files, or print the one there is; refused where the target cannot express the plan, and nothing is written then."""
    if not to:
        raise FieldError("to", f"--to NAME says what to write the plan for: {', '.join(registry.targets())}")
    target = registry.target(to)
    chosen = choose(document, pinned=pinned)
    if chosen is None:
        return Answer(code=NO_PLAN)
    exported = registry.export(target.name, exporting.request(chosen.job, chosen.plan, document.version))
    if out in (None, "", "-"):
        if len(exported.files) > 1:
            names = ", ".join(exported.files)
            raise FieldError("out", f"{target.title} takes {len(exported.files)} files ({names}): name a folder for them with --out FOLDER")
        _tell(exported.notes)
        return Answer(next(iter(exported.files.values())), chosen.code)
    files = exporting.placed(exported, str(out))
    exporting.write(files, force=force)
    _tell(exported.notes)
    for path in files:
        narrate(f"wrote {path}")
    return Answer(code=chosen.code)


def _tell(notes: tuple[str, ...]) -> None:
    for note in notes:
        narrate(f"note: {' '.join(note.split())}")


def targets() -> Answer:
    """Everything a plan can be written for, a line each."""
    lines = [("NAME", "WRITES", "FOR", "VERSION"), *((t.name, t.main, t.title, t.version) for t in registry.targets().values())]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return Answer("".join("  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() + "\n" for line in lines))
