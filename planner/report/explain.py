"""Every number of the table and the detail as a tree: the headline figures, each part of memory and of time, what follows from them.

The very formulas run once more for one plan while tracing, and each root is held against what the table has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from planner.cost import breakdown as parts
from planner.cost import layer_cost as layercosts
from planner.cost import memory, schedule
from planner.cost import stage_cost as stagecosts
from planner.cost import step_cost as est
from planner.cost.evaluate import evaluate
from planner.cost.pipeline_split import edge_stages
from planner.cost.records import Estimate
from planner.errors import FieldError, TmplanError, UnknownName
from planner.formula.trace import Step, formula, tracing
from planner.report.columns import COLUMNS, PARTS
from planner.specs.hardware import GIB
from planner.specs.job import Job
from planner.specs.plan import FIELDS, Plan

HEADLINES: Mapping[str, str] = {"memory": "memory_gib", "step": "step_seconds"}  # what explain has always called them
FIRST = ("memory_gib", "step_seconds", "mfu", "tokens_per_second_per_gpu")
OTHERS = ("sharding", "fits", "at_risk", "dp_shard", *FIELDS)  # columns that are chosen, or said of numbers that are explained


@formula("η_u · (1 - η_m) · M_g", "tmplan", "what fragments leave of what the driver offers")
def limit_bytes(job: Job) -> Any:
    """Memory of a GPU that a plan may use; bytes."""
    return np.full(1, job.memory_limit)


@formula("M_d / M_o", "tmplan", "a plan fits up to 1")
def memory_fill(device_bytes: Any, limit_bytes: Any) -> Any:
    """Device memory over its limit; ratio."""
    return device_bytes / limit_bytes


@formula("max(M_d - M_o, 0)", "tmplan", "what a plan lacks to fit")
def over_bytes(device_bytes: Any, limit_bytes: Any) -> Any:
    """Device memory beyond the limit; bytes."""
    return np.maximum(device_bytes - limit_bytes, 0.0)


@formula("b_0 · M_d", "tmplan", "measured runs like it, the middle 80 % of measured over estimated and 1")
def memory_low(device_bytes: Any, memory_band_low: Any) -> Any:
    """Device memory that at most 10 of 100 measured runs like it stay below; bytes."""
    return memory_band_low * device_bytes


@formula("b_1 · M_d", "tmplan", "measured runs like it, the middle 80 % of measured over estimated and 1")
def memory_high(device_bytes: Any, memory_band_high: Any) -> Any:
    """Device memory that at most 10 of 100 measured runs like it go beyond; bytes."""
    return memory_band_high * device_bytes


@formula("q_0 · t_step", "tmplan", "measured runs like it, the middle 80 % of measured over estimated and 1")
def step_low(step_seconds: Any, step_band_low: Any) -> Any:
    """A step that at most 10 of 100 measured runs like it stay below; seconds."""
    return step_band_low * step_seconds


@formula("q_1 · t_step", "tmplan", "measured runs like it, the middle 80 % of measured over estimated and 1")
def step_high(step_seconds: Any, step_band_high: Any) -> Any:
    """A step that at most 10 of 100 measured runs like it go beyond; seconds."""
    return step_band_high * step_seconds


def explained(job: Job, plan: Plan) -> dict[str, Step]:
    """The tree of every number of one plan, by the keys of its columns: memory_gib, memory_activations_gib, time_tp_seconds, mfu ...

    TmplanError where a tree does not give the number of the table.
    """
    numbers = evaluate(job, plan)
    columns = plan.column()
    edges = edge_stages(job, columns)[:, 0].tolist()
    with tracing(row=edges.index(int(numbers.stage[0]))) as trace:
        trees = {key: trace.of(value) for key, value in _memory(job, columns, numbers)}
    with tracing(row=edges.index(int(numbers.slowest[0]))) as trace:
        trees |= {key: trace.of(value) for key, value in _time(job, columns, numbers)}
    for key, scale, value in _table(numbers):
        if key in trees and not np.isclose(trees[key].value, value * scale, rtol=1e-9, atol=1e-9 * max(1.0, scale)):
            raise TmplanError(f"internal: the tree of {key} gives {trees[key].value!r}, the table {value * scale!r}; please report this")
    order = [key for key, _, _ in _table(numbers)]
    return {key: trees[key] for key in order if key in trees}


def headlines(job: Job, plan: Plan) -> dict[str, Step]:
    """The trees of what stands first of a plan: memory, step, mfu, tokens_per_second_per_gpu; TmplanError as `explained`."""
    trees = explained(job, plan)
    names = {key: name for name, key in HEADLINES.items()}
    return {names.get(key, key): trees[key] for key in FIRST}


def _memory(job: Job, columns: Plan, numbers: Estimate) -> Iterator[tuple[str, Any]]:
    """Column keys and traced values of memory, at the fullest stage."""
    cost, place = layercosts.layer_costs(job, columns), stagecosts.edges(job, columns)
    stage, layers, _ = place
    c = stagecosts.stage_cost(job, columns, place, cost)
    p, s = stagecosts.pipeline(job, columns, c), est.sharding(job, columns)
    allocated = memory.allocated_bytes(s.static_bytes, p.live_bytes)
    device, limit = memory.device_bytes(job, allocated), limit_bytes(job)
    states = replace(est.static(job, columns, stage, layers).parts, workspace=parts.workspace_memory(job))
    rest = stagecosts.rest_parts(job, columns, stage, layers, cost)
    held = states.allocated(stagecosts.activations(job, columns, c), *rest).on_device(
        parts.slack_bytes(job, allocated), parts.context_memory(job)
    )
    yield from {f"memory_{part}_gib": value for part, value in held.named().items()}.items()
    yield "memory_gib", device
    yield "memory_low_gib", memory_low(device, numbers.memory_band.low)
    yield "memory_high_gib", memory_high(device, numbers.memory_band.high)
    yield "memory_limit_gib", limit
    yield "memory_fill", memory_fill(device, limit)
    yield "over_gib", over_bytes(device, limit)
    yield "host_gib", s.host_bytes


def _time(job: Job, columns: Plan, numbers: Estimate) -> Iterator[tuple[str, Any]]:
    """Column keys and traced values of time, at the slowest stage."""
    cost, place = layercosts.layer_costs(job, columns), stagecosts.edges(job, columns)
    stage, layers, _ = place
    c = stagecosts.stage_cost(job, columns, place, cost)
    p, s = stagecosts.pipeline(job, columns, c), est.sharding(job, columns)
    m, tail = p.micro_batches, est.time_tail(job, p, s)
    work, repeated = stagecosts.work_parts(job, columns, stage, layers, cost), stagecosts.repeats(job, columns, c)
    step, waiting = est.step_of(job, p, tail)
    found = parts.step_parts(m, work, repeated, tail, waiting)
    yield from {f"time_{part}_seconds": value for part, value in found.named().items()}.items()
    hidden = parts.hidden_parts(job, m, (layers.dense, layers.sparse), cost, s, found)
    yield from {f"hidden_{part}_seconds": value for part, value in hidden.named().items()}.items()
    yield "step_seconds", step
    yield "step_low_seconds", step_low(step, numbers.step_band.low)
    yield "step_high_seconds", step_high(step, numbers.step_band.high)
    yield "mfu", schedule.mfu(job, schedule.needed_flops(job), step)
    yield "tokens_per_second_per_gpu", schedule.tokens_per_second_per_gpu(job, step)


def _table(numbers: Estimate) -> Iterator[tuple[str, float, float]]:
    """Every computed number of the table and of the detail: its key, its unit in base units, its value."""
    for column in COLUMNS:
        if column.key not in OTHERS:
            yield column.key, GIB if column.unit == "GiB" else 1.0, float(np.max(column.values(numbers)))
    for group, suffix, _, scale, names in PARTS:
        for part, value in getattr(numbers, names).named().items():
            yield f"{group}_{part}{suffix}", scale, float(np.max(value)) / scale


def named(trees: Mapping[str, Step], name: str) -> str:
    """The key of a tree that someone calls so: by the key, without its unit, or by the part alone; UnknownName with the nearest."""
    asked = name.strip().lower().replace("-", "_").replace(" ", "_")
    for key in (asked, HEADLINES.get(asked, "")):
        if key in trees:
            return key
    for group in ("", "memory_", "time_", "hidden_"):
        for suffix in ("_gib", "_seconds"):
            if f"{group}{asked}{suffix}" in trees:
                return f"{group}{asked}{suffix}"
    if asked in OTHERS:
        raise FieldError(
            "number", f"{asked} is a choice of the plan or said of other numbers, not computed; ask for {', '.join(HEADLINES)}, mfu ..."
        )
    raise UnknownName("number", name, trees)
