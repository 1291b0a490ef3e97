"""What a run of the lab records: peaks of live bytes by kind and phase, and what the allocator reserves. Plain data, without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from planner.errors import TmplanError

# params: weights; grads: gradients, accumulated or in buffers; optimizer: its states; gathered: unsharded weights; buffers: other storages
# made outside of a step; activations: made in a forward pass; recomputed: in a forward pass within a backward pass; working: in a backward
# pass; step: in the optimizer's step
KINDS = ("params", "grads", "optimizer", "gathered", "buffers", "activations", "recomputed", "working", "step")
# Those of planner.cost.phases. loss: forward passes, the loss and its gradient; backward: from the gradient of the last layer's output on;
# end: from that of the first layer's on; embedding: from the gradient of the embedding on; step: the optimizer's.
PHASES = ("loss", "backward", "end", "embedding", "step")


class LabError(TmplanError):
    """What the lab cannot run, in one sentence."""


@dataclass(frozen=True)
class Peak:
    """The most bytes live in a phase, by kind."""

    live: int
    kinds: Mapping[str, int]


@dataclass(frozen=True)
class Holding:
    """Storages at the peak that one operation made: their bytes, their number, their kind."""

    bytes: int
    count: int
    kind: str
    source: str  # the operation, and the module in whose forward pass it ran


@dataclass(frozen=True)
class Record:
    """The memory of one rank; bytes."""

    phases: Mapping[str, Peak]  # those of PHASES that occurred
    reserved: int  # by the caching allocator, at most
    expandable: int  # the same with expandable segments
    states: int  # live between two steps
    largest: tuple[Holding, ...] = ()  # at the peak, largest first
    notes: tuple[str, ...] = ()  # sentences on what stands in
    versions: Mapping[str, str] | None = None

    @property
    def phase(self) -> str:
        """The phase of the peak."""
        return max(self.phases, key=lambda name: self.phases[name].live)

    @property
    def peak(self) -> Peak:
        """The peak over all phases."""
        return self.phases[self.phase]

    @property
    def live(self) -> int:
        """The most bytes live."""
        return self.peak.live

    def table(self) -> dict[str, Any]:
        """The record as plain values."""
        return asdict(self)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Record:
        """The record of plain values as `table` returns them."""
        phases = {name: Peak(**peak) for name, peak in values["phases"].items()}
        largest = tuple(Holding(**holding) for holding in values["largest"])
        return cls(**dict(values) | {"phases": phases, "largest": largest, "notes": tuple(values["notes"])})
