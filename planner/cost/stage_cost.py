"""Costs of pipeline stages per micro-batch, and of a pipeline before sharding: the second and third tier of an estimate.

Three stages are enough to find the fullest and the slowest, five or six where dense layers come first (`pipeline_split.edge_stages`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from planner import degrees
from planner.cost import communication as traffic
from planner.cost import compute, exchange, fsdp_units, memory, offload, phases, reserved, schedule, shard, torch_layers
from planner.cost import layer_cost as layercosts
from planner.cost import moe as experts
from planner.cost import moe_stages as mixed
from planner.cost import pipeline_split as split
from planner.cost import tensor_parallel as tensor
from planner.cost.layer_cost import gathered, layer_costs
from planner.cost.parts import WorkParts
from planner.cost.records import Block, Kinds, LayerCost, Live, Pace, Pipeline, Sharding, StageCost
from planner.dimensions import Bytes, Count, Flag, Number, Seconds, Stage, Tokens, ceil, clip, maximum, where
from planner.specs.job import RECOMPUTES, Job
from planner.specs.plan import Plan

NONE = Bytes(0.0)
EDGE_AXES = ("pp", "vpp", "schedule")


class Layers(NamedTuple):
    """Layers on each stage: all without those of multi-token prediction, and the dense and the sparse ones with them."""

    all: Number
    dense: Number
    sparse: Number | None  # None for a dense model


class Edges(NamedTuple):
    """The edge stages of plans, the layers they hold, and those of the fullest virtual stage."""

    stage: Stage
    layers: Layers
    chunk: Number


def stage_kinds(job: Job, plan: Plan, stage: Stage) -> Layers:
    """Number of layers of each kind on each stage."""
    layers = split.stage_layers(job, plan, stage)
    if not job.model.experts:
        return Layers(layers, layers, None)
    sparse = split.sparse_stage_layers(job, plan, stage, layers)
    return Layers(layers, split.dense_stage_layers(job, plan, stage, layers, sparse), sparse)


def virtual_kinds(job: Job, plan: Plan) -> Layers:
    """Number of layers of each kind on each virtual stage of one plan, in the order that data flows through them; p · v x 1."""
    layers = Count(split.virtual_layers(job, plan)[:, None])
    if not job.model.experts:
        return Layers(layers, layers, None)
    first = clip(job.model.dense_layers - (Count(np.cumsum(layers, axis=0)) - layers), 0, layers)
    sparse = (layers - first) * split.sparse_share(job)
    ahead = np.zeros_like(sparse)
    ahead[-1 if job.layout is None else job.layout.ahead_stage] = job.model.mtp_layers
    return Layers(layers, layers - sparse, sparse + Number(ahead))


def edge_kinds(job: Job, plan: Plan) -> Edges:
    """The edge stages of each plan, and the number of layers of each kind they hold."""
    stage = split.edge_stages(job, plan)
    return Edges(stage, stage_kinds(job, plan, stage), split.chunk_layers(job, plan))


edges = gathered(EDGE_AXES, edge_kinds)


def layer_working(job: Job, plan: Plan, layers: Layers, cost: Kinds) -> Bytes:
    """Working set of the layer that needs most, on each stage; bytes."""
    c, s = cost
    working = memory.layer_working(plan, c.layer_gradients, c.layer_activations, c.selective_activations)
    if job.stack.fsdp_units:
        working = fsdp_units.unit_working(working, fsdp_units.unit_reduced(job, plan, shard.layer_weights(job, plan)))
    if s is None or layers.sparse is None:
        return working
    of_sparse = memory.layer_working(plan, s.layer_gradients, s.layer_activations, s.selective_activations)
    if job.stack.fsdp_units:
        of_sparse = fsdp_units.unit_working(of_sparse, fsdp_units.unit_reduced(job, plan, shard.sparse_weights(job, plan)))
    return mixed.mixed_working(layers.dense, layers.sparse, working, of_sparse)


def work_parts(job: Job, plan: Plan, stage: Stage, layers: Layers, cost: Kinds) -> WorkParts:
    """One micro-batch on each stage with these layers, by part, without recomputation."""
    c, s = cost
    edges = c.embedding_seconds, c.head_seconds
    if s is None or layers.sparse is None:
        return WorkParts(
            compute=schedule.stage_compute(plan, stage, layers.all, c.layer_forward, c.layer_backward, *edges),
            host=schedule.stage_host(job, layers.all, c.layer_host),
            tp=tensor.stage_tp(plan, stage, layers.all, c.tp_forward, c.tp_layer),
            cp=traffic.stage_cp(layers.all, c.cp_layer),
            ep=None,
        )
    both, passes = (layers.dense, layers.sparse), (c.layer_forward, c.layer_backward, s.layer_forward, s.layer_backward)
    ahead = mixed.mtp_seconds(job, plan, c.tokens)
    exposed = exchange.ep_layer(job, plan, s.ep_forward, s.ep_backward, s.layer_forward, s.layer_backward)
    return WorkParts(
        compute=mixed.mixed_compute(job, plan, stage, *both, *passes, *edges, ahead),
        host=mixed.mixed_host(job, *both, c.layer_host, s.layer_host),
        tp=mixed.mixed_tp(plan, stage, *both, c.tp_forward, c.tp_layer, s.tp_layer),
        cp=mixed.mixed_cp(*both, c.cp_layer),
        ep=experts.stage_ep(layers.sparse, exposed),
    )


def stage_work(work: WorkParts) -> Seconds:
    """One micro-batch on a stage, summed by formula; seconds."""
    if work.ep is None:
        return schedule.stage_work(work.compute, work.host, work.tp, work.cp)
    return mixed.mixed_work(work.compute, work.host, work.tp, work.cp, work.ep)


def with_recompute(job: Job, plan: Plan, place: Edges, cost: Kinds, c: StageCost) -> StageCost:
    """Costs of stages with what depends on the plans' recomputation: stored activations, repeated work, working sets."""
    dense, sparse = cost
    return c._replace(
        layer_working=memory.stage_working(layer_working(job, plan, place.layers, cost), c.tied_gradient, c.head_working),
        dense=block(plan, c.dense.layers, dense),
        sparse=None if c.sparse is None or sparse is None else block(plan, c.sparse.layers, sparse),
    )


def block(plan: Plan, layers: Number, c: LayerCost) -> Block:
    """Activations that the layers of one kind keep, and what they recompute."""
    return Block(
        layers=layers,
        kept_activations=memory.kept_activations(plan, c.layer_activations, c.selective_activations),
        repeat_layer=c.repeat_layer,
        selective_seconds=compute.selective_seconds(plan, c.selective_repeat),
    )


def stage_cost(job: Job, plan: Plan, place: Edges, cost: Kinds) -> StageCost:
    """The costs of one micro-batch on some stages (stages x plans), for each plan, from the costs of a layer."""
    return with_recompute(job, plan, place, cost, without_recompute(job, plan, place, cost))


def without_recompute(job: Job, plan: Plan, place: Edges, cost: Kinds) -> StageCost:
    """The same for any recomputation: zeros in place of what depends on it."""
    stage, layers, _ = place
    count = shard.micro_batches(job, plan)
    c, s = cost
    most = c if s is None else s
    in_flight = split.in_flight(plan, stage, count) if s is None else split.in_flight(plan, stage, count, exchange.ahead(job, plan))
    edge, request = requests(job, plan, stage, c.tokens)
    return StageCost(
        layers=layers.all,
        in_flight=in_flight,
        gradients_live=phases.gradients_live(job, stage, count, in_flight),
        checkpoint_bytes=c.checkpoint_bytes,
        embedding_masks=memory.embedding_masks(job, stage, c.checkpoint_bytes),
        gathered_inputs=memory.gathered_inputs(job, plan, c.tokens, in_flight),
        layer_working=NONE,
        head_working=memory.head_working(job, plan, stage, c.tokens, memory.head_inputs(job, plan, c.tokens)),
        tied_gradient=memory.tied_gradient(job, plan),
        logits_memory=head_memory(job, plan, stage, c.tokens),
        forward_logits=torch_layers.forward_logits(job, plan, stage, c.tokens) if torch_layers.casts(job) else NONE,
        buffer_bytes=buffers(job, plan, stage, layers.all, c, count, in_flight),
        embedding_gradient=memory.embedding_gradient(job, plan, stage, shard.embedding_weights(job, plan)),
        edge_request=edge,
        largest_request=request,
        stage_work=stage_work(work_parts(job, plan, stage, layers, cost)),
        micro_batches=count,
        pp_seconds=traffic.pp_seconds(job, plan, c.tokens, count),
        weight_share=schedule.weight_share(most.weight_seconds, most.busy_layer, most.layer_host),
        forward_share=schedule.forward_share(most.busy_layer, most.busy_forward),
        dense=Block(layers.dense, NONE, c.repeat_layer, Seconds(0.0)),
        sparse=None if s is None or layers.sparse is None else Block(layers.sparse, NONE, s.repeat_layer, Seconds(0.0)),
    )


def recomputes_alike(job: Job) -> tuple[tuple[int, ...], ...]:
    """The kinds of recomputation for which `without_recompute` is the same: all, unless some of them rule out overlapped experts."""
    every, full = tuple(range(len(RECOMPUTES))), RECOMPUTES.index("full")
    apart = job.model.experts and job.overlap_experts and job.stack.overlaps_experts
    return (every[:full], every[full:]) if apart else (every,)


def requests(job: Job, plan: Plan, stage: Stage, tokens: Tokens) -> tuple[Bytes, Bytes]:
    """Largest gradient of embedding or head, and largest tensor that a step allocates, on each stage; bytes."""
    edge = reserved.edge_request(job, plan, stage, shard.embedding_weights(job, plan), shard.head_weights(job, plan))
    return edge, reserved.largest_request(reserved.loss_request(job, plan, stage, tokens), edge)


def head_memory(job: Job, plan: Plan, stage: Stage, tokens: Tokens) -> Bytes:
    """Logits, loss and the head's inputs on each stage, with transformers' layers what the head needs in addition; bytes."""
    if job.stack.fsdp_units:
        return (fsdp_units.chunked_logits if job.loss_kernel == "chunked" else fsdp_units.unit_logits)(job, plan, stage, tokens)
    logits = memory.logits_memory(job, plan, stage, tokens, memory.head_inputs(job, plan, tokens))
    if not job.stack.transformers_layers:
        return logits
    return torch_layers.head_live(job, plan, stage, tokens, logits, torch_layers.head_backward(job, plan, tokens))


def buffers(job: Job, plan: Plan, stage: Stage, layers: Number, c: LayerCost, micro_batches: Number, in_flight: Number) -> Bytes:
    """Communication buffers on each stage; bytes."""
    if not job.stack.fsdp_units:
        return c.buffer_bytes
    return fsdp_units.standing_buffers(job, plan, stage, layers, c.tokens, micro_batches, in_flight)


def edge_cost(job: Job, plan: Plan) -> StageCost:
    """The costs of one micro-batch on the edge stages, for each plan."""
    return stage_cost(job, plan, edges(job, plan), layer_costs(job, plan))


class Floor(NamedTuple):
    """Lower bounds for one micro-batch, for any recomputation: a layer's checkpoint, gradients of one layer, the logits; bytes."""

    checkpoint: Bytes
    gradients: Bytes
    logits: Bytes


def floor_cost(job: Job, plan: Plan) -> Floor:
    """Lower bounds for one micro-batch of each plan; with sequence parallelism."""
    on_device = (1.0 - memory.checkpoints_offloaded(job)) * (1.0 - job.offload_activations)
    t, held = shard.tokens(job, plan), on_device * min(1.0, job.selective.keep.get("norm_in", 1.0))
    if job.stack.fsdp_units:
        return unit_floor(job, on_device, plan.with_(sequence_parallel=1 + 0 * plan.tp))
    gradients = memory.layer_gradients(job.around_experts if job.model.experts else job, plan, t)
    if job.model.experts and not job.model.dense_layers:
        sent = experts.routed_copies(job, plan, t)
        gradients = experts.sparse_gradients(job, plan, gradients, sent, experts.expert_copies(job, plan, sent))
    return Floor(Bytes(held * 2.0 * t * job.model.hidden / plan.tp), gradients, memory.head_logits(job, plan, t))


def unit_floor(job: Job, on_device: float, plan: Plan) -> Floor:
    """The same where each unit of FSDP2 is a layer, which a stack with tensor parallelism runs with sequence parallelism."""
    c, s = layercosts.kinds(job, plan)
    gradients = c.layer_gradients if s is None or job.model.dense_layers else s.layer_gradients
    return Floor(on_device * c.checkpoint_bytes, gradients, head_memory(job, plan, Stage(0), c.tokens))


floor_costs = gathered((*degrees.LAYER, "micro_batch"), floor_cost)


def least_live(job: Job, plan: Plan) -> Bytes:
    """A lower bound of live bytes on the edge stages, for any recomputation and sharding: checkpoints in flight, and one layer."""
    (stage, layers, _), least = edges(job, plan), floor_costs(job, plan)
    in_flight = split.in_flight(plan, stage, shard.micro_batches(job, plan))
    stored = job.stack.activation_overhead * in_flight * layers.all * least.checkpoint
    return Bytes(stored + maximum(split.is_head(plan, stage) * least.logits, least.gradients))


class Recomputed(NamedTuple):
    """Layers recomputed whole on each stage: all, the dense, the sparse."""

    all: Number
    dense: Number
    sparse: Number | None  # None for a dense model


def recomputed(job: Job, plan: Plan, c: StageCost) -> Recomputed:
    """Number of layers of each kind that each stage recomputes whole."""
    if c.sparse is None:
        repeated = split.recomputed_layers(job, plan, c.layers)
        return Recomputed(repeated, repeated, None)
    repeated = split.recomputed_layers(job, plan, c.dense.layers + c.sparse.layers)
    sparse = split.recomputed_sparse(job, plan, repeated, c.dense.layers, c.sparse.layers)
    return Recomputed(repeated, split.recomputed_dense(repeated, sparse), sparse)


def held(job: Job, c: StageCost, again: Recomputed) -> tuple[Bytes, Number]:
    """Activations of one micro-batch that all layers of a stage keep, and how many layers there are; bytes and count."""
    dense = memory.held_bytes(job, c.dense.layers, again.dense, c.dense.kept_activations, c.checkpoint_bytes)
    if c.sparse is None or again.sparse is None:
        return dense, c.layers
    of_sparse = memory.held_bytes(job, c.sparse.layers, again.sparse, c.sparse.kept_activations, c.checkpoint_bytes)
    return mixed.held_by_both(dense, of_sparse), c.dense.layers + c.sparse.layers


def moved_activations(job: Job, c: StageCost, again: Recomputed) -> Bytes:
    """Activations of one micro-batch that are in host memory until their backward pass, on each stage; bytes."""
    return offload.moved_activations(job, held(job, c, again)[0], c.embedding_masks, again.all, c.checkpoint_bytes)


def activations(job: Job, plan: Plan, c: StageCost, again: Recomputed | None = None) -> Bytes:
    """Activations in flight on each stage; bytes. again: the layers that are recomputed, where they are known."""
    again = again or recomputed(job, plan, c)
    stored, layers = held(job, c, again)
    waiting = memory.waiting_copies(plan, layers) if job.offload_activations else Number(0.0)
    return memory.activation_bytes(job, layers, again.all, c.in_flight, stored, c.embedding_masks, c.gathered_inputs, waiting)


class Freed(NamedTuple):
    """What each recomputed layer of a virtual stage frees on each stage; bytes.

    Each of the first `dense` frees `first`, which `reach` are together, each after them `then` (None: all are alike).
    """

    first: Bytes
    dense: Number | None
    reach: Bytes | None
    then: Bytes | None


def freed(job: Job, plan: Plan, c: StageCost) -> Freed:
    """What each recomputed layer per virtual stage frees, with `first`; bytes.

    The activations of a dense layer less its checkpoint, then, where no dense layers are left, those of a sparse one.
    """
    on_device = max(1.0 - job.offload_activations, 1e-9)  # where all are offloaded recomputing frees nothing: as many as there may be
    weight = job.stack.activation_overhead * c.in_flight * on_device
    each = weight * (c.dense.kept_activations - c.checkpoint_bytes) + c.gathered_inputs
    if c.sparse is None:
        return Freed(plan.vpp * each, None, None, None)
    of_sparse = weight * (c.sparse.kept_activations - c.checkpoint_bytes) + c.gathered_inputs
    if job.model.moe_every > 1:
        total = maximum(c.dense.layers + c.sparse.layers, 1)
        return Freed(plan.vpp * ((c.dense.layers * each + c.sparse.layers * of_sparse) / total), None, None, None)
    # the dense ones lie at the start of the first virtual stage: each layer more takes one of them, then none
    with_dense = each + (plan.vpp - 1) * of_sparse
    return Freed(with_dense, c.dense.layers, c.dense.layers * with_dense, plan.vpp * of_sparse)


def fewest_recomputed(excess: Bytes, freed: Freed, chunk: Number) -> Count:
    """For `first`, the fewest layers to recompute in each virtual stage that free the excess of every stage; where none do, all but one.

    chunk: layers of the fullest virtual stage.
    """
    layers = excess / freed.first
    if freed.dense is not None and freed.reach is not None and freed.then is not None:
        layers = where(excess <= freed.reach, layers, freed.dense + (excess - freed.reach) / freed.then)
    fewest = split.largest(ceil(layers - 1e-9))
    return Count(clip(fewest, 1, maximum(chunk - 1, 1)).astype(np.int64))


def excess_activations(job: Job, plan: Plan, c: StageCost, s: Sharding) -> Bytes:
    """Activations beyond those with which a plan fits, on each stage, where no layer is recomputed; bytes; infinite where no number of
    them fits. The gradient of the embedding lives with those of the other micro-batches.
    """
    lives, room = live(job, plan.with_(recompute_layers=0 * plan.pp), c), reserved.room_for_live(job) - s.static_bytes
    gradients = s.all_gradients, s.lasting_gradients, s.head_gradient, lives.gradients
    started = phases.started_gathered(s.layers_gathered, s.unreduced, lives.last)
    early = phases.early_bytes(*gradients, lives.loss, lives.backward, s.head_gathered, started)
    if not reserved.takes_new(job):
        return early - room
    beyond = c.largest_request - s.moments_bytes
    new = maximum(c.edge_request, beyond)
    share = maximum(lives.others, 1.0) / maximum(lives.activations, 1.0)  # of the activations in flight
    embedding = (lives.embedding + s.embedding_gathered + s.all_gradients + new - room) / share
    unused = early - lives.activations + beyond + s.first_weights
    most = maximum(early + new - room, embedding)
    if np.ndim(s.unreduced):  # as soon as the last activations are less than an unreduced gradient, it takes their place
        replaced = s.layers_gathered - lives.last
        backward = phases.early_bytes(*gradients, 0.0 * lives.loss, lives.backward, s.head_gathered, replaced)
        falls = maximum(1.0 - lives.last / maximum(lives.activations, 1.0), 1e-9)
        most = maximum(most, (backward + new - room) / falls)
    return where(unused > room, np.inf, most)


def last_activations(plan: Plan, c: StageCost, held: Bytes) -> Bytes:
    """Activations of one layer and one micro-batch of what is in flight, on each stage; bytes."""
    layers = c.dense.layers if c.sparse is None else c.dense.layers + c.sparse.layers
    return phases.last_activations(plan, held, c.in_flight, layers)


def loss_memory(job: Job, plan: Plan, c: StageCost) -> Bytes:
    """Logits and loss on each stage; under autocast what lives at the end of the forward pass, where it is more; bytes."""
    if not torch_layers.casts(job):
        return c.logits_memory
    casts, again = torch_layers.cast_weights(job, plan), recomputed(job, plan, c).all
    return torch_layers.forward_live(job, c.logits_memory, c.forward_logits, again, casts)


def live(job: Job, plan: Plan, c: StageCost, again: Recomputed | None = None) -> Live:
    """Live bytes other than states, on each stage, in each phase that has any. again: as for `activations`."""
    held = activations(job, plan, c, again)
    others, last = phases.others_live(plan, held, c.in_flight), last_activations(plan, c, held)
    return Live(
        loss=phases.loss_live(held, loss_memory(job, plan, c), c.buffer_bytes),
        backward=phases.backward_live(held, c.layer_working, c.buffer_bytes),
        end=phases.end_live(others, last, c.layer_working, c.buffer_bytes),
        others=others,
        last=last,
        embedding=phases.embedding_live(others, c.embedding_gradient),
        activations=held,
        gradients=c.gradients_live,
    )


def repeats(job: Job, plan: Plan, c: StageCost, again: Recomputed | None = None) -> Seconds:
    """Recomputation of one micro-batch on each stage; seconds. again: as for `activations`."""
    again = again or recomputed(job, plan, c)
    repeated = schedule.stage_repeat(c.dense.layers, again.dense, c.dense.repeat_layer, c.dense.selective_seconds)
    if c.sparse is not None and again.sparse is not None:
        of_sparse = schedule.stage_repeat(c.sparse.layers, again.sparse, c.sparse.repeat_layer, c.sparse.selective_seconds)
        repeated = mixed.repeated_by_both(repeated, of_sparse)
    if not offload.moves_activations(job):
        return repeated
    return offload.repeat_or_wait(repeated, offload.transfer_wait(job, moved_activations(job, c, again), c.stage_work))


def slim(c: StageCost) -> StageCost:
    """Costs of stages for `folded`, with the fuller of logits and working set in one column."""
    rest = maximum(c.logits_memory, c.layer_working) + c.buffer_bytes
    c = c._replace(layer_working=rest, head_working=NONE, tied_gradient=NONE, logits_memory=NONE, buffer_bytes=NONE)
    return c._replace(forward_logits=NONE, gradients_live=Flag(True))


def folded(job: Job, plan: Plan, c: StageCost, again: Recomputed | None = None) -> Live:
    """The same in one column, of the fullest phase, where all gradients always live: the end of a backward pass never needs more than its
    start, but for the gradient of the embedding in 16 bits.
    """
    held = activations(job, plan, c, again)
    most = held + (maximum(c.logits_memory, c.layer_working) + c.buffer_bytes)
    if job.stack.main_gradients:
        most = maximum(most, phases.embedding_live(phases.others_live(plan, held, c.in_flight), c.embedding_gradient))
    return Live(most, NONE, NONE, NONE, NONE, NONE, held, Flag(True))


def pace(job: Job, plan: Plan, c: StageCost, again: Recomputed | None = None) -> Pace:
    """Time of each plan before sharding, from the costs of its edge stages. again: as for `activations`."""
    repeated = repeats(job, plan, c, again)
    each = schedule.stage_seconds(c.stage_work, repeated)
    slowest = schedule.slowest_stage(each)
    left = schedule.bubble_left(plan, c.weight_share, c.forward_share, schedule.working_share(repeated, each))
    return Pace(
        micro_batches=c.micro_batches,
        steady_seconds=schedule.steady_seconds(c.micro_batches, slowest),
        bubble_seconds=schedule.bubble_seconds(left, schedule.all_stages(job, plan, c.layers, each), slowest),
        pp_seconds=c.pp_seconds,
        slowest_stage=slowest,
        last_round=traffic.last_round(plan, c.micro_batches),
    )


def pipeline(job: Job, plan: Plan, c: StageCost) -> Pipeline:
    """Costs of each plan before sharding, from the costs of its edge stages."""
    again = recomputed(job, plan, c)
    lives = live(job, plan, c, again)
    return Pipeline(lives, c.edge_request, c.largest_request, pace(job, plan, c, again), host_activations(job, plan, c, again))


def host_activations(job: Job, plan: Plan, c: StageCost, again: Recomputed | None = None) -> Bytes:
    """Host memory of a node for activations, 0 where none are offloaded; bytes."""
    if not offload.moves_activations(job):
        return Bytes(0.0)
    return offload.host_activations(job, c.in_flight, moved_activations(job, c, again or recomputed(job, plan, c)))
