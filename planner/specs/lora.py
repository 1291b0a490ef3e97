"""Low-rank adapters on frozen weights: which matrices of a layer take them, how many parameters they have, what 4 bits keep.

LoRA (Hu et al. 2021, arXiv 2106.09685, Section 4.1): W x + B A x, with A of rank x inputs and B of outputs x rank. QLoRA (Dettmers et al.
2023, arXiv 2305.14314, Section 3): the frozen matrices in 4-bit NormalFloat with doubly quantized constants. Plain arithmetic: one value
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
# Bytes of a weight in 4 bits: a constant of 8 bits a block of 64 weights, one of 32 bits a block of 256 of those: 0.127 bits more.
NF4_BYTES = (4 + 8 / 64 + 32 / (64 * 256)) / 8
ONE = Count(1)
MLP = ("gate", "up", "down")


def check_adapters(model: Model, tuning: str, rank: int, targets: str, precision: str) -> None:
    """FieldError for adapters that this model cannot have, or that cannot be trained so."""
    if model.experts and targets == "all":
        raise FieldError("lora_targets", "adapters on routed experts are not planned; set lora_targets to attention")
    if model.kv_rank and targets == "query-value":
        raise FieldError("lora_targets", "latent attention has no value matrix of its own; set lora_targets to attention or all")
    if tuning == "qlora" and model.experts:
        raise FieldError("tuning", "routed experts in 4 bits are not planned, QLoRA quantizes linear layers alone; set tuning to lora")
    if tuning == "qlora" and precision in ("fp8", "fp4"):
        raise FieldError("precision", f"QLoRA computes in 16 bits, not in {precision}; set precision to bf16, or tuning to lora")
    if rank > model.hidden:
        most = f"at most {model.hidden:,}, the hidden size of {model.name}"
        raise FieldError("lora_rank", f"lora_rank must be {most}, not {rank:,}: no matrix of it has a higher rank")


class Matrix(NamedTuple):
    """A matrix on one tensor-parallel rank: inputs and outputs as far as they are that rank's; one value or a column."""

    inputs: Number
    outputs: Number

    @property
    def size(self) -> Parameters:
        """Weights; count."""
        return Parameters(self.inputs * self.outputs)

    @property
    def widths(self) -> Parameters:
        """Parameters of an adapter of rank 1; count. The factor on the side that is not divided is whole on every rank."""
        return Parameters(self.inputs + self.outputs)


def linear_matrices(model: Model, tp: Count = ONE) -> dict[str, Matrix]:
    """The linear layers of one transformer layer by name, as Hugging Face's classes have them: q, k and v apart, gate and up apart."""
    heads, width = model.heads / tp, Number(float(model.hidden))
    if model.kv_rank:
        latent = {"query_down": Matrix(width, Number(float(model.q_rank)))} if model.q_rank else {}
        found = latent | {
            "query": Matrix(Number(float(model.q_rank or model.hidden)), heads * model.key_dim),
            "key_value_down": Matrix(width, Number(float(model.kv_rank + model.rope_dim))),
            "key_value": Matrix(Number(float(model.kv_rank)), heads * (model.head_dim + model.value_dim)),
        }
    else:
        keys = kv_heads_per_rank(model, tp) * float(model.head_dim)
        found = {"query": Matrix(width, heads * model.head_dim), "key": Matrix(width, keys), "value": Matrix(width, keys)}
    found["output"] = Matrix(heads * model.value_dim, width)
    if model.ffn:
        middle = model.ffn / tp
        gate = {"gate": Matrix(width, middle)} if model.gated else {}
        found |= gate | {"up": Matrix(width, middle), "down": Matrix(middle, width)}
    return found


def adapted(model: Model, targets: str, tp: Count = ONE) -> list[Matrix]:
    """The matrices of a layer that have adapters."""
    found = linear_matrices(model, tp)
    names = {"query-value": ("query", "value"), "attention": tuple(name for name in found if name not in MLP), "all": tuple(found)}
    return [found[name] for name in names[targets]]


def adapter_parameters(model: Model, targets: str, rank: int, tp: Count = ONE) -> Parameters:
    """Parameters of the adapters of one layer on one tensor-parallel rank; count."""
    return rank * sum_of(matrix.widths for matrix in adapted(model, targets, tp))
