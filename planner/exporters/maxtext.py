"""MaxText: one YAML file over its base.yml."""

from __future__ import annotations

from math import gcd
from typing import Any

import yaml

from planner.exporters._common import EXPERTS, SIZES, comment, shape, unsupported_jobs
from planner.exporters._degrees import FILLED, Degrees, degrees, fills
from planner.exporters._keys_maxtext import AXES
from planner.exporters._options import lacking, option_notes
from planner.exporters.registry import Exported, Request, Target, register
from planner.specs.model import Model

VERSION = "e591f30cb"
QUANTIZATIONS = {"delayed": "fp8", "current": "te_fp8_currentscaling", "mxfp8": "te_mxfp8"}  # configs/types.py, QuantizationType
WRITTEN = frozenset(("fp8_recipe", "recompute_modules", "offload_parameters", "offload_checkpoints"))


def block(model: Model) -> str:
    """MaxText's decoder block of these layers; empty where tmplan exports none."""
    features = set(shape(model)) - SIZES - {"tied"}
    if model.experts:
        return {"none": "mixtral", "head": "qwen3_moe"}.get(model.qk_norm, "") if not features - EXPERTS - {"qk_norm"} else ""
    if features == {"qkv_bias"}:
        return "qwen2"
    return {"none": "llama2", "head": "qwen3"}.get(model.qk_norm, "") if not features - {"qk_norm"} else ""


def refusals(request: Request) -> list[str]:
    """Why MaxText would not train this plan, or would train something else."""
    job, model, d = request.job, request.job.model, degrees(request)
    accumulated = d.micro_batches if d.pp == 1 else 1
    pairs = (
        (block(model) != "", "tmplan exports MaxText's Llama, Qwen2, Qwen3 and Mixtral blocks; use a model with such layers"),
        (job.precision in ("bf16", "fp8"), f"MaxText does not train in {job.precision}; use bf16 or fp8"),
        (job.precision != "fp8" or job.recipe in QUANTIZATIONS, f"MaxText has no {job.recipe} recipe; set fp8_recipe to delayed"),
        (job.precision != "fp8" or job.cluster.gpu.vendor == "nvidia", "fp8 is exported only for NVIDIA GPUs; use bf16"),
        (job.precision != "fp8" or accumulated == 1, "fp8 excludes gradient accumulation; raise dp or micro_batch to one micro-batch"),
        (fills(d), FILLED),
        (d.world % d.gpus_per_node == 0 and _unfilled(d) == 1, "axes must fill nodes: within a node their product must be its GPUs"),
        (job.global_batch == d.dp * d.micro_batch * d.micro_batches, "dp x micro_batch must divide the global batch"),
        (model.heads % d.tp == 0 and model.kv_heads % d.tp == 0, "tp must divide the attention heads and the key-value heads"),
        (job.sequence % (d.cp * (d.tp if d.sequence_parallel else 1)) == 0, "cp (x tp with sequence parallelism) must divide the sequence"),
        (not d.sequence_parallel or d.tp > 1, "sequence parallelism needs tp above 1"),
        (model.layers % (d.pp * d.vpp) == 0, "layers must be stages x repeats x layers per stage: pp x vpp must divide the layers"),
        (d.pp > 1 or d.vpp == 1, "virtual stages need pp above 1"),
        (d.pp == 1 or d.micro_batches % d.pp == 0, "pp must divide the micro-batches per step; change dp, micro_batch or pp"),
        (d.schedule == "1f1b", f"MaxText has no {d.schedule} schedule; use 1f1b"),
        (d.zero == 3 or d.dp * d.cp == 1, "the fsdp axis shards parameters too; set zero to 3"),
        (d.dp % d.dp_replicate == 0, "dp_replicate must divide dp"),
        (model.experts % d.ep == 0 if model.experts else d.ep * d.etp == 1, "ep must divide the experts, and is 1 for a dense model"),
        (d.dp // d.dp_replicate % d.ep == 0, "the expert axis is part of the sharding ranks: ep must divide dp_shard"),
        (d.etp in (1, d.tp), "MaxText has one tensor axis for experts too: etp must be 1 or tp"),
        (d.recompute != "first", "MaxText recomputes all layers alike; set recompute to none, selective or full"),
        (job.optimizer in ("adamw", "sgd", "sgd-plain"), f"tmplan exports MaxText's AdamW and SGD, not {job.optimizer}; use adamw"),
        (job.optimizer != "sgd", "MaxText has SGD only without momentum; use sgd-plain or adamw"),
        (not job.recompute_modules or job.recompute_modules == "mlp", "MaxText selects the MLP alone; set recompute_modules to mlp"),
        (job.state_bytes == 4 or job.optimizer == "adamw", "only AdamW's states have a configurable width; set state_bytes to 4"),
    )  # fmt: skip
    return (
        unsupported_jobs(job, "MaxText")
        + [*lacking(request, "MaxText", WRITTEN)]
        + [sentence for allowed, sentence in pairs if not allowed]
    )


def policy(request: Request, d: Degrees) -> str:
    """What is stored for the backward pass; custom stores nothing but what other keys name."""
    job = request.job
    if d.recompute == "full" and job.offload_checkpoints:
        return "custom"
    if d.recompute == "selective" and job.recompute_modules == "mlp":
        return "save_dot_with_context_except_mlp"
    return {"none": "minimal_with_context", "selective": "minimal", "full": "full"}[d.recompute]


def _sizes(d: Degrees) -> dict[str, int]:
    """Axes of the mesh from the innermost outwards; batches are split over data, fsdp and expert."""
    tensor = "tensor_sequence" if d.sequence_parallel else "tensor"
    shard = d.dp // d.dp_replicate // d.ep if d.dp // d.dp_replicate % d.ep == 0 else 1
    return {tensor: d.tp, "context": d.cp, "expert": d.ep, "fsdp": shard, "data": d.dp_replicate, "pipeline": d.pp}


def _mesh(d: Degrees) -> tuple[dict[str, int], int]:
    """The size of each axis within a node (ici) and between nodes (dcn), and the factor of a node that no axis fills."""
    values = {f"{net}_{axis}_parallelism": 1 for net in ("ici", "dcn") for axis in AXES}
    left = d.gpus_per_node
    for axis, size in _sizes(d).items():
        inside = gcd(size, left)
        values |= {f"ici_{axis}_parallelism": inside, f"dcn_{axis}_parallelism": size // inside}
        left //= inside
    return values, left


def _unfilled(d: Degrees) -> int:
    """The factor of a node's GPUs that no mesh axis fills; 1 where the axes fill the node."""
    return _mesh(d)[1]


def write(request: Request) -> Exported:
    """The file."""
    job, model, d = request.job, request.job.model, degrees(request)
    notes = _notes(request, d)
    tpu = job.cluster.gpu.vendor == "google"
    flash = "flash" if tpu else "cudnn_flash_te"
    table: dict[str, Any] = {
        "run_name": "tmplan", "hardware": "tpu" if tpu else "gpu", "model_name": "default", **_model(model), **_mesh(d)[0],
        "per_device_batch_size": job.global_batch / d.world if d.pp > 1 else d.micro_batch * d.dp / d.world,
        "gradient_accumulation_steps": 1 if d.pp > 1 else d.micro_batches, "max_target_length": job.sequence,
        "remat_policy": policy(request, d),
        "attention": flash if job.attention.startswith("flash") else "dot_product", "dtype": "bfloat16", "weight_dtype": "float32",
        "grad_dtype": "float32" if job.gradient_bytes == 4 else "bfloat16", "quantization": QUANTIZATIONS.get(job.recipe, ""),
        "opt_type": job.optimizer.removesuffix("-plain"), "optimizer_memory_host_offload": job.offload_optimizer,
        "parameter_memory_host_offload": job.offload_parameters,
    }  # fmt: skip
    if d.recompute == "full" and job.offload_checkpoints:
        table["decoder_layer_input"] = "offload"
    if job.loss_kernel == "chunked":
        table["num_vocab_tiling"] = job.stack.loss_chunks
    if job.optimizer == "adamw":
        table["mu_dtype"] = "float32" if job.state_bytes == 4 else "bfloat16"
    if d.pp > 1:
        layers_per_stage = model.layers // (d.pp * d.vpp)
        table |= {
            "num_layers_per_pipeline_stage": layers_per_stage, "num_pipeline_repeats": d.vpp, "num_pipeline_microbatches": d.micro_batches
        }  # fmt: skip
    if model.experts:
        table |= {"sparse_matmul": not job.capacity, "megablox": not job.capacity, "capacity_factor": float(job.capacity or -1)}
    head = comment([f"MaxText {VERSION}: over its configs/base.yml", f"model: {model.name}", *request.about, *notes])
    return Exported({"train.yml": f"{head}\n{yaml.safe_dump(table, sort_keys=False)}"}, tuple(notes))


def _model(model: Model) -> dict[str, Any]:
    """The keys of the model's architecture."""
    experts = {
        "num_experts": model.experts, "num_experts_per_tok": model.experts_per_token, "base_moe_mlp_dim": model.expert_ffn,
        "norm_topk_prob": True,
    }  # fmt: skip
    return {
        "decoder_block": block(model), "base_emb_dim": model.hidden, "base_num_query_heads": model.heads,
        "base_num_kv_heads": model.kv_heads, "base_mlp_dim": model.expert_ffn if model.experts else model.ffn, "head_dim": model.head_dim,
        "base_num_decoder_layers": model.layers, "vocab_size": model.vocab, "mlp_activations": ["silu", "linear"],
        "logits_via_embedding": model.tied, "normalize_embedding_logits": False, "attention_bias": model.qkv_bias,
        "use_qk_norm": model.qk_norm == "head",
    } | (experts if model.experts else {})  # fmt: skip


def _notes(request: Request, d: Degrees) -> list[str]:
    """Notes on what the file does not express."""
    job = request.job
    nodes = f"a node of {d.gpus_per_node}" if d.nodes > 1 else "one node"
    notes = [
        (True, "data set, tokenizer, learning rate, steps and output directory are those of base.yml: set your own"),
        (True, "set rope_max_timescale and normalization_layer_epsilon to the published values of the model"),
        (True, f"ici axes are within {nodes}, dcn axes between the {d.nodes} slices visible to JAX"),
        (d.pp > 1, "MaxText's pipeline runs all forward passes before the backward passes: more memory than planned for 1f1b"),
        (d.recompute == "none", "minimal_with_context stores outputs of GEMMs and attention; operations between them are recomputed"),
        (bool(job.model.experts) and d.tp > 1 and d.etp == 1, "MaxText splits experts over the tensor axis too: less memory than planned"),
        (job.state_bytes != 4, "only Adam's first moment is stored in 16 bits: more memory than planned"),
        (job.overlap_experts, "overlap of the experts' all-to-all is left to XLA"),
        (job.capacity > 0 and bool(job.model.experts), "a capacity needs MaxText's dense expert GEMMs, without megablox"),
        (job.sequence > job.model.max_positions, f"the sequence exceeds the {job.model.max_positions:,} positions of the model"),
    ]  # fmt: skip
    known = WRITTEN | ({"loss_kernel"} if job.loss_kernel in ("plain", "chunked") else set())
    return [*(sentence for holds, sentence in notes if holds), *option_notes(request, known | {"kernels"})]  # XLA compiles


register(Target("maxtext", "MaxText", "train.yml", VERSION, refusals, write))
