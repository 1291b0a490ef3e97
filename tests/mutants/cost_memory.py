"""Mutants of planner/cost/memory.py."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

MEMORY = "planner/cost/memory.py"

MUTANTS = (
    Mutant(MEMORY, "WEIGHT_BYTES = 2.0", "WEIGHT_BYTES = 4.0", "constant"),
    Mutant(MEMORY, "maximum(2 * layer_weights, edge)", "maximum(layer_weights, edge)", "constant"),
    Mutant(MEMORY, "-(-model.kv_heads // plan.tp)", "(model.kv_heads // plan.tp)", "rounding"),
)
