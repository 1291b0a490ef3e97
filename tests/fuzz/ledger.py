"""The ledger: how many inputs a campaign took, and every fault once by its signature, with its shortest reproduction."""

from __future__ import annotations

import json
import traceback
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.fuzz.campaign import Broken, Case

ROOT = Path(__file__).parents[2]
OURS = ("planner", "tui", "themes")
LONGEST_OUTPUT = 3000  # characters stored of the output of a fault


@dataclass
class Fault:
    """A fault: its signature, its count, the shortest input that reproduces it, and its output."""

    campaign: str
    signature: str
    case: Case
    output: str = ""
    count: int = 1

    @property
    def length(self) -> int:
        """Characters of the reproduction."""
        return len(json.dumps(self.case))


@dataclass
class Ledger:
    """The counts and faults of one campaign."""

    campaign: str
    ok: int = 0
    refused: int = 0
    faults: dict[str, Fault] = field(default_factory=dict)
    measured: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def hits(self) -> int:
        """Inputs that met a fault."""
        return sum(fault.count for fault in self.faults.values())

    @property
    def inputs(self) -> int:
        """Inputs of any outcome."""
        return self.ok + self.refused + self.hits

    def add(self, fault: Fault) -> bool:
        """Count a fault, and keep its reproduction where it is the shortest; whether the fault is new."""
        known = self.faults.get(fault.signature)
        if known is None:
            self.faults[fault.signature] = fault
            return True
        known.count += fault.count
        if fault.length < known.length:
            known.case, known.output = fault.case, fault.output
        return False

    def as_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Ledger:
        """The ledger that `as_dict` wrote."""
        return cls(**{**data, "faults": {name: Fault(**fault) for name, fault in data["faults"].items()}})


def fault_of(campaign: str, case: Case, error: BaseException) -> Fault:
    """The fault that an exception is: a broken promise by its name, anything else by its type and the innermost frame of tmplan."""
    output = "".join(traceback.format_exception(error))[-LONGEST_OUTPUT:]
    if isinstance(error, Broken):
        return Fault(campaign, f"broken: {error.promise}", case, error.detail[-LONGEST_OUTPUT:])
    return Fault(campaign, f"{type(error).__name__} {_where(error)}", case, output)


def _where(error: BaseException) -> str:
    """File, line and function of the innermost frame of tmplan; of the campaign itself where none is."""
    frames = traceback.extract_tb(error.__traceback__)
    place = "nowhere"
    for frame in frames:
        path = Path(frame.filename)
        inside = path.relative_to(ROOT).parts if path.is_relative_to(ROOT) else path.parts[-2:]
        if inside[0] in OURS or (place == "nowhere" and frame is frames[-1]):
            place = f"{'/'.join(inside)}:{frame.lineno} {frame.name}"
    return place
