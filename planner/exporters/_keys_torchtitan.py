"""The keys of torchtitan 0.2.2's configuration file, and the models registered in 0.2.2 and 0.3.0."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from planner.exporters._keys import Key, keys

KEYS: Mapping[str, Key] = (
    keys(
        int, "parallelism.data_parallel_replicate_degree", "parallelism.data_parallel_shard_degree", "parallelism.tensor_parallel_degree",
        "parallelism.pipeline_parallel_degree", "parallelism.pipeline_parallel_layers_per_stage",
        "parallelism.pipeline_parallel_first_stage_less_layers", "parallelism.pipeline_parallel_last_stage_less_layers",
        "parallelism.pipeline_parallel_microbatch_size", "parallelism.context_parallel_degree", "parallelism.expert_parallel_degree",
        "parallelism.expert_tensor_parallel_degree", "training.local_batch_size", "training.global_batch_size", "training.seq_len",
    )
    | keys(bool, "parallelism.pipeline_parallel_expert_parallel_overlap", "parallelism.enable_async_tensor_parallel",
           "training.enable_cpu_offload", "optimizer.early_step_in_backward")
    | keys(bool, "compile.enable")
    | keys(list, "compile.components")
    | keys(str, "job.description")
    | keys(bool, "quantize.linear.float8.enable_fsdp_float8_all_gather", "quantize.linear.float8.precompute_float8_dynamic_scale_for_fsdp")
    | keys(list, "quantize.linear.float8.filter_fqns", "quantize.linear.mx.filter_fqns")
    | keys(list, "model.converters", "parallelism.module_fqns_per_model_part")
    | {
        "model.name": Key(str, choices=("llama3", "llama4", "qwen3", "deepseek_v3", "gpt_oss")),
        "model.flavor": Key(str),
        "parallelism.fsdp_reshard_after_forward": Key(str, choices=("default", "always", "never")),
        "parallelism.pipeline_parallel_schedule": Key(str, choices=("1F1B", "Interleaved1F1B", "ZBVZeroBubble", "DualPipeV")),
        "parallelism.expert_parallel_comm_backend": Key(str, choices=("standard", "deepep", "hybridep")),
        "training.dtype": Key(str, choices=("bfloat16", "float32")),
        "training.mixed_precision_param": Key(str, choices=("bfloat16", "float32")),
        "training.mixed_precision_reduce": Key(str, choices=("float32",)),
        "activation_checkpoint.mode": Key(str, choices=("none", "selective", "full")),
        "activation_checkpoint.selective_ac_option": Key(str),  # op, or a number k: every k-th layer, whole
        "optimizer.implementation": Key(str, choices=("for-loop", "foreach", "fused")),
        "optimizer.name": Key(str, choices=("Adam", "AdamW")),
        "quantize.linear.mx.recipe_name": Key(str, choices=("mxfp8_cublas",)),
        "quantize.linear.float8.recipe_name": Key(str, choices=("tensorwise", "rowwise", "rowwise_with_gw_hp")),
    }
)  # fmt: skip


class Flavor(NamedTuple):
    """A registered model: module, flavor in 0.2.2 and in 0.3.0 (empty: none), longest sequence in 0.3.0, shape.

    The shape has the fields that differ from Model's defaults, except those that torchtitan does not fix: longest sequence and multi-token
    prediction.
    """

    model: str
    flavor: str
    flavor_03: str
    longest: int
    shape: Mapping[str, Any]
    module: str = ""  # its module in 0.3.0, where it differs


FLAVORS: tuple[Flavor, ...] = (
    Flavor("llama3", "8B", "8B", 131072, {
        "layers": 32, "hidden": 4096, "heads": 32, "kv_heads": 8, "head_dim": 128, "ffn": 14336, "vocab": 128256,
    }),
    Flavor("llama3", "70B", "70B", 131072, {
        "layers": 80, "hidden": 8192, "heads": 64, "kv_heads": 8, "head_dim": 128, "ffn": 28672, "vocab": 128256,
    }),
    Flavor("llama3", "405B", "405B", 131072, {
        "layers": 126, "hidden": 16384, "heads": 128, "kv_heads": 8, "head_dim": 128, "ffn": 53248, "vocab": 128256,
    }),
    Flavor("llama3", "", "1B", 131072, {
        "layers": 16, "hidden": 2048, "heads": 32, "kv_heads": 8, "head_dim": 64, "ffn": 8192, "vocab": 128256, "tied": True,
    }),
    Flavor("llama3", "", "3B", 131072, {
        "layers": 28, "hidden": 3072, "heads": 24, "kv_heads": 8, "head_dim": 128, "ffn": 8192, "vocab": 128256, "tied": True,
    }),
    Flavor("llama4", "17bx16e_irope", "", 0, {
        "layers": 48, "hidden": 5120, "heads": 40, "kv_heads": 8, "head_dim": 128, "ffn": 16384, "vocab": 202048,
        "sliding_window": 8192, "global_every": 4, "chunked": True, "experts": 16, "experts_per_token": 1, "expert_ffn": 8192,
        "shared_ffn": 8192,
    }),
    Flavor("llama4", "17bx128e_irope", "", 0, {
        "layers": 48, "hidden": 5120, "heads": 40, "kv_heads": 8, "head_dim": 128, "ffn": 16384, "vocab": 202048,
        "sliding_window": 8192, "global_every": 4, "chunked": True, "experts": 128, "experts_per_token": 1, "expert_ffn": 8192,
        "shared_ffn": 8192, "moe_every": 2,
    }),
    Flavor("qwen3", "0.6B", "0.6B", 40960, {
        "layers": 28, "hidden": 1024, "heads": 16, "kv_heads": 8, "head_dim": 128, "ffn": 3072, "vocab": 151936, "tied": True,
        "qk_norm": "head",
    }),
    Flavor("qwen3", "1.7B", "1.7B", 40960, {
        "layers": 28, "hidden": 2048, "heads": 16, "kv_heads": 8, "head_dim": 128, "ffn": 6144, "vocab": 151936, "tied": True,
        "qk_norm": "head",
    }),
    Flavor("qwen3", "4B", "4B", 40960, {
        "layers": 36, "hidden": 2560, "heads": 32, "kv_heads": 8, "head_dim": 128, "ffn": 9728, "vocab": 151936, "tied": True,
        "qk_norm": "head",
    }),
    Flavor("qwen3", "8B", "8B", 40960, {
        "layers": 36, "hidden": 4096, "heads": 32, "kv_heads": 8, "head_dim": 128, "ffn": 12288, "vocab": 151936, "qk_norm": "head",
    }),
    Flavor("qwen3", "14B", "14B", 40960, {
        "layers": 40, "hidden": 5120, "heads": 40, "kv_heads": 8, "head_dim": 128, "ffn": 17408, "vocab": 151936, "qk_norm": "head",
    }),
    Flavor("qwen3", "32B", "32B", 40960, {
        "layers": 64, "hidden": 5120, "heads": 64, "kv_heads": 8, "head_dim": 128, "ffn": 25600, "vocab": 151936, "qk_norm": "head",
    }),
    Flavor("qwen3", "30B-A3B", "30B-A3B", 40960, {
        "layers": 48, "hidden": 2048, "heads": 32, "kv_heads": 4, "head_dim": 128, "ffn": 6144, "vocab": 151936, "qk_norm": "head",
        "experts": 128, "experts_per_token": 8, "expert_ffn": 768,
    }),
    Flavor("qwen3", "235B-A22B", "235B-A22B", 40960, {
        "layers": 94, "hidden": 4096, "heads": 64, "kv_heads": 4, "head_dim": 128, "ffn": 12288, "vocab": 151936, "qk_norm": "head",
        "experts": 128, "experts_per_token": 8, "expert_ffn": 1536,
    }),
    Flavor("deepseek_v3", "16B", "16B", 16384, {
        "layers": 27, "hidden": 2048, "heads": 16, "kv_heads": 16, "head_dim": 128, "ffn": 10944, "vocab": 102400, "kv_rank": 512,
        "rope_dim": 64, "v_dim": 128, "experts": 64, "experts_per_token": 6, "expert_ffn": 1408, "shared_ffn": 2816, "dense_layers": 1,
    }),
    Flavor("deepseek_v3", "236B", "236B", 16384, {
        "layers": 60, "hidden": 5120, "heads": 128, "kv_heads": 128, "head_dim": 128, "ffn": 12288, "vocab": 102400, "kv_rank": 512,
        "q_rank": 1536, "rope_dim": 64, "v_dim": 128, "experts": 160, "experts_per_token": 6, "expert_ffn": 1536, "shared_ffn": 3072,
        "dense_layers": 1, "router_groups": 8, "groups_per_token": 3,
    }),
    Flavor("deepseek_v3", "671B", "671B", 16384, {
        "layers": 61, "hidden": 7168, "heads": 128, "kv_heads": 128, "head_dim": 128, "ffn": 18432, "vocab": 129280, "kv_rank": 512,
        "q_rank": 1536, "rope_dim": 64, "v_dim": 128, "experts": 256, "experts_per_token": 8, "expert_ffn": 2048, "shared_ffn": 2048,
        "dense_layers": 3, "router_groups": 8, "groups_per_token": 4,
    }),
    Flavor("gpt_oss", "20b", "20b", 131072, {
        "layers": 24, "hidden": 2880, "heads": 64, "kv_heads": 8, "head_dim": 64, "ffn": 2880, "vocab": 201088, "bias": True,
        "sliding_window": 128, "global_every": 2, "sinks": True, "experts": 32, "experts_per_token": 4, "expert_ffn": 2880,
    }),
    Flavor("gpt_oss", "120b", "120b", 131072, {
        "layers": 36, "hidden": 2880, "heads": 64, "kv_heads": 8, "head_dim": 64, "ffn": 2880, "vocab": 201088, "bias": True,
        "sliding_window": 128, "global_every": 2, "sinks": True, "experts": 128, "experts_per_token": 4, "expert_ffn": 2880,
    }),
)  # fmt: skip
