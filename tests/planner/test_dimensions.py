"""Types of quantities: what mypy accepts and refuses, and that nothing of them is left at run time."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NewType

import numpy as np
import pytest
from mypy import api

from planner import dimensions

ROOT = Path(__file__).parents[2]
HEAD = """
from planner.cost.collectives import gather_seconds, send_seconds
from planner.cost.memory import checkpoint_bytes, layer_activations, logits_memory
from planner.cost.pipeline_split import stage_layers
from planner.dimensions import Bytes, BytesPerSecond, Count, Number, Seconds, Stage, Tokens, maximum, where
from planner.specs.job import Job
from planner.specs.parameters import kv_heads_per_rank
from planner.specs.plan import Plan

def formula(
    job: Job, plan: Plan, message: Bytes, time: Seconds, tokens: Tokens, layers: Number, stage: Stage, rate: BytesPerSecond
) -> None:
"""
REFUSED = (  # a line, and the error that mypy reports for it
    ("gather_seconds(job, plan.tp, plan.cp, time)", 'Argument 4 to "gather_seconds" has incompatible type "Seconds"; expected "Bytes"'),
    ("gather_seconds(job, plan.tp, time, message)", 'Argument 3 to "gather_seconds" has incompatible type "Seconds"; expected "Count"'),
    ("gather_seconds(job, layers, plan.cp, message)", 'Argument 2 to "gather_seconds" has incompatible type "Number"; expected "Count"'),
    ("send_seconds(job, plan.tp, tokens)", 'Argument 3 to "send_seconds" has incompatible type "Tokens"; expected "Bytes"'),
    ("checkpoint_bytes(job, plan, tokens=time)", '"checkpoint_bytes" has incompatible type "Seconds"; expected "Tokens"'),
    ("logits_memory(job, plan, time, tokens, message)", 'Argument 3 to "logits_memory" has incompatible type "Seconds"; expected "Stage"'),
    ("stage_layers(job, plan, plan.pp)", 'Argument 3 to "stage_layers" has incompatible type "Count"; expected "Stage"'),
    ("kv_heads_per_rank(job.model, tokens)", 'Argument 2 to "kv_heads_per_rank" has incompatible type "Tokens"; expected "Count"'),
    ("first: Stage = plan.tp", 'expression has type "Count", variable has type "Stage"'),
    ("time + message", 'Unsupported operand types for + ("Seconds" and "Bytes")'),
    ("time < tokens", 'Unsupported operand types for < ("Seconds" and "Tokens")'),
    ("product: Seconds = time * message", 'expression has type "Quantity", variable has type "Seconds"'),
    ("ratio: Seconds = time / time", 'expression has type "Number", variable has type "Seconds"'),
    ("degree: Count = plan.tp / 2", 'expression has type "Number", variable has type "Count"'),
    ("larger: Seconds = maximum(time, message)", 'variable has type "Seconds"'),
    ('Plan(tp="8")', 'Argument "tp" to "Plan" has incompatible type "str"'),
)
ACCEPTED = (
    "whole: Seconds = gather_seconds(job, plan.tp * plan.cp, Count(1), 2.0 * message / plan.tp)",
    "sent: Seconds = message / rate + 3e-6",
    "share: Number = time / whole",
    "edge: Seconds = (stage == 0) * time + layers * time + where(plan.zero > 0, time, 0.0)",
    "most: Bytes = maximum(0.0, message - where((plan.tp > 1) & ~(plan.pp > 1), 1.0, 0.0) * message)",
    "ranks: Count = plan.pp - stage - 1 + (stage > 0)",
    "stored: Bytes = checkpoint_bytes(job, plan, tokens) + layer_activations(job, plan, tokens)",
    "held: Count = stage_layers(job, plan, plan.every_stage())",
    "made: Bytes = Bytes(2.0 * tokens * job.model.hidden)",
    "other: Plan = Plan(tp=8, pp=plan.pp, dp=plan.every_stage())",
)


@pytest.mark.slow
def test_a_quantity_in_the_place_of_another_is_a_type_error(tmp_path: Path) -> None:
    """Under the settings of this project mypy refuses each line that confuses quantities, for that reason, and no line that does not."""
    lines = (*(line for line, _ in REFUSED), *ACCEPTED)
    path = tmp_path / "lines.py"
    path.write_text(HEAD + "".join(f"    {line}\n" for line in lines))
    out, err, _ = api.run(["--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(tmp_path / "cache"), str(path)])
    assert not err
    errors = {int(number): message for number, message in re.findall(r"lines\.py:(\d+): error: (.*)", out)}
    reported = {line: errors.pop(number, "") for number, line in enumerate(lines, HEAD.count("\n") + 1)}
    assert not errors
    assert not {line: reported[line] for line, reason in REFUSED if reason not in reported[line]}
    assert not {line: reported[line] for line in ACCEPTED if reported[line]}


TYPES = [name for name, value in vars(dimensions).items() if isinstance(value, NewType)]


@pytest.mark.parametrize("name", TYPES)
def test_a_type_is_the_identity_at_run_time(name: str) -> None:
    """A declared value is the very object declared: formulas find results by identity, and search speed depends on it."""
    declare = getattr(dimensions, name)
    for value in (3, 2.5, True, np.arange(4), np.ones((2, 3))):
        assert declare(value) is value


def test_the_stub_describes_the_module() -> None:
    """dimensions.pyi declares every type of dimensions.py, and no function or type that is not there at run time."""
    stub = Path(dimensions.__file__).with_suffix(".pyi").read_text()
    declared = set(re.findall(r"^(?:class|def) (\w+)", stub, re.MULTILINE))
    assert set(TYPES) <= declared
    assert all(hasattr(dimensions, name) for name in declared)
