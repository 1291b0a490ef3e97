"""Megatron-LM's command line, bare or in a launch script: its arguments as a job and a plan.

Option names and defaults: megatron/training/arguments.py (Megatron-LM d98e8a64dd).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from planner.errors import FileError
from planner.exporters._megatron_facts import FLASH
from planner.importers.imported import Imported
from planner.importers.layer_pattern import dense_and_every
from planner.importers.read_back import LINE, assumptions_of
from planner.plaintext import named, quoted

ASSIGNED = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
REPEATED = re.compile(r"\(([^()]*)\)(?:\*([0-9]{1,4}))?")  # a part of a pipeline layout
VARIABLE = re.compile(r"\$\{?([A-Za-z_]\w*)(?::-([^}]*))?\}?")
LARGEST = 2**20  # characters that a script's variables may come to
WORD = re.compile(r"[\w-]+")
LAUNCHER = frozenset(
    WORD.findall("""
    nnodes nproc-per-node nproc_per_node node-rank node_rank rdzv-backend rdzv-endpoint rdzv-id rdzv_backend rdzv_endpoint rdzv_id
    master-addr master-port master_addr master_port standalone
    """)
)
SIZES = {
    "num-layers": "layers", "hidden-size": "hidden", "num-attention-heads": "heads", "ffn-hidden-size": "ffn", "kv-channels": "head_dim",
    "vocab-size": "vocab", "num-experts": "experts", "moe-router-topk": "experts_per_token", "moe-ffn-hidden-size": "expert_ffn",
    "moe-shared-expert-intermediate-size": "shared_ffn", "mtp-num-layers": "mtp_layers", "kv-lora-rank": "kv_rank",
}  # fmt: skip
# Of latent attention: the options and what Megatron-LM has them at.
LATENT = {"q_rank": ("q-lora-rank", 0), "head_dim": ("qk-head-dim", 128), "rope_dim": ("qk-pos-emb-head-dim", 64),
          "v_dim": ("v-head-dim", 128)}  # fmt: skip
DEGREES = {
    "tensor-model-parallel-size": "tp", "pipeline-model-parallel-size": "pp", "context-parallel-size": "cp",
    "micro-batch-size": "micro_batch", "expert-model-parallel-size": "ep", "num-virtual-stages-per-pipeline-rank": "vpp",
}  # fmt: skip
STATES = {"bf16": "2", "fp8": "1"}  # bytes of a state of the optimizer
STRATEGIES = {"no_shard": 0, "optim": 1, "optim_grads": 2, "optim_grads_params": 3}
# Options that are read below, or say nothing of memory or time as tmplan has them, by their beginning.
SILENT = tuple(
    WORD.findall("""
    account-for accumulate adam- add-qkv apply- attention-backend attention-dropout bf16 bias- calculate ckpt clip-grad
    cp-comm-type cross-entropy cuda-graph data- data-parallel-sharding-strategy ddp- decoder- deterministic disable-bias
    distributed eval- exit- exp-avg expert-tensor-parallel-size flash-attention-version fp16 fp4 fp8 global-batch-size grad-reduce
    gradient-accumulation-fusion group-query hidden-dropout hysteresis init-method initial-loss load log- loss-scale lr main-
    make-vocab manual-gc masked max-position-embeddings megatron-fsdp merge-file min-lr mock-data moe-aux moe-enable moe-flex
    moe-expert-capacity-factor moe-grouped moe-layer-freq moe-pad moe-permute moe-router moe-shared-expert-gate moe-token
    multi-latent no-gradient no-load no-masked no-rope no-save norm-epsilon normalization num-distributed-optimizer-instances
    num-layers-per-virtual-pipeline-stage num-query-groups num-workers optimizer outer-dp overlap pipeline-model-parallel-layout
    position-embedding-type q-lora qk- recompute rope-type rotary save seed seq-length sequence-parallel softmax split
    squared-relu swiglu tensorboard tokenizer tp-comm train- transformer-impl untie use-cpu use-distributed use-flash-attn
    use-mcore use-megatron-fsdp use-precision use-rotary use-torch-fsdp2 v-head vocab-file wandb weight-decay window window-attn
    """)
)


def tokens(text: str, where: str) -> list[str]:
    """The words of a script, variables put in; FileError where its quotes do not close."""
    try:
        words = shlex.split(text.replace("\\\n", " "), comments=True)
    except ValueError as error:
        raise FileError(f"is no shell script tmplan can read: {str(error).lower()}", where=where) from None
    variables = _Variables(where)
    for word in words:
        if (found := ASSIGNED.fullmatch(word)) and not word.startswith("-"):
            variables.known[found[1]] = variables.put_in(_unwrapped(found[2]))
    put = variables.put_in
    return [put(word).strip("()") if word.count("(") != word.count(")") else put(word) for word in words]


def _unwrapped(value: str) -> str:
    """What is assigned, without the parentheses of an array, which may end in another word."""
    return value if value.count("(") == value.count(")") and not value.startswith("(") else value.strip("()")


class _Variables:
    """A script's variables, and how much text they have come to: each may name others twice, and so on."""

    def __init__(self, where: str) -> None:
        self.known: dict[str, str] = {}
        self.where, self.left = where, LARGEST

    def put_in(self, word: str) -> str:
        """A word with its variables replaced by what they were set to, or by their defaults; FileError where they come to too much."""
        return VARIABLE.sub(self._value, word) if "$" in word else word

    def _value(self, found: re.Match[str]) -> str:
        value = self.known.get(found[1], found[2] if found[2] is not None else found[0])
        self.left -= len(value)
        if self.left < 0:
            raise FileError(f"its variables come to more than {LARGEST:,} characters, which no command line holds", where=self.where)
        return value


def arguments(words: Sequence[str]) -> dict[str, list[str]]:
    """Options and their values; the last of an option counts, as in argparse."""
    found: dict[str, list[str]] = {}
    name = ""
    for word in words:
        if word.startswith("--") and len(word) > 2:
            name, _, value = word[2:].partition("=")
            found[name] = [value] if value else []
        elif not word or (word.startswith("-") and not re.fullmatch(r"-[\d.]+(e-?\d+)?", word)):
            name = ""  # the end of an array, or an option of another program
        elif name:
            found[name].extend(part for part in word.split() if part)
    return found


def is_megatron(text: str) -> bool:
    """Whether a text holds Megatron-LM's arguments."""
    return "--tensor-model-parallel-size" in text or ("--num-layers" in text and "--hidden-size" in text)


def read(text: str, where: str) -> Imported:
    """The job and plan of a script or command line; FileError names an option whose value makes no sense."""
    given = arguments(tokens(text, where))
    whole = _Whole(given, where)
    left = [named(f"--{name} {' '.join(values)}") for name, values in given.items() if not understood(name)]
    sizes = _sizes(given, whole)
    if pattern := _sparse(given, sizes):
        left.append(pattern)
    plan: dict[str, Any] = {axis: count for option, axis in DEGREES.items() if (count := whole(option)) is not None}
    plan |= _virtual(whole, sizes, plan) | _zero(given, whole, where) | _recompute(given, whole, where)
    plan["sequence_parallel"] = int("sequence-parallel" in given and plan.get("tp", 1) > 1)
    if sizes.get("experts"):
        plan["etp"] = whole("expert-tensor-parallel-size") or plan.get("tp", 1)
    nodes, node = whole("nnodes"), whole("nproc-per-node") or whole("nproc_per_node")
    job, strange = _with_told(text, _job(given, whole), given)
    stack = str(job.pop("stack", "megatron-core"))
    return Imported("Megatron-LM", stack, sizes, job, plan, (nodes or 1) * node if node else 0, node or 0, left + strange)


def _with_told(text: str, job: dict[str, Any], given: Mapping[str, list[str]]) -> tuple[dict[str, Any], list[str]]:
    """The job with what a comment of tmplan's own told beside the options, which win; and what of it is not understood."""
    line = LINE.search(text)
    told, left = assumptions_of(line[1]) if line else ({}, [])
    backend = given.get("attention-backend")
    if "attention" in told and backend not in (["fused"], [FLASH[str(told["attention"])]]):
        del told["attention"]  # the script was changed since
    return told | job, left


def _sizes(given: Mapping[str, list[str]], whole: _Whole) -> dict[str, Any]:
    """The model's sizes, with what Megatron-LM has them at where an option is absent; traits whose option is absent stay open."""
    sizes: dict[str, Any] = {field: count for option, field in SIZES.items() if (count := whole(option, 0)) is not None}
    if not sizes:
        return sizes
    sizes["gated"], sizes["tied"] = "swiglu" in given, "untie-embeddings-and-output-weights" not in given
    latent = "multi-latent-attention" in given
    if "group-query-attention" in given:
        sizes["kv_heads"] = whole("num-query-groups") or 1
    elif "heads" in sizes:
        sizes["kv_heads"] = sizes["heads"]
    if latent:
        sizes.setdefault("kv_rank", 512)
        sizes |= {field: whole(option, 0) or usual for field, (option, usual) in LATENT.items()}
    else:
        sizes |= {"kv_rank": 0, "q_rank": 0, "rope_dim": 0, "v_dim": 0}
        if sizes.get("hidden") and sizes.get("heads"):
            sizes.setdefault("head_dim", sizes["hidden"] // sizes["heads"])
    if sizes.get("hidden") and "ffn" not in sizes:
        sizes["ffn"] = int(4 * sizes["hidden"] * 2 / 3 / 64) * 64 if sizes["gated"] else 4 * sizes["hidden"]
    if sizes.get("experts"):
        sizes = {"expert_ffn": sizes.get("ffn", 0), "experts_per_token": 2, "shared_ffn": 0, "mtp_layers": 0} | sizes
        sizes |= {"shared_gate": "moe-shared-expert-gate" in given, "router_groups": whole("moe-router-num-groups", 0) or 0}
        sizes["groups_per_token"] = whole("moe-router-group-topk", 0) or 0
    return sizes | _traits(given, latent, whole)


def _traits(given: Mapping[str, list[str]], latent: bool, whole: _Whole) -> dict[str, Any]:
    """What no field of the form holds: norms, biases, positions, windows. What Megatron-LM has no option for is told as absent."""
    window = re.fullmatch(r"\(?([0-9]{1,10}),0\)?", "".join(given.get("window-size", [])))
    told: dict[str, Any] = {
        "qk_norm": "head" if "qk-layernorm" in given and not latent else "none", "bias": "disable-bias-linear" not in given,
        "qkv_bias": "add-qkv-bias" in given, "sinks": given.get("softmax-type") == ["learnable"],
        "sliding_window": int(window[1]) if window else 0, "norms_per_layer": 2, "embedding_norm": False, "parallel_block": False,
        "chunked": False,
    }  # fmt: skip
    if window and given.get("window-attn-skip-freq", [""])[0].isdecimal():
        told["global_every"] = whole("window-attn-skip-freq") or 1
    if (norm := "".join(given.get("normalization", [])).lower()) in ("rmsnorm", "layernorm"):
        told["norm"] = norm
    positions = {"rope": "rope", "learned_absolute": "learned"}.get("".join(given.get("position-embedding-type", [])))
    if positions:
        told["positions"] = positions
    if positions == "learned" and (most := whole("max-position-embeddings")):
        told["max_positions"] = most
    if rate := given.get("hidden-dropout"):
        told["dropout"] = not re.fullmatch(r"0(\.0*)?", rate[0])
    return told


def _sparse(given: Mapping[str, list[str]], sizes: dict[str, Any]) -> str:
    """Put dense_layers and moe_every into the sizes; what is not understood of --moe-layer-freq, empty where all is."""
    if not sizes.get("experts"):
        return ""
    text = "".join(given.get("moe-layer-freq", [])) or "1"
    found = dense_and_every(text, int(sizes.get("layers", 0)))
    if found is None:
        return named(f"--moe-layer-freq {text}: no dense layers first and then one in so many with experts; every layer is taken as sparse")
    sizes["dense_layers"], sizes["moe_every"] = found
    return ""


def understood(name: str) -> bool:
    """Whether an option is read, or says nothing of memory or time."""
    return name in SIZES or name in DEGREES or name in LAUNCHER or name.startswith(SILENT)


class _Whole:
    """The whole number an option has; None where it is absent or stands on a variable nobody set."""

    def __init__(self, given: Mapping[str, list[str]], where: str) -> None:
        self.given, self.where = given, where

    def __call__(self, name: str, least: int = 1) -> int | None:
        values = self.given.get(name)
        if not values or "$" in values[0]:
            return None
        if not re.fullmatch(r"[0-9]{1,12}", values[0]):
            raise FileError(f"option --{name} must be a whole number, not {quoted(values[0])}", where=self.where)
        if int(values[0]) < least:
            raise FileError(f"option --{name} must be at least {least}, not {values[0]}", where=self.where)
        return int(values[0])


def _job(given: Mapping[str, list[str]], whole: _Whole) -> dict[str, Any]:
    """Sequence, batch, precision and options of the job."""
    job: dict[str, Any] = {}
    for option, field in (("seq-length", "sequence"), ("global-batch-size", "global_batch")):
        if (count := whole(option)) is not None:
            job[field] = count
    narrow = [name for name, option in (("fp4", "fp4-format"), ("fp8", "fp8-format"), ("fp16", "fp16")) if option in given]
    job["precision"] = narrow[0] if narrow else "bf16"
    grads = [given.get(option) == ["bf16"] for option in ("main-grads-dtype", "megatron-fsdp-main-grads-dtype")]
    grads.append("fp16" in given and "accumulate-allreduce-grads-in-fp32" not in given)  # under bf16 Megatron-LM sets it itself
    if "grad-reduce-in-bf16" in given or any(grads):
        job["gradient_bytes"] = "2"
    if (state := STATES.get((given.get("exp-avg-dtype") or [""])[0])) is not None:
        job["state_bytes"] = state
    if given.get("optimizer") == ["sgd"]:
        job["optimizer"] = "sgd"
    if given.get("attention-backend") == ["unfused"]:
        job["attention"] = "unfused" if "no-masked-softmax-fusion" in given else "fused-softmax"
    elif given.get("attention-backend") == ["flash"] and given.get("flash-attention-version") in (["2"], ["3"]):
        job["attention"] = f"flash-{given['flash-attention-version'][0]}"
    if "optimizer-cpu-offload" in given:
        job["offload_optimizer"] = True
    if "overlap-moe-expert-parallel-comm" in given:
        job["overlap_experts"] = True
    factor = given.get("moe-expert-capacity-factor", [""])[0:1]
    if factor and re.fullmatch(r"\d{1,2}(\.\d+)?", factor[0]):
        job["capacity"] = float(factor[0])
    return job


def _virtual(whole: _Whole, sizes: Mapping[str, Any], plan: Mapping[str, Any]) -> dict[str, int]:
    """Virtual stages, told by their layers or by a layout."""
    per, layers = whole("num-layers-per-virtual-pipeline-stage"), int(sizes.get("layers", 0))
    if per and layers:
        return {"vpp": max(1, layers // (int(plan.get("pp", 1)) * per))}
    layout = "".join(whole.given.get("pipeline-model-parallel-layout", []))
    if layout:
        repeated = sum(part[1].count("|") * int(part[2] or 1) for part in REPEATED.finditer(layout))
        return {"vpp": max(1, (repeated + REPEATED.sub("", layout).count("|") + 1) // int(plan.get("pp", 1)))}
    return {}


def _zero(given: Mapping[str, list[str]], whole: _Whole, where: str) -> dict[str, int]:
    """The ZeRO stage and its replicas."""
    zero = 1 if "use-distributed-optimizer" in given else 0
    if "use-megatron-fsdp" in given:
        name = (given.get("data-parallel-sharding-strategy") or ["no_shard"])[0]
        if name not in STRATEGIES:
            raise FileError(
                f"option --data-parallel-sharding-strategy must be one of {', '.join(STRATEGIES)}, not {quoted(name)}", where=where
            )
        zero = STRATEGIES[name]
    elif "use-torch-fsdp2" in given:
        zero = 3
    replicas = whole("num-distributed-optimizer-instances") or 1
    return {"zero": zero} | ({"dp_replicate": replicas} if zero and replicas > 1 else {})


def _recompute(given: Mapping[str, list[str]], whole: _Whole, where: str) -> dict[str, Any]:
    """What is recomputed."""
    kind = (given.get("recompute-granularity") or [""])[0]
    if "recompute-activations" in given:
        kind = "selective"
    if kind == "full" and given.get("recompute-method") == ["block"]:
        return {"recompute": "first", "recompute_layers": whole("recompute-num-layers") or 1}
    if kind not in ("", "full", "selective"):
        raise FileError(f"option --recompute-granularity must be full or selective, not {quoted(kind)}", where=where)
    return {"recompute": kind or "none"}
