"""Megatron-Bridge: overrides of a pretraining recipe, as YAML. Every key that a plan decides is written, disabled features included.

The recipe may set any key, so every key is in the file, as null or false where the plan does not use the feature.
"""

from __future__ import annotations

from typing import Any

import yaml

from planner.exporters import _megatron_facts as facts
from planner.exporters import megatron_lm
from planner.exporters._degrees import Degrees, degrees
from planner.exporters._options import offloaded_layers
from planner.exporters.registry import Exported, Request, Target, register
from planner.specs.job import Job

MAIN = "megatron-bridge.yaml"
VERSION = "067f987df"
DTYPES = {4: "torch.float32", 2: "torch.bfloat16", 1: "torch.uint8"}  # dtype of a state by its bytes; fp8 states are named uint8
RECIPES = {("bf16", 4): "bf16_mixed", ("fp16", 2): "fp16_mixed"}  # mixed-precision recipes by precision and bytes per gradient
NARROW_RECIPES = {  # by fp8 recipe and fp8 weights, without layers in bf16 and with fp32 gradients
    ("delayed", True): "bf16_with_fp8_delayed_scaling_mixed", ("mxfp8", True): "bf16_with_mxfp8_mixed",
    ("blockwise", False): "bf16_with_fp8_subchannel_scaling_mixed",
}  # fmt: skip
BRIDGE_NOTES = (
    "these are overrides: use a pretraining recipe of the same family, which sets rotary base, router, data and learning rate",
    "attention backend and --nproc-per-node are not in the file: set them in the recipe and on torchrun",
)


class Dumper(yaml.SafeDumper):
    """YAML with each list on one line."""


Dumper.add_representer(list, lambda dumper, value: dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=True))


def refusals(request: Request) -> list[str]:
    """Why Megatron-Bridge cannot train this plan: Megatron's refusals, and more learned positions than the sequence."""
    job, model = request.job, request.job.model
    short = model.positions == "learned" and model.max_positions != job.sequence
    sentence = f"Megatron-Bridge has as many learned positions as tokens in the sequence: set the sequence to {model.max_positions:,}"
    return [*megatron_lm.refusals(request), *([sentence] if short else [])]


def precision(job: Job) -> str | dict[str, Any]:
    """The name of a mixed-precision recipe, or the settings spelled out where none has these widths."""
    if name := RECIPES.get((job.precision, job.gradient_bytes)):
        return name
    if job.gradient_bytes == 4 and (name := NARROW_RECIPES.get((job.recipe, job.fp8_parameters))):
        return name
    narrow, fp16 = job.precision == "fp8", job.precision == "fp16"
    width = {"_target_": "torch.float16" if fp16 else "torch.bfloat16", "_call_": False}
    return {
        "_target_": "megatron.bridge.training.mixed_precision.MixedPrecisionConfig", "bf16": not fp16, "fp16": fp16,
        "params_dtype": width, "pipeline_dtype": dict(width), "autocast_dtype": None, "autocast_enabled": False,
        "grad_reduce_in_fp32": job.gradient_bytes == 4, "fp8": facts.fp8(job)[0] if narrow else None,
        "fp8_recipe": facts.fp8(job)[1] if narrow else "tensorwise", "fp8_param_gather": job.fp8_parameters,
        "first_last_layers_bf16": False,
        "fp4": "e2m1" if job.precision == "fp4" else None, "fp4_recipe": "nvfp4",
    }  # fmt: skip


def model_keys(request: Request, d: Degrees) -> dict[str, Any]:
    """The keys of `model`: architecture, experts, parallelism, recomputation."""
    job, model = request.job, request.job.model
    latent, sparse, whole = bool(model.kv_rank), bool(model.experts), d.recompute in ("full", "first")
    window, group, share = facts.windowed(model), bool(model.router_groups), bool(model.shared_ffn)
    drop, (dispatcher, backend) = 0.1 if model.dropout else 0.0, facts.dispatcher(request, d)
    keys: dict[str, Any] = {
        "num_layers": model.layers, "hidden_size": model.hidden, "ffn_hidden_size": facts.ffn(model), "num_attention_heads": model.heads,
        "num_query_groups": model.heads if latent else model.kv_heads, "kv_channels": model.head_dim, "seq_length": job.sequence,
        "gated_linear_unit": model.gated, "activation_func": "silu" if model.gated else "gelu",
        "normalization": "RMSNorm" if model.norm == "rmsnorm" else "LayerNorm", "qk_layernorm": latent or model.qk_norm == "head",
        "add_bias_linear": model.bias, "add_qkv_bias": model.bias or model.qkv_bias,
        "position_embedding_type": "rope" if model.positions == "rope" else "learned_absolute",
        "share_embeddings_and_output_weights": model.tied, "vocab_size": model.vocab, "should_pad_vocab": True,
        "make_vocab_size_divisible_by": max(job.stack.vocab_multiple, 1), "hidden_dropout": drop, "attention_dropout": drop,
        "window_size": [model.sliding_window, 0] if window else None, "window_attn_skip_freq": model.global_every if window else None,
        "softmax_type": "learnable" if model.sinks else "vanilla", "mtp_num_layers": model.mtp_layers or None,
        "multi_latent_attention": latent, "num_moe_experts": model.experts or None,
        "tensor_model_parallel_size": d.tp, "sequence_parallel": d.sequence_parallel, "pipeline_model_parallel_size": d.pp,
        "virtual_pipeline_model_parallel_size": d.vpp if d.vpp > 1 else None,
        "pipeline_model_parallel_layout": facts.laid_out(request) or None,
        "context_parallel_size": d.cp, "cp_comm_type": facts.cp_traffic(model, d) if d.cp > 1 else None,
        "expert_model_parallel_size": d.ep, "expert_tensor_parallel_size": d.etp,
        "recompute_granularity": {"none": None, "selective": "selective"}.get(d.recompute, "full"),
        "recompute_method": {"full": "uniform", "first": "block"}.get(d.recompute),
        "recompute_num_layers": (1 if d.recompute == "full" else d.recompute_layers) if whole else None,
        "recompute_modules": [*facts.modules(job)] if d.recompute == "selective" else None,
        "cross_entropy_loss_fusion": job.loss_kernel == "fused", "cpu_offloading": bool(job.offload_activations),
        "cpu_offloading_num_layers": offloaded_layers(request, d),
        "overlap_moe_expert_parallel_comm": facts.overlaps_experts(request, d),
    }  # fmt: skip
    if job.cuda_graphs != "none":
        kind, scopes = facts.graphs(job)
        keys |= {"cuda_graph_impl": kind, "cuda_graph_scope": [*scopes], "use_te_rng_tracker": True}
    if job.kernels == "eager":
        keys |= {"bias_activation_fusion": False, "bias_dropout_fusion": False, "apply_rope_fusion": False}
    if d.zero >= 2:
        keys |= {"gradient_accumulation_fusion": False}
    if latent:
        keys |= {
            "q_lora_rank": model.q_rank or None, "kv_lora_rank": model.kv_rank, "qk_head_dim": model.head_dim,
            "qk_pos_emb_head_dim": model.rope_dim, "v_head_dim": model.value_dim, "rope_type": "rope", "apply_rope_fusion": False,
        }  # fmt: skip
    if sparse:
        keys |= {
            "moe_router_topk": model.experts_per_token, "moe_ffn_hidden_size": model.expert_ffn,
            "moe_shared_expert_intermediate_size": model.shared_ffn or None, "moe_shared_expert_gate": share and model.shared_gate,
            "moe_layer_freq": facts.sparse_list(model), "moe_router_num_groups": model.router_groups if group else None,
            "moe_router_group_topk": model.groups_per_token if group else None, "moe_grouped_gemm": job.precision != "fp16",
            "moe_router_pre_softmax": model.experts_per_token == 1, "moe_token_dispatcher_type": dispatcher,
            "moe_expert_capacity_factor": float(job.capacity) if job.capacity else None,
            "moe_pad_expert_input_to_capacity": bool(job.capacity),
            "moe_router_padding_for_quantization": job.precision in ("fp8", "fp4") and not job.capacity,
        }  # fmt: skip
        if backend:
            keys |= {"moe_flex_dispatcher_backend": backend, "moe_router_dtype": "fp32"}
    return keys


def overrides(request: Request, d: Degrees) -> dict[str, Any]:
    """All overrides by section of the recipe."""
    job = request.job
    fsdp, aware, shard = d.zero >= 2, facts.precision_aware(request), facts.sharded(request, d) or d.zero >= 2
    reduce, gather = facts.overlaps(request, d)
    replicated = d.zero and d.dp_replicate > 1
    narrow = aware and job.gradient_bytes == 2 and job.precision != "fp16"
    keys: dict[str, Any] = {
        "model": model_keys(request, d),
        "train": {"micro_batch_size": d.micro_batch, "global_batch_size": job.global_batch},
        "dataset": {"seq_length": job.sequence},
        "mixed_precision": precision(job),
        "optimizer": {
            "optimizer": facts.OPTIMIZERS[job.optimizer], "sgd_momentum": 0.0 if job.optimizer == "sgd-plain" else 0.9,
            "use_distributed_optimizer": shard,
            "use_precision_aware_optimizer": aware, "main_grads_dtype": DTYPES[2 if narrow else 4],
            "exp_avg_dtype": DTYPES[job.state_bytes if aware else 4], "exp_avg_sq_dtype": DTYPES[job.state_bytes if aware else 4],
            "optimizer_cpu_offload": job.offload_optimizer, "optimizer_offload_fraction": 1.0 if job.offload_optimizer else 0.0,
        },
        "ddp": {
            "use_distributed_optimizer": shard, "overlap_grad_reduce": reduce, "overlap_param_gather": gather,
            "grad_reduce_in_fp32": job.gradient_bytes == 4, "use_megatron_fsdp": fsdp,
            "data_parallel_sharding_strategy": megatron_lm.SHARDING[d.zero] if fsdp else "no_shard",
            "num_distributed_optimizer_instances": d.dp_replicate if replicated else 1,
        },
        # with _target_, because a recipe may lack the section
        "comm_overlap": {
            "_target_": "megatron.bridge.training.comm_overlap.CommOverlapConfig",
            "tp_comm_overlap": facts.buffers(request, d), "overlap_grad_reduce": reduce, "overlap_param_gather": gather,
        },
        "checkpoint": {"ckpt_format": "fsdp_dtensor" if fsdp else "torch_dist"},
    }  # fmt: skip
    if replicated:
        keys["ddp"]["outer_dp_sharding_strategy"] = "no_shard"
    return keys


def write(request: Request) -> Exported:
    """The overrides, and notes on what they do not express."""
    d = degrees(request)
    notes = (*facts.notes(request, d, kernels=False), *BRIDGE_NOTES)
    head = [f"{request.job.model.name} on {d.world:,} GPUs, for Megatron-Bridge {VERSION}", *request.about, *(f"Note: {n}" for n in notes)]
    text = yaml.dump(overrides(request, d), Dumper=Dumper, sort_keys=False, width=140)
    return Exported({MAIN: f"{facts.comment(head)}\n{text}"}, notes)


register(Target("megatron-bridge", "Megatron-Bridge", MAIN, VERSION, refusals, write))
