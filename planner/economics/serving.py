"""Inference memory on one GPU of a tensor-parallel group: weights by dtype, KV cache and the overhead of a forward pass. One value; bytes.

Multi-token prediction layers are excluded: serving them is a choice of the engine. Experts are assumed to be divided evenly over the
group, by tensor or expert parallelism alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import floor

from planner.dimensions import Count
from planner.errors import FieldError
from planner.formula.trace import Step, formula, term, tracing
from planner.specs import parameters
from planner.specs.job import Job
from planner.specs.model import Model
from planner.specs.validate import checked, choice

WEIGHT_WIDTHS = {"int4": 0.5, "int8": 1.0, "fp8": 1.0, "fp16": 2.0, "bf16": 2.0, "fp32": 4.0}  # Transformer Math 101, Inference
CACHE_WIDTHS = {"int4": 0.5, "int8": 1.0, "fp8": 1.0, "fp16": 2.0, "bf16": 2.0, "fp32": 4.0}
OVERHEAD = 0.2  # "up to an additional 20 %" of the weights: Transformer Math 101, as Hugging Face's model memory calculator quotes it
LONGEST = 2**34  # tokens; the upper limit of contexts


@dataclass(frozen=True)
class Serving:
    """A serving configuration: dtypes of weights and cache, tokens per sequence, concurrent sequences, tensor-parallel degree."""

    dtype: str = "bf16"
    cache_dtype: str = "bf16"
    context: int = 8192
    batch: int = 1
    tp: int = 1
    overhead_share: float = OVERHEAD  # memory of a forward pass relative to the weights
    weight_width: float = field(init=False)  # bytes
    cache_width: float = field(init=False)  # bytes

    def __post_init__(self) -> None:
        choice("dtype", self.dtype, tuple(WEIGHT_WIDTHS))
        choice("cache_dtype", self.cache_dtype, tuple(CACHE_WIDTHS))
        checked(self, {"context": (1, LONGEST), "batch": (1, 2**34), "tp": (1, 65_536), "overhead_share": (0, 10)})
        object.__setattr__(self, "weight_width", WEIGHT_WIDTHS[self.dtype])
        object.__setattr__(self, "cache_width", CACHE_WIDTHS[self.cache_dtype])


@dataclass(frozen=True)
class MemoryBudget:
    """Memory of one GPU: the limit, and the share of the limit that the CUDA context and libraries take; bytes."""

    limit_bytes: float
    context_bytes: float


def memory_budget(job: Job) -> MemoryBudget:
    """The memory of a GPU of a job, with its headroom and the context of its stack."""
    return MemoryBudget(job.memory_limit, job.stack.context_bytes)


def degrees(model: Model) -> tuple[int, ...]:
    """Valid tensor-parallel degrees: divisors of the heads that divide the kv-heads or are multiples of them.

    As vLLM checks it (model_executor/models/llama.py, LlamaAttention).
    """
    heads, keys = model.heads, model.heads if model.kv_rank else model.kv_heads
    return tuple(t for t in range(1, heads + 1) if heads % t == 0 and (keys % t == 0 or t % keys == 0))


def check_tp(model: Model, tp: int) -> None:
    """Raise FieldError for a tensor-parallel degree that is not valid for the model's heads."""
    allowed = degrees(model)
    if tp not in allowed:
        near = sorted(sorted(allowed, key=lambda t: abs(t - tp))[:2])
        raise FieldError(
            "tp", f"tp must divide the {model.heads} heads of {model.name} and divide or repeat its {model.kv_heads} kv-heads, "
            f"{tp:,} does not; use {' or '.join(map(str, near))}",
        )  # fmt: skip


@formula(
    "(L - L_s) · P_l + L_s · (P_a + P_x) + V · h · (1 if tied, 2 otherwise) / t + P_0 + P_fn",
    "shoeybi19",
    "Section 3; kv-heads are repeated where there are more ranks",
)
def serving_weights(model: Model, serving: Serving) -> float:
    """Parameters on one rank; count. On a single rank it is the published total."""
    tp, sparse = serving.tp, model.sparse_layers
    dense = term("layer_weights", parameters.layer_parameters_per_rank(model, Count(tp)) if model.layers > sparse else 0.0)
    layers = (model.layers - sparse) * dense
    around = routed = 0.0
    if sparse:
        around = float(parameters.layer_parameters_per_rank(parameters.around_experts(model), Count(tp))) + parameters.router_parameters(
            model
        )
        routed = model.experts * parameters.expert_parameters(model) / tp
        layers += sparse * (around + routed)
    term("around_weights", around)
    term("expert_weights", routed)
    ends = (parameters.embedding_parameters(model) + parameters.head_parameters(model)) / tp
    positions = term("position_weights", parameters.position_parameters(model))
    return float(layers + ends + positions + term("final_norm", parameters.norm_size(model, model.hidden)))


@formula("w_b · P_t", "math101", "Inference, Model Weights: 0.5, 1, 2 or 4 bytes")
def inference_weights(serving: Serving, serving_weights: float) -> float:
    """Weights on one rank; bytes. Quantization scales (1 to 6 % of int4 weights) are part of the overhead."""
    return serving.weight_width * serving_weights


@formula(
    "d_c + d_r if d_c > 0, ⌈k / t⌉ · (e_k + e_v) otherwise",
    "insights25",
    "Table 1: GQA, or latent attention, whose latents are replicated on each rank as are kv-heads with more ranks than heads",
)
def cached_width(model: Model, serving: Serving) -> float:
    """Elements that one rank caches per token and layer; count."""
    if model.kv_rank:
        return float(model.kv_rank + model.rope_dim)
    return float(parameters.kv_heads_per_rank(model, Count(serving.tp)) * (model.key_dim + model.value_dim))


@formula("L_g · n_c + (L - L_g) · min(n_c, n_w)", "insights25", "Section 2.1.2, windowed caches: local layers cache only the window")
def cached_tokens(model: Model, serving: Serving) -> float:
    """Cached tokens of one sequence, summed over layers; count."""
    everywhere = model.global_layers
    local = min(serving.context, model.sliding_window) if model.sliding_window else serving.context
    return float(everywhere * serving.context + (model.layers - everywhere) * local)


@formula("c_b · b_s · w_c · n_k", "insights25", "Table 1: 2 · layers · kv-heads · width bytes per token")
def cache_bytes(serving: Serving, cached_width: float, cached_tokens: float) -> float:
    """KV cache of all sequences on one rank; bytes."""
    return serving.cache_width * serving.batch * cached_width * cached_tokens


@formula("σ_o · W_i", "math101", "Inference, Total Inference Memory: about 1.2 times the weights")
def inference_overhead(serving: Serving, inference_weights: float) -> float:
    """Memory of a forward pass in addition to weights and cache; bytes."""
    return serving.overhead_share * inference_weights


@formula("W_i + K_c + W_o + X", "math101", "Inference, plus the cache and the context of the GPU")
def inference_bytes(room: MemoryBudget, inference_weights: float, cache_bytes: float, inference_overhead: float) -> float:
    """Inference memory of one GPU; bytes."""
    return inference_weights + cache_bytes + inference_overhead + room.context_bytes


@formula("M_o - W_i - W_o - X", "math101", "Inference: the remaining GPU memory")
def cache_room(room: MemoryBudget, inference_weights: float, inference_overhead: float) -> float:
    """Memory of one GPU that remains for the cache, negative if the weights do not fit; bytes."""
    return room.limit_bytes - inference_weights - inference_overhead - room.context_bytes


@formula("K_r / (c_b · b_s · w_c)", "insights25", "Table 1, solved for the tokens")
def room_tokens(serving: Serving, cache_room: float, cached_width: float) -> float:
    """Tokens of each sequence that fit in one layer if no other has a cache; count, not whole."""
    return cache_room / (serving.cache_width * serving.batch * cached_width)


@formula(
    "min(max(⌊n_t / L⌋, 0), 2^34) if n_w = 0 or n_t ≤ L · n_w, min(⌊(n_t - (L - L_g) · n_w) / L_g⌋, 2^34) if L_g > 0, 2^34 otherwise",
    "insights25",
    "Table 1, solved for the tokens",
)
def longest_context(model: Model, room_tokens: float) -> float:
    """Maximum tokens of each sequence that fit with the weights; count, 0 if the weights do not fit."""
    everywhere, window = model.global_layers, model.sliding_window
    if window and room_tokens > model.layers * window:
        beyond = room_tokens - (model.layers - everywhere) * window
        return float(min(floor(beyond / everywhere), LONGEST)) if everywhere else float(LONGEST)
    return float(min(max(floor(room_tokens / model.layers), 0), LONGEST))


@formula("max(⌊K_r / (c_b · w_c · n_k)⌋, 0)", "insights25", "Table 1, solved for the sequences")
def largest_batch(serving: Serving, cache_room: float, cached_width: float, cached_tokens: float) -> float:
    """Largest number of concurrent sequences that fit in the memory that remains for the cache; count, 0 if none fits."""
    return float(max(floor(cache_room / (serving.cache_width * cached_width * cached_tokens)), 0))


@dataclass(frozen=True)
class Fit:
    """The inference memory of one model and serving configuration on one GPU of its group; bytes, tokens, sequences."""

    model: Model
    serving: Serving
    room: MemoryBudget
    weights: float
    cache: float
    overhead: float
    memory: float
    longest: float  # longest context and largest batch: whole numbers, floats as the formulas return them
    batch: float

    @property
    def fits(self) -> bool:
        """Whether it fits the memory limit."""
        return self.memory <= self.room.limit_bytes

    @property
    def usable(self) -> int:
        """The longest context that fits, limited by the positions that the model was trained for."""
        return min(int(self.longest), self.model.max_positions)


def fit(model: Model, room: MemoryBudget, serving: Serving) -> Fit:
    """The memory of serving a model, and the longest context and largest batch that fit."""
    weights = inference_weights(serving, serving_weights(model, serving))
    overhead = inference_overhead(serving, weights)
    width, tokens = cached_width(model, serving), cached_tokens(model, serving)
    cache, left = cache_bytes(serving, width, tokens), cache_room(room, weights, overhead)
    memory = inference_bytes(room, weights, cache, overhead)
    longest, batch = longest_context(model, room_tokens(serving, left, width)), largest_batch(serving, left, width, tokens)
    return Fit(model, serving, room, weights, cache, overhead, memory, longest, batch)


def explain(model: Model, room: MemoryBudget, serving: Serving) -> dict[str, Step]:
    """The derivations of the memory, the longest context and the largest batch of a fit."""
    with tracing() as trace:
        numbers = fit(model, room, serving)
        return {name: trace.of(getattr(numbers, name)) for name in ("memory", "longest", "batch")}


def smallest_tp(model: Model, room: MemoryBudget, serving: Serving) -> int | None:
    """The smallest valid tensor-parallel degree at which the model fits; None if it fits at none."""
    return next((tp for tp in degrees(model) if fit(model, room, replace(serving, tp=tp)).fits), None)


def largest_first(models: Sequence[Model], room: MemoryBudget, serving: Serving) -> Iterator[Fit]:
    """The models that fit, in descending order of parameters; models for which the tensor-parallel degree is not valid are omitted.

    Each with the requested context, or the longest it was trained for if that is shorter.
    """
    for model in sorted(models, key=parameters.total_parameters, reverse=True):
        if serving.tp in degrees(model):
            served = fit(model, room, replace(serving, context=min(serving.context, model.max_positions)))
            if served.fits:
                yield served
