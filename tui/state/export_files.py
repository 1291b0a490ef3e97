"""A plan as the files of an export target: the header, the paths, and writing. The command and the key both use this module."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping
from pathlib import Path

from planner import plaintext
from planner.errors import FieldError, FileError, TmplanError
from planner.exporters.registry import Exported, Request
from planner.files import reader, writer
from planner.plaintext import named
from planner.specs.job import Job
from planner.specs.plan import Plan
from tui.state.overwrite import Exists, put

LARGEST = 2**26  # bytes of an overwritten file, which is restored if another file of the same export cannot be written
ENDING = re.compile(r"\.[A-Za-z]\w*$")  # extension of a file name; the .1-405b of a model name is not one


def request(job: Job, plan: Plan, version: str) -> Request:
    """A plan to export, with header lines that describe it and its prediction."""
    from planner.cost.evaluate import evaluate
    from planner.report.best import EvaluatedPlan
    from tui.state.headline import headline

    degrees, _, figures = headline(EvaluatedPlan(job, plan, evaluate(job, plan))).partition("  ")
    what = f"{job.model.name} on {job.cluster.gpus:,} {job.cluster.gpu.name}, {job.stack.dated}"
    batch = f"sequence {job.sequence:,}, global batch {job.global_batch:,}, {job.precision}"
    lines = (f"tmplan {version}: {what}; {batch}", f"plan: {degrees}", f"predicted: {figures}")
    return Request(job, plan, tuple(map(plaintext.line, lines)))


def placed(exported: Exported, out: str) -> dict[Path, str]:
    """The files by destination path: in a folder, or, for a single file, at the path itself."""
    path = Path(reader.expand_home(out))
    single = os.path.exists(path) and not os.path.isdir(path)  # an invalid name is reported when writing
    if len(exported.files) == 1 and (single or (not os.path.isdir(path) and not out.endswith(os.sep) and ENDING.search(path.name))):
        return {path: next(iter(exported.files.values()))}
    if single:
        raise FieldError(
            "out", f"{named(out)} is a file, and there are {len(exported.files)} to write ({', '.join(exported.files)}): name a folder"
        )
    return {path / name: text for name, text in exported.files.items()}


def write(files: Mapping[Path, str], *, force: bool) -> None:
    """Write all files atomically, or restore the previous state: Exists if a file is in the way, FileError if one cannot be written."""
    backups = {path: _content(path) for path in files} if force else dict.fromkeys(files)
    if not force and (there := [str(path) for path in files if writer.replaces(path)]):
        raise Exists(there)
    parents = {folder for path in files for folder in path.parents}
    made = sorted((folder for folder in parents if not os.path.exists(folder)), key=lambda folder: len(folder.parts))
    done: list[Path] = []
    try:
        for folder in made:
            folder.mkdir()
        for path, text in files.items():
            put(path, text, force=force)
            done.append(path)
    except (TmplanError, OSError, ValueError) as error:
        _undo(done, backups, made)
        if isinstance(error, TmplanError):
            raise
        raise FileError(f"cannot be created: {reader.reason(error)}", where=str(folder)) from None


def _content(path: Path) -> bytes | None:
    """The content of a file; None if there is none."""
    beyond = f"is larger than {LARGEST:,} bytes: too large to be backed up while the export is written; move it away first"
    return reader.content(path, LARGEST, beyond) if os.path.isfile(path) else None


def _undo(done: list[Path], backups: Mapping[Path, bytes | None], made: list[Path]) -> None:
    """Restore the previous content of the files already written, and remove new folders."""
    with contextlib.suppress(OSError):
        for path in done:
            before = backups[path]
            if before is not None:
                path.write_bytes(before)
            elif path.is_file():
                path.unlink()
        for folder in reversed(made):
            if folder.exists():
                folder.rmdir()
