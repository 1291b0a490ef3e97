"""`tmplan export`: a plan as the files a framework or launcher takes."""

from __future__ import annotations

from planner.document.planfile import Document
from planner.errors import FieldError
from planner.exporters import registry
from tui.cli.answer import NO_PLAN, Answer, narrate
from tui.cli.chosen_plan import Lacking, code, named
from tui.draw.aligned import aligned
from tui.state import export_files as exporting


def export(document: Document, *, pinned: bool, to: str | None, out: str | None, force: bool) -> Answer:
    """Write the files, or print the one there is; refused where the target cannot express the plan, and nothing is written then."""
    if not to:
        raise FieldError("to", f"--to NAME says what to write the plan for: {', '.join(registry.targets())}")
    target = registry.target(to)
    chosen = named(document, pinned=pinned)
    if isinstance(chosen, Lacking):
        return Answer(code=NO_PLAN)
    exported = registry.export(target.name, exporting.request(chosen.job, chosen.plan, document.version))
    if out in (None, "", "-"):
        if len(exported.files) > 1:
            names = ", ".join(exported.files)
            raise FieldError("out", f"{target.title} takes {len(exported.files)} files ({names}): name a folder for them with --out FOLDER")
        _tell(exported.notes)
        return Answer(next(iter(exported.files.values())), code(chosen))
    files = exporting.placed(exported, str(out))
    exporting.write(files, force=force)
    _tell(exported.notes)
    for path in files:
        narrate(f"wrote {path}")
    return Answer(code=code(chosen))


def _tell(notes: tuple[str, ...]) -> None:
    for note in notes:
        narrate(f"note: {' '.join(note.split())}")


def targets() -> Answer:
    """Everything a plan can be written for, a line each."""
    lines = [("NAME", "WRITES", "FOR", "VERSION"), *((t.name, t.main, t.title, t.version) for t in registry.targets().values())]
    return Answer("".join(f"{line}\n" for line in aligned(lines, range(4))))
