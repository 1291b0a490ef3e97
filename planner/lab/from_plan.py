"""The task of one stage of a plan, the frameworks that can run it, and what stands in for what none of them can run on a CPU."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

import numpy as np

from planner.cost.pipeline_split import virtual_layers
from planner.document.inputs import following
from planner.document.spec_tables import table
from planner.lab.frameworks import FRAMEWORKS
from planner.lab.record import LabError
from planner.lab.task import DENSE, SPARSE, Task
from planner.specs.job import Job
from planner.specs.plan import Plan

STACKS: Mapping[str, str] = {  # stack -> framework of the lab
    "megatron-core": "megatron", "nemo": "megatron", "nemo-tuned": "megatron", "torchtitan": "torchtitan",
    "transformers": "transformers", "pytorch-fsdp": "transformers", "deepspeed": "deepspeed",
}  # fmt: skip
SAME = ("megatron-core", "torchtitan", "transformers", "deepspeed")  # stacks that are the framework itself
OF_JOB = ("model", "cluster", "stack", "constants")  # fields of Job that are tables


def task_of(job: Job, plan: Plan, stage: int) -> Task:
    """The task of a pipeline rank of a plan; LabError where no framework of the lab runs its stack, or it has no such stage."""
    framework = STACKS.get(job.stack.name)
    if framework is None:
        runnable = ", ".join(STACKS)
        raise LabError(f"{job.stack.title} has no package that runs on a CPU; verify runs plans of the stacks {runnable}")
    stages = int(plan.pp)
    if not 0 <= stage < stages:
        raise LabError(f"the plan has stages 0 to {stages - 1}, not {stage}")
    if job.layout is not None and job.layout.ahead and job.layout.ahead_stage != job.layout.stages - 1:
        raise LabError("the lab runs multi-token prediction in the stage of the head: pipeline_layout must have m before its L")
    return Task(
        framework=framework,
        stack=job.stack.name,
        model=table(job.model),
        job=job_table(job),
        plan=plan.named(),
        stage=stage,
        layers=layer_kinds(job, plan),
        micro_batches=enough_micro_batches(job, plan),
        changed=changed(job),
    )


def job_table(job: Job) -> dict[str, Any]:
    """The fields of a job that are plain values."""
    return {f.name: getattr(job, f.name) for f in fields(job) if f.name not in OF_JOB}


def changed(job: Job) -> tuple[str, ...]:
    """The plain fields of a job that are not at the default of its stack."""
    usual = {f.name: f.default for f in fields(job) if f.default is not MISSING} | following(job.stack, job.optimizer)
    return tuple(name for name, value in job_table(job).items() if name in usual and usual[name] != value)


def layer_kinds(job: Job, plan: Plan) -> tuple[str, ...]:
    """The layers of every virtual stage, a letter each. Dense layers come first; of those after them every `moe_every`-th is sparse."""
    model, number = job.model, 0
    stages = []
    for count in map(int, virtual_layers(job, plan)):
        stages.append("".join(_kind(model.experts, number + i - model.dense_layers, model.moe_every) for i in range(count)))
        number += count
    return tuple(stages)


def _kind(experts: int, number: int, every: int) -> str:
    """The kind of a layer; number: its place after the first dense layers, from 0."""
    return SPARSE if experts and number >= 0 and (number + 1) % every == 0 else DENSE


def enough_micro_batches(job: Job, plan: Plan) -> int:
    """Micro-batches of a step that suffice for its peak: two on every stage of a pipeline, so that the steady state is reached."""
    every = int(job.global_batch // (plan.dp * plan.micro_batch))
    return int(np.minimum(every, 2 * plan.pp))


def stand_ins(job: Job) -> list[str]:
    """A sentence for each part of a job that cannot run on a CPU, with what stands in."""
    title = FRAMEWORKS[STACKS[job.stack.name]].title
    sentences = []
    if job.stack.name not in SAME:
        sentences.append(f"{title} stands in for {job.stack.title}")
    if job.precision in ("fp8", "fp4"):
        sentences.append(f"{job.precision} needs kernels of a GPU: bf16 stands in, also for what is stored in {job.precision}")
    return sentences
