"""The page of a run in the lab: it runs the fullest stage, and ends the run once it is about another plan. The framework is a script."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, cast

import pytest

from planner.document.inputs import EXAMPLE, resolve
from planner.document.planfile import Document
from planner.lab.record import Holding, Peak, Record
from planner.lab.runner import Stopped
from planner.specs.plan import Plan
from tui.cli.output import printed
from tui.pages.subject import Subject
from tui.pages.verify import draw, work

INPUTS = EXAMPLE.with_all({"model": "llama-3.1-8b", "gpus": 8, "global_batch": 32, "sequence": 4096})
LARGEST = (Holding(2**30, 32, "activations", "aten.mm.default in decoder.layers.*.self_attention.linear_qkv"),)
RECORD = Record({"loss": Peak(2**31, {"activations": 2**31})}, 2**32, 2**31, 2**30, LARGEST, versions={"torch": "2.13.0"})


def a_subject(cancelled: bool = False) -> Subject:
    """A plan of two stages under the cursor."""
    plan = Plan(pp=2, dp=4, dp_shard=4, zero=1)
    return Subject(Document(INPUTS), resolve(INPUTS), plan, cast(Any, None), cancelled=lambda: cancelled)


def install(body: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program in place of the Python that has the framework."""
    script = folder / "python"
    script.write_text(f"#!{sys.executable}\n{body}\n")
    script.chmod(0o755)
    monkeypatch.setenv("TMPLAN_PYTHON", str(script))
    monkeypatch.setenv("TMPLAN_CACHE", str(folder))


@pytest.mark.parametrize("width", [56, 80, 190])
def test_the_fullest_stage_is_run_and_drawn(width: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One stage, its live and reserved bytes next to the prediction, in lines that fit."""
    install(f"print({json.dumps({'record': RECORD.table()})!r})", tmp_path, monkeypatch)
    content = work(a_subject())
    assert [comparison.task.stage for comparison in content] == [0]
    text = printed(draw(content, width))
    assert "stage 0 of 2: 16 layers; torch 2.13.0" in text and max(map(len, text.splitlines())) <= width
    numbers = {line.split("  ")[0].strip(): line.split()[-4] for line in text.splitlines() if " %" in line}
    assert numbers["live at the peak"] == "2.00" and numbers["reserved"] == "4.00"


def test_a_page_about_another_plan_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page whose plan has changed ends its child, which would wait for minutes."""
    install("import time; time.sleep(600)", tmp_path, monkeypatch)
    with pytest.raises(Stopped):
        work(a_subject(cancelled=True))
