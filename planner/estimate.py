"""Memory and time of plans, in tiers, so that a search of millions works each out once for each distinct combination of its axes.

A layer (`layercosts`, LAYER_AXES); the layers of each stage (`stagecosts.Edges`, EDGE_AXES); a stage (StageCost); all but the sharding
(Pipeline); the sharding and the degrees (Sharding). Then `combined` adds one Pipeline and one Sharding row for each plan.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from planner import experts, memory, mixed, schedule, shard, split, traffic
from planner.costs import Pipeline, Sharding, Totals
from planner.plan import Plan
from planner.specs import Job
from planner.stagecosts import Layers, edges


class Static(NamedTuple):
    """Model states of a rank on each stage: bytes by purpose, optimizer states wherever they live, parameters, and of these the experts."""

    parts: dict[str, Any]
    states: Any
    weights: Any
    experts: Any  # None for a dense model


def static(job: Job, plan: Plan, stage: Any, layers: Layers) -> Static:
    """Model states of a rank on each stage."""
    layer, embedding, head = shard.layer_weights(job, plan), shard.embedding_weights(job, plan), shard.head_weights(job, plan)
    size, own = shard.shard_size(plan), None
    if layers.sparse is None:
        weights, largest = shard.stage_weights(plan, stage, layers.all, layer, embedding, head), layer
    else:
        around, each = shard.around_weights(job, plan), shard.expert_weights(job, plan)
        weights = shard.mixed_weights(job, plan, stage, layers.dense, layers.sparse, layer, around, embedding, head)
        largest, own = mixed.largest_layer(layer, around, each), shard.stage_experts(layers.sparse, each)
    states = memory.optimizer_bytes(job, plan, weights, size)
    parts = {
        "parameters": memory.parameter_bytes(job, plan, weights, size),
        "gradients": memory.gradient_memory(job, plan, weights, size),
        "optimizer": memory.resident_optimizer(job, states),
        "gathered": memory.gathered_bytes(job, plan, stage, largest, embedding, head),
        "workspace": memory.workspaces(job),
    }
    if own is not None:
        shared = shard.expert_shard_size(plan)
        parts["experts"] = experts.expert_states(job, plan, own, shared)
        states = states + experts.expert_optimizer(job, plan, own, shared)
    return Static(parts, states, weights, own)


def sharding(job: Job, plan: Plan) -> Sharding:
    """What each plan's sharding costs."""
    place = edges(job, plan)
    held = static(job, plan, place.stage, place.layers)
    heaviest: tuple[Any, ...] = (shard.heaviest_weights(held.weights),)
    if held.experts is not None:
        heaviest += (shard.heaviest_experts(held.experts),)
    return Sharding(
        static_bytes=memory.static_bytes(*held.parts.values(), *(() if held.experts is not None else (0.0,))),
        host_bytes=traffic.host_bytes(job, split.largest(held.states)),
        reduce_once=traffic.reduce_once(job, plan, *heaviest),
        gather_once=traffic.gather_once(job, plan, *heaviest),
        reduce_each=traffic.reduce_each(job, plan, *heaviest),
        optimizer_seconds=traffic.optimizer_seconds(job, plan, *heaviest),
    )


def device(job: Job, p: Pipeline, s: Sharding) -> Any:
    """Bytes the device shows, by stage."""
    return memory.device_bytes(job, memory.allocated_bytes(s.static_bytes, p.live_bytes))


def dp_seconds(job: Job, p: Pipeline, s: Sharding) -> Any:
    """Data-parallel traffic that nothing hides; seconds."""
    hidden = traffic.hidden_once(job, s.reduce_once, s.gather_once, p.last_round, p.slowest_stage)
    return traffic.dp_seconds(job, s.reduce_once, s.gather_once, hidden, s.reduce_each, p.micro_batches, p.steady_seconds)


def time_tail(job: Job, p: Pipeline, s: Sharding) -> dict[str, Any]:
    """The parts of an even step that are not the slowest stage's own: bubble, pp, dp, optimizer, host once a step; seconds."""
    return {
        "bubble": p.bubble_seconds,
        "pp": p.pp_seconds,
        "dp": dp_seconds(job, p, s),
        "optimizer": s.optimizer_seconds,
        "fixed": schedule.fixed_seconds(job),
    }


def step_of(job: Job, p: Pipeline, tail: dict[str, Any]) -> tuple[Any, Any]:
    """The step whose parts beside the slowest stage's are `tail`, and what of it the slowest rank adds; seconds."""
    even = schedule.even_seconds(p.steady_seconds, *tail.values())
    waiting = schedule.straggler_seconds(job, even)
    return schedule.step_seconds(even, waiting), waiting


def combined(job: Job, p: Pipeline, s: Sharding) -> Totals:
    """Memory and time of plans whose Pipeline and Sharding rows stand side by side."""
    fullest = split.largest(memory.allocated_bytes(s.static_bytes, p.live_bytes))
    step, _ = step_of(job, p, time_tail(job, p, s))
    return Totals(memory.device_bytes(job, fullest), step, s.host_bytes)


def fitting(job: Job, totals: Totals) -> Any:
    """Whether each plan fits its device, and its host where it offloads."""
    return (totals.memory <= job.memory_limit) & (totals.host <= job.cluster.host_memory_bytes)
