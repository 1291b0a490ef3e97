"""The record of a run as plain values, and its names."""

from __future__ import annotations

import json

from planner.cost.phases import PHASES
from planner.lab.record import PHASES as RECORDED
from planner.lab.record import Holding, Peak, Record


def test_a_record_travels_as_json() -> None:
    """A record is the same after JSON, with its phases, its largest tensors and its notes."""
    phases = {"loss": Peak(5, {"params": 5}), "end": Peak(7, {"grads": 7})}
    record = Record(phases, 8, 7, 3, (Holding(5, 1, "params", "aten.zeros"),), ("a note",), {"torch": "2.13.0"})
    assert Record.of(json.loads(json.dumps(record.table()))) == record
    assert (record.phase, record.live, record.peak.kinds) == ("end", 7, {"grads": 7})


def test_phases_are_those_of_predictions() -> None:
    """The lab and the formulas name the phases of a step alike, in one order."""
    assert tuple(PHASES) == RECORDED
