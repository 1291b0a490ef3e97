"""Hugging Face configurations: the families' own keys and ways, and refusals that name file and key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from planner import hfconfig, presets
from planner.errors import FileError, Unsupported
from planner.parameters import total_parameters
from tests.planner.refusals import model_refused

LLAMA = {
    "model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32,
    "num_key_value_heads": 8, "vocab_size": 128256, "max_position_embeddings": 131072, "tie_word_embeddings": False,
}  # fmt: skip
# A configuration as its publisher wrote it (the keys that matter), and the preset it must equal in every number.
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
]  # fmt: skip


def write(tmp_path: Path, config: Any, name: str = "config.json") -> Path:
    """Write a configuration: as JSON, or text as it stands."""
    (tmp_path / name).write_text(config if isinstance(config, str) else json.dumps(config, indent=2), encoding="utf-8")
    return tmp_path / name


def numbers(model: Any) -> dict[str, Any]:
    """Everything of a model but what it is called, who published it, and its total."""
    return {key: value for key, value in vars(model).items() if key not in ("name", "sources", "published_parameters")}


@pytest.mark.parametrize(("preset", "config"), CONFIGS, ids=[name for name, _ in CONFIGS])
def test_a_published_configuration_is_the_preset(tmp_path: Path, preset: str, config: dict[str, Any]) -> None:
    """A family's config.json reads into the very numbers of the preset of that model."""
    assert numbers(presets.model(write(tmp_path, config))) == numbers(presets.model(preset))


def test_a_nested_language_part_is_read(tmp_path: Path) -> None:
    """Gemma 3 puts its language model under text_config and leaves out what its class has as defaults."""
    text = {"model_type": "gemma3_text", "hidden_size": 2560, "intermediate_size": 10240, "num_hidden_layers": 34, "sliding_window": 1024}
    model = hfconfig.read(write(tmp_path, {"model_type": "gemma3", "text_config": text, "vision_config": {"hidden_size": 1152}}))
    preset = presets.model("gemma-3-4b")
    assert total_parameters(model) == pytest.approx(total_parameters(preset), rel=0.001)
    assert (model.head_dim, model.sliding_window, model.global_every, model.tied) == (256, 1024, 6, True)


def test_what_a_configuration_leaves_out_takes_the_familys_way(tmp_path: Path) -> None:
    """Key-value heads default to the heads, a head's width to hidden over heads, an unknown family to a Llama."""
    config = {key: value for key, value in LLAMA.items() if key != "num_key_value_heads"} | {"model_type": "something-new"}
    model = hfconfig.read(write(tmp_path, config))
    assert (model.kv_heads, model.head_dim, model.gated, model.norm, model.tied) == (32, 128, True, "rmsnorm", False)


def test_windows_are_read_as_the_family_means_them(tmp_path: Path) -> None:
    """Mistral's window holds in every layer, a list of layer kinds says how often a layer is global, null is no window."""
    mistral = hfconfig.read(write(tmp_path, LLAMA | {"model_type": "mistral", "sliding_window": 4096}))
    assert mistral.sliding_window == 4096
    assert mistral.global_every > mistral.layers
    kinds = ["sliding_attention"] * 3 + ["full_attention"]
    olmo = hfconfig.read(write(tmp_path, LLAMA | {"model_type": "olmo3", "sliding_window": 4096, "layer_types": kinds * 8}))
    assert (olmo.sliding_window, olmo.global_every, olmo.qk_norm) == (4096, 4, "full")
    assert hfconfig.read(write(tmp_path, LLAMA | {"sliding_window": None})).sliding_window == 0


def test_biases_and_parallel_blocks_are_read(tmp_path: Path) -> None:
    """GPT-NeoX has biases and a parallel block, StarCoder 2 biases and no gate, phi-3 neither bias nor tied head."""
    neox = hfconfig.read(write(tmp_path, LLAMA | {"model_type": "gpt_neox", "num_key_value_heads": None}))
    assert (neox.bias, neox.parallel_block, neox.gated, neox.norm) == (True, True, False, "layernorm")
    star = hfconfig.read(write(tmp_path, LLAMA | {"model_type": "starcoder2", "use_bias": True}))
    assert (star.bias, star.gated, star.norm) == (True, False, "layernorm")
    phi = hfconfig.read(write(tmp_path, LLAMA | {"model_type": "phi3"}))
    assert (phi.bias, phi.qkv_bias, phi.gated, phi.tied) == (False, False, True, False)
    assert hfconfig.read(write(tmp_path, LLAMA | {"attention_bias": True})).qkv_bias


def test_a_model_is_named_after_its_path_or_folder(tmp_path: Path) -> None:
    """_name_or_path names a model; without it the file does, or the folder of a config.json."""
    assert hfconfig.read(write(tmp_path, LLAMA | {"_name_or_path": "meta-llama/Llama-3.1-8B"})).name == "Llama-3.1-8B"
    assert hfconfig.read(write(tmp_path, LLAMA)).name == tmp_path.name
    assert hfconfig.read(write(tmp_path, LLAMA, "tiny.json")).name == "tiny"


@pytest.mark.parametrize(
    "more",
    [
        {"model_type": "mixtral", "num_local_experts": 8},
        {"n_routed_experts": 256},
        {"num_experts": 128},
        {"model_type": "glm4_moe"},
        {"ffn_config": {"moe_num_experts": 16}},
    ],
)
def test_a_mixture_of_experts_is_refused(tmp_path: Path, more: dict[str, Any]) -> None:
    """However a configuration says that it routes to experts, it is refused as a mixture of experts."""
    with pytest.raises(Unsupported, match="mixture of experts"):
        presets.model(write(tmp_path, LLAMA | more))


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"kv_lora_rank": 512}, "multi-head latent attention"),
        ({"block_configs": [{}]}, "layers that differ"),
        ({"hybrid_override_pattern": "M-M*"}, "state-space layers"),
        ({"model_type": "bert"}, "not a decoder-only transformer"),
        ({"model_type": "t5", "is_encoder_decoder": True}, "not a decoder-only transformer"),
    ],
)
def test_what_is_no_plain_decoder_is_refused(tmp_path: Path, more: dict[str, Any], sentence: str) -> None:
    """An architecture whose cost tmplan does not know is refused by name, not planned as a Llama."""
    with pytest.raises(Unsupported, match=sentence):
        hfconfig.read(write(tmp_path, LLAMA | more))


WRONG: list[tuple[Any, str]] = [
    ({key: value for key, value in LLAMA.items() if key != "hidden_size"}, "key 'hidden_size' is missing"),
    ({key: value for key, value in LLAMA.items() if key != "intermediate_size"}, "key 'intermediate_size' is missing"),
    (LLAMA | {"num_hidden_layers": "32"}, "key 'num_hidden_layers' must be a whole number of at least 1, not '32'"),
    (LLAMA | {"num_hidden_layers": True}, "key 'num_hidden_layers' must be a whole number"),
    (LLAMA | {"vocab_size": 0}, "key 'vocab_size' must be a whole number of at least 1, not 0"),
    (LLAMA | {"num_attention_heads": 31}, "key 'head_dim' is missing, and 31 heads do not divide hidden_size 4096"),
    (LLAMA | {"num_key_value_heads": 5}, "kv_heads must divide the 32 heads"),
    (LLAMA | {"tie_word_embeddings": "no"}, "key 'tie_word_embeddings' must be true or false"),
    (LLAMA | {"sliding_window": "4k"}, "key 'sliding_window' must be a whole number or null"),
    (LLAMA | {"hidden_size": float("nan")}, "key 'hidden_size' must be a whole number"),
    ([1, 2], "must hold one JSON object"),
    ('{\n  "hidden_size": 4096,\n  oops\n}', "line 3, column 3 is not valid JSON"),
    ("", "line 1, column 1 is not valid JSON"),
    ("[" * 200_000, "cannot be read as JSON"),
    ({}, "key 'num_hidden_layers' is missing"),
]


@pytest.mark.parametrize(("config", "sentence"), WRONG)
def test_a_wrong_configuration_is_refused_with_file_and_key(tmp_path: Path, config: Any, sentence: str) -> None:
    """A missing key, a wrong type or damaged JSON is refused in one sentence with the file and the key or line."""
    path = write(tmp_path, config)
    model_refused(path, sentence)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """A missing configuration, and one that is no text, are refused with the path."""
    (tmp_path / "bytes.json").write_bytes(b'{"a": "\xff"}')
    for name in ("none.json", "bytes.json"):
        with pytest.raises(FileError, match=name):
            presets.model(tmp_path / name)
