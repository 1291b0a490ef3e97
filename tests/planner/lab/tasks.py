"""Tasks and records of the lab's tests."""

from __future__ import annotations

from typing import Any

from planner.document.inputs import Inputs, resolve
from planner.lab.from_plan import task_of
from planner.lab.record import Peak, Record
from planner.lab.task import Task
from planner.specs.job import Job
from planner.specs.plan import Plan

GIVEN: dict[str, Any] = {"model": "llama-3.1-8b", "gpus": 8, "stack": "megatron-core", "global_batch": 64, "sequence": 4096}


def job_of(**fields: Any) -> Job:
    """A job of Llama 3.1 8B on 8 GPUs under Megatron-Core, with other fields."""
    return resolve(Inputs(GIVEN | fields))


def a_task(stage: int = 0, plan: Plan | None = None, **fields: Any) -> Task:
    """The task of a stage; of a plan with ZeRO-1 on 8 data-parallel ranks if none is given."""
    return task_of(job_of(**fields), Plan(dp=8, dp_shard=8, zero=1) if plan is None else plan, stage)


def a_record(live: int, reserved: int = 0, notes: tuple[str, ...] = ()) -> Record:
    """A record whose peak is in the loss, all of it activations; in the backward pass a byte less."""
    phases = {"loss": Peak(live, {"activations": live}), "backward": Peak(live - 1, {"activations": live - 1})}
    return Record(phases, reserved or live, live, states=10, notes=notes, versions={"torch": "2.13.0"})
