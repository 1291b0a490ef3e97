"""The parts of live memory in every phase of a step, and in the fullest; bytes, stages x plans."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from planner.cost import phases, reserved
from planner.cost import stage_cost as stagecosts
from planner.cost import step_cost as est
from planner.cost.parts import AllocatedParts
from planner.cost.phases import PHASES
from planner.cost.records import StageCost
from planner.dimensions import Array, Bytes, broadcast_to
from planner.specs.job import Job
from planner.specs.plan import Plan


class Peak(NamedTuple):
    """Live tensors of the fullest phase, by purpose, and the index of that phase in PHASES; stages x plans."""

    parts: AllocatedParts
    phase: Array


def by_phase(job: Job, plan: Plan, place: stagecosts.Edges, c: StageCost) -> dict[str, AllocatedParts]:
    """Live tensors on each stage in each phase of a step, by purpose."""
    held = est.static(job, plan, place.stage, place.layers).parts
    lives, stored = stagecosts.live(job, plan, c), stagecosts.activations(job, plan, c)
    none = phases.absent_bytes(held.gradients)
    early = phases.early_gradients(lives.gradients, held.gradients, held.lasting_gradients)
    first = phases.first_gradients(lives.gradients, held.gradients, held.lasting_gradients, held.head_gradient)
    last, working, buffers = stagecosts.last_activations(plan, c, stored), c.layer_working, c.buffer_bytes
    others, logits = lives.others, stagecosts.loss_memory(job, plan, c)
    started = phases.started_gathered(held.layers_gathered, held.unreduced, last)
    made = phases.last_gradients(lives.gradients, held.gradients, held.late_gradients)
    rows = {  # gradients, gathered, activations, working, logits, buffers
        "loss": (early, held.head_gathered, stored, none, logits, buffers),
        "backward": (first, phases.backward_gathered(started), stored, phases.backward_working(working, started), none, buffers),
        "end": (made, held.end_gathered, phases.late_activations(others, last), working, none, buffers),
        "embedding": (held.gradients, held.embedding_gathered, others, c.embedding_gradient, none, none),
        "step": (held.gradients, none, none, held.step_temporaries, none, none),
    }
    return {name: _parts(held, *row) for name, row in rows.items()}


def slack(job: Job, plan: Plan, place: stagecosts.Edges, c: StageCost, live: Bytes) -> Bytes:
    """What the allocator holds beyond live tensors on each stage; bytes."""
    held = est.static(job, plan, place.stage, place.layers)
    moments = reserved.moments_bytes(job, held.parts.optimizer, held.expert_optimizer)
    requests = stagecosts.activations(job, plan, c), c.edge_request, c.largest_request
    segments = est.segments(job, plan, place.stage, held)
    return reserved.slack_bytes(job, live, *requests, est.first_weights(job, plan, held), moments, *segments)


def _parts(
    held: est.States, gradients: Bytes, gathered: Bytes, activations: Bytes, working: Bytes, logits: Bytes, buffers: Bytes
) -> AllocatedParts:
    """The parts of one phase."""
    return AllocatedParts(
        parameters=held.parameters,
        gradients=gradients,
        optimizer=held.optimizer,
        experts=held.experts,
        gathered=gathered,
        activations=activations,
        working=working,
        logits=logits,
        buffers=buffers,
        workspace=held.workspace,
    )


def fullest(each: dict[str, AllocatedParts], shape: tuple[int, ...]) -> Peak:
    """The parts of the fullest phase of every stage and plan; the first of equal ones. shape: stages x plans."""
    every = [each[name] for name in PHASES]
    totals = np.stack([np.broadcast_to(parts.total, shape) for parts in every])
    phase = totals.argmax(axis=0)
    columns = [parts.named() for parts in every]

    def chosen(name: str) -> Bytes:
        values = np.stack([broadcast_to(column[name], shape) for column in columns])
        return Bytes(np.take_along_axis(values, phase[None], axis=0)[0])

    picked = {name: chosen(name) if name in columns[0] else None for name in AllocatedParts.__dataclass_fields__}
    return Peak(AllocatedParts(**picked), phase)  # type: ignore[arg-type]  # experts alone may be None
