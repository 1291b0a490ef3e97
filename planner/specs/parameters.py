"""Parameter counts of a model, and of the shards of tensor parallelism. One value or a column.

Checked against the published total of every preset. Shapes follow the Hugging Face model classes named in the
presets; the tensor-parallel split is Megatron-LM's (Shoeybi et al. 2019, Section 3: columns, then rows). A sparse layer is a layer
whose MLP is the shared experts (of width 0 without any), plus a router and the routed experts.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from planner.dimensions import Count, Number, Parameters
from planner.specs.model import Model


def norm_size(model: Model, width: int) -> int:
    """Parameters of one norm over `width` elements: a gain, and a bias for LayerNorm."""
    return width * (2 if model.norm == "layernorm" else 1)


def down_projections(model: Model) -> int:
    """Weights of latent attention's projections into its latent spaces, replicated under tensor parallelism; 0 without it."""
    return model.hidden * (model.q_rank + model.kv_rank + model.rope_dim) if model.kv_rank else 0


def attention_matrices(model: Model) -> int:
    """Weights of the projections of one layer's attention; DeepSeek-V2 (arXiv 2405.04434), Section 2.1, for latent attention."""
    queries, values = model.heads * model.key_dim, model.heads * model.value_dim
    if model.kv_rank:
        up = (model.q_rank or model.hidden) * queries + model.kv_rank * model.heads * (model.head_dim + model.value_dim)
        return down_projections(model) + up + values * model.hidden
    return model.hidden * (2 * queries + 2 * model.kv_heads * model.head_dim)


def mlp_matrices(model: Model) -> int:
    """Weights of the MLP of one layer: two matrices, three when gated."""
    return (3 if model.gated else 2) * model.hidden * model.ffn


def layer_vectors(model: Model) -> int:
    """Norms and biases of one layer; negligible in time, included in the total."""
    queries, keys = model.heads * model.head_dim, model.kv_heads * model.head_dim
    norms = model.norms_per_layer * norm_size(model, model.hidden) + model.q_rank + model.kv_rank
    norms += {"none": 0, "head": 2 * model.head_dim, "full": queries + keys}[model.qk_norm]
    qkv_bias = queries + 2 * keys if model.bias or model.qkv_bias else 0
    other = model.hidden * model.bias + (mlp_biases(model) if model.ffn else 0) + model.heads * model.sinks
    return norms + qkv_bias + other


def mlp_biases(model: Model) -> int:
    """Biases of one MLP."""
    return (2 if model.gated else 1) * model.ffn + model.hidden if model.bias else 0


def layer_parameters(model: Model) -> int:
    """Parameters of one transformer layer with a dense MLP."""
    return attention_matrices(model) + mlp_matrices(model) + layer_vectors(model)


@lru_cache(maxsize=256)
def around_experts(model: Model) -> Model:
    """The model with the shared experts as its MLP."""
    return replace(model, ffn=model.shared_ffn)


def expert_parameters(model: Model) -> int:
    """Parameters of one routed expert."""
    expert = replace(model, ffn=model.expert_ffn)
    return mlp_matrices(expert) + mlp_biases(expert)


def mlp_work(model: Model) -> int:
    """Weights of all MLPs active for one token: dense MLPs, shared experts, its routed experts, routers."""
    sparse = model.sparse_layers + (model.mtp_layers if model.experts else 0)
    dense = model.layers + model.mtp_layers - sparse
    expert = mlp_matrices(replace(model, ffn=model.expert_ffn)) if sparse else 0
    visited = mlp_matrices(around_experts(model)) + model.experts_per_token * expert + model.hidden * model.experts if sparse else 0
    return dense * mlp_matrices(model) + sparse * visited


def router_parameters(model: Model) -> int:
    """Router of one sparse layer, and the gate of its shared experts."""
    return model.hidden * (model.experts + model.shared_gate) + model.experts * model.bias


def sparse_layer_parameters(model: Model, experts: int) -> int:
    """Parameters of one sparse layer with a given number of its routed experts."""
    return layer_parameters(around_experts(model)) + router_parameters(model) + experts * expert_parameters(model)


def embedding_parameters(model: Model) -> int:
    """The token embedding alone."""
    return model.vocab * model.hidden


def position_parameters(model: Model) -> int:
    """Learned positions, and the norm after the embedding of some models."""
    learned = model.max_positions * model.hidden if model.positions == "learned" else 0
    return learned + (norm_size(model, model.hidden) if model.embedding_norm else 0)


def head_parameters(model: Model) -> int:
    """The output projection; 0 if tied to the embedding."""
    return 0 if model.tied else model.vocab * model.hidden


def mtp_vectors(model: Model) -> int:
    """Additional parameters of one layer of multi-token prediction: a projection of two hidden states, three norms.

    DeepSeek-V3 (arXiv 2412.19437), Section 2.2; embedding and head are shared with the model.
    """
    return 2 * model.hidden * model.hidden + 3 * norm_size(model, model.hidden)


def _total(model: Model, experts: int) -> int:
    """All parameters with a given number of routed experts per sparse layer, without multi-token prediction."""
    sparse = model.sparse_layers
    layers = (model.layers - sparse) * layer_parameters(model)
    if sparse:
        layers += sparse * sparse_layer_parameters(model, experts)
    ends = embedding_parameters(model) + position_parameters(model) + head_parameters(model)
    return layers + ends + norm_size(model, model.hidden)


def total_parameters(model: Model) -> int:
    """All parameters of the model as its publisher counts them, without multi-token prediction."""
    return _total(model, model.experts)


def active_parameters(model: Model) -> int:
    """Active parameters per token: all except the routed experts that it is not sent to."""
    return _total(model, model.experts_per_token)


def mtp_parameters(model: Model) -> int:
    """Parameters of the layers of multi-token prediction; trained in addition to the total."""
    layer = sparse_layer_parameters(model, model.experts) if model.experts else layer_parameters(model)
    return model.mtp_layers * (layer + mtp_vectors(model))


def kv_heads_per_rank(model: Model, tp: Count) -> Count:
    """Key-value heads on one tensor-parallel rank; replicated if there are more ranks than heads."""
    return -(-model.kv_heads // tp)


def layer_parameters_per_rank(model: Model, tp: Count) -> Parameters:
    """Parameters of one layer on one tensor-parallel rank: norms replicated, matrices divided, at least one kv-head."""
    attention, mlp, biases, whole = layer_parts_per_rank(model, tp)
    return attention + mlp + biases + whole


def layer_parts_per_rank(model: Model, tp: Count) -> tuple[Parameters, Parameters, Parameters, int]:
    """The same by part: matrices of attention and of the MLP, divided biases, and replicated norms and biases.

    The projections into the latent spaces of latent attention are replicated (Megatron-LM, multi_latent_attention.py).
    """
    if model.kv_rank:
        down = down_projections(model)
        attention = down + (attention_matrices(model) - down) / tp
        divided = Number(0.0)
    else:
        keys = kv_heads_per_rank(model, tp) * model.head_dim
        queries = model.heads * model.head_dim / tp
        attention = model.hidden * (2 * queries + 2 * keys)
        divided = (queries + 2 * keys) * (model.bias or model.qkv_bias)
    biases = divided + (model.bias and (2 if model.gated else 1) * model.ffn / tp)
    whole = layer_vectors(model) - _divided_vectors(model)
    return Parameters(attention), Parameters(mlp_matrices(model) / tp), Parameters(biases), whole


def _divided_vectors(model: Model) -> int:
    """Biases divided by tensor parallelism together with their matrices."""
    queries, keys = model.heads * model.head_dim, model.kv_heads * model.head_dim
    qkv = queries + 2 * keys if (model.bias or model.qkv_bias) and not model.kv_rank else 0
    return qkv + ((2 if model.gated else 1) * model.ffn if model.bias else 0)
