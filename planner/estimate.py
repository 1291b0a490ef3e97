"""evaluate(job, plan): memory and time of one plan or of columns of plans, in total and by part.

Three tiers, so that a search of millions works each out once: what depends on tp, cp, micro-batch and sequence parallelism
(LayerCost); what depends on all but the sharding (Pipeline); what depends on the sharding and the degrees (Sharding). Then
`combined` adds one Pipeline and one Sharding row for each plan.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from planner import compute, memory, schedule, shard, traffic
from planner.plan import Column, Plan, distinct
from planner.specs import Job

LAYER_AXES = ("tp", "cp", "micro_batch", "sequence_parallel")


class LayerCost(NamedTuple):
    """One layer and one micro-batch on one rank: bytes and seconds, each a column."""

    tokens: Any
    layer_activations: Any
    selective_activations: Any
    checkpoint_bytes: Any
    buffer_bytes: Any
    layer_forward: Any
    layer_backward: Any
    selective_repeat: Any
    layer_host: Any
    repeat_host: Any
    attention_forward: Any
    tp_forward: Any
    cp_forward: Any
    cp_layer: Any
    head_seconds: Any
    embedding_seconds: Any


class Pipeline(NamedTuple):
    """What a plan costs before sharding: live bytes by stage (3 x plans), seconds by plan."""

    live_bytes: Any
    micro_batches: Any
    steady_seconds: Any
    bubble_seconds: Any
    pp_seconds: Any
    hide_window: Any


class Sharding(NamedTuple):
    """What the sharding costs: static bytes by stage (3 x plans), bytes on the host, seconds by plan."""

    static_bytes: Any
    host_bytes: Any
    reduce_once: Any
    reduce_each: Any
    optimizer_seconds: Any


class Totals(NamedTuple):
    """What a search keeps of each plan: bytes on the device at its fullest stage, seconds a step, bytes on the host."""

    memory: Any
    step: Any
    host: Any


@dataclass(frozen=True)
class Estimate:
    """All numbers of one plan or of columns of plans. Bytes, seconds; parts sum to their totals."""

    plan: Plan
    memory: Column
    memory_limit: float
    fits: Column
    step: Column
    memory_parts: dict[str, Column]  # at the fullest stage; sum: memory
    time_parts: dict[str, Column]  # sum: step
    hidden: dict[str, Column]  # communication that compute hides
    stage: Column  # the fullest pipeline rank
    slowest: Column  # the pipeline rank that sets the pace
    host: Column  # bytes on a node's host
    tokens_per_second_per_gpu: Column
    mfu: Column


def layer_cost(job: Job, plan: Plan) -> LayerCost:
    """The costs of a layer, for each plan."""
    t = shard.tokens(job, plan)
    weights = shard.layer_weights(job, plan)
    flops = compute.attention_flops(job, plan, t)
    attention_forward = compute.attention_forward(job, plan, t, flops)
    attention_backward = compute.attention_backward(job, plan, t, attention_forward)
    elementwise = compute.elementwise_forward(job, plan, t)
    forward = compute.layer_forward(compute.linear_forward(job, plan, t), attention_forward, elementwise)
    backward = compute.layer_backward(
        compute.linear_backward(job, plan, t), attention_backward, compute.elementwise_backward(job, plan, t, weights)
    )
    cp_forward = traffic.cp_forward(job, plan, t)
    return LayerCost(
        tokens=t,
        layer_activations=memory.layer_activations(job, plan, t),
        selective_activations=memory.selective_activations(job, plan, t),
        checkpoint_bytes=memory.checkpoint_bytes(job, plan, t),
        buffer_bytes=memory.buffer_bytes(job, plan, t),
        layer_forward=forward,
        layer_backward=backward,
        selective_repeat=compute.selective_repeat(job, plan, t, attention_forward, elementwise),
        layer_host=compute.layer_host(job, forward, backward),
        repeat_host=compute.repeat_host(job, forward),
        attention_forward=attention_forward,
        tp_forward=traffic.tp_forward(job, plan, traffic.tp_message(job, t)),
        cp_forward=cp_forward,
        cp_layer=traffic.cp_layer(job, cp_forward, attention_forward, attention_backward),
        head_seconds=compute.head_seconds(job, plan, t),
        embedding_seconds=compute.embedding_seconds(job, t),
    )


def gathered_layer_cost(job: Job, plan: Plan) -> LayerCost:
    """layer_cost, worked out once for each distinct combination of the axes it depends on."""
    if len(plan) < shard.SMALL:
        return layer_cost(job, plan)
    small, inverse = distinct(plan, LAYER_AXES)
    return LayerCost(*(column[inverse] for column in layer_cost(job, small)))


def live_parts(job: Job, plan: Plan, stage: Any, layers: Any, cost: LayerCost) -> dict[str, Any]:
    """Activations, working set, logits and buffers of a rank on each stage that holds so many layers; bytes."""
    repeated = shard.recomputed_layers(plan, layers)
    flight = shard.in_flight(plan, stage, shard.micro_batches(job, plan))
    kept = memory.kept_activations(plan, cost.layer_activations, cost.selective_activations)
    working = memory.layer_working(job, plan, cost.tokens, cost.layer_activations, cost.selective_activations)
    logits = memory.logits_memory(job, plan, stage, cost.tokens)
    return {
        "activations": memory.activation_bytes(job, plan, stage, layers, repeated, flight, kept, cost.checkpoint_bytes),
        "working": memory.working_bytes(working, logits),
        "logits": logits,
        "buffers": cost.buffer_bytes,
    }


def stage_times(job: Job, plan: Plan, stage: Any, layers: Any, cost: LayerCost) -> dict[str, Any]:
    """Seconds of one micro-batch on each stage that holds so many layers, by part: compute, recompute, host, tp, cp."""
    repeated = shard.recomputed_layers(plan, layers)
    return {
        "compute": schedule.stage_compute(
            plan, stage, layers, cost.layer_forward, cost.layer_backward, cost.embedding_seconds, cost.head_seconds
        ),
        "recompute": schedule.stage_repeat(plan, layers, repeated, cost.layer_forward, cost.selective_repeat),
        "host": schedule.stage_host(job, layers, repeated, cost.layer_host, cost.repeat_host),
        "tp": traffic.stage_tp(job, plan, stage, layers, repeated, cost.tp_forward),
        "cp": traffic.stage_cp(job, layers, repeated, cost.cp_layer, cost.cp_forward, cost.attention_forward),
    }


def pipeline(job: Job, plan: Plan, cost: LayerCost) -> Pipeline:
    """What each plan costs before sharding."""
    stage, layers = shard.edge_stages(plan), shard.edge_layers(job, plan)
    parts = stage_times(job, plan, stage, layers, cost)
    each = schedule.stage_seconds(*parts.values())
    slowest = schedule.slowest_stage(each)
    count = shard.micro_batches(job, plan)
    return Pipeline(
        live_bytes=memory.live_bytes(*live_parts(job, plan, stage, layers, cost).values()),
        micro_batches=count,
        steady_seconds=schedule.steady_seconds(count, slowest),
        bubble_seconds=schedule.bubble_seconds(plan, schedule.all_stages(job, plan, layers, each), slowest),
        pp_seconds=traffic.pp_seconds(job, plan, cost.tokens, count),
        hide_window=schedule.hide_window(parts["compute"], parts["recompute"]),
    )


def static_parts(job: Job, plan: Plan, stage: Any, layers: Any) -> tuple[dict[str, Any], Any, Any]:
    """Model states of a rank on each stage by purpose, its optimizer states wherever they live, its parameters."""
    layer, embedding, head = shard.layer_weights(job, plan), shard.embedding_weights(job, plan), shard.head_weights(job, plan)
    weights = shard.stage_weights(plan, stage, layers, layer, embedding, head)
    size = shard.shard_size(plan)
    states = memory.optimizer_bytes(job, plan, weights, size)
    parts = {
        "parameters": memory.parameter_bytes(job, plan, weights, size),
        "gradients": memory.gradient_memory(job, plan, weights, size),
        "optimizer": memory.resident_optimizer(job, states),
        "gathered": memory.gathered_bytes(job, plan, stage, layer, embedding, head),
    }
    return parts, states, weights


def sharding(job: Job, plan: Plan) -> Sharding:
    """What each plan's sharding costs."""
    parts, states, weights = static_parts(job, plan, shard.edge_stages(plan), shard.edge_layers(job, plan))
    heaviest = shard.heaviest_weights(weights)
    return Sharding(
        static_bytes=memory.static_bytes(*parts.values()),
        host_bytes=traffic.host_bytes(job, shard.largest(states)),
        reduce_once=traffic.reduce_once(job, plan, heaviest),
        reduce_each=traffic.reduce_each(job, plan, heaviest),
        optimizer_seconds=traffic.optimizer_seconds(job, plan, heaviest, shard.shard_size(plan)),
    )


def device(job: Job, p: Pipeline, s: Sharding) -> Any:
    """Bytes the device shows, by stage."""
    return memory.device_bytes(job, memory.allocated_bytes(s.static_bytes, p.live_bytes))


def time_tail(job: Job, p: Pipeline, s: Sharding) -> dict[str, Any]:
    """The parts of a step that are not the slowest stage's own: bubble, pp, dp, optimizer, host once a step, straggler; seconds."""
    dp = schedule_dp(job, p, s)
    fixed = schedule.fixed_seconds(job)
    before = p.steady_seconds + p.bubble_seconds + p.pp_seconds + dp + s.optimizer_seconds + fixed
    return {
        "bubble": p.bubble_seconds,
        "pp": p.pp_seconds,
        "dp": dp,
        "optimizer": s.optimizer_seconds,
        "fixed": fixed,
        "straggler": schedule.straggler_seconds(job, before),
    }


def schedule_dp(job: Job, p: Pipeline, s: Sharding) -> Any:
    """Exposed data-parallel traffic of each plan; seconds."""
    return traffic.dp_seconds(job, s.reduce_once, s.reduce_each, p.micro_batches, p.hide_window, p.steady_seconds)


def combined(job: Job, p: Pipeline, s: Sharding) -> Totals:
    """Memory and time of plans whose Pipeline and Sharding rows stand side by side."""
    step = schedule.step_seconds(p.steady_seconds, *time_tail(job, p, s).values())
    return Totals(shard.largest(device(job, p, s)), step, s.host_bytes)


def fitting(job: Job, totals: Totals) -> Any:
    """Whether each plan fits its device, and its host where it offloads."""
    return (totals.memory <= job.memory_limit) & (totals.host <= job.cluster.host_memory_bytes)
