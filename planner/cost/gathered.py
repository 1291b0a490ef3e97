"""What fully sharded ranks gather, by the phase in which it lives; bytes.

The weights of a unit (a layer, the embedding, the head) exist in 16 bits while it runs, and those of the next unit are gathered meanwhile;
its gradient exists whole until it is reduced.
"""

from __future__ import annotations

from planner.cost.pipeline_split import is_head
from planner.cost.states import WEIGHT_BYTES, stays_gathered
from planner.dimensions import Bytes, Flag, Parameters, Stage, where
from planner.formula.trace import formula, term
from planner.specs.job import Job
from planner.specs.plan import Plan


def gathers(job: Job, plan: Plan) -> Flag:
    """Whether weights are gathered when they are used."""
    return term("gathers", (plan.zero >= 3) & (plan.dp_shard * plan.cp > 1) & ~stays_gathered(job, plan))


@formula("(2 · 2 + g_r) · P_l if gathers", "fsdp23", "Section 3.4.2: two units are gathered at a time")
def layers_gathered(job: Job, plan: Plan, layer_weights: Parameters) -> Bytes:
    """Weights of two layers, and the gradient of one before its reduce-scatter, in the backward pass of a layer; bytes."""
    return where(gathers(job, plan), Bytes((2 * WEIGHT_BYTES + job.reduce_bytes) * layer_weights), 0.0)


@formula("2 · P_h if head and gathers", "fsdp23", "Section 3.4.2")
def head_gathered(job: Job, plan: Plan, stage: Stage, head_weights: Parameters) -> Bytes:
    """Weights of the head while the loss is computed; bytes."""
    return where(gathers(job, plan), is_head(plan, stage) * Bytes(WEIGHT_BYTES * head_weights), 0.0)


@formula("(2 + g_r) · P_e if i = 0 and gathers", "fsdp23", "Section 3.4.2")
def embedding_gathered(job: Job, plan: Plan, stage: Stage, embedding_weights: Parameters) -> Bytes:
    """Weights of the embedding and their gradient before its reduce-scatter, at the end of a backward pass; bytes."""
    return where(gathers(job, plan), (stage == 0) * Bytes((WEIGHT_BYTES + job.reduce_bytes) * embedding_weights), 0.0)
