"""Memory and time of plans, in tiers, so that a search of millions works each out once for each distinct combination of its axes.

A layer (`layercosts`, LAYER_AXES); the layers of each stage (`stagecosts.Edges`, EDGE_AXES); a stage (StageCost); all but the sharding
(Pipeline); the sharding and the degrees (Sharding). Then `combined` adds one Pipeline and one Sharding row for each plan.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from planner.cost import adapters, memory, schedule, shard
from planner.cost import communication as traffic
from planner.cost import moe as experts
from planner.cost import moe_stages as mixed
from planner.cost import pipeline_split as split
from planner.cost.parts import StateParts
from planner.cost.records import Pipeline, Sharding, Tail, Totals
from planner.cost.stage_cost import Layers, edges
from planner.dimensions import Bytes
from planner.specs.job import Job
from planner.specs.plan import Plan


class Frozen(NamedTuple):
    """Frozen weights of a rank on each stage, before they are sharded; bytes."""

    weights: Any
    experts: Any  # None for a dense model


class Static(NamedTuple):
    """Model states of a rank on each stage: bytes by purpose, optimizer states wherever they live; parameters that are trained, and of
    routed experts (None where there are none that are trained); what is frozen (None where nothing is).
    """

    parts: StateParts
    states: Any
    weights: Any
    experts: Any
    frozen: Frozen | None = None


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
    if job.frozen:
        return adapted(job, plan, stage, layers, weights, largest, own)
    states = memory.optimizer_bytes(job, plan, weights, size)
    parts = StateParts(
        parameters=memory.parameter_bytes(job, plan, weights, size),
        gradients=memory.gradient_memory(job, plan, weights, size),
        optimizer=memory.resident_optimizer(job, states),
        gathered=memory.gathered_bytes(job, plan, stage, largest, embedding, head),
        workspace=Bytes(memory.workspaces(job)),
        experts=None if own is None else experts.expert_states(job, plan, own, shard.expert_shard_size(plan)),
    )
    if own is not None:
        states = states + experts.expert_optimizer(job, plan, own, shard.expert_shard_size(plan))
    return Static(parts, states, weights, own)


def adapted(job: Job, plan: Plan, stage: Any, layers: Layers, weights: Any, largest: Any, own: Any) -> Static:
    """Model states of a rank on each stage where adapters are trained on frozen weights: of the stage, its largest layer, its experts."""
    size, narrow, adapter = shard.shard_size(plan), adapters.quantized_weights(job, plan), adapters.adapter_weights(job, plan)
    count = layers.all if layers.sparse is None else layers.dense + layers.sparse
    trained, held = adapters.stage_adapters(count, adapter), adapters.frozen_bytes(weights, count, narrow)
    states = memory.optimizer_bytes(job, plan, trained, size)
    layer, edges = adapters.layer_frozen(largest, narrow), (shard.embedding_weights(job, plan), shard.head_weights(job, plan))
    parts = StateParts(
        parameters=adapters.frozen_parameters(job, plan, held, size, memory.parameter_bytes(job, plan, trained, size)),
        gradients=memory.gradient_memory(job, plan, trained, size),
        optimizer=memory.resident_optimizer(job, states),
        gathered=adapters.frozen_gathered(job, plan, stage, layer, adapter, *edges),
        workspace=Bytes(memory.workspaces(job)),
        experts=None if own is None else experts.expert_states(job, plan, own, shard.expert_shard_size(plan)),
    )
    return Static(parts, states, trained, None, Frozen(held, own if own is None else memory.WEIGHT_BYTES * own))


def sharding(job: Job, plan: Plan) -> Sharding:
    """What each plan's sharding costs."""
    place = edges(job, plan)
    held = static(job, plan, place.stage, place.layers)
    heaviest: tuple[Any, ...] = (shard.heaviest_weights(held.weights),)
    if held.experts is not None:
        heaviest += (shard.heaviest_experts(held.experts),)
    each = traffic.reduce_each(job, plan, *heaviest)
    if held.frozen is not None:
        sparse = held.frozen.experts if held.frozen.experts is None else split.largest(held.frozen.experts)
        each = adapters.adapted_each(each, adapters.frozen_each(job, plan, adapters.heaviest_frozen(held.frozen.weights), sparse))
    return Sharding(
        static_bytes=static_bytes(held.parts),
        host_bytes=traffic.host_bytes(job, split.largest(held.states)),
        reduce_once=traffic.reduce_once(job, plan, *heaviest),
        gather_once=traffic.gather_once(job, plan, *heaviest),
        reduce_each=each,
        optimizer_seconds=traffic.optimizer_seconds(job, plan, *heaviest),
    )


def static_bytes(parts: StateParts) -> Any:
    """The sum of the states of a rank, as a formula; bytes."""
    of_experts = Bytes(0.0) if parts.experts is None else parts.experts
    return memory.static_bytes(parts.parameters, parts.gradients, parts.optimizer, parts.gathered, parts.workspace, of_experts)


def device(job: Job, p: Pipeline, s: Sharding) -> Any:
    """Bytes the device shows, by stage."""
    return memory.device_bytes(job, memory.allocated_bytes(s.static_bytes, p.live_bytes))


def dp_seconds(job: Job, p: Pipeline, s: Sharding) -> Any:
    """Data-parallel traffic that nothing hides; seconds."""
    hidden = traffic.hidden_once(job, s.reduce_once, s.gather_once, p.last_round, p.slowest_stage)
    return traffic.dp_seconds(job, s.reduce_once, s.gather_once, hidden, s.reduce_each, p.micro_batches, p.steady_seconds)


def time_tail(job: Job, p: Pipeline, s: Sharding) -> Tail:
    """What an even step takes beside the micro-batches on its slowest stage."""
    return Tail(p.bubble_seconds, p.pp_seconds, dp_seconds(job, p, s), s.optimizer_seconds, schedule.fixed_seconds(job))


def step_of(job: Job, p: Pipeline, tail: Tail) -> tuple[Any, Any]:
    """The step whose parts beside the slowest stage's are `tail`, and what of it the slowest rank adds; seconds."""
    even = schedule.even_seconds(p.steady_seconds, *tail)
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
