"""Measured runs: a row of a runs file as the job and the plan it was, with what had to be assumed where the row is silent.

The columns are those of `docs/runs.md`. A blank is not a default: what it is taken for stands in `Configured.assumed`.
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
from planner.runs import moe_of_row as runmoe
from planner.runs.frameworks import stack_of
from planner.runs.model_of_row import model_of
from planner.runs.row import Row as Row  # who reads a row through this module needs no other
from planner.runs.row import assume, flag
from planner.runs.row import number as number
from planner.runs.row import told as told
from planner.runs.row import whole as whole
from planner.specs.hardware import Cluster, Gpu
from planner.specs.job import ATTENTIONS, RECOMPUTES, SCHEDULES, Job, Stack
from planner.specs.plan import Plan

# Schedules by other names, and those that only stand near one that is modelled: GPipe keeps more, V-Half and V-Min trade bubble for
# memory, DualPipe runs from both ends with two copies of the weights.
SAME_SCHEDULE = {"1f1b-interleaved": "1f1b", "interleaved": "1f1b", "zb-1p": "zb-h1", "zb-2p": "zb-h2", "zbv": "zb-v"}
LIKE_SCHEDULE = {"gpipe": "1f1b", "afab": "1f1b", "v-half": "zb-h1", "v-min": "1f1b", "dualpipe": "dualpipev"}
TWICE = ("zb-v", "dualpipev")  # down the ranks and back up: each holds two stages
GIGABIT = 1.25e8  # bytes
# Megatron-Bridge's recipes of models with latent attention keep Adam's moments in bf16 (recipes/moonlight/moonlight_16b.py,
# recipes/deepseek/deepseek_v3.py: exp_avg_dtype, exp_avg_sq_dtype).
NARROW_MOMENTS = ("nemo", "nemo-tuned")
MOST_STAGES = 4  # a layer: runs with empty stages have been measured, more of them are a slip of the pen


@dataclass(frozen=True)
class Configured:
    """What a row says: a job, a plan, and what was assumed for the blanks, by column."""

    job: Job
    plan: Plan
    assumed: Mapping[str, str]
    recompute_told: bool  # False: the lightest recomputation that fits stands in
    micro_told: bool  # False: the fastest micro-batch that fits stands in


def configured(row: Row) -> Configured:
    """The job and the plan of a row; TmplanError with a sentence for what cannot be modelled."""
    assumed: dict[str, str] = {}
    gpu = _gpu(told(row, "gpu"))
    stack, recognised = stack_of(told(row, "framework"), told(row, "note"), gpu)
    if not recognised:
        assume(assumed, "framework", stack.name)
    model = model_of(row, stack, assumed)
    narrow = bool(model.kv_rank) and stack.name in NARROW_MOMENTS
    if narrow:
        stack, _ = stack_of(told(row, "framework"), told(row, "note"), gpu, narrow_moments=True)
        assume(assumed, "optimizer", "moments in 16 bits")
    cluster = _cluster(row, gpu, assumed)
    attention = _attention(row, stack, assumed)
    precision = told(row, "dtype") or assume(assumed, "dtype", "bf16")
    tuning = _tuning(row)
    targets = "attention" if model.kv_rank else "query-value"  # NeMo's recipes adapt linear_qkv alone for speed (performance_mode)
    if tuning != "full":
        assume(assumed, "finetune", f"{tuning} of rank 16 on {targets}")
    job = Job(
        model, cluster, stack, whole(row, "seq"), whole(row, "global_batch"), precision=precision, attention=attention,
        gradient_bytes=_gradient_bytes(stack, precision), state_bytes=2 if narrow else 4, tuning=tuning, lora_targets=targets,
        **(runmoe.routing(told(row, "note")) if model.experts else {}),
    )  # fmt: skip
    plan = _plan(row, job, assumed)
    return Configured(job, plan, assumed, bool(told(row, "recompute")), bool(told(row, "micro_batch")))


def _gradient_bytes(stack: Stack, precision: str) -> int:
    """Bytes of a gradient as kept: Megatron accumulates in fp32 only with bf16 (arguments.py, accumulate_allreduce_grads_in_fp32)."""
    return 2 if precision == "fp16" and not stack.master_is_parameter else stack.gradient_bytes


def _tuning(row: Row) -> str:
    """What is trained: adapters, or the model; `--q-lora-rank` is a width of latent attention and none of an adapter's."""
    tuning = told(row, "finetune").lower()
    return tuning if tuning in ("lora", "qlora") and "lora-rank=" not in told(row, "note") else "full"


@lru_cache(maxsize=64)
def _gpu(name: str) -> Gpu:
    if not name:
        raise FieldError("gpu", "column 'gpu' is blank; name a GPU such as h100-sxm")
    return presets.gpu(name)


# Gb is bits; GB/s beside it would be something else.
NIC_COUNT = re.compile(r"(\d{1,6})\s*x\s+[^,;]*?(\d{1,6})\s*Gb")
NIC_EACH = re.compile(r"(\d{1,6})\s*Gb(?:ps|/[sS](?:ec)?)?[^,;]*per GPU")
NIC_NODE = re.compile(r"(\d{1,6})\s*Gb(?:ps|/[sS](?:ec)?)?\s+(?:\w+\s+)*?(?:per|a) node")
NIC_BARE = re.compile(r"(\d{2,5})\s*Gb(?:ps|/[sS])")


def nic_gbit(words: str, node: int) -> float | None:
    """Gb/s of network a GPU, one way, from a source's words on its interconnect; None where they do not tell."""
    if each := NIC_EACH.search(words):
        return float(each[1])
    if counts := NIC_COUNT.findall(words):
        return max(int(count) * int(rate) for count, rate in counts) / node
    if shared := NIC_NODE.search(words):
        return float(shared[1]) / node
    if bare := NIC_BARE.findall(words):
        rate = float(bare[-1])
        return rate / node if rate > 400 else rate  # no single port of a GPU is faster: what is more is the node's
    return None


def _cluster(row: Row, gpu: Gpu, assumed: dict[str, str]) -> Cluster:
    """The cluster of a row: NICs as its own collective measurement, its source's words, or the GPU's common node has them."""
    gpus = whole(row, "gpus")
    node = min(gpus, whole(row, "gpus_per_node", 0, 0) or assume(assumed, "gpus_per_node", 8))
    domain = max(node, min(gpu.link_domain, gpus)) if gpu.link_domain > 8 else node
    stated = nic_gbit(told(row, "interconnect"), node)
    nic = stated * GIGABIT if stated else gpu.nic_bytes_s
    cluster = Cluster(gpu.name, gpu, gpus, node, domain, gpu.link_bytes_s, nic)
    if told(row, "nccl_all_reduce_gb_s") and gpus > node:
        reduced = number(row, "nccl_all_reduce_gb_s", least=1e-3)
        gathered = number(row, "nccl_all_gather_gb_s", reduced, least=1e-3)
        return replace(cluster, measured_reduce_bytes_s=reduced * 1e9, measured_gather_bytes_s=gathered * 1e9)
    if stated is None and gpus > node:
        assume(assumed, "interconnect", f"{gpu.nic_bytes_s / GIGABIT:g} Gb/s a GPU")
    return cluster


def _attention(row: Row, stack: Stack, assumed: dict[str, str]) -> str:
    text = told(row, "attention").lower()
    if not text and "transformer-impl=local" in told(row, "note"):  # Megatron-LM's own layers have no flash attention
        text = assume(assumed, "attention", "fused-softmax")
    if not text:
        return str(assume(assumed, "attention", stack.attention))
    if text == "flash":  # the version is not told: the stack's own, where that is one
        text = stack.attention if stack.attention.startswith("flash") else "flash-2"
    kind = {"fused": "flash-2", "sdpa": "flash-2"}.get(text, text)
    if kind not in ATTENTIONS:
        raise FieldError("attention", f"attention {quoted(text)} is not modelled; known: {', '.join(ATTENTIONS)}")
    return kind


SHARD_GROUP = re.compile(r"(?:shard group |\bFSDP=)(\d{1,9})")
REPLICAS = re.compile(r"num-distributed-optimizer-instances=([1-9]\d{0,8})")


def _plan(row: Row, job: Job, assumed: dict[str, str]) -> Plan:
    """The plan of a row; dp is what the other degrees leave where it is blank."""
    stack, gpus, note = job.stack, job.cluster.gpus, told(row, "note")
    degrees = {key: whole(row, key, 1) for key in MODEL_PARALLEL}
    tp, pp, cp, model_parallel = degrees["tp"], degrees["pp"], degrees["cp"], prod(degrees.values())
    dp = whole(row, "dp", 0, 0) or assume(assumed, "dp", max(1, gpus // model_parallel))
    if model_parallel * dp != gpus:
        if gpus % model_parallel:
            values = " x ".join(f"{key} {degree:,}" for key, degree in degrees.items())
            raise FieldError("gpus", f"{values} do not divide the {gpus:,} GPUs of the row")
        dp = assume(assumed, "dp", gpus // model_parallel)
    micro = whole(row, "micro_batch", 1)
    if told(row, "zero"):
        zero = min(whole(row, "zero", least=0), 3)
    else:
        usual = stack.usual_zero if dp * cp > 1 else 0
        zero = assume(assumed, "zero", usual)
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
        raise FieldError("pp", f"pp {pp:,} x vpp {vpp:,} are {pp * vpp:,} stages for {job.model.layers:,} layers")
    recompute = told(row, "recompute")
    if recompute and recompute not in RECOMPUTES:
        raise FieldError("recompute", f"recompute {quoted(recompute)} is not modelled; known: none, selective, full")
    ep, etp = _expert_degrees(row, job, tp, gpus // pp, assumed)
    return Plan(
        tp=tp, pp=pp, vpp=vpp, cp=cp, dp=dp, ep=ep, etp=etp, zero=zero, dp_shard=size if zero else 1,
        dp_replicate=dp // size if zero else 1, sequence_parallel=int(sp and tp > 1), micro_batch=micro,
        recompute=RECOMPUTES.index(recompute or stack.usual_recompute), schedule=SCHEDULES.index(schedule),
    )  # fmt: skip


def _expert_degrees(row: Row, job: Job, tp: int, ranks: int, assumed: dict[str, str]) -> tuple[int, int]:
    """ep and etp of a row, among the ranks of a stage (tp x cp x dp); 1 and 1 for a dense model, whatever it tells."""
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
        raise FieldError("ep", f"ep {ep:,} x etp {etp:,} do not divide the {ranks:,} ranks of a stage (tp x cp x dp)")
    return ep, etp


def _schedule(row: Row, assumed: dict[str, str]) -> str:
    """The pipeline schedule of a row by the name it has here."""
    said = told(row, "schedule").lower() or "1f1b"
    schedule = SAME_SCHEDULE.get(said, said)
    if schedule in LIKE_SCHEDULE:
        schedule = assume(assumed, "schedule", LIKE_SCHEDULE[schedule])
    if schedule not in SCHEDULES:
        known = ", ".join((*SCHEDULES, *SAME_SCHEDULE, *LIKE_SCHEDULE))
        raise FieldError("schedule", f"schedule {quoted(said)} is not modelled; known: {known}")
    return schedule


def _virtual_stages(row: Row, job: Job, pp: int, schedule: str, assumed: dict[str, str]) -> int:
    """Virtual stages a rank: as the schedule must have them, as the layout in the note says, as told, or as users of the stack do."""
    vpp = whole(row, "vpp", 0, 0)
    laid_out = runmoe.virtual_stages(told(row, "note"))
    needed = 2 if schedule in TWICE else laid_out // pp if laid_out % pp == 0 else 0
    if needed:  # a told number that contradicts it was derived without it
        return needed if vpp in (0, needed) else int(assume(assumed, "vpp", needed))
    return vpp or int(assume(assumed, "vpp", _usual_vpp(job, pp)))


def _usual_vpp(job: Job, pp: int) -> int:
    """Virtual stages where a row does not tell: none, or where the stack's users interleave, stages of the fewest whole layers."""
    if pp == 1 or not job.stack.usual_interleaved or job.model.layers % pp:
        return 1
    layers = job.model.layers // pp
    return next((layers // each for each in (1, 2, 3, 4, 5, 6) if layers % each == 0 and layers // each <= 12), 1)


def refusal(error: TmplanError) -> str:
    """The sentence of a refusal, on one line."""
    return " ".join(str(error).split())
