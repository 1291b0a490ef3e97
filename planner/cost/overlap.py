"""What of sharded data parallelism is exposed: the units at both ends of a micro-batch, copies, what outlasts compute, contention, and the
host's loops over ranks. The works read are those of `planner.cost.sharded_units`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from planner.cost.collectives import gather_seconds
from planner.cost.communication import dense_group, expert_group
from planner.cost.compute import elementwise_rate
from planner.cost.sharded_units import edge_weights, matrices, weight_gathers
from planner.cost.states import stays_gathered, weight_width
from planner.dimensions import Bytes, Number, Parameters, Seconds, maximum, minimum, where
from planner.formula.trace import formula, term
from planner.specs.job import Job
from planner.specs.plan import Plan

NONE = Seconds(0.0)
REDUCED = 0.5  # of the calls from Python per rank around an all-gather, those around a reduce-scatter: slices, and one concatenation


@formula("((t_gw if n_ga > 0) + (t_rs if not frozen)) if ZeRO ≥ 2 and not whole", "fsdp23", "Section 3.3: the first unit, and the last")
def ends_each(job: Job, plan: Plan) -> Seconds:
    """All-gather of the first unit and reduce-scatter of the last, the embedding's, in a micro-batch: no compute hides them; seconds."""
    group, weights, times = dense_group(plan), edge_weights(job, plan), weight_gathers(job, plan)
    gathered = gather_seconds(job, group.shard, group.stride, Bytes(weight_width(job) * weights))
    first = where(times > 0, term("weight_gather", gathered), 0.0)
    reduced = gather_seconds(job, group.shard, group.stride, Bytes(float(job.reduce_bytes) * weights))
    last = term("reduce_scatter", reduced) * (0.0 if term("frozen", job.frozen) else 1.0)
    return where((plan.zero >= 2) & ~stays_gathered(job, plan), first + last, 0.0)


@formula(
    "((y_ga · n_ga · P_gd + y_re · P_rd) / (η_h · B_h)) if ZeRO ≥ 2 and not whole",
    "tmplan",
    "bytes of copies counted in torch, _fsdp_collectives.py and _unshard_param_utils.py, and in DeepSpeed's",
)
def copies_each(job: Job, plan: Plan, gathered_parameters: Parameters, reduced_parameters: Parameters) -> Seconds:
    """Copies of gathered weights and of gradients around their collectives in a micro-batch; seconds.

    Parameters that no other rank has a part of are in neither.
    """
    after, before = term("gather_copies", job.stack.gather_copies), term("reduce_copies", job.stack.reduce_copies)
    moved = after * weight_gathers(job, plan) * gathered_parameters + before * reduced_parameters
    return where((plan.zero >= 2) & ~stays_gathered(job, plan), Bytes(moved) / elementwise_rate(job), 0.0)


def shared(plan: Plan, weights: Parameters, of_experts: Parameters | None = None) -> Parameters:
    """Parameters of a rank that other ranks hold a part of; count."""
    dense = where(dense_group(plan).shard > 1, weights, 0.0)
    return dense if of_experts is None else dense + where(expert_group(plan).shard > 1, of_experts, 0.0)


@formula("κ_h · t_rk · Z_d · L / p · n_wm · (n_ga + ½) if ZeRO ≥ 3", "deepspeed", "partition_parameters.py, AllGatherCoalescedHandle.wait")
def loops_each(job: Job, plan: Plan) -> Seconds:
    """Host time of loops over the ranks of a sharded group, for every matrix that is gathered or reduced in a micro-batch; seconds."""
    ranks, count = term("shard_ranks", dense_group(plan).shard), term("weight_matrices", float(matrices(job)))
    each = job.cluster.host_pace * term("rank_loop_s", job.stack.rank_loop_s) * count * (weight_gathers(job, plan) + REDUCED)
    return where((plan.zero >= 3) & (ranks > 1), Seconds(each * ranks * job.model.layers / plan.pp), 0.0)


@formula(
    "m · (t_en + t_cy) + max(m · (t_2 - t_en) - max(t_y - t_h1, 0), 0) + η_c · min(m · (t_2 - t_en), max(t_y - t_h1, 0))",
    "fsdp23",
    "Section 3.3: a unit is gathered while the one before it is computed, and reduced while the next one is",
)
def units_seen(
    job: Job, reduce_each: Seconds, ends_each: Seconds, copies_each: Seconds, micro_batches: Number, steady_seconds: Seconds,
    hidden_once: Seconds,
) -> Seconds:  # fmt: skip
    """Exposed communication of units in all micro-batches: both ends, copies, what outlasts compute, and what compute loses to it; seconds.

    Units of a model are equal layers, so that the sum over units of what outlasts the compute of one is that of all.
    """
    every = micro_batches * (reduce_each - ends_each)
    left = maximum(steady_seconds - hidden_once, 0.0)  # compute hides one communication at a time
    beyond = maximum(every - left, 0.0) + job.constants.contention * minimum(every, left)
    return micro_batches * (ends_each + copies_each) + beyond


@formula("((m · t_lo)² + (t_y + t_us)²)^½ - t_y", "tmplan", "loops overlap gather by gather")
def units_exposed(units_seen: Seconds, loops_each: Seconds, micro_batches: Number, steady_seconds: Seconds) -> Seconds:
    """The same with the wait for the host's loops over ranks; seconds."""
    return Seconds(np.hypot(micro_batches * loops_each, steady_seconds + units_seen)) - steady_seconds


class Units(NamedTuple):
    """Of units in one micro-batch, seconds: both ends, copies, loops of the host."""

    ends: Seconds
    copies: Seconds
    loops: Seconds


def units(job: Job, plan: Plan, gathered: Parameters, reduced: Parameters) -> Units:
    """What frameworks that gather and reduce by units add in a micro-batch; nothing for others, and no loops where none are known."""
    if not job.stack.overlaps_units:
        return Units(NONE, NONE, NONE)
    loops = loops_each(job, plan) if job.stack.rank_loop_s else NONE
    return Units(ends_each(job, plan), copies_each(job, plan, gathered, reduced), loops)


@formula("m · t_2 - min(ω · m · t_2, max(t_y - t_h1, 0))", "fsdp23", "Section 3.3: overlap, bounded by the compute there is")
def share_exposed(job: Job, reduce_each: Seconds, micro_batches: Number, steady_seconds: Seconds, hidden_once: Seconds) -> Seconds:
    """Exposed communication of all micro-batches where a share of it can overlap; seconds."""
    every = micro_batches * reduce_each
    left = maximum(steady_seconds - hidden_once, 0.0)
    return every - minimum(job.stack.dp_overlap * every, left)
