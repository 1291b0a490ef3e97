"""Distribution of layers over pipeline stages, and micro-batches in flight on a rank. One plan or columns; stages broadcast in front.

`stage` is a pipeline rank, or an array of shape (stages, 1) that broadcasts against columns of plans.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, TypeVar

import numpy as np

from planner.dimensions import Count, Flag, Number, Quantity, Stage, ceil, clip, maximum, minimum, select, where
from planner.formula.trace import formula, term
from planner.specs.job import SCHEDULES, Job
from planner.specs.plan import Plan

ZB_H1, ZB_H2, V, DUALPIPE_V = (SCHEDULES.index(name) for name in ("zb-h1", "zb-h2", "zb-v", "dualpipev"))
NONE = Count(0)
Q = TypeVar("Q", bound=Quantity)


class Slots(NamedTuple):
    """Layer slots of a virtual stage, virtual stages with one slot more, and the slots that embedding and head take."""

    each: Count
    extra: Count
    embedding: Count
    head: Count


def split_slots(job: Job, plan: Plan) -> Slots:
    """Distribution of layer slots over virtual stages, as the stack's `uneven_stages` has it.

    never: layers divide. slots: embedding and head count as a layer each (or the head alone), as Megatron-LM's
    --account-for-embedding-in-pipeline-split and --account-for-loss-in-pipeline-split, and Llama 3 on PP 16. With multi-token prediction
    the last stage makes room for its layers and two heads (Megatron-Bridge recipes/deepseek/deepseek_v3.py: 61 layers + 3 on PP 16).
    If none of these divides, a layout gives the first stages one layer more (--pipeline-model-parallel-layout). any: torchtitan's
    generate_llm_fqn_per_model_part, which always counts both.
    """
    layers, chunks, ahead = job.model.layers, Count(np.asarray(plan.pp * plan.vpp)), job.model.mtp_layers
    if job.stack.uneven_stages == "any":
        embedding = (chunks > 1) * 1
        head = embedding * (1 + ahead)
    elif job.stack.uneven_stages == "slots":
        even = layers % chunks == 0 if not ahead else chunks == 1
        both = ~even & ((layers + 2 + ahead) % chunks == 0)
        alone = ~even & ((layers + 1 + ahead) % chunks == 0) & ~both
        embedding, head = both * (ahead == 0), both * (1 + ahead + (ahead > 0)) + alone * (1 + ahead)
    else:
        embedding = head = Count(np.zeros_like(chunks))
    slots = layers + embedding + head
    return Slots(slots // chunks, slots % chunks, embedding, head)


def layers_before(job: Job, plan: Plan, stage: Count) -> Count:
    """Layers on the pipeline ranks before this one with a stack that splits by FLOPs, the head included in the FLOPs.

    A rank ends with the block that reaches its share, that block included (nanotron/models/base.py, build_model).
    """
    model = job.model
    layer = 4.0 * model.heads * model.head_dim * model.hidden + (3 if model.gated else 2) * model.ffn * model.hidden
    share = (model.layers + model.vocab * model.hidden / layer) / plan.pp
    reached = Count(minimum(ceil(share * stage - 1e-9), model.layers).astype(np.int64))
    return where(stage < plan.pp, reached, model.layers)


def in_v(plan: Plan) -> Flag:
    """Whether stages run down the ranks and back up, so that the first rank holds embedding and head."""
    return Count(np.asarray(plan.schedule)) >= V


def is_head(plan: Plan, stage: Stage) -> Flag:
    """Whether a pipeline rank holds the head: the last, or the first with a V-shaped schedule."""
    last = Count(np.asarray(plan.pp)) - 1
    return term("holds_head", stage == (where(in_v(plan), 0, last) if np.any(plan.schedule) else last))


def laid_out(job: Job, plan: Plan, stage: Stage | Count, least: int | None = None) -> Count:
    """Transformer layers on a pipeline rank by the job's layout, those beyond the first `least` of the model if that is given; count.

    Rank i holds the virtual stages i, p + i, 2 p + i ... (interleaved; a layout has no V). One rank holds all layers, also of a plan
    with other stages than the layout, which the rules refuse.
    """
    layout = job.layout
    assert layout is not None
    counts = np.array(layout.layers, np.int64)
    if least is not None:
        counts = np.clip(np.cumsum(counts) - least, 0, counts)
    held: Count = 0 * (stage + plan.pp)
    for turn in range(-(-len(counts) // max(1, int(np.min(plan.pp, initial=len(counts)))))):
        number = np.asarray(turn * plan.pp + stage)
        held = held + Count(np.where(number < len(counts), counts[np.minimum(number, len(counts) - 1)], 0))
    return held


def holds_ahead(job: Job, plan: Plan, stage: Stage) -> Flag:
    """Whether a pipeline rank holds the layers of multi-token prediction: that of the layout, else that of the head."""
    if job.layout is None:
        return term("holds_ahead", is_head(plan, stage))
    return term("holds_ahead", Flag(stage == job.layout.ahead_stage % plan.pp))


def computes_loss(job: Job, plan: Plan, stage: Stage) -> Flag:
    """Whether a pipeline rank computes a loss: that of the head, and by a layout that of multi-token prediction."""
    head = is_head(plan, stage)
    if job.layout is None or not job.layout.ahead:
        return term("computes_loss", head)
    return term("computes_loss", head | holds_ahead(job, plan, stage))


@formula(
    "ℓ_f if even, ℓ_y if laid, v · ⌊(L + e_s + o_s) / (p · v)⌋ + x_s - (e_s if i = 0) - (o_s if head) otherwise",
    "megatron",
    "megatron/core/transformer/transformer_config.py, pipeline split",
)
def stage_layers(job: Job, plan: Plan, stage: Stage) -> Count:
    """Transformer layers on a pipeline rank, all its virtual stages; count, shape of stage x plan."""
    if term("split_by_flops", job.stack.uneven_stages == "flops"):
        return term("flops_layers", layers_before(job, plan, stage + 1) - layers_before(job, plan, stage))
    if term("laid_out", job.layout is not None):
        return term("laid_layers", laid_out(job, plan, stage))
    each, extra, embedding, head = split_slots(job, plan)
    embedding, head = term("embedding_slots", embedding), term("head_slots", head)
    more = maximum(0, -(-(extra - stage) // plan.pp))
    if np.any(plan.schedule):
        more = where(in_v(plan), (stage < extra) * 1 + (2 * plan.pp - 1 - stage < extra), more)
    return plan.vpp * each + term("extra_layers", more) - embedding * (stage == 0) - head * is_head(plan, stage)


def virtual_layers(job: Job, plan: Plan) -> Count:
    """Transformer layers on every virtual stage of one plan, in the order of the data flow; count, shape of p · v.

    The head displaces layers of the stages of its rank, the latest first. Negative in the last stage if its rank has too few layers.
    """
    if job.stack.uneven_stages == "flops":
        return Count(np.asarray(stage_layers(job, plan, Stage(np.arange(int(plan.pp))))))
    if job.layout is not None:
        return Count(np.array(job.layout.layers, np.int64))
    each, extra, embedding, head = split_slots(job, plan)
    stages = np.arange(int(plan.pp) * int(plan.vpp))
    layers = int(each) + (stages < int(extra)) - int(embedding) * (stages == 0)
    left = int(head)
    for stage in stages[[-1, 0]] if in_v(plan) else stages[:: -int(plan.pp)]:
        displaced = min(left, int(layers[stage]))
        layers[stage], left = layers[stage] - displaced, left - displaced
    layers[-1] -= left
    return Count(layers)


def dense_on(job: Job, plan: Plan, stage: Stage) -> Count:
    """Layers of the first, dense ones of a mixture of experts on a pipeline rank; count, shape of stage x plan."""
    first = job.model.dense_layers
    if job.layout is not None:
        return laid_out(job, plan, stage) - laid_out(job, plan, stage, first)
    if job.stack.uneven_stages == "flops":
        before = layers_before(job, plan, stage)
        return clip(first - before, 0, layers_before(job, plan, stage + 1) - before)
    each, extra, embedding, _ = split_slots(job, plan)
    dense: Count = 0 * stage
    for turn in range(min(first, int(np.max(plan.vpp, initial=1)))):
        chunk = where(in_v(plan) & (turn == 1), 2 * plan.pp - 1 - stage, turn * plan.pp + stage)
        before = chunk * each + minimum(chunk, extra) - embedding * (chunk > 0)
        layers = each + (chunk < extra) - embedding * (chunk == 0)
        dense = dense + clip(first - before, 0, layers) * (turn < plan.vpp)
    return dense


@formula("(ℓ_i - ℓ_0) · s_x + (L_m if mtp)", "deepseek24", "Section 4.2: the first layers are dense")
def sparse_stage_layers(job: Job, plan: Plan, stage: Stage, stage_layers: Number) -> Number:
    """Layers with routed experts on a pipeline rank, including those of multi-token prediction after the last."""
    first = term("first_dense", dense_on(job, plan, stage))
    return (stage_layers - first) * term("sparse_share", sparse_share(job)) + job.model.mtp_layers * holds_ahead(job, plan, stage)


def sparse_share(job: Job) -> float:
    """Share of the layers after the first dense ones that have routed experts; the mean where dense and sparse layers alternate."""
    return job.model.sparse_layers / max(job.model.layers - job.model.dense_layers, 1)


@formula("ℓ_i + (L_m if mtp) - ℓ_x", "deepseek24", "Section 4.2: the first layers are dense")
def dense_stage_layers(job: Job, plan: Plan, stage: Stage, stage_layers: Number, sparse_stage_layers: Number) -> Number:
    """Layers with a dense MLP on a pipeline rank."""
    return stage_layers + job.model.mtp_layers * holds_ahead(job, plan, stage) - sparse_stage_layers


def edge_stages(job: Job, plan: Plan) -> Stage:
    """First, second and last pipeline rank; if dense layers come first, also the last rank that has any and the next; ranks x plans.

    One of them is always the fullest, and one the slowest: layers do not increase from the second rank on (split by FLOPs: the first
    holds as many as any), nor do micro-batches in flight, and only the first and the last hold anything else. Split by FLOPs, longer and
    shorter ranks alternate: after dense layers the first of the longer ones is added. By a layout every rank may differ: all of them, the
    last repeated up to the stages of the layout. The number of ranks depends on the job alone, not on the plans, so that costs of different
    plans have the same shape.
    """
    pp = Count(np.asarray(plan.pp))
    last = pp - 1
    if job.layout is not None:
        return Stage(np.minimum(np.arange(job.layout.stages)[:, None], np.atleast_1d(last)))
    edges = [Count(np.zeros_like(pp)), minimum(1, last), last]
    if job.model.experts and job.model.dense_layers:
        reached = dense_ranks(job, plan)
        edges[2:2] = [clip(reached - 1, 0, last), minimum(reached, last)]
        if job.stack.uneven_stages == "flops":
            edges[2:2] = [longest_from(job, plan, reached)]
    return Stage(np.stack(edges))


def dense_ranks(job: Job, plan: Plan) -> Count:
    """Pipeline ranks whose first layer is one of the first, dense ones; count, shape of the plans."""
    pp, first = Count(np.asarray(plan.pp)), job.model.dense_layers
    most, flops = int(pp.max(initial=1)), job.stack.uneven_stages == "flops"
    each, extra, embedding, _ = split_slots(job, plan)
    reached = Count(np.zeros_like(pp))
    for rank in range(min(first + 2, most)):
        stage = Stage(rank)
        before = layers_before(job, plan, stage) if flops else stage * each + minimum(stage, extra) - embedding * (stage > 0)
        reached = reached + ((before < first) & (stage < pp))
    return reached


def longest_from(job: Job, plan: Plan, start: Count) -> Stage:
    """First pipeline rank with the most layers, from a rank of each plan on, split by FLOPs; 0 if none is left."""
    stage = Stage(np.arange(int(np.max(plan.pp, initial=1)))[:, None])
    layers = layers_before(job, plan, stage + 1) - layers_before(job, plan, stage)
    return Stage(np.argmax(where((stage >= start) & (stage < plan.pp), layers, -1), axis=0))


def largest(stages: Iterable[Q]) -> Q:
    """Maximum over the stages in front of a column; shape of the column."""
    most, *rows = stages
    for row in rows:
        most = maximum(most, row)  # pairwise: several times faster than a reduction over a short first axis
    return most


def chunk_layers(job: Job, plan: Plan) -> Count:
    """Layers of the fullest virtual stage; count, shape of the plans."""
    if job.stack.uneven_stages == "flops":
        return layers_before(job, plan, Count(np.ones_like(np.asarray(plan.pp))))
    if job.layout is not None:
        return Count(np.full_like(np.asarray(plan.pp), max(job.layout.layers)))
    each, extra, _, _ = split_slots(job, plan)
    return each + (extra > 0)


@formula(
    "⌈ℓ_i / k_r⌉ if recompute = 2, min(v · N, ℓ_i) otherwise",
    "megatron",
    "--recompute-granularity full, --recompute-num-layers; torchtitan 0.2.2, distributed/activation_checkpoint.py: every k-th layer",
)
def recomputed_layers(job: Job, plan: Plan, stage_layers: Number) -> Number:
    """Fully recomputed layers of a pipeline rank: all, or every k-th, with `full`, the first N of each virtual stage with `first`."""
    every = term("recompute_every", job.recompute_every)
    full = stage_layers if every == 1 else ceil(stage_layers / float(every))
    if not np.any(plan.recompute == 2):
        return minimum(plan.vpp * plan.recompute_layers, stage_layers)  # 0 except with `first`
    return where(plan.recompute == 2, full, minimum(plan.vpp * plan.recompute_layers, stage_layers))


@formula(
    "r_i · ℓ_x / max(ℓ_d + ℓ_x, 1) if L_e > 1, r_i · ℓ_x / max(ℓ_d + ℓ_x, 1) if recompute = 2 and k_r > 1, ℓ_x if recompute = 2,"
    " min(r_i - min(N, ℓ_d, r_i), ℓ_x) otherwise",
    "megatron",
    "--recompute-granularity full, --recompute-num-layers",
)
def recomputed_sparse(job: Job, plan: Plan, recomputed_layers: Number, dense_stage_layers: Number, sparse_stage_layers: Number) -> Number:
    """Fully recomputed layers with routed experts of a pipeline rank."""
    every = term("recompute_every", job.recompute_every)
    even = job.model.moe_every > 1 or every > 1
    share = recomputed_layers * sparse_stage_layers / maximum(dense_stage_layers + sparse_stage_layers, 1) if even else NONE
    if job.model.moe_every > 1:  # dense and sparse layers alternate
        return Number(share)
    dense = minimum(plan.recompute_layers, dense_stage_layers)  # at the start of the first virtual stage
    full = share if every > 1 else sparse_stage_layers
    first = minimum(recomputed_layers - minimum(dense, recomputed_layers), sparse_stage_layers)
    return where(plan.recompute == 2, full, first)


@formula("r_i - r_x", "megatron", "--recompute-granularity full, --recompute-num-layers")
def recomputed_dense(recomputed_layers: Number, recomputed_sparse: Number) -> Number:
    """Fully recomputed layers with a dense MLP of a pipeline rank."""
    return recomputed_layers - recomputed_sparse


def round_size(pp: Count, micro_batches: Number) -> Number:
    """Micro-batches that an interleaved schedule runs through one virtual stage before the next; count.

    p with Megatron-LM, whole groups of p (megatron/core/pipeline_parallel/schedules.py); if m is not a multiple of p, torch makes m // p
    equal rounds of more than p (torch 2.13.0 distributed/pipelining/schedules.py, ScheduleInterleaved1F1B).
    """
    return micro_batches // maximum(1, micro_batches // pp)


@formula(
    "min(m, p - i + n_a) if schedule = 0 and v = 1, "
    "min(m · v, 2 · (p - i - 1) + (v - 1) · ⌊m / max(⌊m / p⌋, 1)⌋ + 1 + n_a) / v if schedule = 0, "
    "min(m, 2 · p - 1) if schedule = 2, min(m, p + ½) if schedule = 4, min(m, p) otherwise",
    "korthikanti22",
    "Section 4.2.3; narayanan21 Figure 4; zerobubble23 Sections 2 and 6; DualPipe's README: PP + 1 chunks, two on each of PP / 2 ranks",
)
def in_flight(plan: Plan, stage: Stage, micro_batches: Number, ahead: Count = NONE) -> Number:
    """Micro-batches whose activations a pipeline rank holds at its peak, in units of all its layers; at most those of a step.

    ahead: additional chunks if the forward pass of one micro-batch overlaps the backward pass of another.
    """
    ahead = term("chunks_ahead", ahead)
    plain = minimum(micro_batches, plan.pp - stage + ahead)
    chunks = 2 * (plan.pp - stage - 1) + (plan.vpp - 1) * round_size(plan.pp, micro_batches) + 1 + ahead
    one_f_one_b = where(plan.vpp > 1, minimum(micro_batches * plan.vpp, chunks) / plan.vpp, plain)
    if not np.any(plan.schedule):
        return one_f_one_b
    # every stage may hold as many as the first; zb-v spreads p evenly over its two chunks
    code = Count(np.asarray(plan.schedule)) + 0 * stage
    most = select([code == ZB_H2, code == DUALPIPE_V], [2 * plan.pp - 1 + 0 * stage, plan.pp + 0.5 + 0 * stage], plan.pp + 0.0 * stage)
    return where(code == 0, one_f_one_b, minimum(micro_batches, most))
