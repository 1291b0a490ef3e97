"""How layers fall on the stages of a pipeline, and how many micro-batches a rank holds. One plan or columns; stages broadcast in front.

`stage` is a pipeline rank, or an array of shape (stages, 1) that broadcasts against columns of plans.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

import numpy as np

from planner.dimensions import Flag, Quantity, Stage, maximum
from planner.formula.trace import formula, term
from planner.specs.job import SCHEDULES, Job
from planner.specs.plan import Plan

ZB_H1, ZB_H2, V, DUALPIPE_V = (SCHEDULES.index(name) for name in ("zb-h1", "zb-h2", "zb-v", "dualpipev"))
EVERY = 1 << 40  # more layers than any stage has
Q = TypeVar("Q", bound=Quantity)


def split_slots(job: Job, plan: Plan) -> tuple[Any, Any, tuple[Any, Any]]:
    """Slots of a virtual stage, virtual stages with one more, and how many slots embedding and head take.

    even: layers divide. slots: embedding and head count as a layer each (or the head alone), as Megatron-LM's
    --account-for-embedding-in-pipeline-split and --account-for-loss-in-pipeline-split, and Llama 3 on PP 16. With multi-token prediction
    the last stage makes room for its layers and two heads (Megatron-Bridge recipes/deepseek/deepseek_v3.py: 61 layers + 3 on PP 16).
    Where none of these divides, a layout gives the first stages one layer more (--pipeline-model-parallel-layout). any: torchtitan's
    generate_llm_fqn_per_model_part, which counts both always.
    """
    layers, chunks, behind = job.model.layers, np.asarray(plan.pp * plan.vpp), job.model.mtp_layers
    if job.stack.uneven_stages == "any":
        embedding: Any = (chunks > 1) * 1
        head: Any = embedding * (1 + behind)
    elif job.stack.uneven_stages == "slots":
        even = layers % chunks == 0 if not behind else chunks == 1
        both = ~even & ((layers + 2 + behind) % chunks == 0)
        alone = ~even & ((layers + 1 + behind) % chunks == 0) & ~both
        embedding, head = both * (behind == 0), both * (1 + behind + (behind > 0)) + alone * (1 + behind)
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


def in_v(plan: Plan) -> Any:
    """Whether stages run down the ranks and back up, so that the first rank holds embedding and head."""
    return np.asarray(plan.schedule) >= V


def is_head(plan: Plan, stage: Stage) -> Flag:
    """Whether a pipeline rank holds the head: the last, or the first where stages run back up."""
    last = np.asarray(plan.pp) - 1
    return term("holds_head", Flag(stage == (np.where(in_v(plan), 0, last) if np.any(plan.schedule) else last)))


@formula(
    "ℓ_f if even, v · ⌊(L + e_s + o_s) / (p · v)⌋ + x_s - (e_s if i = 0) - (o_s if head) otherwise",
    "megatron",
    "megatron/core/transformer/transformer_config.py, pipeline split",
)
def stage_layers(job: Job, plan: Plan, stage: Any) -> Any:
    """Transformer layers on a pipeline rank, its virtual stages together; count, shape of stage x plan."""
    if term("split_by_flops", job.stack.uneven_stages == "flops"):
        return term("flops_layers", layers_before(job, plan, stage + 1) - layers_before(job, plan, stage))
    base, extra, (embedding, head) = split_slots(job, plan)
    embedding, head = term("embedding_slots", embedding), term("head_slots", head)
    more = np.maximum(0, -(-(extra - stage) // plan.pp))
    if np.any(plan.schedule):
        more = np.where(in_v(plan), (stage < extra) * 1 + (2 * plan.pp - 1 - stage < extra), more)
    return plan.vpp * base + term("extra_layers", more) - embedding * (stage == 0) - head * is_head(plan, stage)


def virtual_layers(job: Job, plan: Plan) -> Any:
    """Transformer layers on every virtual stage of one plan, in the order that data flows through them; count, shape of p · v.

    What the head displaces leaves the stages of its rank, the latest first. Negative in the last where the rank has no room for it.
    """
    if job.stack.uneven_stages == "flops":
        return np.asarray(stage_layers(job, plan, np.arange(int(plan.pp))))
    base, extra, (embedding, head) = split_slots(job, plan)
    stages = np.arange(int(plan.pp) * int(plan.vpp))
    found = int(base) + (stages < int(extra)) - int(embedding) * (stages == 0)
    left = int(head)
    for stage in stages[[-1, 0]] if in_v(plan) else stages[:: -int(plan.pp)]:
        taken = min(left, int(found[stage]))
        found[stage], left = found[stage] - taken, left - taken
    found[-1] -= left
    return found


def dense_on(job: Job, plan: Plan, stage: Any) -> Any:
    """Of the first layers whose MLP is dense, those on a pipeline rank; count, shape of stage x plan."""
    first = job.model.dense_layers
    if job.stack.uneven_stages == "flops":
        before = layers_before(job, plan, stage)
        return np.clip(first - before, 0, layers_before(job, plan, stage + 1) - before)
    base, extra, (embedding, _) = split_slots(job, plan)
    found: Any = 0 * stage
    for turn in range(min(first, int(np.max(plan.vpp, initial=1)))):
        chunk = np.where(in_v(plan) & (turn == 1), 2 * plan.pp - 1 - stage, turn * plan.pp + stage)
        before = chunk * base + np.minimum(chunk, extra) - embedding * (chunk > 0)
        own = base + (chunk < extra) - embedding * (chunk == 0)
        found = found + np.clip(first - before, 0, own) * (turn < plan.vpp)
    return found


@formula("(ℓ_i - ℓ_0) · s_x + (L_m if head)", "deepseek24", "Section 4.2: the first layers are dense")
def sparse_stage_layers(job: Job, plan: Plan, stage: Any, stage_layers: Any) -> Any:
    """Of the layers on a pipeline rank, those with routed experts, and with them those of multi-token prediction behind the last."""
    first = term("first_dense", dense_on(job, plan, stage))
    return (stage_layers - first) * term("sparse_share", sparse_share(job)) + job.model.mtp_layers * is_head(plan, stage)


def sparse_share(job: Job) -> float:
    """Of the layers behind the first dense ones, the share with routed experts: where they take turns with dense ones, on the mean."""
    return job.model.sparse_layers / max(job.model.layers - job.model.dense_layers, 1)


@formula("ℓ_i + (L_m if head) - ℓ_x", "deepseek24", "Section 4.2: the first layers are dense")
def dense_stage_layers(job: Job, plan: Plan, stage: Any, stage_layers: Any, sparse_stage_layers: Any) -> Any:
    """Of the layers on a pipeline rank, those with a dense MLP."""
    return stage_layers + job.model.mtp_layers * is_head(plan, stage) - sparse_stage_layers


def edge_stages(job: Job, plan: Plan) -> Any:
    """First, second and last pipeline rank, and where dense layers come first the last that has any and the next; ranks x plans.

    One of them is always the fullest, and the slowest: layers do not grow from the second rank on (split by FLOPs: the first holds as
    many as any), in-flight micro-batches do not grow, and only the first and the last hold anything else. Split by FLOPs, longer and
    shorter ranks take turns: behind dense layers the first of the longer ones is looked at too. How many ranks follows from the job
    alone, never from the plans at hand: what some plans cost stands beside what others do.
    """
    pp = np.asarray(plan.pp)
    last = pp - 1
    edges = [np.zeros_like(pp), np.minimum(1, last), last]
    if job.model.experts and job.model.dense_layers:
        reached = dense_ranks(job, plan)
        edges[2:2] = [np.clip(reached - 1, 0, last), np.minimum(reached, last)]
        if job.stack.uneven_stages == "flops":
            edges[2:2] = [longest_from(job, plan, reached)]
    return np.stack(edges)


def dense_ranks(job: Job, plan: Plan) -> Any:
    """How many pipeline ranks start with a dense layer, of those that come first; count, shape of the plans."""
    pp, first = np.asarray(plan.pp), job.model.dense_layers
    most, flops = int(pp.max(initial=1)), job.stack.uneven_stages == "flops"
    base, extra, (embedding, _) = split_slots(job, plan)
    reached = np.zeros_like(pp)
    for stage in range(min(first + 2, most)):
        before = layers_before(job, plan, stage) if flops else stage * base + np.minimum(stage, extra) - embedding * (stage > 0)
        reached = reached + ((before < first) & (stage < pp))
    return reached


def longest_from(job: Job, plan: Plan, start: Any) -> Any:
    """Split by FLOPs the first pipeline rank, from a rank of each plan on, that holds as many layers as any of them; 0 if none is left."""
    stage = np.arange(int(np.max(plan.pp, initial=1)))[:, None]
    held = layers_before(job, plan, stage + 1) - layers_before(job, plan, stage)
    return np.argmax(np.where((stage >= start) & (stage < plan.pp), held, -1), axis=0)


def largest(stages: Iterable[Q]) -> Q:
    """The largest over the stages in front of a column; shape of the column."""
    rows = list(stages)
    found = rows[0]
    for row in rows[1:]:
        found = maximum(found, row)  # pairwise: several times faster than a reduction over a short first axis
    return found


def chunk_layers(job: Job, plan: Plan) -> Any:
    """Layers of the fullest virtual stage."""
    if job.stack.uneven_stages == "flops":
        return layers_before(job, plan, np.ones_like(np.asarray(plan.pp)))
    base, extra, _ = split_slots(job, plan)
    return base + (extra > 0)


@formula("ℓ_i if recompute = 2, min(v · N, ℓ_i) otherwise", "megatron", "--recompute-granularity full, --recompute-num-layers")
def recomputed_layers(plan: Plan, stage_layers: Any) -> Any:
    """Layers of a pipeline rank recomputed whole: all with `full`, the first N of each virtual stage with `first`."""
    most = np.where(plan.recompute == 2, EVERY, plan.vpp * plan.recompute_layers)  # recompute_layers is 0 but for `first`
    return np.minimum(most, stage_layers)


@formula(
    "r_i · ℓ_x / max(ℓ_d + ℓ_x, 1) if L_e > 1, ℓ_x if recompute = 2, r_i - min(N, ℓ_d, r_i) otherwise",
    "megatron",
    "--recompute-granularity full, --recompute-num-layers",
)
def recomputed_sparse(job: Job, plan: Plan, recomputed_layers: Any, dense_stage_layers: Any, sparse_stage_layers: Any) -> Any:
    """Of the layers of a pipeline rank recomputed whole, those with routed experts."""
    if job.model.moe_every > 1:  # they take turns with dense ones
        return recomputed_layers * sparse_stage_layers / np.maximum(dense_stage_layers + sparse_stage_layers, 1)
    dense = np.minimum(plan.recompute_layers, dense_stage_layers)  # at the start of the first virtual stage
    return np.where(plan.recompute == 2, sparse_stage_layers, recomputed_layers - np.minimum(dense, recomputed_layers))


@formula("r_i - r_x", "megatron", "--recompute-granularity full, --recompute-num-layers")
def recomputed_dense(recomputed_layers: Any, recomputed_sparse: Any) -> Any:
    """Of the layers of a pipeline rank recomputed whole, those with a dense MLP."""
    return recomputed_layers - recomputed_sparse


def round_size(pp: Any, micro_batches: Any) -> Any:
    """Micro-batches that an interleaved schedule takes through one virtual stage before it turns to the next; count.

    p of them, Megatron-LM's whole groups of p (megatron/core/pipeline_parallel/schedules.py); where they are no multiple of p, torch
    makes m // p equal rounds of more (torch 2.13.0 distributed/pipelining/schedules.py, ScheduleInterleaved1F1B).
    """
    return micro_batches // np.maximum(1, micro_batches // pp)


@formula(
    "min(m, p - i + n_a) if schedule = 0 and v = 1, "
    "min(m · v, 2 · (p - i - 1) + (v - 1) · ⌊m / max(⌊m / p⌋, 1)⌋ + 1 + n_a) / v if schedule = 0, "
    "min(m, 2 · p - 1) if schedule = 2, min(m, p + ½) if schedule = 4, min(m, p) otherwise",
    "korthikanti22",
    "Section 4.2.3; narayanan21 Figure 4; zerobubble23 Sections 2 and 6; DualPipe's README: PP + 1 chunks, two on each of PP / 2 ranks",
)
def in_flight(plan: Plan, stage: Any, micro_batches: Any, ahead: Any = 0) -> Any:
    """Micro-batches whose activations a pipeline rank holds at its peak, in units of all its layers; never more than there are.

    `ahead`: chunks more, where one micro-batch's forward pass runs beside another's backward pass.
    """
    ahead = term("chunks_ahead", ahead)
    plain = np.minimum(micro_batches, plan.pp - stage + ahead)
    chunks = 2 * (plan.pp - stage - 1) + (plan.vpp - 1) * round_size(plan.pp, micro_batches) + 1 + ahead
    own = np.where(plan.vpp > 1, np.minimum(micro_batches * plan.vpp, chunks) / plan.vpp, plain)
    if not np.any(plan.schedule):
        return own
    # every stage may hold what the first holds; zb-v spreads p evenly over its two chunks
    code = np.asarray(plan.schedule) + 0 * stage
    most = np.select([code == ZB_H2, code == DUALPIPE_V], [2 * plan.pp - 1 + 0 * stage, plan.pp + 0.5 + 0 * stage], plan.pp + 0.0 * stage)
    return np.where(code == 0, own, np.minimum(micro_batches, most))
