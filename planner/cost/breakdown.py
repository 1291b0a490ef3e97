"""Parts of a step and of memory from what a stage costs: what the detail, the table of parts and their trees are made of.

Numbers of sections are from memory.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from planner.cost.parts import HiddenParts, StepParts, WorkParts
from planner.cost.records import Kinds, Sharding, Tail
from planner.dimensions import Seconds
from planner.formula.trace import formula
from planner.specs.job import Job


@formula("m · C_i", "narayanan21", "Section 2.2: the slowest stage, every micro-batch")
def compute_part(micro_batches: Any, stage_compute: Any) -> Any:
    """Compute of a step; seconds."""
    return micro_batches * stage_compute


@formula("m · Q_i", "korthikanti22", "Section 5: the slowest stage, every micro-batch")
def recompute_part(micro_batches: Any, stage_repeat: Any) -> Any:
    """What a step repeats; seconds."""
    return micro_batches * stage_repeat


@formula("m · H_i + t_x", "tmplan", "the slowest stage, every micro-batch; and once a step")
def host_part(micro_batches: Any, stage_host: Any, fixed_seconds: Any) -> Any:
    """The host's share of a step; seconds."""
    return micro_batches * stage_host + fixed_seconds


@formula("m · T_i", "korthikanti22", "Section 4.2.2: the slowest stage, every micro-batch")
def tp_part(micro_batches: Any, stage_tp: Any) -> Any:
    """Tensor-parallel traffic of a step that nothing hides; seconds."""
    return micro_batches * stage_tp


@formula("m · K_i", "ring23", "Section 3: the slowest stage, every micro-batch")
def cp_part(micro_batches: Any, stage_cp: Any) -> Any:
    """Context-parallel traffic of a step that nothing hides; seconds."""
    return micro_batches * stage_cp


@formula("m · X_i", "gshard20", "Section 3.2: the slowest stage, every micro-batch")
def ep_part(micro_batches: Any, stage_ep: Any) -> Any:
    """The experts' all-to-all of a step that nothing hides; seconds."""
    return micro_batches * stage_ep


@formula("m · 2 · max(1 - x_t, 0) · t_t · ℓ_i, with experts over layers of both kinds", "korthikanti22", "Section 4.2.2")
def hidden_tp(job: Job, micro_batches: Any, stage_layers: Any, tp_forward: Any, sparse: Any = 0.0) -> Any:
    """Tensor-parallel traffic of a step that compute hides; seconds. sparse: traffic of sparse layers, forward, on the stage."""
    return max(0.0, 1 - job.stack.tp_exposed) * 2 * (stage_layers * tp_forward + sparse) * micro_batches


@formula("m · ℓ_i · max(3 · t_c - x_l, 0), with experts over layers of both kinds", "ring23", "Section 3")
def hidden_cp(micro_batches: Any, stage_layers: Any, cp_forward: Any, cp_layer: Any, sparse: Any = 0.0) -> Any:
    """Context-parallel traffic of a step that compute hides; seconds. sparse: that of sparse layers on the stage."""
    return micro_batches * (stage_layers * np.maximum(0.0, 3 * cp_forward - cp_layer) + sparse)


@formula("t_1 + t_3 + m · t_2 - t_v", "fsdp23", "Section 3.3: what is not exposed")
def hidden_dp(reduce_once: Any, gather_once: Any, reduce_each: Any, micro_batches: Any, dp_seconds: Any) -> Any:
    """Data-parallel traffic of a step that compute hides; seconds."""
    return reduce_once + gather_once + micro_batches * reduce_each - dp_seconds


@formula("max(m · ℓ_x · (t_xe + t_xg) - t_yx, 0)", "deepseek24", "Section 3.2.1")
def hidden_ep(micro_batches: Any, sparse_stage_layers: Any, ep_forward: Any, ep_backward: Any, ep_part: Any) -> Any:
    """The experts' all-to-all of a step that compute hides; seconds."""
    return np.maximum(0.0, micro_batches * sparse_stage_layers * (ep_forward + ep_backward) - ep_part)


@formula("σ_a · M", "tmplan", "what a caching allocator holds beyond; the stack's file")
def slack_bytes(job: Job, allocated_bytes: Any) -> Any:
    """What the allocator holds beyond live tensors; bytes."""
    return job.stack.allocator_slack * allocated_bytes


@formula("X", "tmplan", "the stack's file")
def context_memory(job: Job) -> Any:
    """Context and communicators; bytes."""
    return np.full(1, job.stack.context_bytes)


@formula("X_w, with experts those of products also", "tmplan", "the stack's file")
def workspace_memory(job: Job, given: float) -> Any:
    """Workspaces of libraries; bytes."""
    return np.full(1, given)


def step_parts(micro_batches: Any, work: WorkParts, repeated: Seconds, tail: Tail, waiting: Seconds) -> StepParts:
    """The parts of a step: of its slowest stage from those of one micro-batch, what it repeats and what stands behind them."""
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


def hidden_parts(job: Job, micro_batches: Any, layers: tuple[Any, Any], cost: Kinds, s: Sharding, exposed: StepParts) -> HiddenParts:
    """Communication that compute hides, by dimension; seconds. layers: dense and sparse ones on the slowest stage; exposed: parts of the
    step."""
    (dense, sparse), (c, of_sparse) = layers, cost
    around = ring = 0.0
    if of_sparse is not None:
        around = sparse * of_sparse.tp_forward
        ring = sparse * np.maximum(0.0, 3 * of_sparse.cp_forward - of_sparse.cp_layer)
    return HiddenParts(
        tp=hidden_tp(job, micro_batches, dense, c.tp_forward, around),
        cp=hidden_cp(micro_batches, dense, c.cp_forward, c.cp_layer, ring),
        dp=hidden_dp(s.reduce_once, s.gather_once, s.reduce_each, micro_batches, exposed.dp),
        ep=None if of_sparse is None else hidden_ep(micro_batches, sparse, of_sparse.ep_forward, of_sparse.ep_backward, exposed.ep),
    )
