"""Frameworks as sources name them -> stacks, and what the words beside a run change in them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from planner import presets
from planner.specs import Gpu, Stack

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
    ("zero bubble", "megatron-lm-2021"), ("megatron", "megatron-lm"), ("oneflow", "megatron-lm-2021"), ("deepspeed", "deepspeed"),
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
)
# Software that runs on Blackwell is of 2025: torchtitan compiles its loss since, which keeps the logits in 16 bits alone.
SINCE_BLACKWELL: Mapping[str, Mapping[str, Any]] = {"torchtitan": {"logits_bytes": 2.0}}


@lru_cache(maxsize=1)
def _stacks() -> frozenset[str]:
    return frozenset(presets.names("stacks"))


@lru_cache(maxsize=64)
def named(name: str) -> Stack:
    """A stack by name; the same object for the same name."""
    return presets.stack(name)


def stack_of(framework: str, note: str, gpu: Gpu) -> tuple[Stack, bool]:
    """The stack a run had, as its note and its GPU's age change it, and whether its framework is known."""
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
    return _changed(found, hints, gpu.arch.startswith("blackwell")), known


@lru_cache(maxsize=256)
def _changed(name: str, hints: tuple[int, ...], blackwell: bool) -> Stack:
    """A stack as what a run's note says of it and the age of its GPU change it; the same object for the same changes."""
    stack = named(name)
    if blackwell and name in SINCE_BLACKWELL:
        stack = replace(stack, **SINCE_BLACKWELL[name])
    for i in hints:
        stack = replace(stack, **HINTS[i][1])
    return stack
