"""Sharded data parallelism as frameworks run it: what is gathered and reduced in each micro-batch, in how many messages, the copies around
collectives, the units at both ends that stay exposed, and the host's loops over ranks.

Read in torch 2.13 (distributed/fsdp/_runtime_utils.py of FSDP1; _fully_shard/_fsdp_collectives.py and _fsdp_param_group.py of FSDP2) and
DeepSpeed 0.19.8 (runtime/zero/partition_parameters.py, partitioned_param_coordinator.py, stage3.py; runtime/comm/coalesced_collectives.py).
"""

from __future__ import annotations

from typing import NamedTuple

from planner.cost.elementwise import branches
from planner.cost.shard import embedding_weights, head_weights, layer_weights
from planner.dimensions import Number, Parameters, ceil, maximum, minimum, where
from planner.formula.trace import formula, term
from planner.specs.job import Job
from planner.specs.plan import Plan


class Messages(NamedTuple):
    """Collectives per layer: all-gathers of its weights in one pass, reduce-scatters of its gradients."""

    gather: Number
    reduce: Number


def matrices(job: Job) -> int:
    """Weight matrices of a layer outside its routed experts, as the framework stores them; count."""
    return (4 if job.model.ffn else 2) + branches(job)


def messages_per_layer(job: Job, plan: Plan) -> Messages:
    """One per layer under FSDP, whose unit is the layer. DeepSpeed gathers parameters in the order of their use until `prefetch_bucket`
    of them are on the way, and reduces gradients whenever `reduce_bucket` of them are ready: a matrix larger than these goes alone.
    """
    if not job.stack.prefetch_bucket:
        return Messages(Number(1.0), Number(1.0))
    held, most = layer_weights(job, plan), float(matrices(job))
    gather = minimum(maximum(ceil(Number(held / job.stack.prefetch_bucket)), 1.0), most)
    reduce = minimum(Number(held / job.stack.reduce_bucket), most)
    return Messages(term("gather_messages", gather), term("reduce_messages", reduce))


@formula("(2 + max(1 - ½ · n_rd / P_l, 0)) if ZeRO ≥ 3, 1 if fp32", "deepspeed", "partitioned_param_coordinator.py: reuse distance")
def weight_gathers(job: Job, plan: Plan) -> Number:
    """All-gathers of a weight in a micro-batch: before the forward and before the backward pass.

    FSDP that does not reshard in between gathers once. DeepSpeed releases a weight after its use unless it is used again within
    `reuse_distance` parameters: a layer that is recomputed has those of its weights gathered a third time whose distance from the end of
    the layer and back is longer.
    """
    again = Number(maximum(1.0 - 0.5 * term("reuse_distance", job.stack.reuse_distance) / Number(layer_weights(job, plan)), 0.0))
    return where(plan.zero >= 3, 2.0 + again, 1.0 if job.stack.master_is_parameter else 0.0)


def edge_weights(job: Job, plan: Plan) -> Parameters:
    """Parameters of the unit that is gathered before any compute and reduced after all of it: of the embedding, and of the head where FSDP1
    or transformers have both in the root unit; count.
    """
    table = embedding_weights(job, plan)
    return table + head_weights(job, plan) if job.stack.root_gathered and not job.model.tied else table
