"""Jobs the tests share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from planner.document.inputs import EXAMPLE, resolve
from planner.document.space import Space
from planner.search.lattice import SHARDING_FIELDS, lattices
from planner.specs.job import SCHEDULES, Job
from planner.specs.plan import FIELDS, Plan


def example(**changes: object) -> Job:
    """The embedded example with some inputs changed."""
    return resolve(EXAMPLE.with_all(changes))  # type: ignore[arg-type]


def small(**changes: object) -> Job:
    """Llama 3.1 8B on 16 H100: searched in milliseconds."""
    return example(**({"model": "llama-3.1-8b", "gpus": 16, "global_batch": 64, "sequence": 4096} | changes))


def korthikanti(model: str, gpus: int, batch: int) -> Job:
    """A run of Korthikanti et al. 2022: A100-80GB, sequence 2048, fp16, fused softmax, no flash attention (2022 has none)."""
    changes = {"model": model, "gpu": "a100-80gb-sxm", "gpus": gpus, "global_batch": batch, "sequence": 2048, "stack": "megatron-lm-2021"}
    return example(**changes, precision="fp16", attention="fused-softmax")


def bare(job: Job) -> Job:
    """The same with the stack's allowances over theory taken out."""
    return replace(job, stack=replace(job.stack, activation_overhead=1.0, allocator_slack=0.0, context_bytes=0.0))


def cut(job: Job, layers: int) -> Job:
    """The same with the model cut to its first layers."""
    dense = min(job.model.dense_layers, layers - 1)
    return replace(job, model=replace(job.model, layers=layers, dense_layers=dense))


def mixture(model: str = "qwen3-30b-a3b", layers: int = 8, **changes: object) -> Job:
    """A mixture of experts reduced to a number of layers, on 16 H100 and a stack made to take it."""
    job = cut(example(**({"model": model, "gpus": 16, "global_batch": 64, "sequence": 4096} | changes)), layers)
    return replace(job, stack=replace(job.stack, expert_parallel=True))


def every_schedule(job: Job) -> Job:
    """The same on a stack that runs every pipeline schedule, as far as the way it splits layers has virtual stages."""
    schedules = SCHEDULES[:3] if job.stack.uneven_stages == "flops" else SCHEDULES
    return replace(job, stack=replace(job.stack, schedules=schedules))


def allowed(job: Job, space: Space | None = None, *, hopeless: bool = True) -> tuple[Plan, dict[str, int]]:
    """Every plan of the lattice as columns, in its order, and how many rows each rule refused."""
    refused: dict[str, int] = {}
    parts: list[Plan] = []
    for lattice in lattices(job, space or Space(), refused, hopeless=hopeless):
        row = np.repeat(np.arange(len(lattice.count)), lattice.count)
        side = np.arange(len(row)) + np.repeat(lattice.first - (np.cumsum(lattice.count) - lattice.count), lattice.count)
        parts.append(lattice.pipeline.take(row).with_(**{name: getattr(lattice.shardings, name)[side] for name in SHARDING_FIELDS}))
    return Plan(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in FIELDS}), refused
