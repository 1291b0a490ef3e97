"""A stage of a plan in the lab next to its prediction: rows of bytes that mean the same in both."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

from planner.cost.evaluate import StageMemory, stages
from planner.lab.from_plan import stand_ins, task_of
from planner.lab.record import PHASES, LabError, Record
from planner.lab.runner import Runner
from planner.lab.scale import extrapolated, tasks_of
from planner.lab.task import Task
from planner.plaintext import quoted
from planner.specs.hardware import GIB
from planner.specs.job import Job
from planner.specs.plan import Plan

STATES = (
    ("weights", ("params",), ("parameters",)),
    ("gradients", ("grads",), ("gradients",)),
    ("optimizer states", ("optimizer",), ("optimizer",)),
)
ALL_STATES = (("model states", ("params", "grads", "optimizer"), ("parameters", "gradients", "optimizer", "experts")),)
# The sharded weight is the master copy, which predictions count as an optimizer state, and a gathered one as a weight.
SHARDED = (
    (
        "states and gathered weights",
        ("params", "grads", "optimizer", "gathered"),
        ("parameters", "gradients", "optimizer", "experts", "gathered"),
    ),
)
GATHERED = (("gathered weights", ("gathered",), ("gathered",)),)
OTHERS = (
    ("activations", ("activations", "buffers"), ("activations", "logits", "buffers")),
    ("working set", ("recomputed", "working", "step"), ("working",)),
    ("workspaces", (), ("workspace",)),
)
COLUMNS = (
    *("stack", "versions", "model", "job", "plan", "stage", "gpus"),
    *("live_gib", "reserved_gib", "expandable_gib", "phase", "kinds"),
)
LEAST_GIB = 0.0001  # of a kind in a table


class Row(NamedTuple):
    """Bytes by purpose at the peak: in the lab, and as predicted."""

    name: str
    lab: float
    predicted: float


@dataclass(frozen=True)
class StageComparison:
    """One stage: what the lab recorded, and the prediction."""

    job: Job
    plan: Plan
    task: Task
    record: Record
    runs: Sequence[tuple[Task, Record]]  # the truncated runs that the record is extrapolated from; one for a stage that ran whole
    prediction: StageMemory

    @property
    def rows(self) -> list[Row]:
        """Live bytes by purpose, in groups that mean the same in both. Predictions count the states of routed experts separately."""
        kinds, parts = self.record.peak.kinds, self.prediction.parts.named()
        states = (*(ALL_STATES if self.job.model.experts else STATES), *GATHERED)
        groups = (*(SHARDED if self.job.stack.master_is_parameter else states), *OTHERS)
        rows = [
            Row(name, sum(kinds.get(kind, 0) for kind in ours), sum(float(parts.get(part, 0.0)) for part in theirs))
            for name, ours, theirs in groups
        ]
        return [row for row in rows if row.lab or row.predicted]

    @property
    def live(self) -> Row:
        """Live bytes at the peak."""
        parts = self.prediction.parts
        return Row("live at the peak", self.record.live, float(parts.total - parts.slack - parts.context))

    @property
    def reserved(self) -> Row:
        """Bytes that the caching allocator reserves, as the job sets it."""
        size = self.record.expandable if self.job.expandable_segments else self.record.reserved
        return Row("reserved", size, float(self.prediction.parts.total - self.prediction.parts.context))

    @property
    def phases(self) -> list[Row]:
        """Live bytes in each phase of the lab."""
        live = self.prediction.phases
        return [Row(name, self.record.phases[name].live, float(live[name].total)) for name in PHASES if name in self.record.phases]

    @property
    def truncated(self) -> bool:
        """Whether the record is extrapolated from stages of fewer layers."""
        return len(self.runs) > 1

    @property
    def notes(self) -> list[str]:
        """Sentences on what stands in for what cannot run."""
        return [*stand_ins(self.job), *self.record.notes]

    def table(self) -> dict[str, Any]:
        """The comparison as plain values; bytes."""
        return {
            "stage": self.task.stage, "layers": sum(map(len, self.task.rank_layers)), "micro_batches": self.task.micro_batches,
            "layers_run": [sum(map(len, task.rank_layers)) for task, _ in self.runs], "phase": self.record.phase,
            "live": {"lab": self.live.lab, "predicted": self.live.predicted},
            "reserved": {"lab": self.reserved.lab, "predicted": self.reserved.predicted}, "notes": self.notes,
            "lab": self.record.table() | {"notes": list(self.record.notes)},
            "predicted": {name: float(value) for name, value in self.prediction.parts.named().items()},
            "predicted_phases": {name: float(live.total) for name, live in self.prediction.phases.items()},
        }  # fmt: skip

    def cells(self) -> list[Any]:
        """The values of COLUMNS; of jobs, plans and models those fields that are not at their defaults."""
        record = self.record
        kinds = {kind: round(size / GIB, 4) for kind, size in record.peak.kinds.items() if size >= GIB * LEAST_GIB}
        model = replace(self.job.model, layers=sum(map(len, self.task.layers)))
        versions = ", ".join(f"{name} {version}" for name, version in (record.versions or {}).items())
        return [
            self.task.stack, versions, *(json.dumps(set_fields(values)) for values in (model, self.job, self.plan)), self.task.stage,
            self.task.world, *(round(size / GIB, 4) for size in (record.live, record.reserved, record.expandable)), record.phase,
            json.dumps(kinds),
        ]  # fmt: skip


def set_fields(values: Any) -> dict[str, Any]:
    """The plain fields of a record that are not at their defaults."""
    plain = {f.name: getattr(values, f.name) for f in fields(values) if f.default != getattr(values, f.name)}
    return {name: value for name, value in plain.items() if isinstance(value, int | float | str)}


def compared(
    job: Job,
    plan: Plan,
    stage: int,
    runner: Runner,
    depths: tuple[int, int] | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> StageComparison:
    """Run a stage, and set its record next to its prediction; LabError with the reason where it cannot run."""
    task = task_of(job, plan, stage)
    tasks = tasks_of(task, depths)
    runs = []
    for number, each in enumerate(tasks, 1):
        layers = sum(map(len, each.rank_layers))
        progress(f"stage {stage}, {layers} layers" + (f", run {number} of {len(tasks)}" if len(tasks) > 1 else ""))
        runs.append((each, runner.run(each)))
    return StageComparison(job, plan, task, extrapolated(task, runs), runs, stages(job, plan)[stage])


def fullest(job: Job, plan: Plan) -> int:
    """The stage that needs the most memory by its prediction."""
    devices = [stage.device for stage in stages(job, plan)]
    return devices.index(max(devices))


def stages_of(text: str | None, job: Job, plan: Plan) -> list[int]:
    """The stages of an option: a number, all of them, or the fullest; LabError for anything else."""
    if text is None or text == "fullest":
        return [fullest(job, plan)]
    if text == "all":
        return list(range(int(plan.pp)))
    if not text.isdecimal() or int(text) >= int(plan.pp):
        raise LabError(f"stage must be a number from 0 to {int(plan.pp) - 1}, all or fullest, not {quoted(text)}")
    return [int(text)]
