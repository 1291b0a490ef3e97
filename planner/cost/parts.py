"""The parts of memory, of a step and of hidden communication: the records of their values, and the table of their names.

Columns, exports, sentences and pages read MEMORY and STEP. A new part is a row of its table and a field of its record.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Generic, NamedTuple, Self, TypeVar

from planner.degrees import BY_KEY
from planner.dimensions import Bytes, Quantity, Seconds, sum_of

Q = TypeVar("Q", bound=Quantity)


class Part(NamedTuple):
    """Names of a part: a letter in bars, a noun in sentences, a description on the page of all parts."""

    letter: str
    words: str
    meaning: str


def _table(text: str) -> Mapping[str, Part]:
    rows = ([cell.strip() for cell in line.split("|")] for line in text.strip().splitlines())
    return {name: Part(*rest) for name, *rest in rows}


# Bytes on the fullest stage; their sum is the memory of the device. In the order of the bars.
MEMORY = _table("""
parameters  | P | weights                            | weights
gradients   | G | gradients                          | gradients, those of routed experts with them
optimizer   | O | optimizer states                   | master weights and optimizer states
experts     | E | states of routed experts           | weights and optimizer states of routed experts
gathered    | F | layers gathered by FSDP            | gathered weights, and their gradients before they are reduced
activations | A | activations                        | activations of micro-batches in flight
working     | W | the working set of a layer         | working set of a layer, or of the optimizer's step
logits      | L | logits and loss                    | logits and loss
buffers     | B | communication buffers              | gathered inputs of tensor parallelism
workspace   | K | workspaces of kernels              | workspaces of kernels
slack       | S | allocator slack                    | reserved beyond live tensors
context     | C | context                            | CUDA context and communicators
""")
# Seconds of a step; their sum is the step. Communication is the exposed share; HiddenParts has the hidden share by the same names.
STEP = _table("""
compute     | C | compute                            | kernels of the slowest stage, all micro-batches
recompute   | R | recomputation                      | recomputation in the backward pass
host        | H | the host's launches                | launches that kernels wait for, fixed host time per step
tp          | T | tensor-parallel traffic            | exposed tensor-parallel communication
cp          | X | context-parallel traffic           | exposed context-parallel communication
ep          | E | the experts' all-to-all            | exposed all-to-all of the experts
bubble      | B | the pipeline bubble                | the pipeline fills and drains
pp          | P | pipeline sends                     | exposed sends between pipeline stages
dp          | D | data-parallel traffic              | exposed gradient and weight communication
optimizer   | O | the optimizer step                 | optimizer update
straggler   | S | waiting for the slowest rank       | waiting for the slowest of all ranks
""")
COMMUNICATION = tuple(part for part in STEP if part in BY_KEY and BY_KEY[part].link)  # parts of the step: exposed communication of a degree


@dataclass(frozen=True)
class Parts(Generic[Q]):
    """Parts of a total by name, each one value or a column; None for a part that the model does not have."""

    def named(self) -> dict[str, Q]:
        """The parts that are not None, in the order of the fields."""
        held = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: value for name, value in held if value is not None}

    @property
    def total(self) -> Q:
        """Their sum, added in the order of the fields."""
        return sum_of(self.named().values())

    def each(self, change: Callable[[Q], Q]) -> Self:
        """The record with a function applied to every part."""
        return type(self)(**{field.name: None for field in fields(self)} | {name: change(value) for name, value in self.named().items()})


@dataclass(frozen=True)
class AllocatedParts(Parts[Bytes]):
    """Live tensors of a rank in one phase of a step: states, gradients, gathered weights, activations, working set, logits; bytes."""

    parameters: Bytes
    gradients: Bytes
    optimizer: Bytes
    experts: Bytes | None  # None for a dense model
    gathered: Bytes
    activations: Bytes
    working: Bytes
    logits: Bytes
    buffers: Bytes
    workspace: Bytes

    def on_device(self, slack: Bytes, context: Bytes) -> MemoryParts:
        """The same with the allocator's slack and the context."""
        return MemoryParts(**vars(self), slack=slack, context=context)


@dataclass(frozen=True)
class MemoryParts(AllocatedParts):
    """Memory of a device: what is allocated, the allocator's slack, the context; bytes. total: the device's memory."""

    slack: Bytes
    context: Bytes


@dataclass(frozen=True)
class WorkParts(Parts[Seconds]):
    """One micro-batch on a stage, forward and backward, without recomputation; seconds."""

    compute: Seconds
    host: Seconds
    tp: Seconds
    cp: Seconds
    ep: Seconds | None  # None for a dense model


@dataclass(frozen=True)
class StepParts(WorkParts):
    """A step on the slowest stage; seconds. total: the step."""

    recompute: Seconds
    bubble: Seconds
    pp: Seconds
    dp: Seconds
    optimizer: Seconds
    straggler: Seconds


@dataclass(frozen=True)
class HiddenParts(Parts[Seconds]):
    """Communication of a step that compute hides, by dimension; seconds. No part of the step."""

    tp: Seconds
    cp: Seconds
    dp: Seconds
    ep: Seconds | None  # None for a dense model
