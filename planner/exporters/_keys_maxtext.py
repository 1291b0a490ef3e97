"""The keys of a MaxText configuration file that an export may write."""

from __future__ import annotations

from collections.abc import Mapping

from planner.exporters._keys import Key, keys

AXES = ("data", "fsdp", "context", "tensor", "tensor_sequence", "expert", "pipeline")
KEYS: Mapping[str, Key] = (
    keys(int, *(f"{net}_{axis}_parallelism" for net in ("ici", "dcn") for axis in AXES))
    | keys(int, "num_layers_per_pipeline_stage", "num_pipeline_repeats", "num_pipeline_microbatches", "gradient_accumulation_steps")
    | keys(int, "max_target_length", "base_emb_dim", "base_num_query_heads", "base_num_kv_heads", "base_mlp_dim", "base_num_decoder_layers")
    | keys(int, "head_dim", "vocab_size", "num_experts", "num_experts_per_tok", "base_moe_mlp_dim")
    | keys(float, "per_device_batch_size", "capacity_factor")
    | keys(bool, "logits_via_embedding", "normalize_embedding_logits", "attention_bias", "use_qk_norm", "norm_topk_prob", "sparse_matmul")
    | keys(bool, "megablox", "optimizer_memory_host_offload", "parameter_memory_host_offload")
    | keys(int, "num_vocab_tiling")
    | keys(str, "run_name")
    | keys(list, "mlp_activations")
    | {
        "model_name": Key(str, choices=("default",)),
        "hardware": Key(str, choices=("tpu", "gpu", "gpu_multiprocess", "cpu")),
        "decoder_block": Key(str, choices=("llama2", "qwen2", "qwen3", "mixtral", "qwen3_moe")),
        "attention": Key(str, choices=("autoselected", "dot_product", "flash", "cudnn_flash_te")),
        "remat_policy": Key(str, choices=("minimal_with_context", "minimal", "save_dot_with_context_except_mlp", "custom", "full")),
        "dtype": Key(str, choices=("bfloat16", "float32")),
        "weight_dtype": Key(str, choices=("bfloat16", "float32")),
        "grad_dtype": Key(str, choices=("bfloat16", "float32")),
        "mu_dtype": Key(str, choices=("bfloat16", "float32")),
        "decoder_layer_input": Key(str, choices=("offload",)),
        "quantization": Key(str, choices=("", "fp8", "te_fp8_currentscaling", "te_mxfp8")),
        "opt_type": Key(str, choices=("adamw", "sgd")),
    }
)
