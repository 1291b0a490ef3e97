"""Results of the tiers of an estimate: costs of a layer, a stage, a pipeline and a sharding, and the totals of a plan."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import numpy as np

from planner.cost.error_band import Band
from planner.cost.parts import HiddenParts, MemoryParts, Parts, StepParts
from planner.dimensions import Seconds
from planner.specs.plan import Column, Plan


class LayerCost(NamedTuple):
    """One layer of one kind, dense or sparse, and one micro-batch on one rank: bytes and seconds, each a column."""

    tokens: Any
    layer_activations: Any
    selective_activations: Any
    checkpoint_bytes: Any
    buffer_bytes: Any
    layer_gradients: Any
    layer_forward: Any
    layer_backward: Any
    weight_seconds: Any
    selective_repeat: Any
    layer_host: Any
    host_layer: Any
    busy_forward: Any
    busy_layer: Any
    cp_repeat: Any
    repeat_layer: Any
    tp_forward: Any
    cp_forward: Any
    cp_layer: Any
    ep_forward: Any
    ep_backward: Any
    head_seconds: Any
    embedding_seconds: Any


class Kinds(NamedTuple):
    """Costs of a model's layers: of its dense ones, and of its sparse ones where it has any (else None)."""

    dense: LayerCost
    sparse: LayerCost | None


class Block(NamedTuple):
    """The layers of one kind on the edge stages: how many (edges x plans), and what each keeps and repeats (plans)."""

    layers: Any
    kept_activations: Any
    repeat_layer: Any
    selective_seconds: Any


class StageCost(NamedTuple):
    """One micro-batch on the edge stages: bytes and seconds of each stage (edges x plans), or alike on all (plans)."""

    layers: Any
    in_flight: Any
    checkpoint_bytes: Any
    embedding_masks: Any
    gathered_inputs: Any
    rest_bytes: Any
    stage_work: Any
    micro_batches: Any
    pp_seconds: Any
    weight_share: Any
    forward_share: Any
    dense: Block
    sparse: Block | None


class Pipeline(NamedTuple):
    """What a plan costs before sharding: live bytes by stage (edges x plans), seconds by plan."""

    live_bytes: Any
    micro_batches: Any
    steady_seconds: Any
    bubble_seconds: Any
    pp_seconds: Any
    slowest_stage: Any
    last_round: Any


class Sharding(NamedTuple):
    """What the sharding costs: static bytes by stage (edges x plans), bytes on the host, seconds by plan."""

    static_bytes: Any
    host_bytes: Any
    reduce_once: Any
    gather_once: Any
    reduce_each: Any
    optimizer_seconds: Any


class Tail(NamedTuple):
    """What a step takes in addition to the micro-batches on its slowest stage, and the host's fixed share; seconds."""

    bubble: Seconds
    pp: Seconds
    dp: Seconds
    optimizer: Seconds
    fixed: Seconds


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
    memory_parts: MemoryParts  # at the fullest stage; total: memory
    time_parts: StepParts  # total: step
    hidden: HiddenParts  # communication that compute hides
    stage: Column  # the fullest pipeline rank
    slowest: Column  # the pipeline rank that sets the pace
    host: Column  # bytes on a node's host
    tokens_per_second_per_gpu: Column
    mfu: Column
    step_band: Band  # of measured runs like these
    memory_band: Band

    def row(self, at: int) -> Estimate:
        """The numbers of one of the plans, as columns of length one."""
        own = np.array([at])

        def cut(value: Any) -> Any:
            if isinstance(value, Parts):
                return value.each(cut)
            return np.asarray(value)[own] if np.ndim(value) and len(value) > 1 else value

        changes = {f.name: cut(getattr(self, f.name)) for f in fields(self) if f.name != "plan"}
        return replace(self, plan=self.plan.take(own), **changes)
