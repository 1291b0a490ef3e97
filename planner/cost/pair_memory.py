"""Device memory of pairs of a pipeline and a sharding, as a search evaluates it.

Both sides have the addends of every phase ready, so that a pair needs the maximum over phases of a sum of two: the formulas of `phases`
and `reserved` multiplied out. Tables have edges x pipelines and edges x shardings; a pair is a row of each.
"""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import numpy as np

from planner.cost import phases, reserved
from planner.cost import stage_cost as stagecosts
from planner.cost.pipeline_split import largest
from planner.cost.records import Live, Sharding, StageCost
from planner.dimensions import Array, Bytes, Flag, Number, maximum, where
from planner.specs.job import Job
from planner.specs.plan import Column, Plan

NONE = Bytes(0.0)
B = TypeVar("B", bound=Array)


class Left(NamedTuple):
    """The addends of pipelines: a table per phase (None: 0), whether gradients live with all activations, and what slack depends on."""

    phases: tuple[Bytes | None, ...]
    live: Flag | None  # None where the addends of a sharding do not depend on it
    activations: Bytes
    edge_request: Bytes
    largest_request: Bytes


class Right(NamedTuple):
    """The addends of shardings: a table per phase, of twice the columns where they depend on whether gradients live; for slack the rest."""

    phases: tuple[Bytes, ...]
    names: tuple[str, ...]  # of the phases, as `addends` names them
    folded: bool
    columns: int  # shardings
    first_weights: Bytes
    moments_bytes: Bytes
    stream_pools: Bytes
    step_block: Bytes


def nonzero(column: B) -> B | Bytes:
    """A column, or the number 0 for one of zeros."""
    return column if np.any(column) else NONE


def whole(job: Job, folded: bool) -> bool:
    """Whether the addends are of device memory rather than of live tensors: with one phase and the slack of Megatron."""
    return folded and reserved.takes_new(job)


def right(job: Job, s: Sharding, *, folded: bool) -> Right:
    """The addends of shardings. folded: those of `step_cost.folded`, with one phase."""
    rows = [addends(job, s, Flag(live)) for live in ((True,) if folded or job.stack.gradients_stay else (False, True))]
    names = tuple(rows[0])
    if folded:
        names = ("loss",)
    elif not np.any(s.unreduced):
        names = tuple(name for name in names if name != "second")
    if not folded and all((row["step"] <= row["embedding"]).all() for row in rows):
        names = tuple(name for name in names if name != "step")
    tables = tuple(Bytes(np.concatenate([row[name] for row in rows], axis=-1)) for name in names)
    pools = s.stream_pools if not job.stack.fsdp_units or job.expandable_segments else s.stream_pools + s.step_block
    first, moments = nonzero(s.first_weights), nonzero(s.moments_bytes)
    if whole(job, folded):
        states = s.static_bytes + NONE
        tables, names = (states, states - moments, states - moments + first), ("edge", "request", "unused")
    block = NONE if job.stack.fsdp_units else nonzero(s.step_block)
    return Right(tables, names, folded, s.static_bytes.shape[-1], first, moments, nonzero(pools), block)


def addends(job: Job, s: Sharding, live: Flag) -> dict[str, Bytes]:
    """What a sharding adds in each phase; live: whether gradients live with all activations.

    The start of the backward pass is that of the last layer, or of the second, when the last layer's activations are freed.
    """
    early = phases.early_gradients(live, s.all_gradients, s.lasting_gradients) + s.static_bytes
    first = phases.first_gradients(live, s.all_gradients, s.lasting_gradients, s.head_gradient) + s.static_bytes
    last = phases.last_gradients(live, s.all_gradients, s.late_gradients) + s.static_bytes
    everything = s.static_bytes + s.all_gradients
    return {
        "loss": early + s.head_gathered,
        "backward": first + s.layers_gathered - s.unreduced,
        "second": first + s.layers_gathered,
        "end": last + s.end_gathered,
        "embedding": everything + s.embedding_gathered,
        "step": everything + s.step_temporaries,
    }


def left(job: Job, v: Live, c: StageCost, other: Right) -> Left:
    """The addends of pipelines, for the shardings of a table."""
    none = NONE, NONE, NONE
    if whole(job, other.folded):
        request = v.loss + c.largest_request
        return Left((v.loss + c.edge_request, request, request - v.activations), None, *none)
    tables: dict[str, Bytes | None] = {
        "loss": v.loss,
        "backward": v.backward,
        "second": v.backward - v.last if "second" in other.names else None,
        "end": v.end,
        "embedding": v.embedding,
        "step": None,
    }
    live = None if other.phases[0].shape[-1] == other.columns else v.gradients
    activations = v.activations if np.ndim(other.first_weights) else NONE
    requests = (c.edge_request, c.largest_request) if job.stack.main_gradients or job.stack.flat_states else (NONE, NONE)
    return Left(tuple(tables[name] for name in other.names), live, activations, *requests)


def device(job: Job, p: Left, rows: Column | None, s: Right, shards: Column) -> Bytes:
    """Memory of the device of pairs, per stage. rows: of the pipelines, None where there is one for each pair; shards: of the shardings."""
    most = _largest_sum(p, rows, s, shards)
    if whole(job, s.folded):
        return reserved.device_bytes(job, most)
    requests = (at(column, rows) for column in (p.activations, p.edge_request, p.largest_request))
    held = (at(column, shards) for column in (s.first_weights, s.moments_bytes, s.stream_pools, s.step_block))
    return reserved.device_bytes(job, reserved.reserved_bytes(most, reserved.slack_bytes(job, most, *requests, *held)))


class Start(NamedTuple):
    """Device memory of pipelines without recomputed layers, but for the context, as addends for `Right`; edges x pipelines, bytes.

    most: the fullest phase; embedding: that of the embedding's gradient (None where slack is not that of Megatron), and the share of the
    activations in flight that live then.
    """

    most: tuple[Bytes, ...]
    embedding: tuple[Bytes, Bytes] | None
    share: Number


def start(job: Job, plan: Plan, c: StageCost) -> Start:
    """Memory without recomputed layers; c: costs of `stage_cost.slim`, for shardings with one phase."""
    held = stagecosts.activations(job, plan.with_(recompute_layers=0 * plan.pp), c)
    live = held + c.layer_working
    if not reserved.takes_new(job):
        return Start((live,), None, Number(1.0))
    others = phases.others_live(plan, held, c.in_flight)
    late, request = phases.embedding_live(others, c.embedding_gradient), live + c.largest_request
    most = live + c.edge_request, request, request - held
    return Start(most, (late + c.edge_request, late + c.largest_request), maximum(others, 1.0) / maximum(held, 1.0))


def excess(job: Job, p: Start, rows: Column, s: Right, shards: Column) -> Bytes:
    """As `stage_cost.excess_activations`, of pairs; bytes, edges x pairs."""
    room = reserved.room_for_live(job)
    ours, theirs = [at(table, rows) for table in p.most], [at(table, shards) for table in s.phases]
    if p.embedding is None:
        return ours[0] + theirs[0] - room
    states, request, unused = theirs
    most = maximum(ours[0] + states, ours[1] + request) - room
    late = maximum(at(p.embedding[0], rows) + states, at(p.embedding[1], rows) + request) - room
    return where(ours[2] + unused > room, np.inf, maximum(most, late / at(p.share, rows)))


def at(column: B, rows: Column | None) -> B:
    """Some columns of a table, by row or by place (edges x pairs); a number stays, and so does a table without rows given."""
    if rows is None or not np.ndim(column):
        return column
    return np.take(column, rows, axis=-1 if rows.ndim == 1 else None)  # type: ignore[return-value]  # of the same kind


def _largest_sum(p: Left, rows: Column | None, s: Right, shards: Column) -> Bytes:
    """The maximum over phases of the sums of pairs."""
    places = shards if p.live is None else _places(at(p.live, rows), s.columns, shards)
    each = zip(p.phases, s.phases, strict=True)
    return largest(at(theirs, places) if ours is None else at(theirs, places) + at(ours, rows) for ours, theirs in each)


def _places(live: Flag, columns: int, shards: Column) -> Column:
    """Places in a table of addends of twice as many columns, of the second half where gradients live; edges x pairs."""
    edge = np.arange(len(live))[:, None] * (2 * columns)
    return np.asarray(edge + (live.astype(bool) * columns + shards))
