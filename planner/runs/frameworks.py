"""Frameworks as sources name them -> stacks, and what the words beside a run change in them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from planner import presets
from planner.specs.hardware import Gpu
from planner.specs.job import Selective, Stack

# Words in the name of a framework -> the stack that stands for it; the first that is found counts. Plain Megatron-LM on GPUs
# older than Hopper is the one of the 2021 and 2022 papers.
FRAMEWORKS: tuple[tuple[str, str], ...] = (
    ("megatron-deepspeed", "megatron-deepspeed"), ("vocabularyparallelism", "megatron-core"), ("aleph", "aleph-alpha"),
    ("aa-scaling", "aleph-alpha"), ("nanotron", "nanotron"), ("picotron", "nanotron"), ("torchtitan", "torchtitan"),
    ("fms-fsdp", "pytorch-fsdp"), ("foundry", "pytorch-fsdp"), ("composer", "pytorch-fsdp"), ("fsdp2", "torchtitan"),
    ("fsdp", "pytorch-fsdp"), ("maxtext", "maxtext"), ("paxml", "maxtext"), ("jax", "maxtext"), ("internevo", "internevo"),
    ("internlm", "internevo"), ("colossal", "internevo"), ("nemo/megatron", "nemo-tuned"), ("bridge", "nemo-tuned"),
    ("nemo (", "nemo"), ("nemo framework", "nemo-tuned"), ("nvidia", "nemo-tuned"), ("nemo", "nemo"),
    ("transformerengine", "megatron-core"), ("ci functional", "megatron-core"), ("core", "megatron-core"),
    ("zero bubble", "zero-bubble"), ("megatron", "megatron-lm"), ("oneflow", "megatron-lm-2021"), ("deepspeed", "deepspeed"),
    ("zero", "deepspeed"), ("levanter", "maxtext"), ("litgpt", "pytorch-fsdp"), ("axolotl", "pytorch-fsdp"),
    ("accelerate", "pytorch-fsdp"), ("transformers", "pytorch-fsdp"), ("lightning", "pytorch-fsdp"), ("pytorch", "pytorch-fsdp"),
)  # fmt: skip
USUAL_STACK = "megatron-core"
OLD = ("volta", "ampere")
# What a source says beside the columns -> what changes in the stack for that run.
HINTS: tuple[tuple[str, Mapping[str, Any]], ...] = (
    (r"fused RMSNorm|RMS kernel", {"norm_traffic": 1.0, "norm_kept": 3.0}),
    (r"PRE-FIX pipeline|after_pp_fix=False", {"gathered_in_pipeline": False}),  # nanotron before its pipelines were mended
    (r"cross-entropy-loss-fusion", {"logits_bytes": 10.0}),  # jitted, it keeps fp32 copies: 10.0 in Megatron-LM's functional tests
    (r"no grad/param overlap", {"dp_overlap": 0.0, "gather_overlap": 0.0}),
    (r"TE graphs|cuda_graph", {"host_experts_s": 0.0}),  # CUDA graphs launch the router and what prepares its dispatch
)
# Megatron-Core's recompute modules -> what is kept of each activation and which parts of the forward pass are repeated (the comments on
# recompute_modules in megatron/core/transformer/transformer_config.py). `layernorm` repeats the norms alone, of what the residual stream
# costs element by element about a third; `mla_up_proj` the up-projections, about half of what makes queries, keys and values. Both shares
# are estimates. `mlp` and `shared_experts` are one here: a sparse layer's MLP is its shared experts.
MODULES: Mapping[str, tuple[Mapping[str, float], Mapping[str, float]]] = {
    "core_attn": ({"scores": 0.0}, {"attention": 1.0}),
    "moe_act": ({"expert_act": 0.0}, {"expert_act": 1.0}),
    "layernorm": ({"linear_in": 0.0}, {"elementwise": 0.3}),
    "mla_up_proj": ({"qkv": 0.0}, {"qkv": 0.5}),
    "mlp": ({"mlp_hidden": 0.0, "act_out": 0.0}, {"mlp": 1.0}),
    "moe": ({"router": 0.0, "expert_in": 0.0, "expert_hidden": 0.0, "expert_act": 0.0}, {"experts": 1.0}),
    "shared_experts": ({"mlp_hidden": 0.0, "act_out": 0.0}, {"mlp": 1.0}),
}
# The same of what moves to the host while it waits for the backward pass (--offload-modules).
OFFLOADED = {
    "expert_fc1": ("expert_in",), "moe_act": ("expert_hidden", "expert_act"), "attn_norm": ("norm_in",), "mlp_norm": ("norm_in",),
    "qkv_linear": ("linear_in",), "core_attn": ("qkv", "scores"), "attn_proj": ("attention_out",),
}  # fmt: skip
TOLD_OFFLOADED = re.compile(r"--offload-modules=\[([\w ]+)\]")
TOLD_MODULES = re.compile(r"selective:\s*\[?(\w+(?:[ ,]+\w+)*)")  # selective:moe_act,mlp or selective:[moe_act mlp]
# Software that runs on Blackwell is of 2025: torchtitan compiles its loss since, which keeps the logits in 16 bits alone.
SINCE_BLACKWELL: Mapping[str, Mapping[str, Any]] = {"torchtitan": {"logits_bytes": 2.0}}


@lru_cache(maxsize=1)
def _stacks() -> frozenset[str]:
    return frozenset(presets.names("stacks"))


@lru_cache(maxsize=64)
def named(name: str) -> Stack:
    """A stack by name; the same object for the same name."""
    return presets.stack(name)


def stack_of(framework: str, note: str, gpu: Gpu, narrow_moments: bool = False) -> tuple[Stack, bool]:
    """The stack a run had, as its note and its GPU's age change it, and whether its framework is known.

    narrow_moments: the optimizer's moments are kept in 16 bits, beside a whole master copy.
    """
    name = framework.lower()
    found = next((stack for word, stack in FRAMEWORKS if word in name), None)
    if name in _stacks():
        found = name
    known = found is not None
    found = found or USUAL_STACK
    if found == "megatron-core" and "tp-comm-overlap" in note:
        found = "nemo-tuned"
    if found == "megatron-lm":
        found = "megatron-lm-2021" if gpu.arch in OLD else "megatron-core"
    hints = tuple(i for i, (words, _) in enumerate(HINTS) if re.search(words, note))
    told = TOLD_MODULES.search(note)
    modules = tuple(sorted(set(re.split(r"[ ,]+", told[1])) & set(MODULES))) if told else ()
    away = TOLD_OFFLOADED.search(note)
    offloaded = tuple(sorted(set(away[1].split()) & set(OFFLOADED))) if away else ()
    return _changed(found, hints, gpu.arch.startswith("blackwell"), modules, offloaded, narrow_moments), known


@lru_cache(maxsize=256)
def _changed(
    name: str, hints: tuple[int, ...], blackwell: bool, modules: tuple[str, ...], offloaded: tuple[str, ...], narrow_moments: bool
) -> Stack:
    """A stack as what a run's note says of it and the age of its GPU change it; the same object for the same changes."""
    stack = named(name)
    if blackwell and name in SINCE_BLACKWELL:
        stack = replace(stack, **SINCE_BLACKWELL[name])
    if narrow_moments:
        stack = replace(stack, master_bytes=4.0)
    for i in hints:
        stack = replace(stack, **HINTS[i][1])
    chosen = selective(modules) if modules else stack.selective
    gone = dict.fromkeys((term for module in offloaded for term in OFFLOADED[module]), 0.0)
    return replace(stack, selective=Selective({**chosen.keep, **gone}, chosen.repeat)) if modules or gone else stack


def selective(modules: Iterable[str]) -> Selective:
    """What recomputing these of Megatron-Core's modules keeps and repeats."""
    keep: dict[str, float] = {}
    repeat: dict[str, float] = {}
    for module in modules:
        kept, repeated = MODULES[module]
        keep |= kept
        repeat |= repeated
    return Selective(keep, repeat)
