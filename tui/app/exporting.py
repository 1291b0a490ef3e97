"""Exporting: the plan under the cursor written for a framework or launcher, on a thread: a slow disk never holds the keyboard."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from planner.errors import TmplanError
from planner.files.reader import expand_home
from planner.specs.job import Job
from planner.specs.plan import Plan
from tui.app.actions import action
from tui.app.dialogs import Dialogs
from tui.app.loop import Loop
from tui.app.ranking import Ranking
from tui.state import export_files
from tui.state.overwrite import Exists
from tui.state.threads import error_text
from tui.widgets.line_edit import LineEdit
from tui.widgets.prompt import Prompt, Question


@dataclass(frozen=True)
class Export:
    """One export: the target, the plan, and the absolute path it goes to; messages show paths from the folder the program runs in."""

    target: str
    job: Job
    plan: Plan
    out: str
    folder: str
    force: bool = False


@dataclass(frozen=True)
class Outcome:
    """The outcome of an export. `blocked`: the export, if existing files prevent it."""

    message: str
    role: str
    blocked: Export | None = None


class Exporting:
    """Exports plans."""

    def __init__(self, ranking: Ranking, dialogs: Dialogs, loop: Loop) -> None:
        self._ranking, self._dialogs, self._loop = ranking, dialogs, loop

    @action
    def ask(self) -> None:
        """Ask what to write the plan under the cursor for, then where to."""
        current = self._ranking.current_to("export")
        if current is None:
            return
        from planner.exporters import registry

        choices = [(target.name, f"{target.main} for {target.title}, {target.version}") for target in registry.targets().values()]
        self._dialogs.pick("export for", choices, lambda name: self._ask_path(name, *current))

    def _ask_path(self, target: str, job: Job, plan: Plan) -> None:
        """Ask where the files go."""
        from planner.exporters.slurm import slug

        def done(text: str) -> str | None:
            if not text:
                return "type the path of a folder"
            out = os.path.abspath(expand_home(text)) + ("/" if text.endswith("/") else "")
            self._start(Export(target, job, plan, out, f"{Path.cwd()}/"))
            return None

        offered = f"{slug(job.model.name)}-{job.cluster.gpus}-{target}/"
        help = "a folder, or a file where there is one alone; enter writes, esc cancels"
        self._dialogs.ask(Prompt("export to", done, LineEdit.of(offered), help))

    def _start(self, export: Export) -> None:
        self._dialogs.say("exporting …")
        self._loop.start(lambda: carry_out(export), self._finish)

    def _finish(self, outcome: Outcome) -> None:
        """Report the outcome; ask whether existing files may be overwritten, unless another dialog is open."""
        blocked = outcome.blocked
        if blocked and not self._dialogs.busy:
            again = replace(blocked, force=True)
            self._dialogs.ask(Question(f"{outcome.message}; overwrite?", lambda yes: self._start(again)))
            return
        self._dialogs.say(f"{outcome.message}; nothing was written" if blocked else outcome.message, outcome.role)


def carry_out(export: Export) -> Outcome:
    """Export, on a thread."""
    from planner.document.version import version
    from planner.exporters import registry

    try:
        exported = registry.export(export.target, export_files.request(export.job, export.plan, version()))
        files = export_files.placed(exported, export.out)
        export_files.write(files, force=export.force)
    except Exists as error:
        first, others = error.paths[0].removeprefix(export.folder), len(error.paths) - 1
        return Outcome(f"{first} and {others} more exist" if others else f"{first} exists", "bad", export)
    except TmplanError as error:
        return Outcome(str(error).replace(export.folder, ""), "bad")
    except Exception as error:  # a thread has no other way to report it
        return Outcome(error_text(error), "bad")
    paths = ", ".join(str(path).removeprefix(export.folder) for path in files)
    notes = f"; {len(exported.notes)} notes: " if len(exported.notes) > 1 else "; note: " if exported.notes else ""
    return Outcome(f"wrote {paths}{notes}{'; '.join(exported.notes)}", "good")
