"""Exporting from the screen: a target from a list, a path in the prompt, the writing on a thread of its own."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from textual.message import Message

from planner.errors import TmplanError
from planner.files.reader import expand_home
from planner.specs.job import Job
from planner.specs.plan import Plan
from tui.app.keyboard import Keyboard
from tui.state import export_files
from tui.state.overwrite import Exists
from tui.state.threads import begin, error_text
from tui.widgets.line_edit import LineEdit
from tui.widgets.prompt import Prompt, Question


@dataclass(frozen=True)
class Order:
    """One export: what is written, for what, where to. A path typed is made absolute at once, and told as it was typed."""

    target: str
    job: Job
    plan: Plan
    out: str
    here: str  # the folder that the program runs in
    force: bool = False


class Written(Message):
    """An export has come to its end. `order` is to be given again, with force, if files in its way may be overwritten."""

    def __init__(self, text: str, role: str, order: Order | None = None) -> None:
        super().__init__()
        self.text, self.role, self.order = text, role, order


class Exporting(Keyboard):
    """The program with exports."""

    def current_plan(self) -> tuple[Job, Plan] | None:
        """The plan under the cursor and its job; none while the plans on the screen are not those of the present inputs."""
        answer, plan = self.answer, self.subject
        if answer is None or answer.job is None or self.table.stale or answer.question is not self.question:
            return None
        return (answer.job, plan) if plan is not None else None

    def plan_to(self, do: str) -> tuple[Job, Plan] | None:
        """The same, for something that is to be done with it; where there is none the message line says so."""
        current = self.current_plan()
        if current is None:
            self.foot.say(f"there is no plan here to {do}; wait for the plans, or change what is asked", "bad")
        return current

    def ask_target(self) -> None:
        """Ask what to write the plan under the cursor for, then where to."""
        current = self.plan_to("export")
        if current is None:
            return
        from planner.exporters import registry

        choices = [(target.name, f"{target.main} for {target.title}, {target.version}") for target in registry.targets().values()]
        self.pick("export for", choices, lambda name: self.ask_place(name, *current))

    def ask_place(self, target: str, job: Job, plan: Plan) -> None:
        """Ask where the files go."""
        from planner.exporters.slurm import slug

        def done(text: str) -> str | None:
            if not text:
                return "type the path of a folder"
            out = os.path.abspath(expand_home(text)) + ("/" if text.endswith("/") else "")
            self.give(Order(target, job, plan, out, f"{Path.cwd()}/"))
            return None

        offered = f"{slug(job.model.name)}-{job.cluster.gpus}-{target}/"
        self.ask(Prompt("export to", done, LineEdit.of(offered), "a folder, or a file where there is one alone; enter writes, esc cancels"))

    def give(self, order: Order) -> None:
        """Write an export on a thread: a slow disk never holds the keyboard."""
        self.foot.say("exporting …")
        begin(lambda: self.post(carried_out(order)))

    def on_written(self, message: Written) -> None:
        """Say what came of an export; files in its way are asked about, unless something else is being asked."""
        order, busy = message.order, self.foot.prompt or any(over.open for over in self.overs)
        if order and not busy:
            again = Order(order.target, order.job, order.plan, order.out, order.here, force=True)
            self.ask(Question(f"{message.text}; overwrite?", lambda yes: self.give(again)))
            return
        self.foot.say(f"{message.text}; nothing was written" if order else message.text, message.role)


def carried_out(order: Order) -> Written:
    """Export, and what there is to say of it."""
    from planner.document.version import version
    from planner.exporters import registry

    try:
        exported = registry.export(order.target, export_files.request(order.job, order.plan, version()))
        files = export_files.placed(exported, order.out)
        export_files.write(files, force=order.force)
    except Exists as error:
        first, others = error.paths[0].removeprefix(order.here), len(error.paths) - 1
        return Written(f"{first} and {others} more exist" if others else f"{first} exists", "bad", order)
    except TmplanError as error:
        return Written(str(error).replace(order.here, ""), "bad")
    except Exception as error:  # on a thread nobody else would hear of it
        return Written(error_text(error), "bad")
    paths = ", ".join(str(path).removeprefix(order.here) for path in files)
    notes = f"; {len(exported.notes)} notes: " if len(exported.notes) > 1 else "; note: " if exported.notes else ""
    return Written(f"wrote {paths}{notes}{'; '.join(exported.notes)}", "good")
