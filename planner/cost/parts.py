"""The parts of memory, of a step and of hidden communication: records that hold them, and the one table that names them.

Columns, exports, sentences and pages read MEMORY and STEP; a part is added here, in the record and in its table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Generic, NamedTuple, Self, TypeVar

from planner.dimensions import Bytes, Quantity, Seconds, sum_of

Q = TypeVar("Q", bound=Quantity)


class Part(NamedTuple):
    """What a part is called: a letter in bars, words in a sentence, what it is in a line of its own."""

    letter: str
    words: str
    meaning: str


def _table(text: str) -> Mapping[str, Part]:
    rows = ([cell.strip() for cell in line.split("|")] for line in text.strip().splitlines())
    return {name: Part(*rest) for name, *rest in rows}


# Bytes at the fullest stage; they sum to the device's memory. In the order of the bars.
MEMORY = _table("""
parameters  | P | weights                   | weights
gradients   | G | gradients                 | gradients
optimizer   | O | optimizer states          | master weights and optimizer states
experts     | E | states of routed experts  | weights, gradients and states of routed experts
gathered    | F | gathered layers of FSDP   | layers that FSDP has gathered
activations | A | activations               | activations of micro-batches in flight
working     | W | the layer at hand         | the layer at hand, beyond the logits
logits      | L | logits and loss           | logits and loss
buffers     | B | communication buffers     | gathered inputs of tensor parallelism
workspace   | K | workspaces of kernels     | workspaces of kernels
slack       | S | allocator slack           | what the allocator holds beyond
context     | C | context                   | CUDA context and communicators
""")
# Seconds of a step; they sum to it. Communication is what nothing hides; HiddenParts holds the rest by the same names.
STEP = _table("""
compute     | C | compute                      | kernels of the slowest stage, every micro-batch
recompute   | R | recomputation                | what recomputation repeats
host        | H | the host's launches          | the host: launches that kernels wait for, once a step
tp          | T | tensor-parallel traffic      | tensor-parallel traffic that nothing hides
cp          | X | context-parallel traffic     | context-parallel traffic that nothing hides
ep          | E | the experts' all-to-all      | the experts' all-to-all that nothing hides
bubble      | B | the pipeline bubble          | the pipeline fills and drains
pp          | P | pipeline sends               | sends between stages that nothing hides
dp          | D | data-parallel traffic        | gradients and weights of data parallelism that nothing hides
optimizer   | O | the optimizer step           | the optimizer's own step
straggler   | S | waiting for the slowest rank | waiting for the slowest of all ranks
""")
COMMUNICATION = ("tp", "cp", "ep", "pp", "dp")  # parts of the step that are exposed communication


@dataclass(frozen=True)
class Parts(Generic[Q]):
    """Parts of a whole by name, each one value or a column; None where the model has no such part."""

    def named(self) -> dict[str, Q]:
        """The parts there are, in the order of the record."""
        held = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: value for name, value in held if value is not None}

    @property
    def total(self) -> Q:
        """Their sum, in the order of the record."""
        return sum_of(self.named().values())

    def each(self, change: Callable[[Q], Q]) -> Self:
        """The record with every part changed."""
        return type(self)(**{field.name: None for field in fields(self)} | {name: change(value) for name, value in self.named().items()})


@dataclass(frozen=True)
class StateParts(Parts[Bytes]):
    """Model states of a rank, what a fully sharded stage gathers, and workspaces; bytes."""

    parameters: Bytes
    gradients: Bytes
    optimizer: Bytes
    gathered: Bytes
    workspace: Bytes
    experts: Bytes | None  # None for a dense model

    def allocated(self, activations: Bytes, working: Bytes, logits: Bytes, buffers: Bytes) -> AllocatedParts:
        """With what is live beside the states."""
        return AllocatedParts(**vars(self), activations=activations, working=working, logits=logits, buffers=buffers)


@dataclass(frozen=True)
class AllocatedParts(StateParts):
    """Live tensors of a rank at its peak: states, activations of micro-batches in flight, and what is at work; bytes."""

    activations: Bytes
    working: Bytes
    logits: Bytes
    buffers: Bytes

    def on_device(self, slack: Bytes, context: Bytes) -> MemoryParts:
        """With what the device shows beside live tensors."""
        return MemoryParts(**vars(self), slack=slack, context=context)


@dataclass(frozen=True)
class MemoryParts(AllocatedParts):
    """Memory of a device: what is allocated, the allocator's slack, the context; bytes. total: the device's memory."""

    slack: Bytes
    context: Bytes


@dataclass(frozen=True)
class WorkParts(Parts[Seconds]):
    """One micro-batch on a stage, forward and backward, nothing repeated; seconds."""

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
