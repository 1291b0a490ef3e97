"""Published Hugging Face configurations, reduced to the relevant keys, and the presets of the same models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

LLAMA = {
    "model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32,
    "num_key_value_heads": 8, "vocab_size": 128256, "max_position_embeddings": 131072, "tie_word_embeddings": False,
}  # fmt: skip
DEEPSEEK = {
    "model_type": "deepseek_v3", "hidden_size": 7168, "intermediate_size": 18432, "num_hidden_layers": 61, "num_attention_heads": 128,
    "num_key_value_heads": 128, "vocab_size": 129280, "max_position_embeddings": 163840, "tie_word_embeddings": False,
    "kv_lora_rank": 512, "q_lora_rank": 1536, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128,
    "n_routed_experts": 256, "n_shared_experts": 1, "num_experts_per_tok": 8, "moe_intermediate_size": 2048, "first_k_dense_replace": 3,
    "moe_layer_freq": 1, "n_group": 8, "topk_group": 4, "topk_method": "noaux_tc", "num_nextn_predict_layers": 1, "head_dim": 64,
}  # fmt: skip
LLAMA_4 = {
    "model_type": "llama4_text", "hidden_size": 5120, "intermediate_size": 8192, "intermediate_size_mlp": 16384, "num_hidden_layers": 48,
    "num_attention_heads": 40, "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 202048, "max_position_embeddings": 10485760,
    "num_local_experts": 16, "num_experts_per_tok": 1, "interleave_moe_layer_step": 1, "attention_chunk_size": 8192, "use_qk_norm": True,
}  # fmt: skip
QWEN_MOE = {
    "model_type": "qwen3_moe", "hidden_size": 2048, "intermediate_size": 6144, "num_hidden_layers": 48, "num_attention_heads": 32,
    "num_key_value_heads": 4, "head_dim": 128, "vocab_size": 151936, "max_position_embeddings": 40960, "tie_word_embeddings": False,
    "num_experts": 128, "num_experts_per_tok": 8, "moe_intermediate_size": 768, "decoder_sparse_step": 1, "mlp_only_layers": [],
    "sliding_window": None, "use_sliding_window": False, "max_window_layers": 48,
}  # fmt: skip
# The relevant keys of a published configuration, and the preset it must equal in every number.
CONFIGS: list[tuple[str, dict[str, Any]]] = [
    ("llama-3.1-8b", LLAMA),
    ("qwen2.5-7b", {
        "model_type": "qwen2", "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28, "num_attention_heads": 28,
        "num_key_value_heads": 4, "vocab_size": 152064, "max_position_embeddings": 131072, "tie_word_embeddings": False,
        "sliding_window": 131072, "use_sliding_window": False,
    }),
    ("qwen3-0.6b", {
        "model_type": "qwen3", "hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 28, "num_attention_heads": 16,
        "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151936, "max_position_embeddings": 40960,
        "tie_word_embeddings": True, "attention_bias": False, "sliding_window": None, "use_sliding_window": False,
    }),
    ("gemma-2-9b", {
        "model_type": "gemma2", "hidden_size": 3584, "intermediate_size": 14336, "num_hidden_layers": 42, "num_attention_heads": 16,
        "num_key_value_heads": 8, "head_dim": 256, "vocab_size": 256000, "max_position_embeddings": 8192, "sliding_window": 4096,
    }),
    ("gpt2-xl-1.5b", {
        "model_type": "gpt2", "n_embd": 1600, "n_layer": 48, "n_head": 25, "n_positions": 1024, "n_inner": None, "vocab_size": 50257,
    }),
    ("bloom-176b", {"model_type": "bloom", "hidden_size": 14336, "n_layer": 70, "num_attention_heads": 112, "vocab_size": 250880}),
    ("falcon-7b", {
        "model_type": "falcon", "hidden_size": 4544, "num_hidden_layers": 32, "num_attention_heads": 71, "num_kv_heads": 71,
        "multi_query": True, "parallel_attn": True, "new_decoder_architecture": False, "bias": False, "alibi": False, "vocab_size": 65024,
    }),
    ("falcon-40b", {
        "model_type": "falcon", "hidden_size": 8192, "num_hidden_layers": 60, "num_attention_heads": 128, "num_kv_heads": 8,
        "multi_query": True, "parallel_attn": True, "new_decoder_architecture": True, "bias": False, "vocab_size": 65024,
    }),
    ("nemotron-4-340b", {
        "model_type": "nemotron", "hidden_size": 18432, "intermediate_size": 73728, "num_hidden_layers": 96, "num_attention_heads": 96,
        "num_key_value_heads": 8, "head_dim": 192, "vocab_size": 256000, "max_position_embeddings": 4096, "tie_word_embeddings": False,
    }),
    ("olmo-2-13b", {
        "model_type": "olmo2", "hidden_size": 5120, "intermediate_size": 13824, "num_hidden_layers": 40, "num_attention_heads": 40,
        "num_key_value_heads": 40, "vocab_size": 100352, "max_position_embeddings": 4096, "tie_word_embeddings": False,
    }),
    ("mixtral-8x7b", {
        "model_type": "mixtral", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32,
        "num_key_value_heads": 8, "vocab_size": 32000, "max_position_embeddings": 32768, "tie_word_embeddings": False,
        "num_local_experts": 8, "num_experts_per_tok": 2, "sliding_window": None,
    }),
    ("qwen2-57b-a14b", {
        "model_type": "qwen2_moe", "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28, "num_attention_heads": 28,
        "num_key_value_heads": 4, "vocab_size": 151936, "max_position_embeddings": 131072, "tie_word_embeddings": False,
        "num_experts": 64, "num_experts_per_tok": 8, "moe_intermediate_size": 2560, "shared_expert_intermediate_size": 20480,
        "decoder_sparse_step": 1, "mlp_only_layers": [], "sliding_window": 131072, "use_sliding_window": False,
    }),
    ("qwen3-30b-a3b", QWEN_MOE),
    ("deepseek-v2-236b", DEEPSEEK | {
        "model_type": "deepseek_v2", "hidden_size": 5120, "intermediate_size": 12288, "num_hidden_layers": 60, "vocab_size": 102400,
        "n_routed_experts": 160, "n_shared_experts": 2, "num_experts_per_tok": 6, "moe_intermediate_size": 1536,
        "first_k_dense_replace": 1, "topk_group": 3, "topk_method": "group_limited_greedy", "num_nextn_predict_layers": None,
    }),
    ("deepseek-v2-lite-16b", {
        "model_type": "deepseek_v2", "hidden_size": 2048, "intermediate_size": 10944, "num_hidden_layers": 27, "num_attention_heads": 16,
        "num_key_value_heads": 16, "vocab_size": 102400, "max_position_embeddings": 163840, "tie_word_embeddings": False,
        "kv_lora_rank": 512, "q_lora_rank": None, "num_experts_per_tok": 6, "moe_intermediate_size": 1408, "first_k_dense_replace": 1,
        "n_group": 1, "topk_group": 1, "topk_method": "greedy",
    }),
    ("deepseek-v3-671b", DEEPSEEK),
    ("kimi-k2-1t", DEEPSEEK | {
        "model_type": "kimi_k2", "num_attention_heads": 64, "num_key_value_heads": 64, "vocab_size": 163840, "n_routed_experts": 384,
        "max_position_embeddings": 131072, "first_k_dense_replace": 1, "n_group": 1, "topk_group": 1, "num_nextn_predict_layers": 0,
    }),
    ("moonlight-16b-a3b", DEEPSEEK | {
        "hidden_size": 2048, "intermediate_size": 11264, "num_hidden_layers": 27, "num_attention_heads": 16, "num_key_value_heads": 16,
        "vocab_size": 163840, "max_position_embeddings": 8192, "q_lora_rank": None, "n_routed_experts": 64, "n_shared_experts": 2,
        "num_experts_per_tok": 6, "moe_intermediate_size": 1408, "first_k_dense_replace": 1, "n_group": 1, "topk_group": 1,
        "num_nextn_predict_layers": 0,
    }),
    ("glm-4.5-355b-a32b", {
        "model_type": "glm4_moe", "hidden_size": 5120, "intermediate_size": 12288, "num_hidden_layers": 92, "num_attention_heads": 96,
        "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151552, "max_position_embeddings": 131072, "tie_word_embeddings": False,
        "attention_bias": True, "use_qk_norm": True, "n_routed_experts": 160, "n_shared_experts": 1, "num_experts_per_tok": 8,
        "moe_intermediate_size": 1536, "first_k_dense_replace": 3, "n_group": 1, "topk_group": 1, "num_nextn_predict_layers": 1,
    }),
    ("glm-4.5-air-106b-a12b", {
        "model_type": "glm4_moe", "hidden_size": 4096, "intermediate_size": 10944, "num_hidden_layers": 46, "num_attention_heads": 96,
        "head_dim": 128, "vocab_size": 151552, "max_position_embeddings": 131072, "attention_bias": True, "use_qk_norm": False,
        "num_nextn_predict_layers": 1,
    }),
    ("gpt-oss-20b", {
        "model_type": "gpt_oss", "hidden_size": 2880, "intermediate_size": 2880, "num_hidden_layers": 24, "num_attention_heads": 64,
        "num_key_value_heads": 8, "head_dim": 64, "vocab_size": 201088, "max_position_embeddings": 131072, "attention_bias": True,
        "num_local_experts": 32, "num_experts_per_tok": 4, "sliding_window": 128,
        "layer_types": ["sliding_attention", "full_attention"] * 12,
    }),
    ("llama-4-scout-17b-16e", {"model_type": "llama4", "text_config": LLAMA_4, "vision_config": {"hidden_size": 1408}}),
    ("llama-4-maverick-17b-128e", LLAMA_4 | {
        "max_position_embeddings": 1048576, "num_local_experts": 128, "interleave_moe_layer_step": 2, "moe_layers": list(range(1, 48, 2)),
        "no_rope_layers": [1, 1, 1, 0] * 12,
    }),
]  # fmt: skip


def write(tmp_path: Path, config: Any, name: str = "config.json") -> Path:
    """Write a configuration: a dictionary as JSON, a text unchanged."""
    (tmp_path / name).write_text(config if isinstance(config, str) else json.dumps(config, indent=2), encoding="utf-8")
    return tmp_path / name
