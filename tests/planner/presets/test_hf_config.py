"""Hugging Face configurations: keys and defaults of each family, and refusals that name file and key."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from planner import presets
from planner.errors import FileError, Unsupported
from planner.presets import hf_config
from planner.specs.parameters import active_parameters, total_parameters
from tests.planner.refusals import model_refused

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


def numbers(model: Any) -> dict[str, Any]:
    """The fields of a model except name, sources and published totals."""
    return {key: value for key, value in vars(model).items() if key not in ("name", "sources", "published_parameters", "published_active")}


@pytest.mark.parametrize(("preset", "config"), CONFIGS, ids=[name for name, _ in CONFIGS])
def test_a_published_configuration_is_the_preset(tmp_path: Path, preset: str, config: dict[str, Any]) -> None:
    """The config.json of each family gives the numbers of that model's preset."""
    assert numbers(presets.model(write(tmp_path, config))) == numbers(presets.model(preset))


def test_a_nested_language_part_is_read(tmp_path: Path) -> None:
    """Gemma 3 has its language model under text_config and omits the defaults of its class."""
    text = {"model_type": "gemma3_text", "hidden_size": 2560, "intermediate_size": 10240, "num_hidden_layers": 34, "sliding_window": 1024}
    model = hf_config.read(write(tmp_path, {"model_type": "gemma3", "text_config": text, "vision_config": {"hidden_size": 1152}}))
    preset = presets.model("gemma-3-4b")
    assert total_parameters(model) == pytest.approx(total_parameters(preset), rel=0.001)
    assert (model.head_dim, model.sliding_window, model.global_every, model.tied) == (256, 1024, 6, True)


def test_missing_keys_have_the_defaults_of_the_family(tmp_path: Path) -> None:
    """Key-value heads default to the heads, the head width to hidden over heads, an unknown family to a Llama."""
    config = {key: value for key, value in LLAMA.items() if key != "num_key_value_heads"} | {"model_type": "something-new"}
    model = hf_config.read(write(tmp_path, config))
    assert (model.kv_heads, model.head_dim, model.gated, model.norm, model.tied) == (32, 128, True, "rmsnorm", False)


def test_windows_follow_the_conventions_of_the_family(tmp_path: Path) -> None:
    """Mistral's window applies to every layer, layer_types give the period of global layers; null means none."""
    mistral = hf_config.read(write(tmp_path, LLAMA | {"model_type": "mistral", "sliding_window": 4096}))
    assert mistral.sliding_window == 4096
    assert mistral.global_every > mistral.layers
    kinds = ["sliding_attention"] * 3 + ["full_attention"]
    olmo = hf_config.read(write(tmp_path, LLAMA | {"model_type": "olmo3", "sliding_window": 4096, "layer_types": kinds * 8}))
    assert (olmo.sliding_window, olmo.global_every, olmo.qk_norm) == (4096, 4, "full")
    assert hf_config.read(write(tmp_path, LLAMA | {"sliding_window": None})).sliding_window == 0


def test_biases_and_parallel_blocks_are_read(tmp_path: Path) -> None:
    """GPT-NeoX has biases and a parallel block, StarCoder 2 biases and no gate, phi-3 neither bias nor tied head."""
    neox = hf_config.read(write(tmp_path, LLAMA | {"model_type": "gpt_neox", "num_key_value_heads": None}))
    assert (neox.bias, neox.parallel_block, neox.gated, neox.norm) == (True, True, False, "layernorm")
    star = hf_config.read(write(tmp_path, LLAMA | {"model_type": "starcoder2", "use_bias": True}))
    assert (star.bias, star.gated, star.norm) == (True, False, "layernorm")
    phi = hf_config.read(write(tmp_path, LLAMA | {"model_type": "phi3"}))
    assert (phi.bias, phi.qkv_bias, phi.gated, phi.tied) == (False, False, True, False)
    assert hf_config.read(write(tmp_path, LLAMA | {"attention_bias": True})).qkv_bias


def test_a_model_is_named_after_its_path_or_folder(tmp_path: Path) -> None:
    """_name_or_path names a model; else the file does, or the folder of a config.json."""
    assert hf_config.read(write(tmp_path, LLAMA | {"_name_or_path": "meta-llama/Llama-3.1-8B"})).name == "Llama-3.1-8B"
    assert hf_config.read(write(tmp_path, LLAMA)).name == tmp_path.name
    assert hf_config.read(write(tmp_path, LLAMA, "tiny.json")).name == "tiny"


@pytest.mark.parametrize("key", ["num_local_experts", "n_routed_experts", "num_experts", "moe_num_experts", "num_routed_experts"])
def test_experts_are_read_under_every_name(tmp_path: Path, key: str) -> None:
    """The number of experts is read under every family's key; the expert width defaults to the MLP's."""
    model = hf_config.read(write(tmp_path, LLAMA | {"model_type": "new_moe", key: 16, "num_experts_per_tok": 2}))
    assert (model.experts, model.experts_per_token, model.expert_ffn, model.shared_ffn, model.sparse_layers) == (16, 2, 14336, 0, 32)
    assert hf_config.read(write(tmp_path, LLAMA | {key: 0})) == hf_config.read(write(tmp_path, LLAMA))


def test_olmoe_has_its_published_size(tmp_path: Path) -> None:
    """OLMoE-1B-7B has 6.919 B parameters, 1.282 B active, with experts and top-k from the family's defaults."""
    config = {"model_type": "olmoe", "intermediate_size": 1024, "num_hidden_layers": 16, "num_attention_heads": 16}
    sizes = {"hidden_size": 2048, "vocab_size": 50304, "max_position_embeddings": 4096}
    model = hf_config.read(write(tmp_path, config | sizes))
    assert (total_parameters(model), active_parameters(model)) == (6_919_161_856, 1_282_017_280)


@pytest.mark.parametrize(
    ("config", "more", "dense", "every", "sparse"),
    [
        (QWEN_MOE, {"mlp_only_layers": [0, 1, 2]}, 3, 1, 45),
        (QWEN_MOE, {"decoder_sparse_step": 2}, 0, 2, 24),
        (QWEN_MOE, {"decoder_sparse_step": 48}, 47, 1, 1),
        (DEEPSEEK, {"moe_layer_freq": 2, "first_k_dense_replace": 1}, 1, 2, 30),
        (DEEPSEEK, {"moe_layer_freq": [0] * 4 + [1] * 57}, 4, 1, 57),
        (
            DEEPSEEK,
            {"mlp_layer_types": ["dense"] * 5 + ["sparse"] * 57},
            5,
            1,
            56,
        ),  # the last is a multi-token prediction layer
        (DEEPSEEK, {"first_k_dense_replace": None}, 0, 1, 61),
        (LLAMA_4, {"interleave_moe_layer_step": 4}, 0, 4, 12),
        (QWEN_MOE, {"moe_layer_start_index": 2, "moe_layer_end_index": 47}, 2, 1, 46),
    ],
)
def test_every_notation_of_sparse_layers_is_read(
    tmp_path: Path, config: dict[str, Any], more: dict[str, Any], dense: int, every: int, sparse: int
) -> None:
    """A prefix, a step, a frequency and a list all reduce to leading dense layers and a period of sparse layers."""
    model = hf_config.read(write(tmp_path, config | more))
    assert (model.dense_layers, model.moe_every, model.sparse_layers) == (dense, every, sparse)


def test_a_family_of_mixtures_may_be_dense(tmp_path: Path) -> None:
    """Without experts, or without a sparse layer, the model is dense with the width of the dense layers."""
    for key, none in (("num_local_experts", 0), ("moe_layers", [])):
        model = hf_config.read(write(tmp_path, LLAMA_4 | {key: none}))
        assert (model.experts, model.ffn, model.shared_ffn, model.sparse_layers) == (0, 16384, 0, 0)


def test_the_dense_width_is_optional_without_dense_layers(tmp_path: Path) -> None:
    """intermediate_size may be absent only where every layer is sparse."""
    config = {key: value for key, value in QWEN_MOE.items() if key != "intermediate_size"}
    assert hf_config.read(write(tmp_path, config)).ffn == 0
    model_refused(write(tmp_path, config | {"mlp_only_layers": [0]}), "key 'intermediate_size' is missing")


def test_latent_attention_is_read_without_experts_too(tmp_path: Path) -> None:
    """kv_lora_rank alone makes attention latent: kv_heads equals heads, head_dim excludes the rotary part."""
    widths = {"kv_lora_rank": 256, "q_lora_rank": 768, "qk_nope_head_dim": 64, "qk_rope_head_dim": 32, "v_head_dim": 96}
    model = hf_config.read(write(tmp_path, LLAMA | {"model_type": "minicpm3", **widths}))
    assert (model.kv_rank, model.q_rank, model.head_dim, model.rope_dim, model.v_dim) == (256, 768, 64, 32, 96)
    assert (model.kv_heads, model.experts) == (32, 0)


@pytest.mark.parametrize(
    ("layers", "kinds", "global_layers"),
    [(34, ["sliding_attention"] * 5 + ["full_attention"], 5), (62, ["sliding_attention"] * 5 + ["full_attention"], 10),
     (24, ["sliding_attention", "full_attention"], 12), (48, ["chunked_attention"] * 3 + ["full_attention"], 12)],
)  # fmt: skip
def test_layer_types_give_the_number_of_global_layers(tmp_path: Path, layers: int, kinds: list[str], global_layers: int) -> None:
    """The lists of the known families give exactly their number of global layers."""
    listed = (kinds * layers)[:layers]
    config = {"model_type": "gemma3_text", "num_hidden_layers": layers, "sliding_window": 1024, "layer_types": listed}
    model = hf_config.read(write(tmp_path, LLAMA | config))
    assert model.global_layers == listed.count("full_attention") == global_layers


def test_an_optional_window_is_off_by_default(tmp_path: Path) -> None:
    """Qwen's window applies where use_sliding_window is true, after the first max_window_layers layers."""
    qwen = LLAMA | {"model_type": "qwen2", "sliding_window": 4096, "max_window_layers": 16}
    assert hf_config.read(write(tmp_path, qwen)).sliding_window == 0
    model = hf_config.read(write(tmp_path, qwen | {"use_sliding_window": True}))
    assert (model.sliding_window, model.global_layers) == (4096, 16)
    scout = hf_config.read(write(tmp_path, LLAMA_4 | {"attention_chunk_size": None}))
    assert (scout.sliding_window, scout.chunked) == (0, False)
    assert hf_config.read(write(tmp_path, LLAMA | {"model_type": "mistral"})).sliding_window == 4096


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"linear_num_value_heads": 32, "num_experts": 512}, "linear attention"),
        ({"layer_types": ["linear_attention"] * 24 + ["full_attention"] * 8}, "layers of the kind 'linear_attention'"),
        ({"index_topk": 2048}, "sparse attention"),
        ({"ffn_config": {"moe_num_experts": 16}}, "layers described by other keys"),
        ({"num_experts": 8, "mlp_only_layers": [3]}, "31 sparse layers in an irregular order (key 'mlp_only_layers')"),
        ({"num_experts": 8, "moe_layers": [0, 1, 3]}, "3 sparse layers in an irregular order (key 'moe_layers')"),
        ({"block_configs": [{}]}, "layers that differ"),
        ({"hybrid_override_pattern": "M-M*"}, "state-space layers"),
        ({"model_type": "bert"}, "not a decoder-only transformer"),
        ({"model_type": "t5", "is_encoder_decoder": True}, "not a decoder-only transformer"),
    ],
)
def test_an_unsupported_architecture_is_refused(tmp_path: Path, more: dict[str, Any], sentence: str) -> None:
    """An architecture of unknown cost is refused by name, not planned as a Llama."""
    with pytest.raises(Unsupported, match=re.escape(sentence)):
        hf_config.read(write(tmp_path, LLAMA | more))


WRONG: list[tuple[Any, str]] = [
    ({key: value for key, value in LLAMA.items() if key != "hidden_size"}, "key 'hidden_size' is missing"),
    ({key: value for key, value in LLAMA.items() if key != "intermediate_size"}, "key 'intermediate_size' is missing"),
    (LLAMA | {"num_hidden_layers": "32"}, "key 'num_hidden_layers' must be a whole number of at least 1, not '32'"),
    (LLAMA | {"num_hidden_layers": True}, "key 'num_hidden_layers' must be a whole number"),
    (LLAMA | {"vocab_size": 0}, "key 'vocab_size' must be a whole number of at least 1, not 0"),
    (LLAMA | {"num_attention_heads": 31}, "key 'head_dim' is missing, and 31 heads do not divide hidden_size 4,096"),
    (LLAMA | {"num_key_value_heads": 5}, "kv_heads must divide the 32 heads"),
    (LLAMA | {"tie_word_embeddings": "no"}, "key 'tie_word_embeddings' must be true or false"),
    (LLAMA | {"sliding_window": "4k"}, "key 'sliding_window' must be a whole number of at least 0, or null, not '4k'"),
    (LLAMA | {"sliding_window": 4096, "sliding_window_pattern": "6"}, "key 'sliding_window_pattern' must be a whole number of at least 1"),
    (LLAMA | {"layer_types": ["full_attention"] * 8}, "key 'layer_types' must have an entry for each of the 32 layers, not 8"),
    (LLAMA | {"layer_types": "full_attention"}, "key 'layer_types' must be a list, not 'full_attention'"),
    (LLAMA | {"num_experts": 8}, "key 'num_experts_per_tok' is missing"),
    (LLAMA | {"num_experts": "8"}, "key 'num_experts' must be a whole number of at least 0, or null, not '8'"),
    (LLAMA | {"num_experts": 8, "num_experts_per_tok": 9}, "experts_per_token must be from 1 to the 8 experts, not 9"),
    (LLAMA | {"num_experts": 8, "num_hidden_layers": 10**15}, "layers must lie between 1"),
    (QWEN_MOE | {"moe_intermediate_size": 0}, "key 'moe_intermediate_size' must be a whole number of at least 1, not 0"),
    (QWEN_MOE | {"mlp_only_layers": 3}, "key 'mlp_only_layers' must be a list, not 3"),
    (QWEN_MOE | {"decoder_sparse_step": 0}, "key 'decoder_sparse_step' must be a whole number of at least 1, not 0"),
    (DEEPSEEK | {"first_k_dense_replace": -1}, "key 'first_k_dense_replace' must be a whole number of at least 0, or null, not -1"),
    (DEEPSEEK | {"n_shared_experts": True}, "key 'n_shared_experts' must be a whole number of at least 0, or null, not True"),
    (DEEPSEEK | {"n_group": 7}, "router_groups must divide the 256 experts"),
    (DEEPSEEK | {"kv_lora_rank": "512"}, "key 'kv_lora_rank' must be a whole number of at least 0, or null, not '512'"),
    (DEEPSEEK | {"num_nextn_predict_layers": 0.5}, "key 'num_nextn_predict_layers' must be a whole number of at least 0"),
    (LLAMA | {"kv_lora_rank": 512}, "key 'qk_nope_head_dim' is missing"),
    (LLAMA_4 | {"attention_chunk_size": [8192]}, "key 'attention_chunk_size' must be a whole number of at least 0, or null"),
    (LLAMA_4 | {"moe_layers": 1}, "key 'moe_layers' must be a list, not 1"),
    (LLAMA | {"hidden_size": float("nan")}, "key 'hidden_size' must be a whole number"),
    ([1, 2], "must be one JSON object"),
    ('{\n  "hidden_size": 4096,\n  oops\n}', "line 3, column 3 is not valid JSON"),
    ("", "line 1, column 1 is not valid JSON"),
    ("[" * 200_000, "is not valid JSON: it is nested too deep"),
    ({}, "key 'num_hidden_layers' is missing"),
]


@pytest.mark.parametrize(("config", "sentence"), WRONG)
def test_a_wrong_configuration_is_refused_with_file_and_key(tmp_path: Path, config: Any, sentence: str) -> None:
    """A missing key, a wrong type or invalid JSON is refused in one sentence with the file and the key or line."""
    path = write(tmp_path, config)
    model_refused(path, sentence)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """A missing configuration, and one that is not text, are refused with the path."""
    (tmp_path / "bytes.json").write_bytes(b'{"a": "\xff"}')
    for name in ("none.json", "bytes.json"):
        with pytest.raises(FileError, match=name):
            presets.model(tmp_path / name)
