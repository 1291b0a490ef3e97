"""Parts of a step and of memory from the costs of a stage: for the detail, the table of parts and their trees."""

from __future__ import annotations

import numpy as np

from planner.cost import states
from planner.cost.parts import HiddenParts, StepParts, WorkParts
from planner.cost.records import Exchange, Kinds, Tail
from planner.dimensions import Bytes, Number, Seconds, maximum
from planner.formula.trace import formula
from planner.specs.job import Job

NONE = Seconds(0.0)


@formula("m · C_i", "narayanan21", "Section 2.2: the slowest stage, every micro-batch")
def compute_part(micro_batches: Number, stage_compute: Seconds) -> Seconds:
    """Compute of a step; seconds."""
    return micro_batches * stage_compute


@formula("m · Q_i", "korthikanti22", "Section 5: the slowest stage, every micro-batch")
def recompute_part(micro_batches: Number, stage_repeat: Seconds) -> Seconds:
    """Recomputation in a step; seconds."""
    return micro_batches * stage_repeat


@formula("m · H_i + t_x", "tmplan", "the slowest stage, every micro-batch; and once per step")
def host_part(micro_batches: Number, stage_host: Seconds, fixed_seconds: Seconds) -> Seconds:
    """Waiting for the host in a step; seconds."""
    return micro_batches * stage_host + fixed_seconds


@formula("m · T_i", "korthikanti22", "Section 4.2.2: the slowest stage, every micro-batch")
def tp_part(micro_batches: Number, stage_tp: Seconds) -> Seconds:
    """Exposed tensor-parallel communication of a step; seconds."""
    return micro_batches * stage_tp


@formula("m · K_i", "ring23", "Section 3: the slowest stage, every micro-batch")
def cp_part(micro_batches: Number, stage_cp: Seconds) -> Seconds:
    """Exposed context-parallel communication of a step; seconds."""
    return micro_batches * stage_cp


@formula("m · X_i", "gshard20", "Section 5.2: the slowest stage, every micro-batch")
def ep_part(micro_batches: Number, stage_ep: Seconds) -> Seconds:
    """Exposed all-to-all of the experts in a step; seconds."""
    return micro_batches * stage_ep


@formula("m · (ℓ_i · max(2 · t_t + t_ta - x_tl, 0) + t_tx)", "korthikanti22", "Section 4.2.2")
def hidden_tp(
    micro_batches: Number, stage_layers: Number, tp_forward: Seconds, tp_again: Seconds, tp_layer: Seconds, sparse_tp: Seconds
) -> Seconds:
    """Tensor-parallel communication of a step that compute hides; seconds. sparse_tp: of the stage's sparse layers, hidden."""
    return micro_batches * (stage_layers * maximum(0.0, 2 * tp_forward + tp_again - tp_layer) + sparse_tp)


@formula("m · (ℓ_i · max(3 · t_c - x_l, 0) + t_cx)", "ring23", "Section 3")
def hidden_cp(micro_batches: Number, stage_layers: Number, cp_forward: Seconds, cp_layer: Seconds, sparse_cp: Seconds) -> Seconds:
    """Context-parallel communication of a step that compute hides; seconds. sparse_cp: of the stage's sparse layers, hidden."""
    return micro_batches * (stage_layers * maximum(0.0, 3 * cp_forward - cp_layer) + sparse_cp)


@formula("max(t_1 + t_3 + m · t_2 - t_v, 0)", "fsdp23", "Section 3.3: what is not exposed")
def hidden_dp(reduce_once: Seconds, gather_once: Seconds, reduce_each: Seconds, micro_batches: Number, dp_seconds: Seconds) -> Seconds:
    """Gradient and weight communication of a step that compute hides; seconds."""
    return maximum(0.0, reduce_once + gather_once + micro_batches * reduce_each - dp_seconds)


@formula("max(m · ℓ_x · (t_xe + t_xg) - t_yx, 0)", "deepseek24", "Section 3.2.1")
def hidden_ep(micro_batches: Number, sparse_stage_layers: Number, ep_forward: Seconds, ep_backward: Seconds, ep_part: Seconds) -> Seconds:
    """All-to-all of the experts in a step that compute hides; seconds."""
    return maximum(0.0, micro_batches * sparse_stage_layers * (ep_forward + ep_backward) - ep_part)


@formula("X", "tmplan", "the stack's file")
def context_memory(job: Job) -> Bytes:
    """Context and communicators; bytes."""
    return Bytes(np.full(1, job.stack.context_bytes))


@formula("X_w + (X_wx if grouped)", "tmplan", "the stack's file")
def workspace_memory(job: Job) -> Bytes:
    """Workspaces of libraries, with those of grouped products; bytes."""
    return Bytes(np.full(1, states.workspaces(job)))


def step_parts(micro_batches: Number, work: WorkParts, repeated: Seconds, tail: Tail, waiting: Seconds) -> StepParts:
    """The parts of a step: of its slowest stage from one micro-batch and its recomputation, and those outside the micro-batches."""
    return StepParts(
        compute=compute_part(micro_batches, work.compute),
        host=host_part(micro_batches, work.host, tail.fixed),
        tp=tp_part(micro_batches, work.tp),
        cp=cp_part(micro_batches, work.cp),
        ep=None if work.ep is None else ep_part(micro_batches, work.ep),
        recompute=recompute_part(micro_batches, repeated),
        bubble=tail.bubble,
        pp=tail.pp,
        dp=tail.dp,
        optimizer=tail.optimizer,
        straggler=waiting,
    )


def hidden_parts(micro_batches: Number, layers: tuple[Number, Number | None], cost: Kinds, s: Exchange, exposed: StepParts) -> HiddenParts:
    """Communication that compute hides, by dimension. layers: dense and sparse ones on the slowest stage; exposed: parts of the step."""
    (dense, sparse), (c, of_sparse) = layers, cost
    around, ring, all_to_all = NONE, NONE, None
    if of_sparse is not None and sparse is not None and exposed.ep is not None:
        around = sparse * maximum(0.0, 2 * of_sparse.tp_forward + of_sparse.tp_again - of_sparse.tp_layer)
        ring = sparse * maximum(0.0, 3 * of_sparse.cp_forward - of_sparse.cp_layer)
        all_to_all = hidden_ep(micro_batches, sparse, of_sparse.ep_forward, of_sparse.ep_backward, exposed.ep)
    return HiddenParts(
        tp=hidden_tp(micro_batches, dense, c.tp_forward, c.tp_again, c.tp_layer, around),
        cp=hidden_cp(micro_batches, dense, c.cp_forward, c.cp_layer, ring),
        dp=hidden_dp(s.reduce_once, s.gather_once, s.reduce_each, micro_batches, exposed.dp),
        ep=all_to_all,
    )
