"""The page of plans side by side."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from planner.specs.plan import Plan
from tests.tui.pages.subjects import PIPED, WIDTHS, subject, text
from tui.cli.main import run
from tui.pages import compare

OTHERS = (Plan(tp=2, dp=8, dp_shard=8, zero=1, sequence_parallel=1, micro_batch=2), Plan(dp=16, micro_batch=4))
SMALL = ["--model", "llama-3.1-8b", "--gpus", "16", "--global-batch", "64", "--sequence", "4096"]


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_of_pinned_plans(width: int, golden: Callable[[str, str], None]) -> None:
    """Two pins and the plan under the cursor; if the width does not hold them the last is below, next to the first again."""
    golden(f"page-compare-{width}.txt", text(compare.draw(compare.work(subject(OTHERS[1], pins=(PIPED, OTHERS[0]))), width), width))


def test_without_pins_the_best_plan_stands_next_to_the_one_under_the_cursor() -> None:
    """Of the best plan itself there is nothing to compare, and a sentence says what to do."""
    best = subject().plan
    assert [each.plan for each in compare.work(subject(PIPED))] == [best, PIPED]
    assert "pin a plan" in text(compare.draw(compare.work(subject()), 80), 80)


def test_a_pin_under_the_cursor_stands_there_once() -> None:
    """The plan under the cursor is not shown twice."""
    assert [each.plan for each in compare.work(subject(PIPED, pins=(PIPED, OTHERS[0])))] == [PIPED, OTHERS[0]]


def test_the_command_takes_files_and_plans(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A plan file and other plans of its job; the JSON has the same content as the page."""
    file = str(tmp_path / "a.toml")
    assert run(["plan", *SMALL, "--tp", "2", "--top", "1", "--save", file]) == 0
    capsys.readouterr()
    assert run(["compare", file, "--plan", "tp=4", "--width", "100"]) == 0
    printed = capsys.readouterr()
    assert "A is " in printed.err and "B is tp=4" in printed.err
    assert run(["compare", file, "--plan", "tp=4", "--format", "json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert [plan["tp"] for plan in result["plans"]] == [2, 4] and result["plans"][0]["name"] == file
    apart = result["differences"][0]
    assert apart["step_seconds"] == pytest.approx(result["plans"][1]["step_seconds"] - result["plans"][0]["step_seconds"])
    assert sum(apart["memory_parts_gib"].values()) == pytest.approx(apart["memory_gib"])
    assert " ".join(printed.out.split()).count(apart["why"][0]) == 1
    assert run(["compare", file, "--plan", "tp=4", "--pp", "2", "--format", "json"]) == 0  # an axis bounds every plan compared
    assert [plan["pp"] for plan in json.loads(capsys.readouterr().out)["plans"]] == [2, 2]


def test_one_plan_is_refused_and_an_impossible_one_is_reported_to_be(capsys: pytest.CaptureFixture[str]) -> None:
    """compare takes at least two plans; a plan that breaks a rule ends it with code 1."""
    assert run(["compare", *SMALL, "--plan", "tp=2"]) == 2
    assert "at least two plans" in capsys.readouterr().err
    assert run(["compare", *SMALL, "--plan", "tp=2", "--plan", "tp=3"]) == 1
    assert "there is no plan tp=3" in capsys.readouterr().err


def test_plans_of_different_jobs_say_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two files of two jobs: the page lists the differences of the jobs."""
    files = [str(tmp_path / "a.toml"), str(tmp_path / "b.toml")]
    for file, gpus in zip(files, ("16", "8"), strict=True):
        assert run(["plan", *SMALL, "--gpus", gpus, "--top", "1", "--save", file]) == 0
    capsys.readouterr()
    assert run(["compare", *files]) == 0
    assert "The jobs differ: GPUs 16 h100-sxm, 8 h100-sxm." in capsys.readouterr().out
