"""A task of the lab: one pipeline stage of one plan under one framework, as plain data that travels to the child process as JSON."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any

DENSE, SPARSE = "d", "s"  # a layer in `Task.layers`: with a dense MLP, with routed experts
FOLDED = ("zb-v", "dualpipev")  # schedules whose virtual stages run down the ranks and back up
COMMON = (  # fields of a job that every framework reads, that another sentence reports, or that do not change what is allocated
    *("precision", "attention", "tuning", "headroom", "overlap_experts", "offload_nvme", "expandable_segments", "fp8_parameters"),
    *("lora_rank", "lora_targets", "tp_overlap", "pipeline_layout"),  # `layers` follow the layout
)


@dataclass(frozen=True)
class Task:
    """What the child process runs. Everything is plain data: numbers, texts, lists and mappings.

    model: the fields of planner.specs.model.Model. `layers` there is that of the whole model, also where the task is truncated.
    job: the fields of planner.specs.job.Job other than model, cluster, stack and constants; a framework reads those that it knows and
    takes a field that is not there at its default.
    plan: the fields of a plan by name, recompute and schedule as texts (Plan.named).
    """

    framework: str  # a key of planner.lab.frameworks.FRAMEWORKS
    stack: str
    model: Mapping[str, Any]
    job: Mapping[str, Any]
    plan: Mapping[str, Any]
    stage: int  # pipeline rank
    layers: tuple[str, ...]  # of every virtual stage in the order of the data flow (pp x vpp of them): a letter per layer, DENSE or SPARSE
    micro_batches: int  # of a data-parallel rank in a step
    steps: int = 2  # optimizer states are made in the first; peaks are those of the others
    changed: tuple[str, ...] = ()  # fields of the job that are not at the default of its stack

    def ignored(self, read: Collection[str]) -> list[str]:
        """A sentence for each choice of the job that changes memory and that a framework's module does not read."""
        names = [name for name in self.changed if name not in (*read, *COMMON)]
        return [f"{name} {str(self.job[name]).lower()} is not run in the lab: the default of the framework stands in" for name in names]

    @property
    def world(self) -> int:
        """Ranks of the job."""
        return int(self.plan["tp"] * self.plan["pp"] * self.plan["cp"] * self.plan["dp"])

    @property
    def rank(self) -> int:
        """The first rank of the stage: pipeline ranks are outermost in every framework of the lab."""
        return int(self.stage * (self.world // self.plan["pp"]))

    @property
    def rank_layers(self) -> tuple[str, ...]:
        """The layers of each virtual stage that the rank holds, in the order of the data flow."""
        stages = int(self.plan["pp"])
        if self.plan["schedule"] in FOLDED:
            return self.layers[self.stage], self.layers[-1 - self.stage]
        return self.layers[self.stage :: stages]

    @property
    def first(self) -> bool:
        """Whether the rank holds the embedding."""
        return self.stage == 0

    @property
    def last(self) -> bool:
        """Whether the rank holds the head and computes the loss."""
        return self.stage == (0 if self.plan["schedule"] in FOLDED else self.plan["pp"] - 1)

    def dumps(self) -> str:
        """The task as one line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def loads(cls, text: str) -> Task:
        """The task of a line that `dumps` made."""
        values = json.loads(text)
        return cls(**values | {name: tuple(values[name]) for name in ("layers", "changed")})
