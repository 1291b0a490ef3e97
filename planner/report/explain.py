"""Every number of one plan as a tree: the formulas that gave it, down to what was put in.

The formulas run once more for the plan while tracing, first those of the figures of an Estimate, then those of the columns on them, and
the root of each tree is compared with the number of the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from planner.cost import breakdown as parts
from planner.cost import layer_cost as layercosts
from planner.cost import peak as peaks
from planner.cost import stage_cost as stagecosts
from planner.cost import step_cost as est
from planner.cost.evaluate import evaluate
from planner.cost.parts import Parts
from planner.cost.phases import PHASES
from planner.cost.pipeline_split import edge_stages
from planner.cost.records import Estimate
from planner.cost.reserved import device_bytes, reserved_bytes
from planner.errors import FieldError, TmplanError, UnknownName
from planner.formula.trace import Step, Trace, formula, tracing
from planner.report.columns import BY_KEY, HEADLINES, PARTS, UNITS, Column, columns_for
from planner.specs.hardware import GIB
from planner.specs.job import Job
from planner.specs.plan import Plan


@formula("η_u · (1 - η_m) · M_g", "tmplan", "memory of the driver less fragmentation and headroom")
def limit_bytes(job: Job) -> Any:
    """Memory of a GPU that a plan may use; bytes."""
    return np.full(1, job.memory_limit)


def explained(job: Job, plan: Plan) -> dict[str, Step]:
    """The tree of every number of one plan, by the keys of its columns: memory_gib, memory_activations_gib, time_tp_seconds, mfu ...

    Columns whose value no formula gives, such as degrees, have none. TmplanError where a tree does not give the number of the table.
    """
    numbers, columns = evaluate(job, plan), plan.column()
    edges = edge_stages(job, columns)[:, 0].tolist()
    with tracing(row=edges.index(int(numbers.stage[0]))) as trace:
        memory = _steps(trace, _memory(job, columns, list(PHASES)[int(numbers.phase[0])]))
    with tracing(row=edges.index(int(numbers.slowest[0]))) as trace:
        time = _steps(trace, _time(job, columns))
    trees = {}
    with tracing() as trace:
        figures = replace(numbers, **_held(trace, memory | time), derived={})
        for column in columns_for(numbers):
            value = column.base(figures)
            if trace.knows(value):
                trees[column.key] = _checked(column, numbers, trace.of(value))
    return trees


def headlines(job: Job, plan: Plan) -> dict[str, Step]:
    """The trees that an explanation starts with: memory, step, mfu, tokens_per_second_per_gpu. TmplanError as `explained`."""
    trees = explained(job, plan)
    return {column.name: trees[column.key] for column in HEADLINES if column.key in trees}


def _checked(column: Column, numbers: Estimate, tree: Step) -> Step:
    """A tree that gives the number of the table; TmplanError of one that does not."""
    value = float(np.max(column.base(numbers)))
    scale = GIB if column.unit == "GiB" else 1.0
    if not np.isclose(tree.value, value, rtol=1e-9, atol=1e-9 * scale):
        raise TmplanError(f"internal: the tree of {column.key} gives {tree.value!r}, the table {value!r}; please report this")
    return tree


def _steps(trace: Trace, values: Mapping[str, Any]) -> dict[str, Any]:
    """The steps of traced values, of parts in their records."""
    return {name: value.each(trace.of) if isinstance(value, Parts) else trace.of(value) for name, value in values.items()}


def _held(trace: Trace, steps: Mapping[str, Any]) -> dict[str, Any]:
    """The values of steps traced elsewhere, which formulas may be given."""
    return {name: step.each(trace.held) if isinstance(step, Parts) else trace.held(step) for name, step in steps.items()}


def _memory(job: Job, columns: Plan, phase: str) -> dict[str, Any]:
    """Traced values of the figures of memory, by their fields in an Estimate, at the fullest stage and in its fullest phase."""
    cost, place = layercosts.layer_costs(job, columns), stagecosts.edges(job, columns)
    c = stagecosts.stage_cost(job, columns, place, cost)
    p, s = stagecosts.pipeline(job, columns, c), est.sharding(job, columns)
    allocated = est.allocated(p, s)
    slack = est.slack(job, p, s, allocated)
    live = replace(peaks.by_phase(job, columns, place, c)[phase], workspace=parts.workspace_memory(job))
    return {
        "memory": device_bytes(job, reserved_bytes(allocated, slack)),
        "memory_limit": limit_bytes(job),
        "host": est.host_memory(job, p, s),
        "memory_parts": live.on_device(slack, parts.context_memory(job)),
    }


def _time(job: Job, columns: Plan) -> dict[str, Any]:
    """Traced values of the figures of time, by their fields in an Estimate, at the slowest stage."""
    cost, place = layercosts.layer_costs(job, columns), stagecosts.edges(job, columns)
    stage, layers, _ = place
    c = stagecosts.stage_cost(job, columns, place, cost)
    p, s = stagecosts.pipeline(job, columns, c), est.sharding(job, columns)
    m, tail = p.pace.micro_batches, est.time_tail(job, p.pace, s.exchange)
    work, repeated = stagecosts.work_parts(job, columns, stage, layers, cost), stagecosts.repeats(job, columns, c)
    step, waiting = est.step_of(job, p.pace, tail)
    seconds = parts.step_parts(m, work, repeated, tail, waiting)
    hidden = parts.hidden_parts(m, (layers.dense, layers.sparse), cost, s.exchange, seconds)
    return {"step": step, "time_parts": seconds, "hidden": hidden}


def named(trees: Mapping[str, Step], name: str) -> str:
    """The key of the tree that a name stands for: a key, a key without its unit, or a part alone.

    UnknownName with the nearest for a name of none; FieldError for a number that no formula gives.
    """
    query = name.strip().lower().replace("-", "_").replace(" ", "_")
    if query in trees:
        return query
    for group in ("", *(f"{group.prefix}_" for group in PARTS)):
        for unit in UNITS:
            if f"{group}{query}{unit}" in trees:
                return f"{group}{query}{unit}"
    if query in BY_KEY and BY_KEY[query].requires:
        raise FieldError("number", f"{query} is not known for this job: its presets have no {BY_KEY[query].requires.rpartition('.')[2]}")
    if query in BY_KEY:
        raise FieldError(
            "number", f"{query} is a choice of the plan or a mark of other numbers, not computed; ask for memory, step, mfu ..."
        )
    raise UnknownName("number", name, trees)
