"""Results of the tiers of an estimate: costs of a layer, a stage, a pipeline and a sharding, and the totals of a plan."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple, TypeVar

import numpy as np

from planner.cost.error_band import Band
from planner.cost.parts import HiddenParts, MemoryParts, StepParts
from planner.dimensions import Array, Bytes, Flag, Number, Seconds, Stage, Tokens
from planner.specs.hardware import GIB
from planner.specs.job import Job
from planner.specs.plan import Plan

C = TypeVar("C", Bytes, Seconds, Number, Stage, Flag)


class LayerCost(NamedTuple):
    """One layer of one kind, dense or sparse, and one micro-batch on one rank: bytes and seconds, each a column."""

    tokens: Tokens
    layer_activations: Bytes
    selective_activations: Bytes
    checkpoint_bytes: Bytes
    buffer_bytes: Bytes
    layer_gradients: Bytes
    layer_forward: Seconds
    layer_backward: Seconds
    weight_seconds: Seconds
    selective_repeat: Seconds
    layer_host: Seconds
    host_layer: Seconds
    host_return: Seconds
    busy_forward: Seconds
    busy_layer: Seconds
    cp_repeat: Seconds
    repeat_layer: Seconds
    tp_forward: Seconds
    tp_again: Seconds
    tp_visible: Seconds
    tp_layer: Seconds
    cp_forward: Seconds
    cp_layer: Seconds
    ep_forward: Seconds
    ep_backward: Seconds
    head_seconds: Seconds
    embedding_seconds: Seconds


class Kinds(NamedTuple):
    """Costs of a model's layers: of its dense ones, and of its sparse ones where it has any (else None)."""

    dense: LayerCost
    sparse: LayerCost | None


class Block(NamedTuple):
    """The layers of one kind on the edge stages: their number (edges x plans), and what each keeps and repeats (plans)."""

    layers: Number
    kept_activations: Bytes
    repeat_layer: Seconds
    selective_seconds: Seconds


class StageCost(NamedTuple):
    """One micro-batch on the edge stages: bytes and seconds per stage (edges x plans), or the same on all (plans)."""

    layers: Number
    in_flight: Number
    gradients_live: Flag
    checkpoint_bytes: Bytes
    embedding_masks: Bytes
    gathered_inputs: Bytes
    layer_working: Bytes
    head_working: Bytes
    tied_gradient: Bytes
    logits_memory: Bytes
    forward_logits: Bytes
    buffer_bytes: Bytes
    embedding_gradient: Bytes
    edge_request: Bytes
    largest_request: Bytes
    stage_work: Seconds
    micro_batches: Number
    pp_seconds: Seconds
    weight_share: Number
    forward_share: Number
    dense: Block
    sparse: Block | None


class Live(NamedTuple):
    """Activations, working set, logits and buffers on each stage, by phase, and whether gradients live with all activations; bytes."""

    loss: Bytes
    backward: Bytes
    end: Bytes
    others: Bytes
    last: Bytes
    embedding: Bytes
    activations: Bytes
    gradients: Flag


class Pace(NamedTuple):
    """Time of a plan before sharding, per plan: seconds, and numbers of micro-batches."""

    micro_batches: Number
    steady_seconds: Seconds
    bubble_seconds: Seconds
    pp_seconds: Seconds
    slowest_stage: Seconds
    last_round: Number


class Pipeline(NamedTuple):
    """Costs of a plan before sharding: live bytes and requests per stage (edges x plans), seconds per plan, bytes on the host."""

    live: Live
    edge_request: Bytes
    largest_request: Bytes
    pace: Pace
    host_activations: Bytes


class Exchange(NamedTuple):
    """Communication of gradients and weights, and the optimizer's step, of a sharding; seconds."""

    reduce_once: Seconds
    gather_once: Seconds
    reduce_each: Seconds
    ends_each: Seconds
    copies_each: Seconds
    loops_each: Seconds
    optimizer_seconds: Seconds


class Sharding(NamedTuple):
    """Costs of the sharding: bytes of states, gradients and gathered weights per stage (edges x plans), bytes on the host, seconds."""

    static_bytes: Bytes
    all_gradients: Bytes
    lasting_gradients: Bytes
    head_gradient: Bytes
    late_gradients: Bytes
    head_gathered: Bytes
    layers_gathered: Bytes
    unreduced: Bytes
    end_gathered: Bytes
    embedding_gathered: Bytes
    step_temporaries: Bytes
    first_weights: Bytes
    moments_bytes: Bytes
    stream_pools: Bytes
    step_block: Bytes
    host_bytes: Bytes
    exchange: Exchange


class Tail(NamedTuple):
    """What a step takes in addition to the micro-batches on its slowest stage, and the host's fixed share; seconds."""

    bubble: Seconds
    pp: Seconds
    dp: Seconds
    optimizer: Seconds
    fixed: Seconds


class Totals(NamedTuple):
    """Totals of each plan for a search: bytes on the device at its fullest stage, seconds per step, bytes on the host."""

    memory: Bytes
    step: Seconds
    host: Bytes


@dataclass(frozen=True)
class Estimate:
    """The figures of one plan or of columns of plans. Bytes, seconds; parts sum to their totals.

    Numbers that follow from these, such as utilization, are columns, computed when they are read (planner.report.columns).
    """

    job: Job
    plan: Plan
    memory: Bytes
    memory_limit: float
    fits: Flag
    step: Seconds
    memory_parts: MemoryParts  # at the fullest stage; total: memory
    time_parts: StepParts  # total: step
    hidden: HiddenParts  # communication that compute hides
    stage: Stage  # the fullest pipeline rank
    phase: Array  # its fullest phase: an index into the keys of phases.PHASES
    slowest: Stage  # the pipeline rank that sets the pace
    host: Bytes  # on a node's host
    step_band: Band  # of measured runs like these
    memory_band: Band
    derived: dict[str, Number] = field(default_factory=dict, compare=False, repr=False)  # values of columns computed so far, by key

    def __repr__(self) -> str:
        """The plan, or the number of plans, with memory, its limit and the step: from the least to the most of several."""
        memory, limit = _range(self.memory / GIB, "{:.1f}"), self.memory_limit / GIB
        step, one = _range(self.step, "{:.4g}"), len(self.plan) == 1
        plans = repr(self.plan.one(0)) if one else f"{len(self.plan)} plans"
        risk = self.fits & (self.memory * self.memory_band.high > self.memory_limit)
        fit = ("at risk" if risk.any() else "fits" if self.fits.all() else "does not fit") if one else f"{int(self.fits.sum())} fit"
        return f"Estimate({plans}: {memory} of {limit:.1f} GiB, {step} s per step, {fit})"

    def row(self, at: int) -> Estimate:
        """The numbers of one of the plans, as columns of length one."""
        return replace(
            self,
            plan=self.plan.take(np.array([at])),
            memory=row_of(self.memory, at),
            fits=row_of(self.fits, at),
            step=row_of(self.step, at),
            memory_parts=self.memory_parts.each(partial(row_of, at=at)),
            time_parts=self.time_parts.each(partial(row_of, at=at)),
            hidden=self.hidden.each(partial(row_of, at=at)),
            stage=row_of(self.stage, at),
            phase=self.phase[np.array([at])] if len(self.phase) > 1 else self.phase,
            slowest=row_of(self.slowest, at),
            host=row_of(self.host, at),
            derived={key: row_of(value, at) for key, value in self.derived.items()},
        )


def _range(column: Array, form: str) -> str:
    """The values of a column as text, from the least to the most; nothing of none."""
    texts = [form.format(value) for value in (column.min(), column.max())] if column.size else ["-"]
    return " to ".join(dict.fromkeys(texts))


def row_of(column: C, at: int) -> C:
    """One value of a column, as a column of length one; a value that is the same for all plans stays."""
    return column[np.array([at])] if np.ndim(column) and len(column) > 1 else column
