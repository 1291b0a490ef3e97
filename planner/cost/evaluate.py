"""One plan, or the rows on a screen, in full: every part of memory and time, every stage."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import NamedTuple, TypeVar

import numpy as np

from planner.cost import breakdown as parts
from planner.cost import layer_cost as layercosts
from planner.cost import peak as peaks
from planner.cost import stage_cost as stagecosts
from planner.cost import step_cost as est
from planner.cost.error_band import band
from planner.cost.memory_band import memory_band
from planner.cost.parts import AllocatedParts, MemoryParts
from planner.cost.phases import PHASES
from planner.cost.pipeline_split import chunk_layers
from planner.cost.records import Estimate
from planner.dimensions import Array, Bytes, Quantity, broadcast_to
from planner.specs.job import Job
from planner.specs.plan import Plan

Q = TypeVar("Q", bound=Quantity)


def evaluate(job: Job, plan: Plan) -> Estimate:
    """All numbers of a plan, or of columns of plans; columns of the same length."""
    plan = plan if hasattr(plan.tp, "__len__") else plan.column()
    cost, place = layercosts.layer_costs(job, plan), stagecosts.edges(job, plan)
    stage, kinds, _ = place
    c = stagecosts.stage_cost(job, plan, place, cost)
    p, s = stagecosts.pipeline(job, plan, c), est.sharding(job, plan)
    totals = est.combined(job, p, s)
    fullest = est.device(job, p, s).argmax(axis=0)
    work, repeated = stagecosts.work_parts(job, plan, stage, kinds, cost), stagecosts.repeats(job, plan, c)
    slowest = (work.total + repeated).argmax(axis=0)

    def at(values: Q, rows: Array) -> Q:
        return broadcast_to(values, stage.shape)[rows, np.arange(len(rows))]

    peak = peaks.fullest(peaks.by_phase(job, plan, place, c), stage.shape)
    allocated = peak.parts.each(lambda part: at(part, fullest))
    context = parts.context_memory(job) + Bytes(np.zeros(len(plan)))
    tail = est.time_tail(job, p.pace, s.exchange)
    waiting = est.step_of(job, p.pace, tail)[1]
    time_parts = parts.step_parts(p.pace.micro_batches, work.each(lambda part: at(part, slowest)), at(repeated, slowest), tail, waiting)
    layers = at(kinds.dense, slowest), None if kinds.sparse is None else at(kinds.sparse, slowest)
    hidden = parts.hidden_parts(p.pace.micro_batches, layers, cost, s.exchange, time_parts)
    return Estimate(
        job=job,
        plan=plan,
        memory=totals.memory,
        memory_limit=job.memory_limit,
        fits=est.fitting(job, totals),
        step=totals.step,
        memory_parts=allocated.on_device(at(est.slack(job, p, s, est.allocated(p, s)), fullest), context),
        time_parts=time_parts,
        hidden=hidden,
        stage=at(stage, fullest),
        phase=peak.phase[fullest, np.arange(len(plan))],
        slowest=at(stage, slowest),
        host=totals.host,
        step_band=band(job),
        memory_band=memory_band(job),
    )


class StageMemory(NamedTuple):
    """Memory of one pipeline stage of one plan: its layers, the micro-batches in flight, the fullest phase, bytes by purpose in it, and
    live bytes in every phase.
    """

    layers: int
    in_flight: float
    phase: str
    parts: MemoryParts
    phases: Mapping[str, AllocatedParts]

    @property
    def device(self) -> float:
        """Bytes on the device: the sum of the parts."""
        return float(self.parts.total)


def stages(job: Job, plan: Plan) -> list[StageMemory]:
    """Memory of every pipeline stage of one plan, in the order of the stages."""
    columns = plan.column()
    stage = plan.every_stage()
    cost = layercosts.kinds(job, columns)
    place = stagecosts.Edges(stage, stagecosts.stage_kinds(job, columns, stage), chunk_layers(job, columns))
    c = stagecosts.stage_cost(job, columns, place, cost)
    each = peaks.by_phase(job, columns, place, c)
    beyond = peaks.slack(job, columns, place, c, peaks.fullest(each, stage.shape).parts.total)
    rows = []
    for i in range(plan.pp):
        live = {name: part.each(functools.partial(at_stage, i)) for name, part in each.items()}
        phase = max(PHASES, key=lambda name: float(live[name].total))
        slack, context = at_stage(i, beyond), Bytes(job.stack.context_bytes)
        rows.append(StageMemory(int(c.layers[i, 0]), float(c.in_flight[i, 0]), phase, live[phase].on_device(slack, context), live))
    return rows


def at_stage(stage: int, part: Bytes) -> Bytes:
    """One stage's value of a part (stages x 1), or of one that is alike on all."""
    return Bytes(float(np.ravel(part)[stage if np.size(part) > 1 else 0]))
