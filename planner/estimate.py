"""evaluate(job, plan): memory and time of one plan or of columns of plans, in total and by part.

In tiers, so that a search of millions works each out once for each distinct combination of the axes it depends on: a layer
(LayerCost, LAYER_AXES); a stage (StageCost, STAGE_AXES); all but the sharding (Pipeline); the sharding and the degrees (Sharding).
Then `combined` adds one Pipeline and one Sharding row for each plan.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from planner import compute, memory, schedule, shard, traffic
from planner.costs import LayerCost, Pipeline, Sharding, StageCost, Totals
from planner.plan import Plan, distinct
from planner.specs import Job

LAYER_AXES = ("tp", "cp", "micro_batch", "sequence_parallel")
T = TypeVar("T", bound=tuple[Any, ...])
STAGE_AXES = (*LAYER_AXES, "pp", "dp", "vpp", "recompute")


def layer_cost(job: Job, plan: Plan) -> LayerCost:
    """The costs of a layer, for each plan."""
    t = shard.tokens(job, plan)
    weights = shard.layer_weights(job, plan)
    flops = compute.attention_flops(job, plan, t)
    attention_forward = compute.attention_forward(job, plan, t, flops)
    attention_backward = compute.attention_backward(job, plan, t, attention_forward)
    elementwise = compute.elementwise_forward(job, plan, t)
    forward = compute.layer_forward(job, compute.linear_forward(job, plan, t), attention_forward, elementwise)
    backward = compute.layer_backward(
        job, compute.linear_backward(job, plan, t), attention_backward, compute.elementwise_backward(job, plan, t, weights)
    )
    tp_forward = traffic.tp_forward(job, plan, traffic.tp_message(job, t))
    cp_forward = traffic.cp_forward(job, plan, t)
    cp_layer = traffic.cp_layer(job, cp_forward, attention_forward, attention_backward)
    exposed = job.stack.tp_exposed * tp_forward + cp_layer / 3
    busy_forward, busy_backward = forward + exposed, backward + exposed + cp_layer / 3
    host = compute.host_layer(job, plan)
    waited = compute.repeat_host(job, host, busy_forward)
    return LayerCost(
        tokens=t,
        layer_activations=memory.layer_activations(job, plan, t),
        selective_activations=memory.selective_activations(job, plan, t),
        checkpoint_bytes=memory.checkpoint_bytes(job, plan, t),
        buffer_bytes=memory.buffer_bytes(job, plan, t),
        layer_forward=forward,
        layer_backward=backward,
        selective_repeat=compute.selective_repeat(job, plan, t, attention_forward, elementwise),
        layer_host=compute.layer_host(job, host, busy_forward, busy_backward),
        host_layer=host,
        busy_layer=busy_forward + busy_backward,
        repeat_layer=traffic.repeat_layer(job, forward, waited, tp_forward, cp_forward, attention_forward),
        tp_forward=tp_forward,
        cp_forward=cp_forward,
        cp_layer=cp_layer,
        head_seconds=compute.head_seconds(job, plan, t),
        embedding_seconds=compute.embedding_seconds(job, t),
    )


def taken(costs: T, rows: Any) -> T:
    """Some rows of every column of a cost."""
    return type(costs)(*(np.take(column, rows, axis=-1) for column in costs))


def gathered(axes: tuple[str, ...], cost: Callable[[Job, Plan], T]) -> Callable[[Job, Plan], T]:
    """A cost worked out once for each distinct combination of the axes it depends on, and gathered for each plan."""

    def run(job: Job, plan: Plan) -> T:
        if len(plan) < shard.SMALL:
            return cost(job, plan)
        few, inverse = distinct(plan, axes)
        return taken(cost(job, few), inverse)

    return run


layer_costs = gathered(LAYER_AXES, layer_cost)


def rest_parts(job: Job, plan: Plan, stage: Any, cost: LayerCost) -> dict[str, Any]:
    """Working set, logits and buffers of a rank on each stage; bytes."""
    working = memory.layer_working(job, plan, cost.tokens, cost.layer_activations, cost.selective_activations)
    logits = memory.logits_memory(job, plan, stage, cost.tokens)
    return {"working": memory.working_bytes(working, logits), "logits": logits, "buffers": cost.buffer_bytes}


def work_parts(job: Job, plan: Plan, stage: Any, layers: Any, cost: LayerCost) -> dict[str, Any]:
    """Seconds of one micro-batch on each stage that holds so many layers, by part, nothing repeated."""
    edges = cost.embedding_seconds, cost.head_seconds
    return {
        "compute": schedule.stage_compute(plan, stage, layers, cost.layer_forward, cost.layer_backward, *edges),
        "host": schedule.stage_host(job, plan, layers, cost.layer_host, cost.host_layer, cost.busy_layer),
        "tp": traffic.stage_tp(job, plan, stage, layers, cost.tp_forward),
        "cp": traffic.stage_cp(layers, cost.cp_layer),
    }


def stage_cost(job: Job, plan: Plan, stage: Any, cost: LayerCost) -> StageCost:
    """The costs of one micro-batch on some stages (stages x plans), for each plan, from the costs of a layer."""
    layers, count = shard.stage_layers(job, plan, stage), shard.micro_batches(job, plan)
    in_flight = shard.in_flight(job, plan, stage, count)
    return StageCost(
        layers=layers,
        in_flight=in_flight,
        kept_activations=memory.kept_activations(plan, cost.layer_activations, cost.selective_activations),
        checkpoint_bytes=cost.checkpoint_bytes,
        embedding_masks=memory.embedding_masks(job, stage, cost.checkpoint_bytes),
        gathered_inputs=memory.gathered_inputs(job, plan, cost.tokens, in_flight),
        rest_bytes=memory.rest_bytes(*rest_parts(job, plan, stage, cost).values()),
        stage_work=schedule.stage_work(*work_parts(job, plan, stage, layers, cost).values()),
        repeat_layer=cost.repeat_layer,
        selective_seconds=compute.selective_seconds(plan, cost.selective_repeat),
        micro_batches=count,
        pp_seconds=traffic.pp_seconds(job, plan, cost.tokens, count),
    )


def edge_cost(job: Job, plan: Plan) -> StageCost:
    """The costs of one micro-batch on the edge stages, for each plan."""
    return stage_cost(job, plan, shard.edge_stages(plan), layer_costs(job, plan))


edge_costs = gathered(STAGE_AXES, edge_cost)


def activations(job: Job, plan: Plan, c: StageCost) -> Any:
    """Activations in flight on each stage; bytes."""
    repeated = shard.recomputed_layers(plan, c.layers)
    return memory.activation_bytes(
        job, c.layers, repeated, c.in_flight, c.kept_activations, c.checkpoint_bytes, c.embedding_masks, c.gathered_inputs
    )


def repeats(plan: Plan, c: StageCost) -> Any:
    """What recomputation repeats on each stage in one micro-batch; seconds."""
    return schedule.stage_repeat(c.layers, shard.recomputed_layers(plan, c.layers), c.repeat_layer, c.selective_seconds)


def pipeline(job: Job, plan: Plan, c: StageCost) -> Pipeline:
    """What each plan costs before sharding, from the costs of its edge stages."""
    each = schedule.stage_seconds(c.stage_work, repeats(plan, c))
    slowest = schedule.slowest_stage(each)
    return Pipeline(
        live_bytes=memory.live_bytes(activations(job, plan, c), c.rest_bytes),
        micro_batches=c.micro_batches,
        steady_seconds=schedule.steady_seconds(c.micro_batches, slowest),
        bubble_seconds=schedule.bubble_seconds(job, plan, schedule.all_stages(job, plan, c.layers, each), slowest),
        pp_seconds=c.pp_seconds,
        slowest_stage=slowest,
        last_round=traffic.last_round(plan, c.micro_batches),
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
        "workspace": job.stack.workspace_bytes,
    }
    return parts, states, weights


def sharding(job: Job, plan: Plan) -> Sharding:
    """What each plan's sharding costs."""
    stage = shard.edge_stages(plan)
    parts, states, weights = static_parts(job, plan, stage, shard.stage_layers(job, plan, stage))
    heaviest = shard.heaviest_weights(weights)
    return Sharding(
        static_bytes=memory.static_bytes(*parts.values()),
        host_bytes=traffic.host_bytes(job, shard.largest(states)),
        reduce_once=traffic.reduce_once(job, plan, heaviest),
        gather_once=traffic.gather_once(job, plan, heaviest),
        reduce_each=traffic.reduce_each(job, plan, heaviest),
        optimizer_seconds=traffic.optimizer_seconds(job, plan, heaviest, shard.shard_size(plan)),
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
    fullest = shard.largest(memory.allocated_bytes(s.static_bytes, p.live_bytes))
    step, _ = step_of(job, p, time_tail(job, p, s))
    return Totals(memory.device_bytes(job, fullest), step, s.host_bytes)


def fitting(job: Job, totals: Totals) -> Any:
    """Whether each plan fits its device, and its host where it offloads."""
    return (totals.memory <= job.memory_limit) & (totals.host <= job.cluster.host_memory_bytes)
