"""Measured runs: a row of a runs file as the job and the plan it was, with what had to be assumed where the row is silent.

The columns are those of `docs/runs.md`. A blank is not a default: what it is taken for stands in `Configured.assumed`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from planner import presets
from planner.errors import FieldError, TmplanError, Unsupported
from planner.frameworks import stack_of
from planner.plan import Plan
from planner.specs import ATTENTIONS, RECOMPUTES, SCHEDULES, Cluster, Gpu, Job, Model, Stack

Row = Mapping[str, str]
# Schedules by other names, and those that stand near one that is modelled: V-Half and V-Min trade bubble for memory.
LIKE_SCHEDULE = {
    "1f1b-interleaved": "1f1b", "interleaved": "1f1b", "gpipe": "1f1b", "afab": "1f1b", "zb-h1": "zb-1p", "zb-h2": "zb-2p",
    "zbv": "zb-v", "v-half": "zb-1p", "v-min": "1f1b",
}  # fmt: skip
GIGABIT = 1.25e8  # bytes
YES, NO = ("1", "yes", "true"), ("0", "no", "false")
MOST_STAGES = 4  # a layer: runs with empty stages have been measured, more of them are a slip of the pen


@dataclass(frozen=True)
class Configured:
    """What a row says: a job, a plan, and what was assumed for the blanks, by column."""

    job: Job
    plan: Plan
    assumed: Mapping[str, str]
    recompute_told: bool  # False: the lightest recomputation that fits stands in
    micro_told: bool  # False: the fastest micro-batch that fits stands in


def told(row: Row, key: str) -> str:
    """The text of a column, stripped; empty where it is blank or the column is absent."""
    return (row.get(key) or "").strip()


def number(row: Row, key: str, default: float | None = None, least: float = 0.0) -> float:
    """A number of a row; FieldError where it is none, too small, or missing without a default."""
    text = told(row, key)
    if not text:
        if default is None:
            raise FieldError(key, f"column '{key}' is blank and has no default")
        return default
    try:
        value = float(text)
    except ValueError:
        raise FieldError(key, f"column '{key}' must be a number, not {text[:40]!r}") from None
    if not least <= value < 1e15:
        raise FieldError(key, f"column '{key}' must be at least {least:g} and below 1e15, not {text[:40]}")
    return value


def whole(row: Row, key: str, default: int | None = None, least: int = 1) -> int:
    """A whole number of a row."""
    value = number(row, key, default, least)
    if value != int(value):
        raise FieldError(key, f"column '{key}' must be a whole number, not {value:g}")
    return int(value)


def flag(row: Row, key: str) -> bool | None:
    """A yes or a no of a row; None where it is blank."""
    text = told(row, key).lower()
    if text and text not in YES + NO:
        raise FieldError(key, f"column '{key}' must be 1 or 0, not {text[:40]!r}")
    return text in YES if text else None


def configured(row: Row) -> Configured:
    """The job and the plan of a row; TmplanError with a sentence for what cannot be modelled."""
    assumed: dict[str, str] = {}
    if number(row, "experts", 0) > 0:
        raise Unsupported("a mixture of experts; tmplan plans dense models so far")
    gpu = _gpu(told(row, "gpu"))
    stack, recognised = stack_of(told(row, "framework"), told(row, "note"), gpu)
    if not recognised:
        _assume(assumed, "framework", stack.name)
    model = _model(row, stack, assumed)
    cluster = _cluster(row, gpu, assumed)
    attention = _attention(row, stack, assumed)
    said = told(row, "schedule").lower() or "1f1b"
    schedule = LIKE_SCHEDULE.get(said, said)
    if schedule not in SCHEDULES:
        known = ", ".join((*SCHEDULES, *LIKE_SCHEDULE))
        raise FieldError("schedule", f"schedule {said!r} is not modelled; known: {known}")
    if schedule != said and said != "1f1b-interleaved":
        _assume(assumed, "schedule", schedule)
    precision = told(row, "dtype") or _assume(assumed, "dtype", "bf16")
    job = Job(
        model, cluster, stack, whole(row, "seq"), whole(row, "global_batch"), precision=precision, attention=attention,
        gradient_bytes=_gradient_bytes(stack, precision), schedule=schedule, frozen=told(row, "finetune").lower() in ("lora", "qlora"),
    )  # fmt: skip
    plan = _plan(row, job, assumed)
    return Configured(job, plan, assumed, bool(told(row, "recompute")), bool(told(row, "micro_batch")))


def _gradient_bytes(stack: Stack, precision: str) -> int:
    """Bytes of a gradient as kept: Megatron accumulates in fp32 only with bf16 (arguments.py, accumulate_allreduce_grads_in_fp32)."""
    return 2 if precision == "fp16" and not stack.master_is_parameter else stack.gradient_bytes


def _assume(assumed: dict[str, str], key: str, value: Any) -> Any:
    """Note what a blank was taken for."""
    assumed[key] = str(value)
    return value


@lru_cache(maxsize=64)
def _gpu(name: str) -> Gpu:
    if not name:
        raise FieldError("gpu", "column 'gpu' is blank; name a GPU such as h100-sxm")
    return presets.gpu(name)


def _model(row: Row, stack: Stack, assumed: dict[str, str]) -> Model:
    """The architecture of a row. Gated MLPs come with RMSNorm, rotary positions and no biases; others as GPT-2 has them."""
    gated = flag(row, "gated") is not False
    hidden, heads, seq = whole(row, "hidden"), whole(row, "heads"), whole(row, "seq")
    vocab = whole(row, "vocab", 0, 0) or _assume(assumed, "vocab", 50_257)
    tied = flag(row, "tied")
    tied = _assume(assumed, "tied", not gated) if tied is None else tied
    note = told(row, "note").lower()
    dropout = stack.dropout and not gated and "hidden-dropout=0" not in note
    return Model(
        name=told(row, "model") or "model", layers=whole(row, "layers"), hidden=hidden, heads=heads,
        kv_heads=whole(row, "kv_heads", heads), head_dim=whole(row, "head_dim", hidden // heads), ffn=whole(row, "ffn", 4 * hidden),
        vocab=vocab, max_positions=max(seq, 2048), gated=gated, tied=tied, norm="rmsnorm" if gated else "layernorm",
        positions="rope" if gated else "learned", bias=not gated, dropout=dropout,
    )  # fmt: skip


# Gb is bits; GB/s beside it would be something else.
NIC_COUNT = re.compile(r"(\d+)\s*x\s+[^,;]*?(\d+)\s*Gb")
NIC_EACH = re.compile(r"(\d+)\s*Gb(?:ps|/[sS](?:ec)?)?[^,;]*per GPU")
NIC_NODE = re.compile(r"(\d+)\s*Gb(?:ps|/[sS](?:ec)?)?\s+(?:\w+\s+)*?(?:per|a) node")
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
    node = min(gpus, whole(row, "gpus_per_node", 0, 0) or _assume(assumed, "gpus_per_node", 8))
    domain = max(node, min(gpu.link_domain, gpus)) if gpu.link_domain > 8 else node
    stated = nic_gbit(told(row, "interconnect"), node)
    nic = stated * GIGABIT if stated else gpu.nic_bytes_s
    cluster = Cluster(gpu.name, gpu, gpus, node, domain, gpu.link_bytes_s, nic)
    if told(row, "nccl_all_reduce_gb_s") and gpus > node:
        reduced = number(row, "nccl_all_reduce_gb_s", least=1e-3)
        gathered = number(row, "nccl_all_gather_gb_s", reduced, least=1e-3)
        return replace(cluster, measured_reduce_bytes_s=reduced * 1e9, measured_gather_bytes_s=gathered * 1e9)
    if stated is None and gpus > node:
        _assume(assumed, "interconnect", f"{gpu.nic_bytes_s / GIGABIT:g} Gb/s a GPU")
    return cluster


def _attention(row: Row, stack: Stack, assumed: dict[str, str]) -> str:
    text = told(row, "attention").lower()
    if not text and "transformer-impl=local" in told(row, "note"):  # Megatron-LM's own layers have no flash attention
        text = _assume(assumed, "attention", "fused-softmax")
    if not text:
        return str(_assume(assumed, "attention", stack.attention))
    if text == "flash":  # the version is not told: the stack's own, where that is one
        text = stack.attention if stack.attention.startswith("flash") else "flash-2"
    kind = {"fused": "flash-2", "sdpa": "flash-2"}.get(text, text)
    if kind not in ATTENTIONS:
        raise FieldError("attention", f"attention {text!r} is not modelled; known: {', '.join(ATTENTIONS)}")
    return kind


SHARD_GROUP = re.compile(r"(?:shard group |\bFSDP=)(\d+)")


def _plan(row: Row, job: Job, assumed: dict[str, str]) -> Plan:
    """The plan of a row; dp is what the other degrees leave where it is blank."""
    stack, gpus, note = job.stack, job.cluster.gpus, told(row, "note")
    tp, pp, cp = (whole(row, key, 1) for key in ("tp", "pp", "cp"))
    dp = whole(row, "dp", 0, 0) or _assume(assumed, "dp", max(1, gpus // (tp * pp * cp)))
    if tp * pp * cp * dp != gpus:
        if gpus % (tp * pp * cp):
            raise FieldError("gpus", f"tp {tp:,} x pp {pp:,} x cp {cp:,} do not divide the {gpus:,} GPUs of the row")
        dp = _assume(assumed, "dp", gpus // (tp * pp * cp))
    micro = whole(row, "micro_batch", 1)
    if told(row, "zero"):
        zero = min(whole(row, "zero", least=0), 3)
    else:
        usual = stack.usual_zero if dp * cp > 1 else 0
        zero = _assume(assumed, "zero", usual)
    shard = SHARD_GROUP.search(note)
    size = int(shard[1]) if shard else (job.cluster.gpus_per_node if "HSDP" in note else dp)
    size = size if zero and 0 < size <= dp and dp % size == 0 else dp
    sp = flag(row, "sequence_parallel")
    if sp is None:
        sp = bool(_assume(assumed, "sequence_parallel", int(stack.usual_sp and tp > 1)))
    vpp = whole(row, "vpp", 0, 0)
    if not vpp:
        vpp = _assume(assumed, "vpp", _usual_vpp(job, pp))
    if pp * vpp > MOST_STAGES * job.model.layers:
        raise FieldError("pp", f"pp {pp:,} x vpp {vpp:,} are {pp * vpp:,} stages for {job.model.layers:,} layers")
    recompute = told(row, "recompute")
    if recompute and recompute not in RECOMPUTES:
        raise FieldError("recompute", f"recompute {recompute!r} is not modelled; known: none, selective, full")
    return Plan(
        tp=tp, pp=pp, vpp=vpp, cp=cp, dp=dp, dp_shard=size if zero else 1, dp_replicate=dp // size if zero else 1, zero=zero,
        sequence_parallel=int(sp and tp > 1), micro_batch=micro, recompute=RECOMPUTES.index(recompute or stack.usual_recompute),
    )  # fmt: skip


def _usual_vpp(job: Job, pp: int) -> int:
    """Virtual stages where a row does not tell: none, or where the stack's users interleave, stages of the fewest whole layers."""
    if pp == 1 or not job.stack.usual_interleaved or job.model.layers % pp:
        return 1
    layers = job.model.layers // pp
    return next((layers // each for each in (1, 2, 3, 4, 5, 6) if layers % each == 0 and layers // each <= 12), 1)


def refusal(error: TmplanError) -> str:
    """The sentence of a refusal, on one line."""
    return " ".join(str(error).split())
