"""Models of torchtitan for the lab: Llama 3, Qwen3 (dense, and with experts) and DeepSeek-V3, of any size. Read with torchtitan 0.3.0."""

from __future__ import annotations

import dataclasses
import importlib
from typing import Any

from planner.lab.record import LabError
from planner.lab.task import DENSE, Task
from planner.lab.tracker import Tracker

SMALL = "debugmodel"  # a flavor that every family has
THETA = 500_000.0  # of rotations, on which no memory depends


def spec_of(task: Task, tracker: Tracker) -> Any:
    """The specification of the model: torchtitan's family with the sizes of the task."""
    model = task.model
    if model["norm"] != "rmsnorm" or not model["gated"] or model["positions"] != "rope" or model["bias"] or model["parallel_block"]:
        raise LabError(f"verify runs torchtitan with models like Llama 3, Qwen3 and DeepSeek-V3; {model['name']} is none of them")
    if model["mtp_layers"]:
        tracker.note("the layers of multi-token prediction are not run under torchtitan")
    latent, sparse = bool(model["kv_rank"]), bool(model["experts"])
    if sparse and not latent and (model["shared_ffn"] or model["dense_layers"]):
        raise LabError(f"torchtitan has no family of experts like {model['name']} that the lab knows")
    if sparse and not latent and model["qk_norm"] == "none":
        tracker.note("the experts of torchtitan are Qwen3's, which also normalizes queries and keys of each head")
    narrow = sparse or model["qk_norm"] != "none" or model["head_dim"] * model["heads"] != model["hidden"]
    family = "deepseek_v3" if latent else "qwen3" if narrow else "llama3"
    module = importlib.import_module(f"torchtitan.models.{family}")
    spec = module.model_registry(SMALL)
    layers = {"deepseek_v3": latent_layers, "qwen3": qwen3_layers, "llama3": llama3_layers}[family](task, module)
    return dataclasses.replace(spec, model=resized(task, spec.model, layers))


def resized(task: Task, config: Any, layers: list[Any]) -> Any:
    """The configuration of a small model with other sizes and layers."""
    hidden, vocab = task.model["hidden"], task.model["vocab"]
    return dataclasses.replace(
        config, dim=hidden, vocab_size=vocab, layers=layers, enable_weight_tying=task.model["tied"],
        tok_embeddings=dataclasses.replace(config.tok_embeddings, num_embeddings=vocab, embedding_dim=hidden),
        norm=dataclasses.replace(config.norm, normalized_shape=hidden),
        lm_head=dataclasses.replace(config.lm_head, in_features=hidden, out_features=vocab),
    )  # fmt: skip


def heads(task: Task) -> dict[str, Any]:
    """The sizes of grouped-query attention."""
    model = task.model
    return {"dim": model["hidden"], "n_heads": model["heads"], "n_kv_heads": model["kv_heads"], "attn_backend": "flex"}


def llama3_layers(task: Task, module: Any) -> list[Any]:
    """Dense layers whose heads divide the hidden width."""
    rope = module.ComplexRoPE.Config(dim=task.model["head_dim"], max_seq_len=length(task), theta=THETA, scaling="llama")
    return list(module._build_llama3_layers(n_layers=count(task), hidden_dim=task.model["ffn"], rope=rope, **heads(task)))


def qwen3_layers(task: Task, module: Any) -> list[Any]:
    """Layers with norms of queries and keys, dense or with routed experts."""
    model = task.model
    rope = module.CosSinRoPE.Config(dim=model["head_dim"], max_seq_len=length(task), theta=THETA)
    common = heads(task) | {"n_layers": count(task), "head_dim": model["head_dim"], "rope": rope}
    if not model["experts"]:
        return list(module._build_qwen3_layers(hidden_dim=model["ffn"], **common))
    experts = {"moe_hidden_dim": model["expert_ffn"], "num_experts": model["experts"], "top_k": model["experts_per_token"]}
    return list(module._build_qwen3_moe_layers(moe_comm_backend="standard", **common, **experts))


def latent_layers(task: Task, module: Any) -> list[Any]:
    """Layers with latent attention, the first ones dense, the others with routed and shared experts."""
    model = task.model
    dense = sum(layers.count(DENSE) for layers in task.layers)
    rope = module.ComplexRoPE.Config(dim=model["rope_dim"], max_seq_len=length(task), theta=THETA)
    return list(module._build_dsv3_layers(
        n_layers=count(task), n_dense_layers=dense, dim=model["hidden"], n_heads=model["heads"], q_lora_rank=model["q_rank"],
        kv_lora_rank=model["kv_rank"], qk_nope_head_dim=model["head_dim"], qk_rope_head_dim=model["rope_dim"],
        v_head_dim=model["v_dim"] or model["head_dim"], mscale=1.0, dense_hidden_dim=model["ffn"], moe_hidden_dim=model["expert_ffn"],
        num_experts=model["experts"], num_shared_experts=model["shared_ffn"] // model["expert_ffn"],
        router_top_k=model["experts_per_token"], router_score_func="sigmoid", router_num_expert_groups=model["router_groups"] or None,
        router_num_limited_groups=model["groups_per_token"] or None, attn_backend="flex", moe_comm_backend="standard",
        non_blocking_capacity_factor=None, rope=rope,
    ))  # fmt: skip


def count(task: Task) -> int:
    """Layers of the model, on all stages."""
    return sum(map(len, task.layers))


def length(task: Task) -> int:
    """The longest sequence that rotations are made for."""
    return max(131_072, int(task.job["sequence"]))
