"""Types of quantities: bytes, seconds, tokens, counts. To mypy they are apart; at run time they are the floats and numpy arrays given.

Each is one value or a column of them. `Seconds(x)` declares the quantity of x and returns x: no copy, no check, no cost. How to write
a formula with them:

    @formula("ℓ_i · x_l", ...)
    def stage_cp(stage_layers: Number, cp_layer: Seconds) -> Seconds:
        return stage_layers * cp_layer                                 # a quantity times a number, a count or a flag: the same quantity

    def tp_message(job: Job, tokens: Tokens) -> Bytes:
        return Bytes(2.0 * tokens * job.model.hidden)                  # another quantity than mypy derives: declare it

    def pp_seconds(job: Job, plan: Plan, hop: Seconds, ...) -> Seconds:
        return where(plan.pp > 1, 2.0 * hop * count, 0.0)              # where, maximum, minimum, clip, select, ceil from here, not from np

Sums and comparisons take the same quantity or a plain number (fields of specs are plain floats). Like over like is a Number; every other
product or quotient is a bare Quantity, to be declared. What numpy's functions return is an Array, to be declared too:
`Count(np.arange(n))`. A Count is whole and may stand where a Number is wanted; a Stage is a Count. Sums of several: `sum_of(list)`.
"""

from __future__ import annotations

from typing import Any, NewType

Quantity, Number, Count, Stage, Flag = (NewType(name, object) for name in ("Quantity", "Number", "Count", "Stage", "Flag"))
Bytes, Seconds, Flop, Tokens, Parameters = (NewType(name, object) for name in ("Bytes", "Seconds", "Flop", "Tokens", "Parameters"))
BytesPerSecond, FlopPerSecond = NewType("BytesPerSecond", object), NewType("FlopPerSecond", object)
TokensPerSecond = NewType("TokensPerSecond", object)
Choice = NewType("Choice", int)
sum_of = sum
NUMPY = ("maximum", "minimum", "where", "select", "clip", "ceil", "floor", "log2", "broadcast_to")


def __getattr__(name: str) -> Any:
    """Functions and types of numpy, imported on first use, so that specs can be read without numpy."""
    if name not in (*NUMPY, "Array", "Rows"):
        raise AttributeError(name)
    import numpy as np

    value = globals()[name] = np.ndarray if name in ("Array", "Rows") else getattr(np, name)
    return value
