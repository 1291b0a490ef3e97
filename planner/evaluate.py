"""One plan, or the rows on a screen, in full: every part of memory and time, every stage, and the tree of every number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from planner import estimate as est
from planner import layercosts, schedule, stagecosts
from planner.band import band
from planner.costs import Estimate, Kinds, LayerCost, StageCost
from planner.errors import TmplanError
from planner.formula import Step, tracing
from planner.plan import Plan
from planner.specs import Job
from planner.split import edge_stages


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
    purposes["slack"] = job.stack.allocator_slack * sum(purposes.values())
    purposes["context"] = np.full(len(plan), job.stack.context_bytes)
    tail = est.time_tail(job, p, s)
    time_parts = {k: p.micro_batches * at(v, slowest) for k, v in per_stage.items()} | tail
    time_parts["straggler"] = est.step_of(job, p, tail)[1]
    time_parts["host"] = time_parts["host"] + time_parts.pop("fixed")
    hidden = hidden_parts(job, [(at(n, slowest) * p.micro_batches, c) for n, c in zip(kinds[1:], cost, strict=True) if c is not None])
    hidden["dp"] = s.reduce_once + s.gather_once + p.micro_batches * s.reduce_each - tail["dp"]
    if cost.sparse:
        whole = (cost.sparse.ep_forward + cost.sparse.ep_backward) * at(kinds.sparse, slowest) * p.micro_batches
        hidden["ep"] = np.maximum(0.0, whole - time_parts["ep"])
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


def hidden_parts(job: Job, layers: Sequence[tuple[Any, LayerCost]]) -> dict[str, Any]:
    """Tensor and context parallel traffic that compute hides, of so many layers of each kind; seconds."""
    share = max(0.0, 1 - job.stack.tp_exposed)
    return {
        "tp": sum(share * 2 * c.tp_forward * count for count, c in layers),
        "cp": sum(np.maximum(0.0, 3 * c.cp_forward - c.cp_layer) * count for count, c in layers),
    }


def memory_parts(job: Job, plan: Plan, place: stagecosts.Edges, c: StageCost, cost: Kinds) -> dict[str, Any]:
    """Bytes by purpose on each stage, allocated alone."""
    stage, layers, _ = place
    states = est.static(job, plan, stage, layers).parts
    return states | {"activations": stagecosts.activations(job, plan, c)} | stagecosts.rest_parts(job, plan, stage, layers, cost)


def stages(job: Job, plan: Plan) -> list[dict[str, Any]]:
    """Memory of every pipeline stage of one plan: stage, layers, in_flight, bytes by purpose, and `device`, their sum."""
    columns = plan.column()
    stage = np.arange(plan.pp)[:, None]
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


def explain(job: Job, plan: Plan) -> dict[str, Step]:
    """The tree of every headline number of one plan: memory, step, mfu, tokens_per_second_per_gpu."""
    numbers = evaluate(job, plan)
    columns = plan.column()
    stage = edge_stages(job, columns)[:, 0].tolist()
    with tracing(row=stage.index(int(numbers.stage[0]))) as trace:
        device = est.device(job, stagecosts.pipeline(job, columns, stagecosts.edge_cost(job, columns)), est.sharding(job, columns))
        trees = {"memory": trace.of(device)}
    with tracing(row=stage.index(int(numbers.slowest[0]))) as trace:
        step = est.combined(job, stagecosts.pipeline(job, columns, stagecosts.edge_cost(job, columns)), est.sharding(job, columns)).step
        trees["step"] = trace.of(step)
        trees["mfu"] = trace.of(schedule.mfu(job, schedule.needed_flops(job), step))
        trees["tokens_per_second_per_gpu"] = trace.of(schedule.tokens_per_second_per_gpu(job, step))
    for name, value in (("memory", numbers.memory[0]), ("step", numbers.step[0])):
        if not np.isclose(trees[name].value, value, rtol=1e-12):
            raise TmplanError(f"internal: the tree of {name} gives {trees[name].value!r}, the table {value!r}; please report this")
    return trees
