"""Whether a model can be served: weights by dtype, the cache of keys and values, and what a forward pass needs, on one GPU of a
tensor-parallel group. One value at a time; bytes.

Layers of multi-token prediction are left out: serving them is a choice of the engine. Experts are taken as divided evenly over the group,
by tensor or expert parallelism alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import floor

from planner.dimensions import Count
from planner.errors import FieldError
from planner.formula.trace import Step, formula, tracing
from planner.specs import parameters
from planner.specs.job import Job
from planner.specs.model import Model
from planner.specs.validate import checked, choice

WEIGHT_WIDTHS = {"int4": 0.5, "int8": 1.0, "fp8": 1.0, "fp16": 2.0, "bf16": 2.0, "fp32": 4.0}  # Transformer Math 101, Inference
CACHE_WIDTHS = {"int4": 0.5, "int8": 1.0, "fp8": 1.0, "fp16": 2.0, "bf16": 2.0, "fp32": 4.0}
OVERHEAD = 0.2  # "up to an additional 20 %" of the weights: Transformer Math 101, as Hugging Face's model memory calculator quotes it
LONGEST = 2**34  # tokens; no cache is counted beyond


@dataclass(frozen=True)
class Serving:
    """How a model is served: the dtypes of weights and cache, tokens in each sequence, sequences at once, GPUs that share the layers."""

    dtype: str = "bf16"
    cache_dtype: str = "bf16"
    context: int = 8192
    batch: int = 1
    tp: int = 1
    overhead_share: float = OVERHEAD  # memory of a forward pass over that of the weights
    weight_width: float = field(init=False)  # bytes
    cache_width: float = field(init=False)  # bytes

    def __post_init__(self) -> None:
        choice("dtype", self.dtype, tuple(WEIGHT_WIDTHS))
        choice("cache_dtype", self.cache_dtype, tuple(CACHE_WIDTHS))
        checked(self, {"context": (1, LONGEST), "batch": (1, 2**34), "tp": (1, 65_536), "overhead_share": (0, 10)})
        object.__setattr__(self, "weight_width", WEIGHT_WIDTHS[self.dtype])
        object.__setattr__(self, "cache_width", CACHE_WIDTHS[self.cache_dtype])


@dataclass(frozen=True)
class Room:
    """Memory of one GPU: what may be used of it, and what context and libraries take; bytes."""

    limit_bytes: float
    context_bytes: float


def room_of(job: Job) -> Room:
    """The room on a GPU of a job, with its headroom and the context of its stack."""
    return Room(job.memory_limit, job.stack.context_bytes)


def degrees(model: Model) -> tuple[int, ...]:
    """Tensor-parallel degrees a model can be served with: they divide the heads, and divide the kv-heads or repeat them evenly.

    As vLLM checks it (model_executor/models/llama.py, LlamaAttention).
    """
    heads, keys = model.heads, model.heads if model.kv_rank else model.kv_heads
    return tuple(t for t in range(1, heads + 1) if heads % t == 0 and (keys % t == 0 or t % keys == 0))


def check_tp(model: Model, tp: int) -> None:
    """FieldError for a degree that the model's heads cannot be divided by."""
    allowed = degrees(model)
    if tp not in allowed:
        near = sorted(sorted(allowed, key=lambda t: abs(t - tp))[:2])
        raise FieldError(
            "tp", f"tp must divide the {model.heads} heads of {model.name} and divide or repeat its {model.kv_heads} kv-heads, "
            f"{tp:,} does not; use {' or '.join(map(str, near))}",
        )  # fmt: skip


@formula("L · P_l + (embedding + head) / t + norms", "shoeybi19", "Section 3; kv-heads are repeated where there are more ranks")
def serving_weights(model: Model, serving: Serving) -> float:
    """Parameters on one rank; count. With one rank the total as its publisher counts it."""
    tp, sparse = serving.tp, model.sparse_layers
    layers = (model.layers - sparse) * parameters.layer_parameters_per_rank(model, Count(tp)) if model.layers > sparse else 0.0
    if sparse:
        around = parameters.layer_parameters_per_rank(parameters.around_experts(model), Count(tp))
        own = model.experts * parameters.expert_parameters(model) / tp
        layers += sparse * (around + parameters.router_parameters(model) + own)
    ends = (parameters.embedding_parameters(model) + parameters.head_parameters(model)) / tp
    return float(layers + ends + parameters.position_parameters(model) + parameters.norm_size(model, model.hidden))


@formula("w_b · P_t", "math101", "Inference, Model Weights: 0.5, 1, 2 or 4 bytes")
def inference_weights(serving: Serving, serving_weights: float) -> float:
    """Weights on one rank; bytes. Scales of narrow types (1 to 6 % of int4) are in the overhead."""
    return serving.weight_width * serving_weights


@formula(
    "max(k / t, 1) · (e_k + e_v), or d_c + d_r",
    "insights25",
    "Table 1: GQA, or latent attention, whose latents are whole on each rank as are kv-heads with more ranks than heads",
)
def cached_width(model: Model, serving: Serving) -> float:
    """Numbers that one rank caches for a token in one layer; count."""
    if model.kv_rank:
        return float(model.kv_rank + model.rope_dim)
    return float(parameters.kv_heads_per_rank(model, Count(serving.tp)) * (model.key_dim + model.value_dim))


@formula("L_g · n_c + (L - L_g) · min(n_c, n_w)", "insights25", "Section 2.1.2, windowed caches: local layers keep the window alone")
def cached_tokens(model: Model, serving: Serving) -> float:
    """Tokens that the cache of one sequence holds, over all layers; count."""
    everywhere = model.global_layers
    local = min(serving.context, model.sliding_window) if model.sliding_window else serving.context
    return float(everywhere * serving.context + (model.layers - everywhere) * local)


@formula("c_b · b_s · w_c · n_k", "insights25", "Table 1: 2 · layers · kv-heads · width bytes a token")
def cache_bytes(serving: Serving, cached_width: float, cached_tokens: float) -> float:
    """Keys and values of all sequences on one rank; bytes."""
    return serving.cache_width * serving.batch * cached_width * cached_tokens


@formula("σ_o · W_i", "math101", "Inference, Total Inference Memory: about 1.2 times the weights")
def inference_overhead(serving: Serving, inference_weights: float) -> float:
    """What a forward pass needs beside weights and cache; bytes."""
    return serving.overhead_share * inference_weights


@formula("W_i + K_c + W_o + X", "math101", "Inference, with the cache and the context of the GPU")
def inference_bytes(room: Room, inference_weights: float, cache_bytes: float, inference_overhead: float) -> float:
    """Memory of one GPU that serves; bytes."""
    return inference_weights + cache_bytes + inference_overhead + room.context_bytes


@formula("M_o - W_i - W_o - X", "math101", "Inference: what is left of the GPU")
def cache_room(room: Room, inference_weights: float, inference_overhead: float) -> float:
    """Memory of one GPU that is left to the cache, less than 0 where there is too little for the weights; bytes."""
    return room.limit_bytes - inference_weights - inference_overhead - room.context_bytes


@formula(
    "K_r / (c_b · b_s · w_c · L); (K_r / (c_b · b_s · w_c) - (L - L_g) · n_w) / L_g beyond the windows",
    "insights25",
    "Table 1, solved for the tokens",
)
def longest_context(model: Model, serving: Serving, cache_room: float, cached_width: float) -> float:
    """Most tokens in each sequence that fit beside the weights; count, 0 where not even those fit."""
    kept = cache_room / (serving.cache_width * serving.batch * cached_width)
    everywhere, window = model.global_layers, model.sliding_window
    if window and kept > model.layers * window:
        kept -= (model.layers - everywhere) * window
        return float(min(floor(kept / everywhere), LONGEST)) if everywhere else float(LONGEST)
    return float(min(max(floor(kept / model.layers), 0), LONGEST))


@formula("K_r / (c_b · w_c · n_k)", "insights25", "Table 1, solved for the sequences")
def largest_batch(serving: Serving, cache_room: float, cached_width: float, cached_tokens: float) -> float:
    """Most sequences at once that fit beside the weights; count, 0 where not one does."""
    return float(max(floor(cache_room / (serving.cache_width * cached_width * cached_tokens)), 0))


@dataclass(frozen=True)
class Fit:
    """One model served in one way on one GPU of its group; bytes, tokens, sequences."""

    model: Model
    serving: Serving
    room: Room
    weights: float
    cache: float
    overhead: float
    memory: float
    longest: float  # whole numbers both, as the formulas gave them
    batch: float

    @property
    def fits(self) -> bool:
        """Whether it fits the memory."""
        return self.memory <= self.room.limit_bytes

    @property
    def usable(self) -> int:
        """The longest context that fits and that the model was trained for, as far as its preset says."""
        return min(int(self.longest), self.model.max_positions)


def fit(model: Model, room: Room, serving: Serving) -> Fit:
    """What serving a model takes, and the most that fits beside its weights."""
    weights = inference_weights(serving, serving_weights(model, serving))
    overhead = inference_overhead(serving, weights)
    width, tokens = cached_width(model, serving), cached_tokens(model, serving)
    cache, left = cache_bytes(serving, width, tokens), cache_room(room, weights, overhead)
    memory = inference_bytes(room, weights, cache, overhead)
    longest, batch = longest_context(model, serving, left, width), largest_batch(serving, left, width, tokens)
    return Fit(model, serving, room, weights, cache, overhead, memory, longest, batch)


def explain(model: Model, room: Room, serving: Serving) -> dict[str, Step]:
    """The tree of each number of a fit: memory, longest context, largest batch."""
    with tracing() as trace:
        found = fit(model, room, serving)
        return {name: trace.of(getattr(found, name)) for name in ("memory", "longest", "batch")}


def smallest_tp(model: Model, room: Room, serving: Serving) -> int | None:
    """The fewest GPUs that serve it; None where no degree the heads allow does."""
    return next((tp for tp in degrees(model) if fit(model, room, replace(serving, tp=tp)).fits), None)


def largest_first(models: Sequence[Model], room: Room, serving: Serving) -> Iterator[Fit]:
    """The models that fit in this way, those of the most parameters first; those whose heads the degree does not divide are left out.

    Each with the context asked for, or the longest it was trained for where that is shorter.
    """
    for model in sorted(models, key=parameters.total_parameters, reverse=True):
        if serving.tp in degrees(model):
            found = fit(model, room, replace(serving, context=min(serving.context, model.max_positions)))
            if found.fits:
                yield found
