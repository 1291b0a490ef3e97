"""One plan, or the rows on a screen, in full: every part of memory and time, every stage, and the tree of every number."""

from __future__ import annotations

from typing import Any

import numpy as np

from planner import estimate as est
from planner import schedule
from planner.errors import TmplanError
from planner.formula import Step, tracing
from planner.plan import Plan
from planner.shard import edge_layers, edge_stages, in_flight, micro_batches, stage_layers
from planner.specs import Job


def _columns(plan: Plan) -> Plan:
    return plan if hasattr(plan.tp, "__len__") else plan.column()


def evaluate(job: Job, plan: Plan) -> est.Estimate:
    """All numbers of a plan, or of columns of plans; columns of the same length."""
    plan = _columns(plan)
    cost = est.gathered_layer_cost(job, plan)
    p, s = est.pipeline(job, plan, cost), est.sharding(job, plan)
    totals = est.combined(job, p, s)
    stage, layers = edge_stages(plan), edge_layers(job, plan)
    fullest = est.device(job, p, s).argmax(axis=0)
    per_stage = est.stage_times(job, plan, stage, layers, cost)
    slowest = sum(per_stage.values()).argmax(axis=0)

    def at(values: Any, rows: Any) -> Any:
        return np.take_along_axis(np.broadcast_to(values, stage.shape), rows[None], 0)[0]

    states, _, _ = est.static_parts(job, plan, stage, layers)
    memory_parts = {k: at(v, fullest) for k, v in (states | est.live_parts(job, plan, stage, layers, cost)).items()}
    memory_parts["slack"] = job.stack.allocator_slack * sum(memory_parts.values())
    memory_parts["context"] = np.full(len(plan), job.stack.context_bytes)
    tail = est.time_tail(job, p, s)
    time_parts = {k: p.micro_batches * at(v, slowest) for k, v in per_stage.items()} | tail
    time_parts["host"] = time_parts["host"] + time_parts.pop("fixed")
    sent = s.reduce_once + p.micro_batches * s.reduce_each
    return est.Estimate(
        plan=plan,
        memory=totals.memory,
        memory_limit=job.memory_limit,
        fits=est.fitting(job, totals),
        step=totals.step,
        memory_parts=memory_parts,
        time_parts=time_parts,
        hidden=_hidden(job, plan, cost, p, sent - tail["dp"], at(stage, slowest)),
        stage=at(stage, fullest),
        slowest=at(stage, slowest),
        host=totals.host,
        tokens_per_second_per_gpu=schedule.tokens_per_second_per_gpu(job, totals.step),
        mfu=schedule.mfu(job, schedule.model_flops(job), totals.step),
    )


def _hidden(job: Job, plan: Plan, cost: est.LayerCost, p: est.Pipeline, dp: Any, stage: Any) -> dict[str, Any]:
    """Communication a step that compute hides, by dimension; seconds."""
    layers = stage_layers(job, plan, stage) * p.micro_batches
    return {
        "tp": (1 - job.stack.tp_exposed) * 2 * cost.tp_forward * layers,
        "cp": np.maximum(0.0, 3 * cost.cp_forward - cost.cp_layer) * layers,
        "dp": dp,
    }


def stages(job: Job, plan: Plan) -> list[dict[str, Any]]:
    """Memory of every pipeline stage of one plan: stage, layers, in_flight, bytes by purpose, and `device`, their sum."""
    columns = plan.column()
    stage = np.arange(plan.pp)[:, None]
    layers, flight = stage_layers(job, columns, stage), in_flight(columns, stage, micro_batches(job, columns))
    parts, _, _ = est.static_parts(job, columns, stage, layers)
    parts |= est.live_parts(job, columns, stage, layers, est.layer_cost(job, columns))
    rows = []
    for i in range(plan.pp):
        row = {k: float(np.broadcast_to(v, stage.shape)[i, 0]) for k, v in parts.items()}
        row["slack"] = job.stack.allocator_slack * sum(row.values())
        row["context"] = job.stack.context_bytes
        rows.append({"stage": i, "layers": int(layers[i, 0]), "in_flight": float(flight[i, 0]), **row, "device": sum(row.values())})
    return rows


def explain(job: Job, plan: Plan) -> dict[str, Step]:
    """The tree of every headline number of one plan: memory, step, mfu, tokens_per_second_per_gpu."""
    numbers = evaluate(job, plan)
    columns = plan.column()
    stage = edge_stages(columns)[:, 0].tolist()
    with tracing(row=stage.index(int(numbers.stage[0]))) as trace:
        cost = est.layer_cost(job, columns)
        device = est.device(job, est.pipeline(job, columns, cost), est.sharding(job, columns))
        trees = {"memory": trace.of(device)}
    with tracing(row=stage.index(int(numbers.slowest[0]))) as trace:
        cost = est.layer_cost(job, columns)
        step = est.combined(job, est.pipeline(job, columns, cost), est.sharding(job, columns)).step
        trees["step"] = trace.of(step)
        trees["mfu"] = trace.of(schedule.mfu(job, schedule.model_flops(job), step))
        trees["tokens_per_second_per_gpu"] = trace.of(schedule.tokens_per_second_per_gpu(job, step))
    for name, value in (("memory", numbers.memory[0]), ("step", numbers.step[0])):
        if not np.isclose(trees[name].value, value, rtol=1e-12):
            raise TmplanError(f"internal: the tree of {name} gives {trees[name].value!r}, the table {value!r}; please report this")
    return trees

