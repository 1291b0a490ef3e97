"""One plan, or the rows on a screen, in full: every part of memory and time, every stage."""

from __future__ import annotations

from typing import Any

import numpy as np

from planner.cost import breakdown as parts
from planner.cost import layer_cost as layercosts
from planner.cost import schedule
from planner.cost import stage_cost as stagecosts
from planner.cost import step_cost as est
from planner.cost.error_band import band
from planner.cost.records import Estimate, Kinds, StageCost
from planner.specs.job import Job
from planner.specs.plan import Plan


def evaluate(job: Job, plan: Plan) -> Estimate:
    """All numbers of a plan, or of columns of plans; columns of the same length."""
    plan = plan if hasattr(plan.tp, "__len__") else plan.column()
    cost, place = layercosts.layer_costs(job, plan), stagecosts.edges(job, plan)
    stage, kinds, _ = place
    c = stagecosts.stage_cost(job, plan, place, cost)
    p, s = stagecosts.pipeline(job, plan, c), est.sharding(job, plan)
    totals = est.combined(job, p, s)
    fullest = est.device(job, p, s).argmax(axis=0)
    per_stage = stagecosts.work_parts(job, plan, stage, kinds, cost) | {"recompute": stagecosts.repeats(job, plan, c)}
    slowest = sum(per_stage.values()).argmax(axis=0)

    def at(values: Any, rows: Any) -> Any:
        return np.take_along_axis(np.broadcast_to(values, stage.shape), rows[None], 0)[0]

    purposes = {k: at(v, fullest) for k, v in memory_parts(job, plan, place, c, cost).items()}
    purposes["slack"] = parts.slack_bytes(job, sum(purposes.values()))
    purposes["context"] = parts.context_memory(job) + np.zeros(len(plan))
    tail = est.time_tail(job, p, s)
    waiting, fixed = est.step_of(job, p, tail)[1], tail.pop("fixed")
    own = parts.of_step(p.micro_batches, {k: at(v, slowest) for k, v in per_stage.items()}, fixed)
    time_parts = own | tail | {"straggler": waiting}
    layers = at(kinds.dense, slowest), None if kinds.sparse is None else at(kinds.sparse, slowest)
    hidden = parts.hidden(job, p.micro_batches, layers, cost, s, time_parts)
    return Estimate(
        plan=plan,
        memory=totals.memory,
        memory_limit=job.memory_limit,
        fits=est.fitting(job, totals),
        step=totals.step,
        memory_parts=purposes,
        time_parts=time_parts,
        hidden=hidden,
        stage=at(stage, fullest),
        slowest=at(stage, slowest),
        host=totals.host,
        tokens_per_second_per_gpu=schedule.tokens_per_second_per_gpu(job, totals.step),
        mfu=schedule.mfu(job, schedule.needed_flops(job), totals.step),
        step_band=band(job),
        memory_band=band(job, "memory"),
    )


def memory_parts(job: Job, plan: Plan, place: stagecosts.Edges, c: StageCost, cost: Kinds) -> dict[str, Any]:
    """Bytes by purpose on each stage, allocated alone."""
    stage, layers, _ = place
    states = est.static(job, plan, stage, layers).parts
    return states | {"activations": stagecosts.activations(job, plan, c)} | stagecosts.rest_parts(job, plan, stage, layers, cost)


def stages(job: Job, plan: Plan) -> list[dict[str, Any]]:
    """Memory of every pipeline stage of one plan: stage, layers, in_flight, bytes by purpose, and `device`, their sum."""
    columns = plan.column()
    stage = plan.every_stage()
    cost = layercosts.kinds(job, columns)
    place = stagecosts.Edges(stage, stagecosts.stage_kinds(job, columns, stage), None)
    c = stagecosts.stage_cost(job, columns, place, cost)
    parts = memory_parts(job, columns, place, c, cost)
    rows = []
    for i in range(plan.pp):
        row = {k: float(np.broadcast_to(v, stage.shape)[i, 0]) for k, v in parts.items()}
        row["slack"] = job.stack.allocator_slack * sum(row.values())
        row["context"] = job.stack.context_bytes
        rows.append({"stage": i, "layers": int(c.layers[i, 0]), "in_flight": float(c.in_flight[i, 0]), **row, "device": sum(row.values())})
    return rows
