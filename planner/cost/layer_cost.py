"""Costs of one layer, dense or sparse, per micro-batch on one rank: the first tier of an estimate.

Evaluated once per distinct combination of the axes it depends on (LAYER_AXES), and gathered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from planner import degrees
from planner.cost import adapters, compute, exchange, fsdp_units, memory, shard, torch_layers
from planner.cost import communication as traffic
from planner.cost import moe as experts
from planner.cost import tensor_parallel as tensor
from planner.cost.records import Kinds, LayerCost
from planner.dimensions import Array, Bytes, Seconds, Tokens
from planner.specs.job import Job
from planner.specs.plan import Plan, distinct

LAYER_AXES = (*degrees.LAYER, "micro_batch", "sequence_parallel")
T = TypeVar("T", bound=tuple[object, ...])


def layer_cost(job: Job, plan: Plan) -> LayerCost:
    """The costs of a layer with a dense MLP, for each plan."""
    t = shard.tokens(job, plan)
    weights = shard.layer_weights(job, plan)
    flops = compute.attention_flops(job, plan, t)
    attention_forward = compute.attention_forward(job, plan, t, flops)
    attention_backward = compute.attention_backward(job, plan, t, attention_forward)
    elementwise = compute.elementwise_forward(job, plan, t, weights)
    linear_forward, linear_backward = linear(job, plan, t)
    forward = compute.layer_forward(job, linear_forward, attention_forward, elementwise)
    backward = compute.layer_backward(job, linear_backward, attention_backward, compute.elementwise_backward(job, plan, t, weights))
    message = tensor.tp_message(job, t)
    tp_gathered = tensor.tp_gathered(job, plan, message)
    tp_forward, tp_share = tensor.tp_forward(job, plan, message, tp_gathered), tensor.tp_share(job, plan, message, tp_gathered)
    tp_again = tensor.tp_again(job, tp_forward, tp_share)
    tp_visible = tensor.tp_visible(job, plan, tp_forward, linear_forward)
    tp_behind = tensor.tp_behind(job, tp_forward, tp_again, tp_visible, tp_share, tensor.column_seconds(job, plan, t))
    cp_forward = traffic.cp_forward(job, plan, t)
    cp_layer = traffic.cp_layer(job, cp_forward, attention_forward, attention_backward)
    cp_repeat = traffic.cp_repeat(job, cp_forward, attention_forward)
    busy_forward = forward + tp_visible + cp_layer / 3
    busy_backward = backward + tp_behind + 2 * cp_layer / 3
    host, back = compute.host_layer(job, plan), compute.host_return(job, plan)
    waited = compute.repeat_host(host, busy_forward)
    units = job.stack.fsdp_units
    activations = memory.layer_activations(job, plan, t)
    selective = fsdp_units.unit_selective(job, plan, t) if units else memory.selective_activations(job, plan, t)
    needs = gradients(job, plan, t, activations)
    if job.stack.transformers_layers and job.autocast:
        casts = torch_layers.cast_weights(job, plan)
        activations, selective = (torch_layers.cast_activations(stored, casts) for stored in (activations, selective))
    none = Seconds(np.zeros(len(plan)))
    return LayerCost(
        tokens=t,
        layer_activations=activations,
        selective_activations=selective,
        checkpoint_bytes=memory.checkpoint_bytes(job, plan, t),
        buffer_bytes=Bytes(0.0 * t) if units else memory.buffer_bytes(job, plan, t),
        layer_gradients=needs,
        layer_forward=forward,
        layer_backward=backward,
        weight_seconds=compute.weight_seconds(job, plan, t),
        selective_repeat=compute.selective_repeat(job, plan, t, attention_forward, elementwise),
        layer_host=compute.layer_host(host, back, busy_forward, busy_backward),
        host_layer=host,
        host_return=back,
        busy_forward=busy_forward,
        busy_layer=busy_forward + busy_backward,
        cp_repeat=cp_repeat,
        repeat_layer=traffic.repeat_layer(forward, waited, tp_visible, cp_repeat),
        tp_forward=tp_forward,
        tp_again=tp_again,
        tp_visible=tp_visible,
        tp_layer=tensor.tp_layer(tp_visible, tp_behind),
        cp_forward=cp_forward,
        cp_layer=cp_layer,
        ep_forward=none,
        ep_backward=none,
        head_seconds=compute.head_seconds(job, plan, t),
        embedding_seconds=compute.embedding_seconds(job, t),
    )


def gradients(job: Job, plan: Plan, tokens: Tokens, activations: Bytes) -> Bytes:
    """What the backward pass of a layer with a dense MLP needs beyond its activations; bytes."""
    if job.stack.fsdp_units:
        return fsdp_units.unit_gradients(job, plan, tokens, shard.layer_weights(job, plan), activations)
    if job.stack.transformers_layers:
        return torch_layers.eager_gradients(job, plan, tokens, activations)
    return memory.layer_gradients(job, plan, tokens)


def sparse_gradients(job: Job, plan: Plan, around: Bytes, sent: Tokens, copies: Tokens) -> Bytes:
    """What the backward pass of a layer with routed experts needs beyond its activations; bytes. around: of the layer around them."""
    if job.stack.fsdp_units:
        return fsdp_units.unit_expert_gradients(job, plan, around, sent, shard.expert_weights(job, plan))
    # transformers 5.24, integrations/moe.py: gradients of grouped products take the place of the activations that they free
    apart = not job.stack.transformers_layers
    return experts.sparse_gradients(job, plan, around, sent, copies) if apart else around


def linear(job: Job, plan: Plan, tokens: Tokens) -> tuple[Seconds, Seconds]:
    """A layer's matrix products forward and backward, with those of adapters; seconds."""
    forward, backward = compute.linear_forward(job, plan, tokens), compute.linear_backward(job, plan, tokens)
    if not job.frozen:
        return forward, backward
    of_adapters = adapters.adapter_backward(job, plan, tokens, adapters.adapter_weights(job, plan))
    return adapters.adapted_forward(forward, adapters.adapter_forward(job, plan, tokens)), adapters.adapted_backward(backward, of_adapters)


def sparse_cost(job: Job, plan: Plan) -> LayerCost:
    """The costs of a layer with routed experts, for each plan: of the layer around the experts, and of the experts."""
    c = layer_cost(job.around_experts, plan)
    sent = experts.routed_copies(job, plan, c.tokens)
    copies = experts.expert_copies(job, plan, sent)
    linear = experts.experts_linear(job, plan, copies)
    forward = experts.sparse_forward(job, plan, c.layer_forward, linear, sent, copies)
    backward = experts.sparse_backward(job, plan, c.layer_backward, shard.expert_weights(job, plan), sent, copies)
    ep_forward, ep_backward = exchange.ep_forward(job, plan, sent), exchange.ep_backward(job, plan, sent)
    exposed = c.busy_forward - c.layer_forward
    busy_forward = forward + exposed + ep_forward
    busy_backward = backward + (c.busy_layer - c.busy_forward - c.layer_backward) + ep_backward
    host = experts.host_sparse(job, plan, c.host_layer)
    back = experts.host_sparse_return(job, c.host_return, c.host_layer, host)
    waited = experts.sparse_repeat_host(job, host, busy_forward)
    repeated = traffic.repeat_layer(forward, waited, c.tp_visible, c.cp_repeat)
    return c._replace(
        layer_activations=experts.sparse_activations(job, plan, c.layer_activations, sent, copies),
        selective_activations=experts.sparse_selective(job, plan, c.selective_activations, sent, copies),
        layer_gradients=sparse_gradients(job, plan, c.layer_gradients, sent, copies),
        layer_forward=forward,
        layer_backward=backward,
        weight_seconds=experts.sparse_weight_seconds(job, plan, c.weight_seconds, copies),
        selective_repeat=experts.sparse_repeat(job, plan, c.selective_repeat, linear, sent, copies),
        layer_host=experts.sparse_host(job, host, back, busy_forward, busy_backward),
        host_layer=host,
        host_return=back,
        busy_forward=busy_forward,
        busy_layer=busy_forward + busy_backward,
        repeat_layer=experts.sparse_repeated(repeated, ep_forward),
        ep_forward=ep_forward,
        ep_backward=ep_backward,
    )


def kinds(job: Job, plan: Plan) -> Kinds:
    """The costs of a layer of each kind the model has, for each plan."""
    return Kinds(layer_cost(job, plan), sparse_cost(job, plan) if job.model.experts else None)


def taken(costs: T, rows: Array) -> T:
    """Some rows of every column of a cost, and of the costs in it; a value that is the same for all plans stays, and so does None."""

    def of(cost: object) -> object:
        if isinstance(cost, tuple):
            return taken(cost, rows)
        return np.take(cost, rows, axis=-1) if isinstance(cost, np.ndarray) and cost.ndim else cost

    return type(costs)(*(of(cost) for cost in costs))  # type: ignore[arg-type]  # made of its fields: a NamedTuple, which no bound says


def at_edges(costs: T, some: Array) -> T:
    """The same on some of the edge stages: some rows of every table (edges x plans) of a cost, and of the costs in it."""

    def of(cost: object) -> object:
        if isinstance(cost, tuple):
            return at_edges(cost, some)
        return cost[some] if isinstance(cost, np.ndarray) and cost.ndim > 1 else cost

    return type(costs)(*(of(cost) for cost in costs))  # type: ignore[arg-type]  # as above


def once(job: Job, plan: Plan, axes: tuple[str, ...], cost: Callable[[Job, Plan], T]) -> tuple[T, Array]:
    """A cost for each distinct combination of the axes it depends on, and the number of that combination for each plan."""
    few, inverse = distinct(plan, axes)
    return cost(job, few), inverse


def gathered(axes: tuple[str, ...], cost: Callable[[Job, Plan], T]) -> Callable[[Job, Plan], T]:
    """A cost evaluated once per distinct combination of the axes it depends on, and gathered for each plan."""

    def run(job: Job, plan: Plan) -> T:
        if len(plan) < shard.SMALL:
            return cost(job, plan)
        return taken(*once(job, plan, axes, cost))

    return run


layer_costs = gathered(LAYER_AXES, kinds)
