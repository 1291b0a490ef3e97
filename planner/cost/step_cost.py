"""Memory and time of plans, in tiers: each tier is evaluated once per distinct combination of the axes it depends on.

A layer (`layer_cost`, LAYER_AXES); the layers of each stage (`stage_cost.Edges`, EDGE_AXES); a stage (StageCost); all but the sharding
(Pipeline); the sharding and the degrees (Sharding). Then `combined` adds one Pipeline and one Sharding row for each plan.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from planner.cost import adapters, gathered, offload, overlap, phases, reserved, schedule, shard, states
from planner.cost import communication as traffic
from planner.cost import moe as experts
from planner.cost import moe_stages as mixed
from planner.cost import pipeline_split as split
from planner.cost import unit_states as units
from planner.cost.records import Exchange, Pace, Pipeline, Sharding, Tail, Totals
from planner.cost.stage_cost import Layers, edges
from planner.dimensions import Array, Bytes, Flag, Parameters, Seconds, Stage, where
from planner.specs.job import Job
from planner.specs.plan import Plan

NONE, NO_WEIGHTS = Bytes(0.0), Parameters(0.0)


class Weights(NamedTuple):
    """Parameters of a rank: per stage, of its largest layer, per stage of routed experts (None for a dense model); count."""

    stage: Parameters
    largest_layer: Parameters
    experts: Parameters | None


class Frozen(NamedTuple):
    """Frozen weights of a rank on each stage, before they are sharded; bytes."""

    weights: Bytes
    experts: Bytes | None  # None for a dense model


class States(NamedTuple):
    """What a sharding decides of memory on each stage: states, which always live, gradients, and what lives in one phase; bytes."""

    parameters: Bytes
    optimizer: Bytes
    experts: Bytes | None  # None for a dense model
    workspace: Bytes
    gradients: Bytes
    lasting_gradients: Bytes
    head_gradient: Bytes
    late_gradients: Bytes
    head_gathered: Bytes
    layers_gathered: Bytes
    unreduced: Bytes
    end_gathered: Bytes
    embedding_gathered: Bytes
    step_temporaries: Bytes


class Static(NamedTuple):
    """Model states of a rank on each stage: bytes by purpose; optimizer states wherever they live, those of routed experts apart;
    parameters that are trained, and of trained routed experts (None without); what is frozen (None without).
    """

    parts: States
    optimizer: Bytes
    expert_optimizer: Bytes
    weights: Parameters
    experts: Parameters | None
    frozen: Frozen | None = None


def weights_of(job: Job, plan: Plan, stage: Stage, layers: Layers) -> Weights:
    """Parameters of a rank on each stage."""
    layer, embedding, head = shard.layer_weights(job, plan), shard.embedding_weights(job, plan), shard.head_weights(job, plan)
    if layers.sparse is None:
        return Weights(shard.stage_weights(plan, stage, layers.all, layer, embedding, head), layer, None)
    around, each = shard.around_weights(job, plan), shard.expert_weights(job, plan)
    weights = shard.mixed_weights(job, plan, stage, layers.dense, layers.sparse, layer, around, embedding, head)
    return Weights(weights, mixed.largest_layer(layer, around, each), shard.stage_experts(layers.sparse, each))


class Lasting(NamedTuple):
    """States and gradients of a rank on each stage, its 16-bit weights, and its optimizer states wherever they live; bytes."""

    parameters: Bytes
    optimizer: Bytes
    experts: Bytes | None  # None for a dense model
    workspace: Bytes
    gradients: Bytes
    stored: Bytes
    moments: Bytes


def lasting(job: Job, plan: Plan, stage: Stage, weights: Weights) -> Lasting:
    """States and gradients of a rank on each stage, where all weights are trained."""
    size, embedding, head = shard.shard_size(plan), shard.embedding_weights(job, plan), shard.head_weights(job, plan)
    moments = states.optimizer_bytes(job, plan, stage, weights.stage, size, embedding, head)
    largest = shard.largest_tensor(plan, stage, embedding, head)
    stored = states.parameter_bytes(job, plan, weights.stage, size)
    return Lasting(
        parameters=with_casts(job, plan, stage, weights, stored),
        optimizer=states.resident_optimizer(job, moments),
        experts=expert_states(job, plan, weights.experts),
        workspace=Bytes(states.workspaces(job)),
        gradients=all_gradients(job, plan, states.gradient_memory(job, plan, weights.stage, size, largest), weights.experts),
        stored=stored,
        moments=moments,
    )


def static(job: Job, plan: Plan, stage: Stage, layers: Layers) -> Static:
    """Model states of a rank on each stage."""
    weights = weights_of(job, plan, stage, layers)
    if job.frozen:
        return adapted(job, plan, stage, layers, weights)
    held = lasting(job, plan, stage, weights)
    size, embedding, head = shard.shard_size(plan), shard.embedding_weights(job, plan), shard.head_weights(job, plan)
    largest = shard.largest_tensor(plan, stage, embedding, head)
    parts = States(
        parameters=held.parameters,
        optimizer=held.optimizer,
        experts=held.experts,
        workspace=held.workspace,
        gradients=held.gradients,
        lasting_gradients=states.lasting_gradients(job, plan, held.gradients, largest),
        head_gradient=states.head_gradient(job, plan, stage, head, size),
        **(unit_parts(job, plan, stage, weights) if job.stack.fsdp_units else gathered_parts(job, plan, stage, weights, held.stored)),
        step_temporaries=states.step_temporaries(job, plan, weights.stage, size, largest, held.gradients),
    )
    of_experts = NONE
    if weights.experts is not None:
        of_experts = experts.expert_optimizer(job, plan, weights.experts, shard.expert_shard_size(plan))
    return Static(parts, held.moments, of_experts, weights.stage, weights.experts)


def least_states(job: Job, plan: Plan) -> Bytes:
    """States and gradients of a rank on each stage: the least memory of any plan with a sharding; bytes."""
    place = edges(job, plan)
    if job.frozen:
        parts = static(job, plan, place.stage, place.layers).parts
        return static_bytes(parts) + parts.gradients
    held = lasting(job, plan, place.stage, weights_of(job, plan, place.stage, place.layers))
    return static_bytes(held) + held.gradients


def with_casts(job: Job, plan: Plan, stage: Stage, weights: Weights, stored: Bytes) -> Bytes:
    """Weights of a rank on each stage, with their casts to narrow types where these are stored. stored: 16-bit weights."""
    if not states.cast_width(job):
        return stored
    of_experts = NO_WEIGHTS if weights.experts is None else weights.experts
    edges = shard.embedding_weights(job, plan), shard.head_weights(job, plan)
    return states.stored_weights(stored, states.cast_bytes(job, plan, stage, weights.stage, of_experts, *edges))


def gathered_parts(job: Job, plan: Plan, stage: Stage, weights: Weights, stored: Bytes) -> dict[str, Bytes]:
    """What is gathered on each stage at the loss, in a layer and at the embedding, by field of States. stored: 16-bit weights."""
    layer, whole, size = weights.largest_layer, weights.stage, shard.shard_size(plan)
    embedding, head = shard.embedding_weights(job, plan), shard.head_weights(job, plan)
    largest = shard.largest_tensor(plan, stage, embedding, head)
    at_head = gathered.head_gathered(job, plan, stage, head, whole)
    at_layer = gathered.layers_gathered(job, plan, layer, whole)
    at_embedding = gathered.embedding_gathered(job, plan, stage, embedding, whole, size, largest)
    if job.stack.root_gathered:
        of_experts = shard.expert_weights(job, plan) if job.model.experts else NO_WEIGHTS
        at_head = gathered.root_at_loss(job, plan, at_head, layer, embedding)
        at_layer = gathered.root_at_layer(job, plan, at_layer, embedding, head, of_experts)
        at_embedding = gathered.root_at_end(job, plan, at_embedding, embedding, head, stored)
    return {
        "late_gradients": states.late_gradients(job, plan, stage, first_layer(plan, weights), embedding, head, size),
        "head_gathered": at_head, "layers_gathered": at_layer, "unreduced": gathered.unreduced_bytes(job, plan, layer),
        "end_gathered": at_layer, "embedding_gathered": at_embedding,
    }  # fmt: skip


def first_layer(plan: Plan, weights: Weights) -> Parameters:
    """Parameters of the first layer whose gradients may not exist yet; none of one with routed experts, whose gradients come first, unless
    they are reduced to shards later.
    """
    return weights.largest_layer if weights.experts is None else where(plan.zero >= 3, weights.largest_layer, 0.0)


def unit_parts(job: Job, plan: Plan, stage: Stage, weights: Weights) -> dict[str, Bytes]:
    """The same with a layer, the embedding and the head as units of FSDP2."""
    size, embedding, head = shard.shard_size(plan), shard.embedding_weights(job, plan), shard.head_weights(job, plan)
    dense, few, mixture = shard.layer_weights(job, plan), job.model.dense_layers, job.model.sparse_layers > 0
    layer, expert, total = dense, NO_WEIGHTS, weights.stage
    if mixture and weights.experts is not None:
        expert, total = shard.expert_weights(job, plan), weights.stage + weights.experts
        layer = shard.sparse_weights(job, plan)
    ahead = dense if not mixture or few else layer  # before the first sparse layer lies a dense one, if there are any
    table = embedding if job.model.tied else head
    before = Parameters(few * dense) if mixture else NO_WEIGHTS
    one = units.unit_gradient(job, plan, layer, expert, size, shard.expert_shard_size(plan))
    edge = NO_WEIGHTS if mixture and few else embedding
    return {
        "late_gradients": units.unit_late(job, plan, stage, one, embedding, before, size),
        "head_gathered": units.unit_head(job, plan, stage, table, size, total - table - weights.largest_layer),
        "layers_gathered": units.unit_layers(job, plan, stage, layer, ahead, head),
        "unreduced": units.unit_unreduced(job, plan, stage, layer, head),
        "end_gathered": units.unit_end(job, plan, stage, layer, ahead, edge, one),
        "embedding_gathered": units.unit_embedding(job, plan, stage, embedding, size),
    }


def all_gradients(job: Job, plan: Plan, gradients: Bytes, of_experts: Parameters | None) -> Bytes:
    """Gradients of a rank on each stage, with those of its routed experts."""
    if of_experts is None:
        return gradients
    return states.all_gradients(gradients, experts.expert_gradients(job, plan, of_experts, shard.expert_shard_size(plan)))


def expert_states(job: Job, plan: Plan, weights: Parameters | None) -> Bytes | None:
    """States of the routed experts of a rank on each stage; None for a dense model."""
    return None if weights is None else experts.expert_states(job, plan, weights, shard.expert_shard_size(plan))


def adapted(job: Job, plan: Plan, stage: Stage, layers: Layers, weights: Weights) -> Static:
    """Model states of a rank on each stage where adapters are trained on frozen weights."""
    size, narrow, adapter = shard.shard_size(plan), adapters.quantized_weights(job, plan), adapters.adapter_weights(job, plan)
    count = layers.all if layers.sparse is None else layers.dense + layers.sparse
    trained, held = adapters.stage_adapters(count, adapter), adapters.frozen_bytes(job, weights.stage, count, narrow)
    moments = states.optimizer_bytes(job, plan, stage, trained, size, NO_WEIGHTS, NO_WEIGHTS)
    gradients = states.gradient_memory(job, plan, trained, size, adapter)
    widest = narrow if layers.sparse is None or job.tuning != "qlora" else narrow + shard.expert_weights(job, plan)
    layer, embedding = adapters.layer_frozen(weights.largest_layer, widest), shard.embedding_weights(job, plan)
    layers_held = adapters.frozen_gathered(job, plan, layer, adapter)
    parts = States(
        parameters=adapters.frozen_parameters(job, plan, held, size, states.parameter_bytes(job, plan, trained, size)),
        optimizer=states.resident_optimizer(job, moments),
        experts=expert_states(job, plan, weights.experts),
        workspace=Bytes(states.workspaces(job)),
        gradients=gradients,
        lasting_gradients=states.lasting_gradients(job, plan, gradients, adapter),
        head_gradient=NONE,
        late_gradients=NONE,
        unreduced=NONE,
        head_gathered=frozen_head(job, plan, stage, weights.stage, layer),
        layers_gathered=layers_held,
        end_gathered=layers_held,
        embedding_gathered=adapters.frozen_embedding(job, plan, stage, embedding),
        step_temporaries=states.step_temporaries(job, plan, trained, size, adapter, gradients),
    )
    frozen_experts = None if weights.experts is None else Bytes(experts.expert_width(job) * weights.experts)
    return Static(parts, moments, NONE, trained, None, Frozen(held, frozen_experts))


def frozen_head(job: Job, plan: Plan, stage: Stage, whole: Parameters, layer: Bytes) -> Bytes:
    """Frozen weights gathered at the loss on each stage: of the head, and of the embedding in one unit with it. layer: bytes of one."""
    at_head = gathered.head_gathered(job, plan, stage, shard.head_weights(job, plan), whole)
    if not job.stack.root_gathered:
        return at_head
    return gathered.root_at_loss(job, plan, at_head, Parameters(layer / states.WEIGHT_BYTES), shard.embedding_weights(job, plan))


def sharding(job: Job, plan: Plan) -> Sharding:
    """Costs of the sharding of each plan."""
    place = edges(job, plan)
    held = static(job, plan, place.stage, place.layers)
    weights, of_experts = shard.heaviest_weights(held.weights), None if held.experts is None else shard.heaviest_experts(held.experts)
    each = traffic.reduce_each(job, plan, weights, of_experts)
    if held.frozen is not None:
        sparse = None if held.frozen.experts is None else split.largest(held.frozen.experts)
        each = adapters.adapted_each(each, adapters.frozen_each(job, plan, adapters.heaviest_frozen(held.frozen.weights), sparse))
    updated, frozen = traffic.owned_weights(plan, weights, of_experts), NONE
    if held.frozen is not None:
        frozen = adapters.heaviest_frozen(held.frozen.weights)
    moved = offload.moved_weights(plan, updated, frozen, shard.shard_size(plan))
    each = offload.moved_each(each, offload.offload_each(job, plan, moved, updated))
    pools, block = segments(job, plan, place.stage, held)
    units_each = overlap.units(job, plan, *copied(plan, weights, of_experts, held.frozen))
    return Sharding(
        static_bytes=static_bytes(held.parts),
        all_gradients=held.parts.gradients,
        lasting_gradients=held.parts.lasting_gradients,
        head_gradient=held.parts.head_gradient,
        late_gradients=held.parts.late_gradients,
        head_gathered=held.parts.head_gathered,
        layers_gathered=held.parts.layers_gathered,
        unreduced=held.parts.unreduced,
        end_gathered=held.parts.end_gathered,
        embedding_gathered=held.parts.embedding_gathered,
        step_temporaries=held.parts.step_temporaries,
        first_weights=first_weights(job, plan, held),
        moments_bytes=reserved.moments_bytes(job, held.parts.optimizer, held.expert_optimizer),
        stream_pools=pools,
        step_block=block,
        host_bytes=host(job, plan, held, updated, moved),
        exchange=Exchange(
            reduce_once=traffic.reduce_once(job, plan, weights, of_experts),
            gather_once=traffic.gather_once(job, plan, weights, of_experts),
            reduce_each=each,
            ends_each=units_each.ends,
            copies_each=units_each.copies,
            loops_each=units_each.loops,
            optimizer_seconds=traffic.optimizer_seconds(job, plan, weights, of_experts),
        ),
    )


def copied(plan: Plan, weights: Parameters, of_experts: Parameters | None, frozen: Frozen | None) -> tuple[Parameters, Parameters]:
    """Parameters of a rank that are gathered, and those whose gradients are reduced, where other ranks hold a part of them; count.

    Frozen weights are gathered in the width they are stored in: counted as parameters in 16 bits.
    """
    reduced = overlap.shared(plan, weights, of_experts)
    if frozen is None:
        return reduced, reduced
    sparse = None if frozen.experts is None else Parameters(split.largest(frozen.experts) / states.WEIGHT_BYTES)
    return reduced + overlap.shared(plan, Parameters(adapters.heaviest_frozen(frozen.weights) / states.WEIGHT_BYTES), sparse), reduced


def host(job: Job, plan: Plan, held: Static, owned_weights: Parameters, moved_weights: Bytes) -> Bytes:
    """Host memory of a node; bytes."""
    moments = offload.host_states(job, mixed.heaviest_optimizer(held.optimizer, held.expert_optimizer), owned_weights)
    edges_of = shard.largest_tensor(plan, edges(job, plan).stage, shard.embedding_weights(job, plan), shard.head_weights(job, plan))
    gradients = offload.host_gradients(job, plan, owned_weights, split.largest(edges_of))
    return offload.host_bytes(job, moments, gradients, offload.host_weights(job, moved_weights))


def static_bytes(parts: States | Lasting) -> Bytes:
    """The states of a rank that live all the time, summed by formula; bytes."""
    of_experts = NONE if parts.experts is None else parts.experts
    return states.static_bytes(parts.parameters, parts.optimizer, parts.workspace, of_experts)


def foldable(job: Job, s: Sharding) -> Array:
    """Which shardings have phases that differ by the pipeline alone: gradients live all the time, nothing is gathered in one phase."""
    one_phase = s.head_gathered + s.layers_gathered + s.embedding_gathered + s.step_temporaries + 0.0 * s.static_bytes
    return np.asarray(job.stack.gradients_stay & (one_phase.sum(axis=0) == 0))


def folded(s: Sharding) -> Sharding:
    """Shardings that are foldable with one column of memory: states and gradients."""
    held = s.static_bytes + s.all_gradients
    gathered_by = ("head_gathered", "layers_gathered", "unreduced", "embedding_gathered", "step_temporaries", "late_gradients")
    none = dict.fromkeys(("lasting_gradients", "head_gradient", *gathered_by), NONE)
    return s._replace(static_bytes=held, all_gradients=NONE, **none)  # type: ignore[arg-type]  # bytes all


def allocated(p: Pipeline, s: Sharding) -> Bytes:
    """Live tensors in the fullest phase, per stage; bytes."""
    v = p.live
    early = s.static_bytes, s.all_gradients, s.lasting_gradients, s.head_gradient, v.gradients
    started = phases.started_gathered(s.layers_gathered, s.unreduced, v.last)
    late = s.head_gathered, started, s.end_gathered, s.embedding_gathered, s.step_temporaries, s.late_gradients
    return phases.allocated_bytes(*early, v.loss, v.backward, v.end, v.embedding, *late)


def first_weights(job: Job, plan: Plan, held: Static) -> Bytes:
    """Segments of the weights' first tensors on each stage; bytes."""
    weights = held.weights if held.experts is None else reserved.rank_weights(held.weights, held.experts)
    return reserved.first_weights(job, plan, weights)


def segments(job: Job, plan: Plan, stage: Stage, held: Static) -> tuple[Bytes, Bytes]:
    """The pools of other streams, and the largest tensor of the optimizer's step, on each stage; bytes."""
    embedding, head = shard.embedding_weights(job, plan), shard.head_weights(job, plan)
    if job.stack.fsdp_units:
        layer = shard.layer_weights(job, plan)
        if held.experts is not None:
            layer = mixed.largest_layer(layer, shard.around_weights(job, plan), shard.expert_weights(job, plan))
        pools = units.unit_pools(job, plan, stage, layer, embedding, head, held.parts.gradients, shard.shard_size(plan))
        return pools, units.unit_block(job, plan, stage, layer, embedding, head)
    largest = shard.largest_tensor(plan, stage, embedding, head)
    if job.stack.flat_states:
        pools = reserved.stream_pools(job, plan, largest, shard.layer_weights(job, plan), held.weights)
    else:
        pools = reserved.table_segments(job, plan, stage, embedding, head)
    return pools, reserved.step_block(job, plan, held.weights, shard.shard_size(plan), largest)


def slack(job: Job, p: Pipeline, s: Sharding, live: Bytes) -> Bytes:
    """What the allocator holds beyond live tensors, per stage; bytes."""
    requests = p.live.activations, p.edge_request, p.largest_request
    return reserved.slack_bytes(job, live, *requests, s.first_weights, s.moments_bytes, s.stream_pools, s.step_block)


def device(job: Job, p: Pipeline, s: Sharding) -> Bytes:
    """Memory of the device, per stage; bytes."""
    live = allocated(p, s)
    return reserved.device_bytes(job, reserved.reserved_bytes(live, slack(job, p, s, live)))


def dp_seconds(job: Job, p: Pace, s: Exchange) -> Seconds:
    """Exposed gradient and weight communication per step; seconds."""
    hidden = traffic.hidden_once(job, s.reduce_once, s.gather_once, p.last_round, p.slowest_stage)
    if job.stack.overlaps_units:
        seen = overlap.units_seen(job, s.reduce_each, s.ends_each, s.copies_each, p.micro_batches, p.steady_seconds, hidden)
        loops = job.stack.rank_loop_s > 0
        exposed = overlap.units_exposed(seen, s.loops_each, p.micro_batches, p.steady_seconds) if loops else seen
    else:
        exposed = overlap.share_exposed(job, s.reduce_each, p.micro_batches, p.steady_seconds, hidden)
    return traffic.dp_seconds(s.reduce_once, s.gather_once, hidden, exposed)


def time_tail(job: Job, p: Pace, s: Exchange) -> Tail:
    """What an even step takes in addition to the micro-batches on its slowest stage."""
    return Tail(p.bubble_seconds, p.pp_seconds, dp_seconds(job, p, s), s.optimizer_seconds, schedule.fixed_seconds(job))


def step_of(job: Job, p: Pace, tail: Tail) -> tuple[Seconds, Seconds]:
    """The step, and the wait for its slowest rank; seconds."""
    even = schedule.even_seconds(p.steady_seconds, *tail)
    waiting = schedule.straggler_seconds(job, even)
    return schedule.step_seconds(even, waiting), waiting


def step(job: Job, p: Pace, s: Exchange) -> Seconds:
    """The step of plans whose rows correspond; seconds."""
    return step_of(job, p, time_tail(job, p, s))[0]


def combined(job: Job, p: Pipeline, s: Sharding) -> Totals:
    """Memory and time of plans whose Pipeline and Sharding rows correspond."""
    return Totals(split.largest(device(job, p, s)), step(job, p.pace, s.exchange), host_memory(job, p, s))


def host_memory(job: Job, p: Pipeline, s: Sharding) -> Bytes:
    """Host memory of a node; bytes."""
    return offload.node_memory(s.host_bytes, p.host_activations) if offload.moves_activations(job) else s.host_bytes


def fitting(job: Job, totals: Totals) -> Flag:
    """Whether each plan fits its device, and its host where it offloads."""
    return (totals.memory <= job.memory_limit) & (totals.host <= job.cluster.host_memory_bytes)
