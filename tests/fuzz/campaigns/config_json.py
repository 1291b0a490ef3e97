"""Campaign: config.json files of Hugging Face, mutated; read, planned with, and given to a command."""

from __future__ import annotations

import json
import re
from random import Random
from typing import Any

from planner import presets
from planner.document.inputs import Inputs, resolve
from planner.document.planfile import Document
from planner.document.space import Space
from planner.presets import hf_config
from planner.report.best import best_fitting
from planner.report.columns import records
from tests.fuzz import nasty
from tests.fuzz.campaign import Bench, Campaign, Case, register
from tests.fuzz.mutate import mutated, shaken
from tests.fuzz.numbered import sound
from tests.fuzz.promises import tried
from tui.state import edits

SMALL: dict[str, Any] = {"gpu": "h100-sxm", "gpus": 8, "global_batch": 16, "sequence": 2048}
LLAMA: dict[str, Any] = {
    "model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32,
    "num_key_value_heads": 8, "vocab_size": 128256, "tie_word_embeddings": False, "head_dim": 128, "attention_bias": False,
    "mlp_bias": False, "torch_dtype": "bfloat16", "_name_or_path": "meta/llama",
}  # fmt: skip
DEEPSEEK: dict[str, Any] = {
    "model_type": "deepseek_v3", "hidden_size": 7168, "intermediate_size": 18432, "moe_intermediate_size": 2048, "num_hidden_layers": 61,
    "num_attention_heads": 128, "num_key_value_heads": 128, "vocab_size": 129280, "n_routed_experts": 256, "n_shared_experts": 1,
    "num_experts_per_tok": 8, "first_k_dense_replace": 3, "moe_layer_freq": 1, "kv_lora_rank": 512, "q_lora_rank": 1536,
    "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128, "num_nextn_predict_layers": 1, "tie_word_embeddings": False,
}  # fmt: skip
QWEN_MOE = LLAMA | {
    "model_type": "qwen2_moe", "moe_intermediate_size": 2560, "shared_expert_intermediate_size": 20480, "num_experts": 64,
    "num_experts_per_tok": 8, "decoder_sparse_step": 1, "mlp_only_layers": [], "use_sliding_window": False, "max_window_layers": 28,
}  # fmt: skip
GEMMA = LLAMA | {"model_type": "gemma3_text", "sliding_window": 1024, "sliding_window_pattern": 6, "head_dim": 256}
LLAMA4 = LLAMA | {
    "model_type": "llama4_text", "intermediate_size_mlp": 16384, "num_local_experts": 16, "num_experts_per_tok": 1,
    "interleave_moe_layer_step": 1, "no_rope_layers": [1, 1, 1, 0] * 8, "attention_chunk_size": 8192, "moe_layers": list(range(32)),
}  # fmt: skip
GLM = LLAMA | {
    "model_type": "glm4_moe", "moe_intermediate_size": 1408, "n_routed_experts": 128, "n_shared_experts": 1, "num_experts_per_tok": 8,
    "first_k_dense_replace": 1, "use_qk_norm": False, "mlp_layer_types": ["dense"] + ["sparse"] * 31,
}  # fmt: skip
BASES: tuple[dict[str, Any], ...] = (
    LLAMA, DEEPSEEK, QWEN_MOE, GEMMA, LLAMA4, GLM,
    LLAMA | {"model_type": "mixtral", "num_local_experts": 8, "num_experts_per_tok": 2, "sliding_window": None},
    LLAMA | {"model_type": "gpt_oss", "layer_types": ["sliding_attention", "full_attention"] * 16, "sliding_window": 128},
    LLAMA | {"model_type": "falcon", "multi_query": True, "parallel_attn": True, "new_decoder_architecture": False, "alibi": False},
    LLAMA | {"model_type": "gpt_neox", "use_parallel_residual": True},
    LLAMA | {"model_type": "unheard_of", "experts": 4},
    {"model_type": "gpt2", "n_embd": 768, "n_layer": 12, "n_head": 12, "vocab_size": 50257, "n_positions": 1024, "resid_pdrop": 0.1},
    {"model_type": "gemma3", "text_config": GEMMA, "vision_config": {"hidden_size": 1152}},
)  # fmt: skip
KEYS = sorted({key for base in BASES for key in base} | set(hf_config.NOT_PLANNED) | {"is_encoder_decoder", "n_inner", "d_model"})
LITERALS = ("1e309", "-0", "9" * 5000, "-Infinity", "NaN", "1.0", "0.1e1", "1" + "0" * 4301, "null", "[]", '"x"', "{}")


def draw(rng: Random) -> Case:
    """A mutated config.json; now and then one that is planned with, or given to a command."""
    config = mutated(rng, rng.choice(BASES))
    if rng.random() < 0.3:
        config[rng.choice(KEYS)] = nasty.value(rng)
    data = json_text(rng, config, KEYS).encode("utf-8", "surrogatepass")
    if rng.random() < 0.15:
        data = shaken(rng, data)
    return {"data": nasty.packed(data), "way": rng.choices(("read", "plan", "command"), (90, 5, 5))[0]}


def json_text(rng: Random, data: Any, keys: list[str]) -> str:
    """JSON of any data, now and then with a number that no program writes, or a key twice."""
    text = json.dumps(data)
    if rng.random() < 0.15 and (spots := list(re.finditer(r"(?<=: )-?\d+(\.\d+)?", text))):
        spot = rng.choice(spots)
        text = text[: spot.start()] + rng.choice(LITERALS) + text[spot.end() :]
    if rng.random() < 0.1 and text.endswith("}"):
        text = f'{text[:-1]}, "{rng.choice(keys)}": {rng.choice(LITERALS)}}}'
    return text


def check(case: Case, bench: Bench) -> None:
    """The file is a model, or refused; where it is one it can be shown, and planned with numbers that are sound."""
    path = bench.file("config.json", nasty.unpacked(case["data"]))
    if case["way"] == "command":
        argv = [
            "plan",
            "--model",
            str(path),
            "--gpus",
            "8",
            "--global-batch",
            "16",
            "--sequence",
            "2048",
            "--tp",
            "1",
            "--pp",
            "1",
            "--top",
            "1",
        ]
        tried(argv)
        return
    presets.model(str(path))
    document = Document(Inputs({**SMALL, "model": str(path)}))
    job = resolve(document.inputs)
    edits.notes(document), edits.size(document), edits.texts(document)
    if case["way"] == "plan" and (result := best_fitting(job, Space().with_("tp", "1").with_("pp", "1"))):
        sound(records(result.estimate)[0])


register(Campaign("config-json", "config.json files of Hugging Face", draw, check, weight=1.0, shrinks=("data",)))
