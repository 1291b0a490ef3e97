"""The job and the plan of a measured run, a row of a runs file, with the values assumed for its blanks.

`docs/runs.md` describes the columns. `Configured.assumed` lists every value that was assumed for a blank.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from math import gcd, prod

from planner import presets
from planner.degrees import MODEL_PARALLEL
from planner.errors import FieldError, TmplanError
from planner.plaintext import quoted
from planner.runs import layout_of_row, moe_of_row, options_of_row
from planner.runs.frameworks import stack_of
from planner.runs.model_of_row import model_of
from planner.runs.network_of_row import GIGABIT, link_of, nic_of
from planner.runs.row import Row as Row  # re-exported with the readers of cells
from planner.runs.row import assume, flag
from planner.runs.row import cell as cell
from planner.runs.row import number as number
from planner.runs.row import whole as whole
from planner.specs.constants import CONSTANTS
from planner.specs.hardware import Cluster, Gpu
from planner.specs.job import ATTENTIONS, RECOMPUTES, SCHEDULES, Job, Stack
from planner.specs.plan import Plan

# Synonyms of schedules, and schedules modelled by a similar one: GPipe holds more activations, V-Half and V-Min trade bubble for
# memory, DualPipe runs from both ends with two copies of the weights.
SAME_SCHEDULE = {"1f1b-interleaved": "1f1b", "interleaved": "1f1b", "zb-1p": "zb-h1", "zb-2p": "zb-h2", "zbv": "zb-v"}
LIKE_SCHEDULE = {"gpipe": "1f1b", "afab": "1f1b", "v-half": "zb-h1", "v-min": "1f1b", "dualpipe": "dualpipev"}
TWICE = ("zb-v", "dualpipev")  # V schedules: two virtual stages per rank
MOST_STAGES = 4  # per layer: runs with empty stages have been measured, larger numbers are typing errors


@dataclass(frozen=True)
class Configured:
    """The job and plan of a row, and the values assumed for blanks, by column."""

    job: Job
    plan: Plan
    assumed: Mapping[str, str]
    recompute_given: bool  # False: the lightest recomputation that fits is assumed
    micro_batch_given: bool  # False: the fastest micro-batch that fits is assumed


def configured(row: Row) -> Configured:
    """The job and the plan of a row; TmplanError if it cannot be modelled."""
    assumed: dict[str, str] = {}
    gpu = _gpu(cell(row, "gpu"))
    options_of_row.doubted(row, assumed)
    stack, recognised = stack_of(row, gpu)
    if not recognised:
        assume(assumed, "framework", stack.name)
    model = model_of(row, stack, assumed)
    cluster = _cluster(row, gpu, assumed)
    attention = _attention(row, stack, assumed)
    precision = options_of_row.precision_of(row, assumed)
    layout = layout_of_row.layout(row, stack, model, _schedule(row, assumed), assumed)
    job = Job(
        model, cluster, stack, whole(row, "seq"), whole(row, "global_batch"), precision=precision, attention=attention,
        pipeline_layout=layout, tp_overlap=options_of_row.tp_overlap(row, stack),
        **options_of_row.options(row, stack, model, precision, gpu.memory_bytes, assumed), **options_of_row.adapters(row, model, assumed),
        **(moe_of_row.routing(row) if model.experts else {}),
    )  # fmt: skip
    plan = _plan(row, job, assumed)
    return Configured(
        job, plan, assumed, bool(options_of_row.implied_recompute(row) or cell(row, "recompute")), bool(cell(row, "micro_batch"))
    )


@lru_cache(maxsize=64)
def _gpu(name: str) -> Gpu:
    if not name:
        raise FieldError("gpu", "column 'gpu' is blank; name a GPU such as h100-sxm")
    return presets.gpu(name)


def _cluster(row: Row, gpu: Gpu, assumed: dict[str, str]) -> Cluster:
    """The cluster of a row; its network from measured collectives, `nic_gbit_s`, `interconnect` or the GPU preset, in this order."""
    gpus = whole(row, "gpus")
    node = min(gpus, whole(row, "gpus_per_node", 0, 0) or assume(assumed, "gpus_per_node", 8))
    domain = max(node, min(gpu.link_domain, gpus)) if gpu.link_domain > 8 else node
    stated = nic_of(row, node)
    nic = stated * GIGABIT if stated else gpu.nic_bytes_s
    cluster = Cluster(gpu.name, gpu, gpus, node, domain, link_of(row, gpu), nic)
    if cell(row, "nccl_all_reduce_gb_s") and gpus > node:
        reduced = number(row, "nccl_all_reduce_gb_s", least=1e-3)
        gathered = number(row, "nccl_all_gather_gb_s", reduced, least=1e-3)
        scattered = number(row, "nccl_reduce_scatter_gb_s", gathered, least=1e-3)
        gathered = 2.0 / (1.0 / gathered + 1.0 / scattered)  # a gather and a reduce-scatter of as many bytes take the same time in all
        if rank_seconds(cluster, gathered * 1e9) >= CHECKED:
            return replace(cluster, rank_check_s=RANK_CHECK)
        return replace(cluster, measured_reduce_bytes_s=reduced * 1e9, measured_gather_bytes_s=gathered * 1e9)
    if stated is None and gpus > node:
        assume(assumed, "interconnect", f"{gpu.nic_bytes_s / GIGABIT:g} Gb/s per GPU")
    return cluster


# With TORCH_DISTRIBUTED_DEBUG=DETAIL PyTorch compares the arguments of every collective on the CPU first: a barrier that serves one rank
# after another, and a gather (ProcessGroupWrapper, pytorch/pytorch#58281). nanotron's benchmark ran many of its jobs so: their layers take
# 5, 10, 18 and 48 ms longer with 2, 4, 8 and 16 tensor-parallel ranks, of any model and micro-batch, in 12 collectives.
RANK_CHECK = 1.9e-4  # seconds that each rank of a group adds
CHECKED = 1e-4  # seconds a rank of a measured gather, beyond its bytes: 140 to 190 us in those jobs, 70 and less in the others


def rank_seconds(cluster: Cluster, gathered_bytes_s: float) -> float:
    """Time of a measured gather over all GPUs beyond its bytes at the line rate, by rank; seconds."""
    line = CONSTANTS.nic_fraction * cluster.nic_bytes_s * cluster.gpus_per_node
    return CONSTANTS.measured_message * (1.0 / gathered_bytes_s - 1.0 / line) / cluster.gpus


# Megatron-LM before flash attention: sources call it unfused, but its scale, mask and softmax are one kernel unless switched off
# (megatron/arguments.py, --no-masked-softmax-fusion); OneFlow's LiBai follows it (libai/layers/attention.py, scale_mask_softmax_fusion).
FUSED_SOFTMAX = ("megatron-lm-2021", "megatron-deepspeed", "zero-bubble")


def _attention(row: Row, stack: Stack, assumed: dict[str, str]) -> str:
    text = cell(row, "attention").lower()
    if not text and "transformer-impl=local" in cell(row, "note"):  # Megatron-LM's local layers do not have flash attention
        text = assume(assumed, "attention", "fused-softmax")
    if not text:
        return str(assume(assumed, "attention", stack.attention))
    if text == "unfused" and stack.name in FUSED_SOFTMAX:
        text = assume(assumed, "attention", "fused-softmax")
    if text == "flash":  # unknown version: the stack's, if the stack has flash attention
        text = stack.attention if stack.attention.startswith("flash") else "flash-2"
    if text == "flash-2" and triton_attention(row):
        text = assume(assumed, "attention", "flash-1")
    kind = {"fused": "flash-2", "sdpa": "flash-2"}.get(text, text)
    if kind not in ATTENTIONS:
        raise FieldError("attention", f"attention {quoted(text)} is not modelled; known: {', '.join(ATTENTIONS)}")
    return kind


def triton_attention(row: Row) -> bool:
    """Whether flash attention was not yet FlashAttention-2, of July 2023: until 2024 llm-foundry's configurations set `attn_impl: triton`
    (scripts/train/yamls/pretrain/mpt-7b.yaml), FlashAttention's first version in Triton.
    """
    released = cell(row, "released")[:7]
    return bool(released) and released < ("2024-01" if "foundry" in cell(row, "framework").lower() else "2023-07")


SHARD_GROUP = re.compile(r"(?:shard group |\bFSDP=)(\d{1,9})")
REPLICAS = re.compile(r"num-distributed-optimizer-instances=([1-9]\d{0,8})")


def _plan(row: Row, job: Job, assumed: dict[str, str]) -> Plan:
    """The plan of a row; a blank or contradictory dp is gpus / (tp x pp x cp). FieldError if these do not divide the GPUs."""
    stack, gpus, note = job.stack, job.cluster.gpus, cell(row, "note")
    degrees = {key: whole(row, key, 1) for key in MODEL_PARALLEL}
    tp, pp, cp, model_parallel = degrees["tp"], degrees["pp"], degrees["cp"], prod(degrees.values())
    dp = whole(row, "dp", 0, 0) or assume(assumed, "dp", max(1, gpus // model_parallel))
    if model_parallel * dp != gpus:
        if gpus % model_parallel:
            product = " x ".join(f"{key} {degree:,}" for key, degree in degrees.items())
            raise FieldError("gpus", f"{product} does not divide the {gpus:,} GPUs of the row")
        dp = assume(assumed, "dp", gpus // model_parallel)
    micro = whole(row, "micro_batch", 1)
    if cell(row, "zero"):
        zero = min(whole(row, "zero", least=0), 3)
    else:
        zero = assume(assumed, "zero", _usual_zero(row, stack) if dp * cp > 1 else 0)
    shard = SHARD_GROUP.search(note)
    replicas = REPLICAS.search(note)
    size = int(shard[1]) if shard else (job.cluster.gpus_per_node if "HSDP" in note else dp // int(replicas[1]) if replicas else dp)
    size = size if zero and 0 < size <= dp and dp % size == 0 else dp
    sp = flag(row, "sequence_parallel")
    if sp is None:
        sp = bool(assume(assumed, "sequence_parallel", int(stack.usual_sp and tp > 1)))
    schedule = _schedule(row, assumed)
    vpp = _virtual_stages(row, job, pp, schedule, assumed)
    if pp * vpp > MOST_STAGES * job.model.layers:
        raise FieldError("pp", f"pp {pp:,} x vpp {vpp:,} is {pp * vpp:,} stages for {job.model.layers:,} layers")
    recompute = options_of_row.implied_recompute(row) or cell(row, "recompute")
    if recompute and recompute not in RECOMPUTES:
        raise FieldError("recompute", f"recompute {quoted(recompute)} is not modelled; known: none, selective, full")
    ep, etp = _expert_degrees(row, job, tp, gpus // pp, assumed)
    return Plan(
        tp=tp, pp=pp, vpp=vpp, cp=cp, dp=dp, ep=ep, etp=etp, zero=zero, dp_shard=size if zero else 1,
        dp_replicate=dp // size if zero else 1, sequence_parallel=int(sp and tp > 1), micro_batch=micro,
        recompute=RECOMPUTES.index(recompute or stack.usual_recompute), schedule=SCHEDULES.index(schedule),
    )  # fmt: skip


def _usual_zero(row: Row, stack: Stack) -> int:
    """The ZeRO stage of a blank: that in the name of the framework (ZeRO-2, FSDP, DDP), else the stack's usual one."""
    name = cell(row, "framework").lower()
    if named := re.search(r"zero-?([0-3])", name):
        return int(named[1])
    if cell(row, "fsdp_kind") or ("fsdp" in name and 3 in stack.zero_stages):
        return 3
    return 0 if re.search(r"\bddp\b", name) else stack.usual_zero


def _expert_degrees(row: Row, job: Job, tp: int, ranks: int, assumed: dict[str, str]) -> tuple[int, int]:
    """ep and etp of a row, given the ranks of a stage (tp x cp x dp); 1 and 1 for a dense model. FieldError if they do not divide."""
    experts = job.model.experts
    if not experts:
        return 1, 1
    ep = whole(row, "ep", 0, 0) or assume(assumed, "ep", gcd(experts, ranks, min(job.cluster.gpus_per_node, job.cluster.gpus)))
    etp = whole(row, "etp", 0, 0)
    if not etp:
        as_tp = job.stack.usual_expert_tensor == "tp" and ranks % (ep * tp) == 0 and job.model.expert_ffn % tp == 0
        etp = tp if as_tp else 1
        if tp > 1:
            assume(assumed, "etp", etp)
    if experts % ep:
        raise FieldError("ep", f"ep {ep:,} does not divide the {experts:,} experts")
    if ranks % (ep * etp):
        raise FieldError("ep", f"ep {ep:,} x etp {etp:,} does not divide the {ranks:,} ranks of a stage (tp x cp x dp)")
    return ep, etp


def _schedule(row: Row, assumed: dict[str, str]) -> str:
    """The pipeline schedule of a row, a name of SCHEDULES. FieldError if it is unknown."""
    name = cell(row, "schedule").lower() or "1f1b"
    schedule = SAME_SCHEDULE.get(name, name)
    if schedule in LIKE_SCHEDULE:
        schedule = assume(assumed, "schedule", LIKE_SCHEDULE[schedule])
    if schedule not in SCHEDULES:
        known = ", ".join((*SCHEDULES, *SAME_SCHEDULE, *LIKE_SCHEDULE))
        raise FieldError("schedule", f"schedule {quoted(name)} is not modelled; known: {known}")
    return schedule


def _virtual_stages(row: Row, job: Job, pp: int, schedule: str, assumed: dict[str, str]) -> int:
    """Virtual stages per rank: those of the schedule, the layout, the row, or the stack's usual choice, in this order."""
    vpp = whole(row, "vpp", 0, 0)
    laid = layout_of_row.laid(row)
    needed = 2 if schedule in TWICE else laid.stages // pp if laid and laid.stages % pp == 0 else 0
    if needed:  # a contradictory vpp was derived without the layout
        return needed if vpp in (0, needed) else int(assume(assumed, "vpp", needed))
    return vpp or int(assume(assumed, "vpp", _usual_vpp(job, pp)))


def _usual_vpp(job: Job, pp: int) -> int:
    """Virtual stages per rank of a blank: 1, or if the stack usually interleaves, stages of the fewest whole layers, at most 12 stages."""
    if pp == 1 or not job.stack.usual_interleaved or job.model.layers % pp:
        return 1
    layers = job.model.layers // pp
    return next((layers // each for each in (1, 2, 3, 4, 5, 6) if layers % each == 0 and layers // each <= 12), 1)


def refusal(error: TmplanError) -> str:
    """The message of an error, on one line."""
    return " ".join(str(error).split())
