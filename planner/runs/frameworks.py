"""The stack of a measured run, from the name of its framework, its date, its columns and its note."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

from planner import presets
from planner.runs.dates import dated, stated
from planner.runs.moe_of_row import dispatcher
from planner.runs.options_of_row import STORED_TENSORS, modules
from planner.runs.row import Row, cell, flag
from planner.specs.dispatchers import DISPATCHERS
from planner.specs.hardware import Gpu
from planner.specs.job import Stack
from planner.specs.lora import TUNINGS
from planner.specs.options import CUDA_GRAPHS, LOSS_KERNELS, OPTIMIZERS
from planner.specs.options import MODULES as RECOMPUTED
from planner.specs.recipes import RECIPES
from planner.specs.recompute import MODULES, OFFLOADED, Selective, selective

# Substring of a framework's name -> its stack; the first match counts. Megatron-LM before 2023-06, without a date on GPUs older than
# Hopper, is that of the 2021 and 2022 papers. Trainers on top of the models of transformers, or written like them, are one stack; with
# DeepSpeed they are DeepSpeed.
FRAMEWORKS: tuple[tuple[str, str], ...] = (
    ("megatron-deepspeed", "megatron-deepspeed"), ("gpt-neox", "megatron-deepspeed"), ("neox", "megatron-deepspeed"),
    ("deepspeed 3d", "megatron-deepspeed"), ("megatron-swift", "megatron-core"), ("megatron_swift", "megatron-core"),
    ("vocabularyparallelism", "megatron-core"), ("aleph", "aleph-alpha"), ("aa-scaling", "aleph-alpha"), ("nanotron", "nanotron"),
    ("picotron", "nanotron"), ("brrr", "nanotron"), ("torchtitan", "torchtitan"), ("titan", "torchtitan"), ("veomni", "torchtitan"),
    ("fms-fsdp", "pytorch-fsdp"), ("foundry", "pytorch-fsdp"), ("composer", "pytorch-fsdp"), ("metaseq", "pytorch-fsdp"),
    ("fairscale", "pytorch-fsdp"), ("olmo-core", "torchtitan"), ("olmo", "pytorch-fsdp"), ("lit-gpt", "transformers"),
    ("deepspeed", "deepspeed"), ("atorch", "transformers"),
    ("hugging", "transformers"), ("sfttrainer", "transformers"), ("open-instruct", "transformers"), ("openrlhf", "deepspeed"),
    ("trl", "transformers"), ("accelerate", "transformers"), ("transformers", "transformers"), ("litgpt", "transformers"),
    ("lightning", "transformers"), ("fabric", "transformers"), ("torchtune", "transformers"), ("axolotl", "transformers"),
    ("llama-recipes", "transformers"), ("llama-cookbook", "transformers"), ("automodel", "transformers"),
    ("llama-factory", "transformers"), ("llamafactory", "transformers"), ("unsloth", "transformers"), ("fsdp_qlora", "transformers"),
    ("pai-megatron", "megatron-core"), ("swift", "transformers"), ("peft", "transformers"), ("qlora", "transformers"),
    ("xtuner", "deepspeed"), ("megatron-fsdp", "megatron-core"), ("ddp", "transformers"), ("fsdp2", "torchtitan"),
    ("simplefsdp", "torchtitan"), ("fsdp", "pytorch-fsdp"),
    ("maxtext", "maxtext"), ("maxdiffusion", "maxtext"), ("paxml", "maxtext"), ("t5x", "maxtext"), ("mesh transformer", "maxtext"),
    ("easylm", "maxtext"), ("axlearn", "maxtext"), ("tunix", "maxtext"), ("jax", "maxtext"), ("levanter", "maxtext"),
    ("internevo", "internevo"), ("internlm", "internevo"), ("colossal", "internevo"),
    ("primus", "megatron-core"), ("modelopt", "megatron-core"), ("verl", "megatron-core"), ("mindspeed", "megatron-core"),
    ("nemo/megatron", "nemo-tuned"), ("bridge", "nemo-tuned"), ("nemo (", "nemo"), ("nemo 2", "nemo-tuned"), ("nemo2", "nemo-tuned"),
    ("nemo framework", "nemo-tuned"), ("nvidia", "nemo-tuned"), ("nemo", "nemo"), ("transformerengine", "megatron-core"),
    ("transformer engine", "megatron-core"), ("ci functional", "megatron-core"), ("core", "megatron-core"), ("zero bubble", "zero-bubble"),
    ("zero-bubble", "zero-bubble"), ("megatron", "megatron-lm"), ("oneflow", "megatron-lm-2021"), ("libai", "megatron-lm-2021"),
    ("bmtrain", "deepspeed"), ("hai-llm", "deepseek"), ("deepseek", "deepseek"), ("zero", "deepspeed"), ("pytorch", "transformers"),
)  # fmt: skip
USUAL_STACK = "megatron-core"
OLD = ("volta", "ampere")
CORE = "2023-06"  # Megatron-LM's layers are those of Megatron-Core: core/transformer, release 0.3.0
# A measured run has had its choices: they are not refused, as those of a plan are that a framework does not support.
ALL_CHOICES: Mapping[str, Any] = {
    "optimizers": OPTIMIZERS, "loss_kernels": LOSS_KERNELS, "recompute_modules": RECOMPUTED, "steps_in_backward": True,
    "tunings": TUNINGS, "cuda_graphs": CUDA_GRAPHS, "quantized_experts": True, "fp8_recipes": RECIPES,
}  # fmt: skip
# Substring of a framework's name -> fields of its stack that are that trainer's. torchtune's recipes compute the loss in chunks, compile
# and fuse the step; fsdp_qlora's loop holds the output, fp32 logits, during the backward pass.
TRAINERS: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("torchtune", {"loss_kernel": "chunked", "kernels": "compiled", "foreach": False}),
    ("fsdp_qlora", {"logits_bytes": 16.0, "wide_adapters": False}),  # its own LoRA, in 16 bits (scripts/lora.py)
    ("transformer engine script", {"casts": "te", "usual_fp8_recipe": "delayed"}),  # its autocast's default
    ("fms-fsdp", {"kernels": "compiled"}),  # fms_fsdp/config/training.py, use_torch_compile
)  # fmt: skip
# MaxText's policy that keeps the layer's input, queries, keys, values and the result of attention.
STORED = Selective(
    {"norm_in": 0.5, "linear_in": 0.0, "mlp_hidden": 0.0, "act_out": 0.0}, {"projection": 1.0, "mlp": 1.0, "elementwise": 1.0}
)
# Pattern in a note -> fields of the stack that change for that run.
HINTS: tuple[tuple[str, Mapping[str, Any]], ...] = (
    # Kwai's fork of Megatron-LM repeats norms and the activation function
    (r"MLP activation function \+ norm", {"selective": Selective({"linear_in": 0.0, "act_out": 0.0}, {"elementwise": 1.0})}),
    (STORED_TENSORS, {"selective": STORED}),
    (r"fast rms-norm, fast rope", {"gate_kept": 1.0}),  # Kwai's fork: SwiGLU as in Megatron-LM before bias_swiglu_fusion, in two kernels
    (r"fused RMSNorm|RMS kernel", {"unfused": ("rotary", "activation"), "norm_kept": 3.0}),
    (r"PRE-FIX pipeline|after_pp_fix=False", {"gathered_in_pipeline": False}),  # nanotron before its pipelines were fixed
    (r"cross-entropy-loss-fusion", {"fused_logits_bytes": 10.0}),  # jitted, it saves fp32 copies: 10.0 in Megatron-LM's functional tests
    (r"float8nocompile", {"casts": "te"}),  # torchao, prototype/float8nocompile: Triton kernels that cast both copies at once
    (r"no grad/param overlap", {"dp_overlap": 0.0, "gather_overlap": 0.0}),
)
OFFLOAD_MODULES = re.compile(r"--offload-modules=\[([\w ]+)\]")
# Software that supports Blackwell dates from 2025; since then torchtitan compiles its loss, which stores the logits only in 16 bits.
SINCE_BLACKWELL: Mapping[str, Mapping[str, Any]] = {"torchtitan": {"logits_bytes": 2.0}}


@lru_cache(maxsize=1)
def _stacks() -> frozenset[str]:
    return frozenset(presets.names("stacks"))


@lru_cache(maxsize=64)
def named(name: str) -> Stack:
    """A stack by name; the same object for the same name."""
    return presets.stack(name)


def stack_of(row: Row, gpu: Gpu) -> tuple[Stack, bool]:
    """The stack of a run, with the changes by its columns, its note and the generation of its GPU, and whether its framework is known."""
    framework, note = cell(row, "framework"), cell(row, "note")
    name, preset = framework.lower(), cell(row, "stack")
    match = preset or (name if name in _stacks() else next((stack for word, stack in FRAMEWORKS if word in name), None))
    stack = match or USUAL_STACK
    if stack == "megatron-core" and not preset and (flag(row, "tp_overlap") or "tp-comm-overlap" in note):
        stack = "nemo-tuned"
    if stack == "megatron-lm":
        date = stated(row)
        early = date < CORE if date else gpu.arch in OLD
        stack = "megatron-lm-2021" if early else "megatron-core"
    text = f"{cell(row, 'recompute_modules')}; {note}"
    hints = tuple(i for i, (words, _) in enumerate(HINTS) if re.search(words, text))
    offload = OFFLOAD_MODULES.search(note)
    offloaded = tuple(sorted(set(offload[1].split()) & set(OFFLOADED))) if offload else ()
    trainer = next((i for i, (word, _) in enumerate(TRAINERS) if word in name), -1)
    blackwell, release = gpu.arch.startswith("blackwell"), presets.release(stack, dated(row, stack))
    exchange = dispatcher(row) if cell(row, "experts") else ""
    change = Change(hints, blackwell, modules(row, MODULES), offloaded, release, trainer, exchange)
    return _changed(stack, change), match is not None


class Change(NamedTuple):
    """What changes a stack for one run."""

    hints: tuple[int, ...] = ()
    blackwell: bool = False
    modules: tuple[str, ...] = ()
    offloaded: tuple[str, ...] = ()
    release: str = ""  # of the stack: its first month
    trainer: int = -1  # of TRAINERS
    dispatcher: str = ""  # of tokens to experts, where a row has one: not refused


@lru_cache(maxsize=256)
def _changed(name: str, change: Change) -> Stack:
    """A stack with the changes of a run; the same object for the same changes."""
    stack = replace(presets.stack_at(name, change.release), **ALL_CHOICES)
    if change.dispatcher in DISPATCHERS and change.dispatcher not in stack.dispatchers:
        stack = replace(stack, dispatchers=(*stack.dispatchers, change.dispatcher))
    if change.trainer >= 0:
        stack = replace(stack, **TRAINERS[change.trainer][1])
    if change.blackwell and name in SINCE_BLACKWELL:
        stack = replace(stack, **SINCE_BLACKWELL[name])
    for i in change.hints:
        stack = replace(stack, **HINTS[i][1])
    chosen = selective(change.modules) if change.modules else stack.selective
    absent = dict.fromkeys((term for module in change.offloaded for term in OFFLOADED[module]), 0.0)
    return replace(stack, selective=Selective({**chosen.keep, **absent}, chosen.repeat)) if change.modules or absent else stack
