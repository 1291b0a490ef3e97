"""Hugging Face configurations of mixtures of experts and of latent attention."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from planner.presets import hf_config
from planner.specs.parameters import active_parameters, total_parameters
from tests.planner.presets.hf_configs import DEEPSEEK, LLAMA, LLAMA_4, QWEN_MOE, write
from tests.planner.refusals import model_refused


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
