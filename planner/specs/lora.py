"""Low-rank adapters on frozen weights: the adapted matrices of a layer, parameters of adapters, size of weights in 4 bits.

LoRA (Hu et al. 2021, arXiv 2106.09685, Section 4.1): W x + B A x, with A of rank x inputs and B of outputs x rank. QLoRA (Dettmers et al.
2023, arXiv 2305.14314, Section 3): the frozen matrices in 4-bit NormalFloat with doubly quantized constants. One value
or a column.
"""

from __future__ import annotations

from typing import NamedTuple

from planner.dimensions import Count, Number, Parameters, sum_of
from planner.errors import FieldError
from planner.specs.model import Model
from planner.specs.parameters import kv_heads_per_rank

TUNINGS = ("full", "lora", "qlora")
TARGETS = ("query-value", "attention", "all")
# Bytes of a weight in 4 bits: 8 bits per block of 64 weights and 32 bits per 256 blocks add 0.127 bits.
NF4_BYTES = (4 + 8 / 64 + 32 / (64 * 256)) / 8
ONE = Count(1)
MLP = ("gate", "up", "down")


def check_adapters(model: Model, tuning: str, rank: int, targets: str, precision: str, quantized_experts: bool) -> None:
    """FieldError for adapters that the model does not support or that cannot be trained in this precision."""
    if model.experts and targets == "all":
        raise FieldError("lora_targets", "adapters on routed experts are not planned; set lora_targets to attention")
    if model.kv_rank and targets == "query-value":
        raise FieldError("lora_targets", "latent attention has no separate value matrix; set lora_targets to attention or all")
    if tuning == "qlora" and model.experts and not quantized_experts:
        raise FieldError("tuning", "routed experts in 4 bits are not planned, QLoRA quantizes linear layers alone; set tuning to lora")
    if tuning == "qlora" and precision in ("fp8", "fp4"):
        raise FieldError("precision", f"QLoRA computes in 16 bits, not in {precision}; set precision to bf16, or tuning to lora")
    if rank > model.hidden:
        most = f"at most {model.hidden:,}, the hidden size of {model.name}"
        raise FieldError("lora_rank", f"lora_rank must be {most}, not {rank:,}: no matrix of it has a higher rank")


class Matrix(NamedTuple):
    """The shard of a matrix on one tensor-parallel rank: its inputs and outputs; one value or a column."""

    inputs: Number
    outputs: Number

    @property
    def size(self) -> Parameters:
        """Weights; count."""
        return Parameters(self.inputs * self.outputs)

    @property
    def widths(self) -> Parameters:
        """Parameters of an adapter of rank 1; count. The factor on the undivided side is replicated."""
        return Parameters(self.inputs + self.outputs)


def linear_matrices(model: Model, tp: Count = ONE) -> dict[str, Matrix]:
    """The linear layers of one transformer layer by name, as in the classes of Hugging Face: separate q, k and v, separate gate and up."""
    heads, width = model.heads / tp, Number(float(model.hidden))
    if model.kv_rank:
        latent = {"query_down": Matrix(width, Number(float(model.q_rank)))} if model.q_rank else {}
        matrices = latent | {
            "query": Matrix(Number(float(model.q_rank or model.hidden)), heads * model.key_dim),
            "key_value_down": Matrix(width, Number(float(model.kv_rank + model.rope_dim))),
            "key_value": Matrix(Number(float(model.kv_rank)), heads * (model.head_dim + model.value_dim)),
        }
    else:
        keys = kv_heads_per_rank(model, tp) * float(model.head_dim)
        matrices = {"query": Matrix(width, heads * model.head_dim), "key": Matrix(width, keys), "value": Matrix(width, keys)}
    matrices["output"] = Matrix(heads * model.value_dim, width)
    if model.ffn:
        middle = model.ffn / tp
        gate = {"gate": Matrix(width, middle)} if model.gated else {}
        matrices |= gate | {"up": Matrix(width, middle), "down": Matrix(middle, width)}
    return matrices


def adapted(model: Model, targets: str, tp: Count = ONE) -> list[Matrix]:
    """The matrices of a layer with adapters."""
    matrices = linear_matrices(model, tp)
    names = {"query-value": ("query", "value"), "attention": tuple(name for name in matrices if name not in MLP), "all": tuple(matrices)}
    return [matrices[name] for name in names[targets]]


def adapter_parameters(model: Model, targets: str, rank: int, tp: Count = ONE) -> Parameters:
    """Parameters of the adapters of one layer on one tensor-parallel rank; count."""
    return rank * sum_of(matrix.widths for matrix in adapted(model, targets, tp))
