"""The numbers of a plan that several targets write."""

from __future__ import annotations

from typing import NamedTuple

from planner.degrees import KEYS, WORLD, text, world
from planner.exporters.registry import Request
from planner.specs.job import RECOMPUTES, SCHEDULES


class Degrees(NamedTuple):
    """The numbers of a plan as Python values, and those derived from them."""

    tp: int
    pp: int
    vpp: int
    cp: int
    dp: int
    ep: int
    etp: int
    dp_shard: int
    dp_replicate: int
    zero: int
    sequence_parallel: bool
    micro_batch: int
    recompute: str  # none, selective, full, first
    recompute_layers: int
    schedule: str  # of SCHEDULES
    world: int
    nodes: int
    gpus_per_node: int
    micro_batches: int  # per step and data-parallel rank (gradient accumulation steps)


def degrees(request: Request) -> Degrees:
    """The numbers of a request's plan."""
    job, plan = request.job, request.plan
    node = min(job.cluster.gpus_per_node, job.cluster.gpus)
    return Degrees(
        **{key: int(getattr(plan, key)) for key in KEYS}, dp_shard=int(plan.dp_shard),
        dp_replicate=int(plan.dp_replicate) if plan.zero else int(plan.dp), zero=int(plan.zero),
        sequence_parallel=bool(plan.sequence_parallel), micro_batch=int(plan.micro_batch), recompute=RECOMPUTES[int(plan.recompute)],
        recompute_layers=int(plan.recompute_layers), schedule=SCHEDULES[int(plan.schedule)], world=job.cluster.gpus,
        nodes=-(-job.cluster.gpus // node), gpus_per_node=node, micro_batches=job.global_batch // (int(plan.dp) * int(plan.micro_batch)),
    )  # fmt: skip


FILLED = f"{text(WORLD)} must be the number of GPUs"


def fills(d: Degrees) -> bool:
    """Whether the degrees occupy every GPU."""
    return bool(world(d) == d.world)
