"""Every number of the table and the detail as a tree: the headline figures, each part of memory and of time, what follows from them.

The very formulas run once more for one plan while tracing, and each root is held against what the table has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from planner import estimate as est
from planner import layercosts, memory, schedule, stagecosts
from planner.columns import COLUMNS, PARTS
from planner.costs import Estimate
from planner.errors import FieldError, TmplanError, UnknownName
from planner.evaluate import evaluate
from planner.formula import Step, formula, tracing
from planner.plan import FIELDS, Plan
from planner.specs import GIB, Job
from planner.split import edge_stages

HEADLINES: Mapping[str, str] = {"memory": "memory_gib", "step": "step_seconds"}  # what explain has always called them
OTHERS = ("sharding", "fits", "dp_shard", *FIELDS)  # columns that are chosen, or said of numbers that are explained


@formula("m · C_i", "narayanan21", "Section 2.2: the slowest stage, every micro-batch")
def compute_part(micro_batches: Any, stage_compute: Any) -> Any:
    """Compute of a step; seconds."""
    return micro_batches * stage_compute


@formula("m · Q_i", "korthikanti22", "Section 5: the slowest stage, every micro-batch")
def recompute_part(micro_batches: Any, stage_repeat: Any) -> Any:
    """What a step repeats; seconds."""
    return micro_batches * stage_repeat


@formula("m · H_i + t_x", "tmplan", "the slowest stage, every micro-batch; and once a step")
def host_part(micro_batches: Any, stage_host: Any, fixed_seconds: Any) -> Any:
    """The host's share of a step; seconds."""
    return micro_batches * stage_host + fixed_seconds


@formula("m · T_i", "korthikanti22", "Section 4.2.2: the slowest stage, every micro-batch")
def tp_part(micro_batches: Any, stage_tp: Any) -> Any:
    """Tensor-parallel traffic of a step that nothing hides; seconds."""
    return micro_batches * stage_tp


@formula("m · K_i", "ring23", "Section 3: the slowest stage, every micro-batch")
def cp_part(micro_batches: Any, stage_cp: Any) -> Any:
    """Context-parallel traffic of a step that nothing hides; seconds."""
    return micro_batches * stage_cp


@formula("m · X_i", "gshard20", "Section 3.2: the slowest stage, every micro-batch")
def ep_part(micro_batches: Any, stage_ep: Any) -> Any:
    """The experts' all-to-all of a step that nothing hides; seconds."""
    return micro_batches * stage_ep


@formula("m · 2 · max(1 - x_t, 0) · t_t · ℓ_i, with experts over layers of both kinds", "korthikanti22", "Section 4.2.2")
def hidden_tp(job: Job, micro_batches: Any, stage_layers: Any, tp_forward: Any, sparse: Any = 0.0) -> Any:
    """Tensor-parallel traffic of a step that compute hides; seconds. sparse: traffic of sparse layers, forward, on the stage."""
    return max(0.0, 1 - job.stack.tp_exposed) * 2 * (stage_layers * tp_forward + sparse) * micro_batches


@formula("m · ℓ_i · max(3 · t_c - x_l, 0), with experts over layers of both kinds", "ring23", "Section 3")
def hidden_cp(micro_batches: Any, stage_layers: Any, cp_forward: Any, cp_layer: Any, sparse: Any = 0.0) -> Any:
    """Context-parallel traffic of a step that compute hides; seconds. sparse: that of sparse layers on the stage."""
    return micro_batches * (stage_layers * np.maximum(0.0, 3 * cp_forward - cp_layer) + sparse)


@formula("t_1 + t_3 + m · t_2 - t_v", "fsdp23", "Section 3.3: what is not exposed")
def hidden_dp(reduce_once: Any, gather_once: Any, reduce_each: Any, micro_batches: Any, dp_seconds: Any) -> Any:
    """Data-parallel traffic of a step that compute hides; seconds."""
    return reduce_once + gather_once + micro_batches * reduce_each - dp_seconds


@formula("max(m · ℓ_x · (t_xe + t_xg) - t_yx, 0)", "deepseek24", "Section 3.2.1")
def hidden_ep(micro_batches: Any, sparse_stage_layers: Any, ep_forward: Any, ep_backward: Any, ep_part: Any) -> Any:
    """The experts' all-to-all of a step that compute hides; seconds."""
    return np.maximum(0.0, micro_batches * sparse_stage_layers * (ep_forward + ep_backward) - ep_part)


@formula("σ_a · M", "tmplan", "what a caching allocator holds beyond; the stack's file")
def slack_bytes(job: Job, allocated_bytes: Any) -> Any:
    """What the allocator holds beyond live tensors; bytes."""
    return job.stack.allocator_slack * allocated_bytes


@formula("X", "tmplan", "the stack's file")
def context_memory(job: Job) -> Any:
    """Context and communicators; bytes."""
    return np.full(1, job.stack.context_bytes)


@formula("X_w, with experts those of products also", "tmplan", "the stack's file")
def workspace_memory(job: Job, given: float) -> Any:
    """Workspaces of libraries; bytes."""
    return np.full(1, given)


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


@formula("b_0 · M_d", "tmplan", "measured runs like it, the middle 80 % of measured over estimated")
def memory_low(device_bytes: Any, memory_band_low: Any) -> Any:
    """Device memory that 10 of 100 measured runs like it stay below; bytes."""
    return memory_band_low * device_bytes


@formula("b_1 · M_d", "tmplan", "measured runs like it, the middle 80 % of measured over estimated")
def memory_high(device_bytes: Any, memory_band_high: Any) -> Any:
    """Device memory that 10 of 100 measured runs like it go beyond; bytes."""
    return memory_band_high * device_bytes


@formula("q_0 · t_step", "tmplan", "measured runs like it, the middle 80 % of measured over estimated")
def step_low(step_seconds: Any, step_band_low: Any) -> Any:
    """A step that 10 of 100 measured runs like it stay below; seconds."""
    return step_band_low * step_seconds


@formula("q_1 · t_step", "tmplan", "measured runs like it, the middle 80 % of measured over estimated")
def step_high(step_seconds: Any, step_band_high: Any) -> Any:
    """A step that 10 of 100 measured runs like it go beyond; seconds."""
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


def _memory(job: Job, columns: Plan, numbers: Estimate) -> Iterator[tuple[str, Any]]:
    """Column keys and traced values of memory, at the fullest stage."""
    cost, place = layercosts.layer_costs(job, columns), stagecosts.edges(job, columns)
    stage, layers, _ = place
    c = stagecosts.stage_cost(job, columns, place, cost)
    p, s = stagecosts.pipeline(job, columns, c), est.sharding(job, columns)
    allocated = memory.allocated_bytes(s.static_bytes, p.live_bytes)
    device, limit = memory.device_bytes(job, allocated), limit_bytes(job)
    parts = est.static(job, columns, stage, layers).parts | stagecosts.rest_parts(job, columns, stage, layers, cost)
    parts |= {"activations": stagecosts.activations(job, columns, c), "workspace": workspace_memory(job, memory.workspaces(job))}
    yield from {f"memory_{part}_gib": value for part, value in parts.items()}.items()
    yield "memory_slack_gib", slack_bytes(job, allocated)
    yield "memory_context_gib", context_memory(job)
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
    m, dense, sparse = p.micro_batches, cost.dense, cost.sparse
    work, tail = stagecosts.work_parts(job, columns, stage, layers, cost), est.time_tail(job, p, s)
    step, waiting = est.step_of(job, p, tail)
    each = {"compute": compute_part, "tp": tp_part, "cp": cp_part, "ep": ep_part}
    parts = {name: each[name](m, work[name]) for name in each if name in work}
    parts |= {"host": host_part(m, work["host"], tail["fixed"]), "recompute": recompute_part(m, stagecosts.repeats(job, columns, c))}
    parts |= {name: tail[name] for name in ("bubble", "pp", "dp", "optimizer")} | {"straggler": waiting}
    yield from {f"time_{part}_seconds": value for part, value in parts.items()}.items()
    of_sparse = (
        (layers.sparse * sparse.tp_forward, layers.sparse * np.maximum(0.0, 3 * sparse.cp_forward - sparse.cp_layer)) if sparse else ()
    )
    yield "hidden_tp_seconds", hidden_tp(job, m, layers.dense, dense.tp_forward, *of_sparse[:1])
    yield "hidden_cp_seconds", hidden_cp(m, layers.dense, dense.cp_forward, dense.cp_layer, *of_sparse[1:])
    yield "hidden_dp_seconds", hidden_dp(s.reduce_once, s.gather_once, s.reduce_each, m, tail["dp"])
    if sparse:
        yield "hidden_ep_seconds", hidden_ep(m, layers.sparse, sparse.ep_forward, sparse.ep_backward, parts["ep"])
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
        for part, value in getattr(numbers, names).items():
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
