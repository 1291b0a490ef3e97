"""What a plan leaves on one rank: layers, micro-batches, tokens, parameters. One plan or columns; stages broadcast in front.

`stage` is a pipeline rank, or an array of shape (stages, 1) that broadcasts against columns of plans.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from planner import parameters
from planner.formula import formula
from planner.plan import Plan
from planner.specs import Job

EVERY = 1 << 40  # more layers than any stage has
SMALL = 256  # below this many plans, working out every row beats looking for distinct ones


def split_slots(job: Job, plan: Plan) -> tuple[Any, Any, Any]:
    """Slots of a virtual stage, virtual stages with one more, and whether embedding and head take a slot each (0 or 1, each).

    even: layers divide. slots: embedding and head count as a layer each (or the head alone), as Megatron-LM's
    --account-for-embedding-in-pipeline-split and --account-for-loss-in-pipeline-split, and Llama 3 on PP 16. any: torchtitan's
    generate_llm_fqn_per_model_part, which counts both always and gives the first stages what is left over.
    """
    layers, chunks = job.model.layers, np.asarray(plan.pp * plan.vpp)
    even = layers % chunks == 0
    if job.stack.uneven_stages == "any":
        embedding = head = (chunks > 1) * 1
    elif job.stack.uneven_stages == "slots":
        both = ~even & ((layers + 2) % chunks == 0)
        embedding, head = both * 1, (both | (~even & ((layers + 1) % chunks == 0))) * 1
    else:
        embedding = head = np.zeros_like(chunks)
    slots = layers + embedding + head
    return slots // chunks, slots % chunks, (embedding, head)


def layers_before(job: Job, plan: Plan, stage: Any) -> Any:
    """Layers on the pipeline ranks before this one where a stack splits by FLOPs, the head counted.

    A rank ends with the block that reaches its share, that block included (nanotron/models/base.py, build_model).
    """
    model = job.model
    layer = 4.0 * model.heads * model.head_dim * model.hidden + (3 if model.gated else 2) * model.ffn * model.hidden
    share = (model.layers + model.vocab * model.hidden / layer) / plan.pp
    reached = np.minimum(np.ceil(share * stage - 1e-9), model.layers).astype(np.int64)
    return np.where(stage < plan.pp, reached, model.layers)


@formula(
    "v · L / (p · v), less what embedding and head displace", "megatron", "megatron/core/transformer/transformer_config.py, pipeline split"
)
def stage_layers(job: Job, plan: Plan, stage: Any) -> Any:
    """Transformer layers on a pipeline rank, its virtual stages together; count, shape of stage x plan."""
    if job.stack.uneven_stages == "flops":
        return layers_before(job, plan, stage + 1) - layers_before(job, plan, stage)
    base, extra, (embedding, head) = split_slots(job, plan)
    more = np.maximum(0, -(-(extra - stage) // plan.pp))
    return plan.vpp * base + more - embedding * (stage == 0) - head * (stage == plan.pp - 1)


def edge_stages(plan: Plan) -> Any:
    """First, second and last pipeline rank, 3 x plans.

    One of them is always the fullest, and the slowest: layers do not grow from the second rank on (split by FLOPs: the first holds as
    many as any), in-flight micro-batches do not grow, and only the first and the last hold anything else.
    """
    pp = np.asarray(plan.pp)
    return np.stack([np.zeros_like(pp), np.minimum(1, pp - 1), pp - 1])


def largest(stages: Any) -> Any:
    """The largest over the stages in front of a column; shape of the column."""
    rows = list(stages)
    found = rows[0]
    for row in rows[1:]:
        found = np.maximum(found, row)  # pairwise: several times faster than a reduction over a short first axis
    return found


def chunk_layers(job: Job, plan: Plan) -> Any:
    """Layers of the fullest virtual stage."""
    if job.stack.uneven_stages == "flops":
        return layers_before(job, plan, np.ones_like(np.asarray(plan.pp)))
    base, extra, _ = split_slots(job, plan)
    return base + (extra > 0)


@formula("ℓ_i with full, min(v · N, ℓ_i) with first, else 0", "megatron", "--recompute-granularity full, --recompute-num-layers")
def recomputed_layers(plan: Plan, stage_layers: Any) -> Any:
    """Layers of a pipeline rank recomputed whole: all with `full`, the first N of each virtual stage with `first`."""
    most = np.where(plan.recompute == 2, EVERY, plan.vpp * plan.recompute_layers)  # recompute_layers is 0 but for `first`
    return np.minimum(most, stage_layers)


@formula("B / (D · b)", "narayanan21", "Section 3.3")
def micro_batches(job: Job, plan: Plan) -> Any:
    """Micro-batches a step on each data-parallel rank; count."""
    return job.global_batch / (plan.dp * plan.micro_batch)


@formula("b · s / c", "korthikanti22", "Section 4, with context parallelism")
def tokens(job: Job, plan: Plan) -> Any:
    """Tokens of one micro-batch on one rank; count."""
    return plan.micro_batch * float(job.sequence) / plan.cp


@formula(
    "min(m, p - i) with 1F1B; min(m · v, 2 · (p - i - 1) + (v - 1) · p + 1) / v interleaved; otherwise min(m, p) or min(m, 2 · p - 1)",
    "korthikanti22",
    "Section 4.2.3; narayanan21 Figure 4; Qi et al. 2023, arXiv 2401.10241, Section 2",
)
def in_flight(job: Job, plan: Plan, stage: Any, micro_batches: Any) -> Any:
    """Micro-batches whose activations a pipeline rank holds at its peak, in units of all its layers; never more than there are."""
    if job.schedule != "1f1b":  # zero-bubble: every stage may hold what the first holds; zb-v spreads p evenly over its two chunks
        most = 2 * plan.pp - 1 if job.schedule == "zb-2p" else plan.pp
        return np.minimum(micro_batches, most) + 0 * stage
    plain = np.minimum(micro_batches, plan.pp - stage)
    chunks = 2 * (plan.pp - stage - 1) + (plan.vpp - 1) * plan.pp + 1
    return np.where(plan.vpp > 1, np.minimum(micro_batches * plan.vpp, chunks) / plan.vpp, plain)


@formula("(2 · h · (a + k) · e + matrices · h · f) / t + norms", "shoeybi19", "Section 3")
def layer_weights(job: Job, plan: Plan) -> Any:
    """Parameters of one layer on one tensor-parallel rank; count."""
    return parameters.layer_parameters_per_rank(job.model, plan.tp)


def padded_vocab(job: Job, plan: Plan) -> Any:
    """Vocabulary entries over all tensor-parallel ranks, padded as the stack pads (Megatron-LM: to 128 x tp)."""
    multiple = job.stack.vocab_multiple * plan.tp
    return -(-job.model.vocab // multiple) * multiple


@formula("V · h / t + learned positions", "shoeybi19", "Section 3")
def embedding_weights(job: Job, plan: Plan) -> Any:
    """Parameters of the embedding on one tensor-parallel rank; count."""
    return padded_vocab(job, plan) * float(job.model.hidden) / plan.tp + parameters.position_parameters(job.model)


@formula("V · h / t", "shoeybi19", "Section 3")
def head_weights(job: Job, plan: Plan) -> Any:
    """Parameters of the output projection on one rank: its own, or the last stage's copy of a tied embedding; count."""
    own = padded_vocab(job, plan) * float(job.model.hidden) / plan.tp
    return own * ((plan.pp > 1) if job.model.tied else 1.0)


@formula("ℓ_i · P_l + (P_e if i = 0) + (P_h if i = p - 1)", "shoeybi19", "Section 3")
def stage_weights(plan: Plan, stage: Any, stage_layers: Any, layer_weights: Any, embedding_weights: Any, head_weights: Any) -> Any:
    """Parameters on one rank of a pipeline stage, before any sharding over data parallelism; count."""
    return stage_layers * layer_weights + (stage == 0) * embedding_weights + (stage == plan.pp - 1) * head_weights


@formula("max P_i", "tmplan", "the heaviest stage decides the traffic")
def heaviest_weights(stage_weights: Any) -> Any:
    """Parameters on a rank of the heaviest stage; count."""
    return largest(stage_weights)


@formula("D_s · c", "zero20", "Section 5; Megatron-LM and torchtitan shard over data and context parallel ranks")
def shard_size(plan: Plan) -> Any:
    """Ranks over which sharded states are divided; count."""
    return plan.dp_shard * plan.cp
