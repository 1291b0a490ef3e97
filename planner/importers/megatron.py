"""Megatron-LM's command line, alone or in a launch script, as a job and a plan.

Option names and defaults: megatron/training/arguments.py (Megatron-LM d98e8a64dd).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from planner import presets
from planner.errors import FileError
from planner.exporters._megatron_facts import FLASH, FP8_RECIPES, FUSIONS, GRAPHS, OPTIMIZERS
from planner.importers.annotation import LINE, assumptions_of
from planner.importers.imported import Imported
from planner.importers.megatron_model import sizes
from planner.importers.megatron_options import DEGREES, Options, arguments, understood
from planner.importers.megatron_pipeline import stages_of
from planner.importers.shell_words import words
from planner.plaintext import named, quoted
from planner.specs.dispatchers import DISPATCHERS
from planner.specs.options import MODULES, NEEDED

RECIPES = {name: recipe for recipe, name in FP8_RECIPES.items()}
STATES = {"bf16": "2", "fp8": "1"}  # bytes of an optimizer state value
STRATEGIES = {"no_shard": 0, "optim": 1, "optim_grads": 2, "optim_grads_params": 3}


def is_megatron(text: str) -> bool:
    """Whether a text contains Megatron-LM's options."""
    return "--tensor-model-parallel-size" in text or ("--num-layers" in text and "--hidden-size" in text)


def read(text: str, where: str) -> Imported:
    """The job and plan of a script or command line; FileError names an option with an invalid value."""
    options = Options(arguments(words(text, where)), where)
    unread = [named(f"--{name} {' '.join(values)}") for name, values in options.given.items() if not understood(name)]
    model, unread_sizes = sizes(options)
    plan: dict[str, Any] = {axis: count for option, axis in DEGREES.items() if (count := options.integer(option)) is not None}
    virtual, laid = stages_of(options, model, plan)
    plan |= virtual | _sharding(options) | _recompute(options)
    plan["sequence_parallel"] = int("sequence-parallel" in options and plan.get("tp", 1) > 1)
    if model.get("experts"):
        plan["etp"] = options.integer("expert-tensor-parallel-size") or plan.get("tp", 1)
    nodes, node = options.integer("nnodes"), options.integer("nproc-per-node") or options.integer("nproc_per_node")
    annotated, unread_annotation = _annotation(text, options)
    job = _options(options, text, model, plan) | annotated | _job(options)
    stack = str(job.pop("stack", "megatron-core"))
    job |= _buffers(options, stack, plan) | ({"pipeline_layout": laid} if laid else {})
    unread += [named(f"--recompute-modules {name}") for name in options.given.get("recompute-modules", []) if name not in MODULES]
    unread += unread_sizes + unread_annotation
    return Imported("Megatron-LM", stack, model, job, plan, (nodes or 1) * node if node else 0, node or 0, unread)


def _annotation(text: str, options: Options) -> tuple[dict[str, Any], list[str]]:
    """Fields of the job from the comment that an export of tmplan writes, and what of it is not understood; options take precedence."""
    line = LINE.search(text)
    fields, unread = assumptions_of(line[1]) if line else ({}, [])
    backend = options.given.get("attention-backend")
    if "attention" in fields and backend not in (["fused"], [FLASH[str(fields["attention"])]]):
        del fields["attention"]  # the script was edited after the export
    return fields, unread


def _job(options: Options) -> dict[str, Any]:
    """Sequence, batch, precision and options of the job."""
    job: dict[str, Any] = {}
    for option, field in (("seq-length", "sequence"), ("global-batch-size", "global_batch")):
        if (count := options.integer(option)) is not None:
            job[field] = count
    narrow = [name for name, option in (("fp4", "fp4-format"), ("fp8", "fp8-format"), ("fp16", "fp16")) if option in options]
    job["precision"] = narrow[0] if narrow else "bf16"
    recipe = options.first("fp8-recipe") or "delayed"
    if job["precision"] == "fp8" and recipe in RECIPES:
        job["fp8_recipe"] = RECIPES[recipe]
    grads = [options.equals(option, "bf16") for option in ("main-grads-dtype", "megatron-fsdp-main-grads-dtype")]
    grads.append("fp16" in options and "accumulate-allreduce-grads-in-fp32" not in options)  # under bf16 Megatron-LM sets it itself
    if "grad-reduce-in-bf16" in options or any(grads):
        job["gradient_bytes"] = "2"
    if (state := STATES.get(options.first("exp-avg-dtype"))) is not None:
        job["state_bytes"] = state
    if (optimizer := _optimizer(options)) != "adamw":
        job["optimizer"] = optimizer
    if options.equals("attention-backend", "unfused"):
        job["attention"] = "unfused" if "no-masked-softmax-fusion" in options else "fused-softmax"
    elif options.equals("attention-backend", "flash") and options.given.get("flash-attention-version") in (["2"], ["3"]):
        job["attention"] = f"flash-{options.first('flash-attention-version')}"
    if "optimizer-cpu-offload" in options:
        job["offload_optimizer"] = True
    if (sent := _dispatcher(options)) in DISPATCHERS:
        job["moe_dispatcher"] = sent
    if "overlap-moe-expert-parallel-comm" in options:
        job["overlap_experts"] = True
    if re.fullmatch(r"\d{1,2}(\.\d+)?", factor := options.first("moe-expert-capacity-factor")):
        job["capacity"] = float(factor)
    return job


def _buffers(options: Options, stack: str, plan: Mapping[str, Any]) -> dict[str, str]:
    """What hides tensor-parallel communication, where that is not the stack's usual choice: user buffers, or the backward pass alone."""
    kind = "products" if "tp-comm-overlap" in options else "backward"
    if plan.get("tp", 1) == 1 or not plan.get("sequence_parallel") or kind == presets.stack(stack).tp_overlap:
        return {}
    return {"tp_overlap": kind}


def _dispatcher(options: Options) -> str:
    """The dispatcher of tokens to experts on several ranks: an all-gather where none is given; empty without expert parallelism."""
    if (options.integer("expert-model-parallel-size") or 1) == 1:
        return ""
    kind = options.first("moe-token-dispatcher-type") or "allgather"
    return (options.first("moe-flex-dispatcher-backend") or "deepep") if kind == "flex" else kind


def _optimizer(options: Options) -> str:
    """The optimizer: Adam where none is given or it is not known."""
    if options.equals("optimizer", "sgd"):
        return "sgd-plain" if options.first("sgd-momentum") in ("0", "0.0") else "sgd"
    return {name: key for key, name in OPTIMIZERS.items()}.get(options.first("optimizer"), "adamw")


def _options(options: Options, text: str, model: Mapping[str, Any], plan: Mapping[str, Any]) -> dict[str, Any]:
    """The options that decide memory, as far as the command line has them; the annotation of an export takes precedence."""
    job: dict[str, Any] = {}
    if "cross-entropy-loss-fusion" in options:
        job["loss_kernel"] = "fused"
    if f"no-{FUSIONS[0]}" in options:
        job["kernels"] = "eager"
    if (drawn := (options.first("cuda-graph-impl"), set(options.given.get("cuda-graph-scope", [])))) != ("", set()):
        scopes = {"moe_router", "moe_preprocess"} if model.get("experts") else set()
        known = {
            (kind, frozenset(s for s in given if s in scopes or not s.startswith("moe"))): name for name, (kind, given) in GRAPHS.items()
        }
        job |= {"cuda_graphs": known[key]} if (key := (drawn[0], frozenset(drawn[1]))) in known else {}
    if "use-precision-aware-optimizer" in options and not {"fp16", "optimizer-cpu-offload"} & set(options.given):
        job["master_bytes"] = "2"  # store_param_remainders, Megatron-Core's default
    if "fp8-param-gather" in options and "fp8-format" in options:
        job["fp8_parameters"] = True
    if "expandable_segments:True" in text:
        job["expandable_segments"] = True
    if options.first("recompute-granularity") == "selective" and (selected := _modules(options, model)) not in ([], ["core_attn"]):
        job["recompute_modules"] = ",".join(selected)
    if (layers := options.integer("cpu-offloading-num-layers", 0)) and model.get("layers"):
        job["offload_activations"] = min(100.0, 100.0 * layers * int(plan.get("pp", 1)) / int(model["layers"]))
    return job


def _modules(options: Options, model: Mapping[str, Any]) -> list[str]:
    """The recomputed modules that tmplan knows and the model has."""
    names = options.given.get("recompute-modules", [])
    return [name for name in names if name in MODULES and (name not in NEEDED or model.get(NEEDED[name]))]


def _sharding(options: Options) -> dict[str, int]:
    """The ZeRO stage and its replicas."""
    zero = 1 if "use-distributed-optimizer" in options or options.equals("optimizer", "dist_muon") else 0
    if "use-megatron-fsdp" in options:
        strategy = options.first("data-parallel-sharding-strategy") or "no_shard"
        if strategy not in STRATEGIES:
            known = ", ".join(STRATEGIES)
            raise FileError(f"option --data-parallel-sharding-strategy must be one of {known}, not {quoted(strategy)}", where=options.where)
        zero = STRATEGIES[strategy]
    elif "use-torch-fsdp2" in options:
        zero = 3
    replicas = options.integer("num-distributed-optimizer-instances") or 1
    return {"zero": zero} | ({"dp_replicate": replicas} if zero and replicas > 1 else {})


def _recompute(options: Options) -> dict[str, Any]:
    """The recomputation granularity, and the recomputed layers of the block method."""
    kind = options.first("recompute-granularity")
    if "recompute-activations" in options:
        kind = "selective"
    if kind == "full" and options.equals("recompute-method", "block"):
        return {"recompute": "first", "recompute_layers": options.integer("recompute-num-layers") or 1}
    if kind not in ("", "full", "selective"):
        raise FileError(f"option --recompute-granularity must be full or selective, not {quoted(kind)}", where=options.where)
    return {"recompute": kind or "none"}
