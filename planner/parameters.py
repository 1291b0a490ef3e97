"""How many parameters a model has, and how tensor parallelism divides them. Plain arithmetic: one value or a column.

Checked against the published total of every preset. The shapes are those of the Hugging Face model classes named by the
presets; the tensor-parallel split is Megatron-LM's (Shoeybi et al. 2019, section 3: columns, then rows).
"""

from __future__ import annotations

from typing import Any

from planner.specs import Model


def norm_size(model: Model, width: int) -> int:
    """Parameters of one norm over `width` elements: a gain, and a bias for LayerNorm."""
    return width * (2 if model.norm == "layernorm" else 1)


def attention_matrices(model: Model) -> int:
    """Weights of the query, key, value and output projections of one layer."""
    queries, keys = model.heads * model.head_dim, model.kv_heads * model.head_dim
    return model.hidden * (2 * queries + 2 * keys)


def mlp_matrices(model: Model) -> int:
    """Weights of the MLP of one layer: two matrices, three when gated."""
    return (3 if model.gated else 2) * model.hidden * model.ffn


def layer_vectors(model: Model) -> int:
    """Norms and biases of one layer: too small to matter for time, counted for the total."""
    queries, keys = model.heads * model.head_dim, model.kv_heads * model.head_dim
    norms = model.norms_per_layer * norm_size(model, model.hidden)
    norms += {"none": 0, "head": 2 * model.head_dim, "full": queries + keys}[model.qk_norm]
    qkv_bias = queries + 2 * keys if model.bias or model.qkv_bias else 0
    other = model.hidden + (2 if model.gated else 1) * model.ffn + model.hidden if model.bias else 0
    return norms + qkv_bias + other


def layer_parameters(model: Model) -> int:
    """Parameters of one transformer layer."""
    return attention_matrices(model) + mlp_matrices(model) + layer_vectors(model)


def embedding_parameters(model: Model) -> int:
    """The token embedding alone."""
    return model.vocab * model.hidden


def position_parameters(model: Model) -> int:
    """Learned positions, and the norm behind the embedding where there is one."""
    learned = model.max_positions * model.hidden if model.positions == "learned" else 0
    return learned + (norm_size(model, model.hidden) if model.embedding_norm else 0)


def head_parameters(model: Model) -> int:
    """The output projection; none of its own where it is tied to the embedding."""
    return 0 if model.tied else model.vocab * model.hidden


def total_parameters(model: Model) -> int:
    """All parameters of the model, as its publisher counts them."""
    final_norm = norm_size(model, model.hidden)
    return (
        model.layers * layer_parameters(model)
        + embedding_parameters(model)
        + position_parameters(model)
        + head_parameters(model)
        + final_norm
    )


def kv_heads_per_rank(model: Model, tp: Any) -> Any:
    """Key-value heads on one tensor-parallel rank; repeated where there are more ranks than heads."""
    return -(-model.kv_heads // tp)


def layer_parameters_per_rank(model: Model, tp: Any) -> Any:
    """Parameters of one layer on one tensor-parallel rank; norms whole, matrices divided, kv-heads at least one."""
    keys = kv_heads_per_rank(model, tp) * model.head_dim
    queries = model.heads * model.head_dim / tp
    attention = model.hidden * (2 * queries + 2 * keys)
    biases = (queries + 2 * keys) * (model.bias or model.qkv_bias) + (model.bias and (2 if model.gated else 1) * model.ffn / tp)
    whole = layer_vectors(model) - _divided_vectors(model)
    return attention + mlp_matrices(model) / tp + biases + whole


def _divided_vectors(model: Model) -> int:
    """Biases that tensor parallelism divides with their matrices."""
    queries, keys = model.heads * model.head_dim, model.kv_heads * model.head_dim
    qkv = queries + 2 * keys if model.bias or model.qkv_bias else 0
    return qkv + ((2 if model.gated else 1) * model.ffn if model.bias else 0)
