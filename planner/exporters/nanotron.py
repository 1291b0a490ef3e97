"""nanotron: one YAML file for run_train.py --config-file."""

from __future__ import annotations

from typing import Any

import yaml

from planner.cost.pipeline_split import stage_layers
from planner.dimensions import Stage
from planner.exporters._common import EXPERTS, SIZES, comment, shape, unsupported_jobs
from planner.exporters._degrees import FILLED, Degrees, degrees, fills
from planner.exporters._options import lacking, option_notes
from planner.exporters.registry import Exported, Request, Target, register

VERSION = "2411b022"


def refusals(request: Request) -> list[str]:
    """Why nanotron would not train this plan, or would train something else."""
    job, model, d = request.job, request.job.model, degrees(request)
    plain = not set(shape(model)) - SIZES - EXPERTS - {"tied", "qkv_bias"}
    pairs = (
        (not model.experts, "nanotron's keys for mixtures of experts are not stable, so tmplan does not export them; use a dense model"),
        (plain, "nanotron's layers are Llama's and Qwen2's; use a model of such layers"),
        (model.heads * model.head_dim == model.hidden, "nanotron's head width is hidden / heads; set head_dim to that"),
        (job.sequence <= model.max_positions, f"the sequence exceeds the {model.max_positions:,} positions of the model; shorten it"),
        (job.precision == "bf16", f"nanotron trains in bf16, not {job.precision}; use bf16"),
        (job.gradient_bytes == 4, "nanotron has fp32 weights only with fp32 gradients; set gradient_bytes to 4"),
        (job.optimizer not in ("adafactor", "lion", "muon", "muon-sharded"), f"nanotron has no optimizer {job.optimizer}; use adamw"),
        (not job.offload_optimizer, "nanotron does not offload the optimizer; turn offload_optimizer off"),
        (fills(d), FILLED),
        (job.global_batch == d.dp * d.micro_batch * d.micro_batches, "dp x micro_batch must divide the global batch"),
        (model.heads % d.tp == 0, "tp must divide the attention heads"),
        (model.kv_heads >= d.tp, "tp must not exceed the key-value heads"),
        (model.kv_heads % d.tp == 0, "tp must divide the key-value heads"),
        (d.cp == 1, "nanotron's key for context-parallel attention differs between versions; set cp to 1"),
        (d.ep * d.etp == 1, "a dense model has no experts; set ep and etp to 1"),
        (d.micro_batches >= d.pp - 1, f"1f1b needs at least pp - 1 = {d.pp - 1} micro-batches; lower dp, micro_batch or pp"),
        (d.vpp == 1, "nanotron has no virtual stages; set vpp to 1"),
        (d.schedule == "1f1b", "nanotron's schedules are 1f1b and afab; use 1f1b"),
        (d.pp <= model.layers, "pp must not exceed the layers"),
        (d.zero <= 1, "nanotron shards only optimizer states (ZeRO-1); set zero to 0 or 1"),
        (not d.zero or d.dp_replicate == 1, "nanotron shards over all data-parallel ranks; set dp_replicate to 1"),
        (not d.sequence_parallel or d.tp > 1, "sequence parallelism needs tp above 1"),
        (not d.sequence_parallel or job.sequence % d.tp == 0, "tp must divide the sequence under sequence parallelism"),
        (d.recompute != "first", "nanotron recomputes every layer or none; set recompute to none or full"),
    )  # fmt: skip
    return (
        unsupported_jobs(job, "nanotron") + [*lacking(request, "nanotron", ())] + [sentence for allowed, sentence in pairs if not allowed]
    )


def write(request: Request) -> Exported:
    """The file."""
    job, d = request.job, degrees(request)
    notes = _notes(request, d)
    adam = {"name": "adamW", "adam_beta1": 0.9, "adam_beta2": 0.95, "adam_eps": 1e-8, "torch_adam_is_fused": True}
    table = {
        "general": {"project": "tmplan", "seed": 42},
        "checkpoints": {"checkpoints_path": "checkpoints", "checkpoint_interval": 1000},
        "data_stages": [{"name": "training", "start_training_step": 1, "data": {"dataset": None, "seed": 42}}],
        "model": {
            "dtype": "bfloat16", "make_vocab_size_divisible_by": 1, "init_method": {"std": 0.02}, "model_config": _model(request),
        },
        "parallelism": {
            "dp": d.dp, "tp": d.tp, "pp": d.pp, "context_parallel_size": d.cp, "expert_parallel_size": d.ep, "pp_engine": "1f1b",
            "tp_mode": "REDUCE_SCATTER" if d.sequence_parallel else "ALL_REDUCE", "tp_linear_async_communication": d.sequence_parallel,
            "tp_recompute_allgather": True, "recompute_layer": d.recompute == "full",
        },
        "tokens": {
            "sequence_length": job.sequence, "train_steps": 1000, "micro_batch_size": d.micro_batch,
            "batch_accumulation_per_replica": d.micro_batches,
        },
        "optimizer": {
            "optimizer_factory": adam if job.optimizer == "adamw" else {"name": "sgd"}, "zero_stage": d.zero,
            "accumulate_grad_in_fp32": True, "weight_decay": 0.1, "clip_grad": 1.0,
            "learning_rate_scheduler": {
                "learning_rate": 3e-4, "lr_warmup_steps": 100, "lr_warmup_style": "linear", "lr_decay_style": "cosine"
            },
        },
    }  # fmt: skip
    head = comment([f"nanotron {VERSION}: run_train.py --config-file train.yaml", f"model: {job.model.name}", *request.about, *notes])
    return Exported({"train.yaml": f"{head}\n{yaml.safe_dump(table, sort_keys=False)}"}, tuple(notes))


def _model(request: Request) -> dict[str, Any]:
    """The keys of the model's architecture."""
    model = request.job.model
    kind = {"is_qwen2_config": True, "attention_bias": True} if model.qkv_bias else {"is_llama_config": True}
    return kind | {
        "hidden_act": "silu", "hidden_size": model.hidden, "intermediate_size": model.ffn, "num_hidden_layers": model.layers,
        "num_attention_heads": model.heads, "num_key_value_heads": model.kv_heads, "vocab_size": model.vocab,
        "max_position_embeddings": model.max_positions, "tie_word_embeddings": model.tied,
        "_attn_implementation": "flash_attention_2" if request.job.attention.startswith("flash") else "sdpa",
    }  # fmt: skip


def _notes(request: Request, d: Degrees) -> list[str]:
    """Notes on what the file does not express."""
    job = request.job
    layers = [int(stage_layers(job, request.plan, Stage(stage))) for stage in range(d.pp)]
    notes = [
        (True, "data (none: random tokens), learning rate, initialization, number of steps and checkpoints are placeholders: set your own"),
        (
            True,
            "set rope_theta and rms_norm_eps in model_config to the published values of the model; nanotron's defaults are Llama 1's",
        ),
        (d.pp > 1, f"nanotron splits stages by FLOPs; layers per rank in tmplan: {', '.join(map(str, layers))}"),
        (d.recompute == "selective", "nanotron has no selective recomputation; flash attention stores no scores, so nothing is recomputed"),
        (job.state_bytes != 4, "nanotron stores optimizer states in 32 bits: more memory than planned"),
        (job.attention in ("flash-1", "flash-3"), "nanotron runs FlashAttention-2"),
    ]
    return [*(sentence for holds, sentence in notes if holds), *option_notes(request, ())]


register(Target("nanotron", "nanotron", "train.yaml", VERSION, refusals, write))
