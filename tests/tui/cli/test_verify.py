"""`tmplan verify`: one table as text, JSON and CSV, and its refusals. The framework is a script that answers with a record."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path

import pytest

from planner.lab.comparison import COLUMNS
from planner.lab.record import Holding, Peak, Record
from tests.tui.printing import output_of

GIB = 2**30
COMMAND = ["verify", "--model", "llama-3.1-8b", "--gpus", "8", "--global-batch", "32", "--sequence", "4096", "--stack", "megatron-core"]
PLAN = ["--plan", "tp=1,pp=2,dp=4,zero=1,micro_batch=1,recompute=none,vpp=1"]


@pytest.fixture
def python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An interpreter that answers every task with a record of 3 GiB, 1 GiB of it in weights."""
    monkeypatch.setenv("TMPLAN_CACHE", str(tmp_path / "cache"))
    peak = Peak(3 * GIB, {"params": GIB, "activations": 2 * GIB})
    phases, largest = {"loss": peak, "end": Peak(2 * GIB, {})}, (Holding(GIB, 2, "params", "aten.zeros"),)
    record = Record(phases, 5 * GIB, 4 * GIB, GIB, largest, ("a note",), {"torch": "9"})
    lines = [json.dumps({"progress": "step 1"}), json.dumps({"record": record.table()})]
    script = tmp_path / "python"
    script.write_text(f"#!{sys.executable}\nprint({lines[0]!r})\nprint({lines[1]!r})\n")
    script.chmod(0o755)
    return str(script)


def test_all_formats_have_the_same_numbers(python: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Live and reserved bytes of each stage, by kind and phase, next to the prediction; progress goes to stderr."""
    words = [*COMMAND, *PLAN, "--python", python, "--stage", "all"]
    code, text, errors = output_of(capsys, *words)
    assert code in (0, 1) and "step 1" in errors and "stage 1, 16 layers" in errors
    lines = [line.split() for line in text.splitlines()]
    loss = next(line for line in lines if line[:1] == ["loss"])
    assert loss[1] == "3.00" and loss[-2:] == ["the", "peak"] and ["1.00", "2", "x", "params", "aten.zeros"] in lines
    assert "save 1.00 GiB of what is reserved" in " ".join(text.split()) and "A note." in text
    data = json.loads(output_of(capsys, *words, "--format", "json")[1])
    assert [stage["stage"] for stage in data["stages"]] == [0, 1]
    for stage in data["stages"]:
        assert stage["live"]["lab"] == 3 * GIB and stage["lab"]["expandable"] == 4 * GIB and stage["phase"] == "loss"
        allocated = sum(value for name, value in stage["predicted"].items() if name not in ("slack", "context"))
        assert stage["live"]["predicted"] == pytest.approx(allocated)
        figures = next(line for line in lines if line[:1] == ["weights"])
        assert figures[1] == "1.00"
    rows = list(csv.DictReader(io.StringIO(output_of(capsys, *words, "--format", "csv")[1])))
    assert tuple(rows[0]) == COLUMNS and [row["live_gib"] for row in rows] == ["3.0", "3.0"]
    assert json.loads(rows[0]["kinds"]) == {"params": 1.0, "activations": 2.0} and json.loads(rows[1]["model"])["layers"] == 32


def test_a_truncated_stage_is_reported(python: str, capsys: pytest.CaptureFixture[str]) -> None:
    """--depths 2,4 runs two stages, and names both depths and the layers that they stand for."""
    code, text, errors = output_of(capsys, *COMMAND, *PLAN, "--python", python, "--stage", "0", "--depths", "2,4")
    assert code in (0, 1) and "Run with 2 and 4 layers, and extrapolated to 16." in text
    assert "stage 0, 2 layers, run 1 of 2" in errors and "stage 0, 4 layers, run 2 of 2" in errors


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--stage", "2"], "stage must be a number from 0 to 1, all or fullest, not '2'"),
        (["--stage", "-1"], "stage must be a number"),
        (["--depths", "4"], "--depths takes two numbers"),
        (["--format", "xml"], "format must be one of text, json, csv"),
        (["--python", ""], "--python takes the path of an interpreter"),
        (["--python", "/nowhere/python"], "/nowhere/python cannot be started: no such file or directory"),
    ],
)
def test_refusals_are_one_sentence(words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, and what would be right."""
    code, text, errors = output_of(capsys, *COMMAND, *PLAN, *words)
    assert code == 2 and not text and sentence in errors


def test_a_stack_without_a_package_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """The stacks that can run are named."""
    code, _, errors = output_of(capsys, *COMMAND[:-1], "maxtext")
    assert code == 2 and "has no package that runs on a CPU" in errors
