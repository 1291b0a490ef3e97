"""The choices of a measured run that decide its memory: from its columns, else from words in its note, else the usual ones of its stack."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from planner.errors import FieldError
from planner.plaintext import quoted
from planner.runs.row import Row, assume, cell, flag, whole
from planner.specs.job import WIDE, Stack
from planner.specs.lora import TUNINGS
from planner.specs.model import Model
from planner.specs.options import CUDA_GRAPHS, KERNELS, LOSS_KERNELS, MODULES, OPTIMIZERS, STATE_BYTES
from planner.specs.recipes import RECIPES

SAME_PRECISION = {"float32": "fp32", "f32": "fp32", "fp32 (tf32)": "tf32", "float16": "fp16", "bfloat16": "bf16", "mixed": "bf16"}
# Names of recipes in `fp8_recipe`.
RECIPE_NAMES = {name: name for name in RECIPES} | {"tensorwise": "current", "subchannel": "blockwise"}
Words = tuple[tuple[str, str], ...]  # pattern -> choice; the first match counts
# The same choice in the words of a column, and in a note, which may also say what was not used.
LOSS: Words = (
    (r"fused[- ]linear|liger|cut cross", "fused-linear"), (r"chunk|tiled", "chunked"), (r"unfused|plain|eager", "plain"),
    (r"fused", "fused"),
)  # fmt: skip
NOTED_LOSS: Words = (
    (r"(?<!no )(?<!without )(?:fused linear|liger)", "fused-linear"), (r"chunked[_ ](?:nll|loss|cross)", "chunked"),
    (r"cross-entropy-loss-fusion|\bCE fusion|fused kernels[^;]*cross-entropy", "fused"),
)  # fmt: skip
NOTED_RECIPE: Words = (
    (r"(?:float8|fp8)[ -](?:rowwise|row-wise)", "rowwise"), (r"(?:float8|fp8)[ -]tensorwise", "current"), (r"delayed scaling", "delayed"),
)  # fmt: skip
ELEMENTWISE: Words = ((r"eager", "eager"), (r"compile", "compiled"), (r"fused", "fused"))
NOTED_ELEMENTWISE: Words = (
    (r"no torch\.compile|\beager\b|nocompile", "eager"), (r"torch\.compile", "compiled"),
    (r"fused kernels|(?<!no )(?<!without )liger", "fused"),
)  # fmt: skip
GRAPHS: Words = (
    (r"attention and router", "attention-router"), (r"router", "router"), (r"layers", "layers"), (r"full", "full"),
    (r"^(?:none|no|0)$", "none"),
)  # fmt: skip
NOTED_GRAPHS: Words = ((r"TE graphs|cuda_graph", "router"),)
NOTED_OPTIMIZER: Words = (
    (r"paged[^;,]*8-?bit|8-?bit[^;,]*paged", "adamw-8bit-paged"), (r"8-?bit (?:Adam|optimizer)|Adam\w*-?8-?bit", "adamw-8bit"),
    (r"Adafactor", "adafactor"), (r"\bLion\b", "lion"), (r"dist_muon|layer-?wise[^;,]*muon", "muon-sharded"), (r"\bMuon\b", "muon"),
    (r"SGD without momentum", "sgd-plain"), (r"\bSGD\b", "sgd"),
)  # fmt: skip
# Parts of `offload` -> fields of a job. "ZeRO-3 offload" is DeepSpeed's ZeRO-Infinity of optimizer and parameters.
OFFLOADS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"optimizer|zero-?\d offload|adam", ("offload_optimizer",)),
    (r"parameters|weights|zero-?3 offload", ("offload_parameters", "offload_optimizer")),
    (r"checkpoints|decoder_layer_input[^;]*offloaded", ("offload_checkpoints",)), (r"nvme", ("offload_nvme", "offload_optimizer")),
)  # fmt: skip
# torchtune's recipes with 8-bit states (llama3_1/8B_full_single_device.yaml: PagedAdamW8bit, optimizer_in_bwd).
TORCHTUNE_8BIT = "optimizer in the backward pass"
TRAINED_TABLES = r"embedding and head trained"  # with adapters (PEFT's modules_to_save)
# Trainers that load the weights in the type of their checkpoint, 16 bits, and train them whole in it: peaks of IBM's runs of the
# SFTTrainer, on one GPU and under FSDP, have 6 bytes per parameter before the gradients.
LOADED_NARROW = r"sfttrainer|\btrl\b"
# NVIDIA's recipes of models with latent attention store Adam's moments in bf16 (recipes/moonlight/moonlight_16b.py,
# recipes/deepseek/deepseek_v3.py: exp_avg_dtype, exp_avg_sq_dtype).
NARROW_MOMENTS = ("nemo", "nemo-tuned")
# Names of adapted matrices in `lora_targets` -> their place in a layer. Qwen's w1 and w2 are gate and up.
OF_MLP = r"mlp|w[123]|gate|up|down|fc\d?|all|linear"
OF_KEYS = r"\bk\b|\bo\b|key|projection|c_attn|qkv|output|k_proj|o_proj|attention"
FOUR_BITS = ("nf4", "gptq-int4", "fp4", "int4")
DOUBTED = "settings"  # the key in `assumed` of settings that may not be those of the run
# Words in a note -> fields of a job that are true, where no column says otherwise.
# TRL prepares a model in 4 bits on one GPU with prepare_model_for_kbit_training: what is not quantized in fp32, under autocast.
KBIT = "baseline-peft-bnb"
NOTED_SWITCHES: Words = (
    (r"--fp8-param-gather=True|float8 all-?gather", "fp8_parameters"),
    (r"optimizer in (?:the )?backward|optimizer_in_bwd", "optimizer_in_backward"),
    (r"expandable[_ ]segments", "expandable_segments"), (r"bf16 amp", "autocast"), (r"--optimizer-cpu-offload=True", "offload_optimizer"),
)  # fmt: skip
# Tensors of MaxText's remat policies (configs/types.py, RematAndOffload), and a policy that keeps those of attention.
TENSORS = "decoder_layer_input|context|mlpwo|out_proj|query_proj|key_proj|value_proj"
STORED_TENSORS = r"\bq, k, v\b[^;]*(?:stored|kep\w)"
SWITCHES = ("autocast", "foreach", "optimizer_in_backward", "expandable_segments", "fp8_parameters")


def precision_of(row: Row, assumed: dict[str, str]) -> str:
    """The precision of a Job: that of `dtype`, else 8 or 4 bits by the recipe, else bf16."""
    recipe = cell(row, "fp8_recipe").lower()
    known = cell(row, "dtype").lower() or ({"nvfp4": "fp4", "mxfp4": "fp4"}.get(recipe, "fp8") if recipe else "")
    known = SAME_PRECISION.get(known, known)
    if known in WIDE and cell(row, "finetune").lower() in TUNINGS[1:]:  # frozen weights in fp32, products in 16 bits
        return str(assume(assumed, "dtype", "bf16"))
    return known or str(assume(assumed, "dtype", "bf16"))


def doubted(row: Row, assumed: dict[str, str]) -> None:
    """List as assumed the reason why the settings of a row may not be those of the run."""
    trust = cell(row, "settings_trust").lower()
    if trust == "text" or "guess" in trust or "differs" in trust:
        assume(assumed, DOUBTED, trust)
    if re.search(TRAINED_TABLES, cell(row, "note")):
        assume(assumed, DOUBTED, "the embedding and the head are trained with the adapters, which is not modelled")


def options(
    row: Row, stack: Stack, model: Model, precision: str, memory_bytes: float, assumed: dict[str, str]
) -> dict[str, Any]:  # fmt: skip
    """The fields of a Job that decide its memory, without those of adapters; memory_bytes: of the GPU. FieldError for invalid cells."""
    note = cell(row, "note")
    if cell(row, "framework").lower().startswith("torchtune") and cell(row, "moment_bytes") == "1":
        note = f"{note}; {TORCHTUNE_8BIT}"
    fields: dict[str, Any] = {key: True for words, key in NOTED_SWITCHES if re.search(words, note)}
    if precision != "fp8":
        fields.pop("fp8_parameters", None)
    if KBIT in note and whole(row, "gpus", 1) == 1:
        fields["autocast"] = True
    if every := recomputed_every(row):
        fields["recompute_every"] = every
    fields |= {key: chosen for key in SWITCHES if (chosen := flag(row, key)) is not None}
    fields.setdefault("autocast", stack.autocast)
    if precision in WIDE:
        fields["autocast"] = False
    fields.setdefault("foreach", stack.foreach)
    loss = _choice(row, "loss_kernel", LOSS_KERNELS, LOSS, NOTED_LOSS) or stack.loss_kernel
    kernels = _choice(row, "kernels", KERNELS, ELEMENTWISE, NOTED_ELEMENTWISE)
    if not kernels and precision in ("fp8", "fp4") and stack.casts == "torchao":  # as in torchao's documents
        kernels = str(assume(assumed, "kernels", "compiled"))
    kernels = kernels or stack.kernels
    recipe = RECIPE_NAMES.get(cell(row, "fp8_recipe").lower(), "") or _first(note, NOTED_RECIPE)
    if recipe and precision == ("fp4" if recipe == "nvfp4" else "fp8"):
        fields["fp8_recipe"] = recipe
    graphs = _choice(row, "cuda_graphs", CUDA_GRAPHS, GRAPHS, NOTED_GRAPHS) or "none"
    return (
        fields
        | {"loss_kernel": loss, "kernels": kernels, "cuda_graphs": graphs}
        | widths(row, stack, model, precision, assumed)
        | offloads(row, model, memory_bytes)
    )


def widths(row: Row, stack: Stack, model: Model, precision: str, assumed: dict[str, str]) -> dict[str, Any]:
    """The optimizer and the bytes of master copy, states, gradients and their reduction of a row; blanks are the stack's."""
    if precision in WIDE:
        return _whole(row)
    optimizer = _choice(row, "optimizer", OPTIMIZERS, NOTED_OPTIMIZER, NOTED_OPTIMIZER)
    moments = whole(row, "moment_bytes", 0, 0)
    master = whole(row, "master_bytes", -1, 0)
    paged = cell(row, "framework").lower().startswith("torchtune")
    optimizer = optimizer or (f"adamw-8bit{'-paged' * paged}" if moments == 1 else "adamw")
    narrow = not moments and bool(model.kv_rank) and stack.name in NARROW_MOMENTS
    if narrow or (not moments and "moments in bf16" in cell(row, "note")):
        moments = 2
        if narrow:
            assume(assumed, "optimizer", "moments in 16 bits")
    # Megatron accumulates in fp32 only with bf16 (arguments.py, accumulate_allreduce_grads_in_fp32).
    usual = 2 if precision == "fp16" and not stack.master_is_parameter else stack.gradient_bytes
    gradients = whole(row, "gradient_bytes", usual)
    if master < 0 and not moments and not cell(row, "gradient_bytes") and re.search(LOADED_NARROW, cell(row, "framework").lower()):
        assume(assumed, "master_bytes", "0, weights loaded in 16 bits")
        master, moments, gradients = 0, 2, 2
    if master < 0:
        master = 4 if narrow else int(stack.master_bytes)
    if not moments and master == 0 and stack.transformers_layers:  # states have the type of the weights
        moments = min(2, STATE_BYTES[optimizer])
    reduced = whole(row, "reduce_bytes", min(stack.gradient_reduce_bytes, gradients))
    return {
        "optimizer": optimizer, "state_bytes": moments or STATE_BYTES[optimizer], "master_bytes": master, "gradient_bytes": gradients,
        "reduce_bytes": reduced,
    }  # fmt: skip


def _whole(row: Row) -> dict[str, Any]:
    """The optimizer and the widths of training in fp32: the weight is its own master copy, gradients and states have 4 bytes."""
    optimizer = _choice(row, "optimizer", OPTIMIZERS, NOTED_OPTIMIZER, NOTED_OPTIMIZER) or "adamw"
    gradients = whole(row, "gradient_bytes", 4)
    return {
        "optimizer": optimizer, "state_bytes": whole(row, "moment_bytes", STATE_BYTES[optimizer]), "master_bytes": 0,
        "gradient_bytes": gradients, "reduce_bytes": whole(row, "reduce_bytes", gradients),
    }  # fmt: skip


def offloads(row: Row, model: Model, memory_bytes: float) -> dict[str, Any]:
    """What a row keeps in host memory, as fields of a Job; activations as the share of a rank's layers."""
    text, note = cell(row, "offload").lower(), cell(row, "note")
    fields: dict[str, Any] = {}
    for pattern, names in OFFLOADS:
        if re.search(pattern, text):
            fields |= dict.fromkeys(names, True)
    if conditional := re.search(r"for (\d{1,4})B on (\d{1,4}) GB, activations", cell(row, "offload")):  # of fsdp_qlora's table
        billions, gigabytes = int(conditional[1]), int(conditional[2])
        if f"{billions}b" in cell(row, "model").lower() and memory_bytes < 1.1e9 * gigabytes:
            fields["offload_checkpoints"] = True
    if layers := re.search(r"activations of (\d{1,4}) layers", text):
        on_rank = max(1.0, model.layers / max(1, whole(row, "pp", 1)))
        fields["offload_activations"] = min(1.0, int(layers[1]) / on_rank)
    elif share := re.search(r"activations?[^;]*\balpha=([01](?:\.\d{1,6})?)", f"{text}; {note}"):
        fields["offload_activations"] = min(1.0, float(share[1]))
    return fields


def tp_overlap(row: Row, stack: Stack) -> str:
    """What hides tensor-parallel communication: all products or, by the column, not all of them; empty: the stack's usual choice.

    `async TP` in a note is torch's asynchronous tensor parallelism.
    """
    overlaps = flag(row, "tp_overlap")
    if overlaps is None and re.search(r"\basync(?:hronous)? TP\b", cell(row, "note")):
        overlaps = True
    known = [kind for kind in (stack.tp_overlap, *stack.tp_overlaps) if (kind == "products") == overlaps]
    return known[0] if known and stack.tp_overlap not in known else ""


def recomputed_every(row: Row) -> int:
    """k if every k-th layer is recomputed whole, by the words of a note; 0 without them."""
    match = re.search(r"AC of every (second|third|fourth|(\d{1,3})(?:nd|rd|th)) layer", cell(row, "note"))
    return {"second": 2, "third": 3, "fourth": 4}.get(match[1]) or int(match[2]) if match else 0


def implied_recompute(row: Row) -> str:
    """The recomputation by the words of a row, which count before its column for every k-th layer; else where `recompute` is blank:
    MaxText's policies name the tensors that are not repeated.
    """
    if recomputed_every(row) > 1:
        return "full"
    if cell(row, "recompute"):
        return ""
    if modules(row, MODULES) or re.search(STORED_TENSORS, cell(row, "recompute_modules")):
        return "selective"
    return "full" if re.search(rf"\b(?:{TENSORS})\b[^;]*offloaded", cell(row, "offload")) else ""


def modules(row: Row, known: Collection[str]) -> tuple[str, ...]:
    """The modules of selective recomputation of a row that are among the known ones, sorted: its column's, else those of its note."""
    text = cell(row, "recompute_modules") or _modules_in(cell(row, "note"))
    return tuple(sorted(set(re.split(r"[ ,+\[\]]+", text)) & set(known)))


SELECTIVE_MODULES = re.compile(r"selective:\s*\[?(\w+(?:[ ,]+\w+)*)")  # selective:moe_act,mlp or selective:[moe_act mlp]


def _modules_in(note: str) -> str:
    """The list of modules after `selective:` in a note; empty without one."""
    selected = SELECTIVE_MODULES.search(note)
    return selected[1] if selected else ""


def adapters(row: Row, model: Model, assumed: dict[str, str]) -> dict[str, Any]:
    """The tuning of a Job, with rank and targets of its adapters. `lora-rank=` in a note is of latent attention, not of an adapter."""
    tuning, note = cell(row, "finetune").lower(), cell(row, "note")
    if tuning not in ("lora", "qlora") or "lora-rank=" in note:
        return {}
    if cell(row, "quantization").lower().startswith(FOUR_BITS):
        tuning = "qlora"
    noted = re.search(r"LoRA r(?:ank)?[= ](\d{1,5})", note)
    rank = whole(row, "lora_rank", int(noted[1]) if noted else 16)
    if not noted and not cell(row, "lora_rank"):
        assume(assumed, "lora_rank", 16)
    return {"tuning": tuning, "lora_rank": rank, "lora_targets": _targets(row, model, assumed)}


def _targets(row: Row, model: Model, assumed: dict[str, str]) -> str:
    """The adapted matrices, a name of TARGETS, of the smallest set with all that the row lists; attention alone for mixtures of experts."""
    text = cell(row, "lora_targets").lower().replace("_", "-")
    if not text:  # NeMo's recipes adapt linear_qkv alone for speed (performance_mode)
        return str(assume(assumed, "lora_targets", "attention" if model.kv_rank else "query-value"))
    if re.search(OF_MLP, text):
        return str(assume(assumed, "lora_targets", "attention")) if model.experts else "all"
    return "attention" if model.kv_rank or re.search(OF_KEYS.replace("_", "-"), text) else "query-value"


def _choice(row: Row, key: str, choices: tuple[str, ...], words: Words, noted: Words) -> str:
    """The choice of a column, by name or as text, else by words in the note; empty without one. FieldError for another text."""
    text = cell(row, key).lower()
    if text in choices:
        return text
    if text:
        if known := _first(text, words):
            return known
        raise FieldError(key, f"column '{key}' must be one of {', '.join(choices)}, not {quoted(text)}")
    return _first(cell(row, "note"), noted)


def _first(text: str, words: Words) -> str:
    """The choice of the first pattern in a text; empty if it has none."""
    return next((choice for pattern, choice in words if re.search(pattern, text, re.IGNORECASE)), "")
