"""Hugging Face configurations: keys and defaults of each family, and refusals that name file and key."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from planner import presets
from planner.errors import FileError, Unsupported
from planner.presets import hf_config
from planner.specs.parameters import total_parameters
from tests.planner.presets.hf_configs import CONFIGS, DEEPSEEK, LLAMA, LLAMA_4, QWEN_MOE, write
from tests.planner.refusals import model_refused


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
