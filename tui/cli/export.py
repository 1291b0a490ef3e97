"""`tmplan export`: a plan as the input files of a framework or launcher."""

from __future__ import annotations

from planner.document.planfile import Document
from planner.errors import FieldError
from planner.exporters import registry
from tui.cli.answer import NO_PLAN, Answer, narrate
from tui.cli.chosen_plan import Lacking, code, named
from tui.draw.aligned import aligned
from tui.state import export_files as export_files


def export(document: Document, *, pinned: bool, to: str | None, out: str | None, force: bool) -> Answer:
    """Write the files, or print a single file; refused, without writing anything, if the target cannot express the plan."""
    if not to:
        raise FieldError("to", f"--to NAME selects the target of the export: {', '.join(registry.targets())}")
    target = registry.target(to)
    chosen = named(document, pinned=pinned)
    if isinstance(chosen, Lacking):
        return Answer(code=NO_PLAN)
    exported = registry.export(target.name, export_files.request(chosen.job, chosen.plan, document.version))
    if out in (None, "", "-"):
        if len(exported.files) > 1:
            names = ", ".join(exported.files)
            raise FieldError("out", f"{target.title} needs {len(exported.files)} files ({names}): name a folder for them with --out FOLDER")
        _narrate_notes(exported.notes)
        return Answer(next(iter(exported.files.values())), code(chosen))
    files = export_files.placed(exported, str(out))
    export_files.write(files, force=force)
    _narrate_notes(exported.notes)
    for path in files:
        narrate(f"wrote {path}")
    return Answer(code=code(chosen))


def _narrate_notes(notes: tuple[str, ...]) -> None:
    for note in notes:
        narrate(f"note: {' '.join(note.split())}")


def targets() -> Answer:
    """All targets of exports, one per line."""
    lines = [("NAME", "WRITES", "FOR", "VERSION"), *((t.name, t.main, t.title, t.version) for t in registry.targets().values())]
    return Answer("".join(f"{line}\n" for line in aligned(lines, range(4))))
