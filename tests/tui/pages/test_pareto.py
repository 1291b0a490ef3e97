"""The page of memory against time: marks by letter, a line for the limit, and the list beneath."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from planner.specs.hardware import GIB
from tests.tui.pages.subjects import WIDTHS, subject, text
from tui.cli.main import run
from tui.pages import pareto

SMALL = ["--model", "llama-3.1-8b", "--gpus", "16", "--global-batch", "64", "--sequence", "4096"]


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_of_memory_against_time(width: int, golden: Callable[[str, str], None]) -> None:
    """The front of a small job."""
    golden(f"page-pareto-{width}.txt", text(pareto.draw(pareto.work(subject()), width), width))


def test_plans_over_the_limit_are_marked_by_sign_and_letter() -> None:
    """A plan of the front that does not fit is an x in the chart and has an exclamation mark in the list; those that fit are an o."""
    front = pareto.work(subject())
    assert front is not None
    over = [memory > 76.5 * GIB for memory in front.estimate.memory.tolist()]
    assert 1 < (count := sum(over)) < len(over)
    lines = text(pareto.draw(front, 80), 80)
    assert f"{count} of these do not fit" in " ".join(lines.split())
    assert lines.count("!  ") == count
    rows = {role for line in pareto.listed(front, 80) for words, role in line if "!  " in words}
    assert rows == {"bad"}
    assert "│x" in lines and "@" in lines and "limit 76.5 GiB" in lines


def test_without_a_valid_plan_there_is_a_sentence() -> None:
    """A batch that nothing divides leaves front is empty."""
    from planner.document.space import Space
    from planner.search.search import search

    made = subject()
    assert "front is empty" in text(pareto.draw(pareto.front_of(search(made.job, Space().with_("tp", "3")), None), 80), 80)


def test_of_one_plan_it_is_reported_that_it_is_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """Not that one of 1 plans is beaten by no other."""
    pins = "tp=2,pp=2,vpp=1,cp=1,micro_batch=1,recompute=none,zero=1,sequence_parallel=yes,dp_replicate=1"
    assert run(["pareto", *SMALL, "--pin", pins]) == 0
    out = capsys.readouterr().out
    assert "Only one plan is valid" in out and "Of 1 plans" not in out


def test_the_command_prints_the_page_without_a_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    """`tmplan pareto` draws the chart and the list; its JSON has the same plans, in the same order."""
    assert run(["pareto", *SMALL]) == 0
    printed = capsys.readouterr().out
    listed = [line.split()[0] for line in printed.split("plan\n")[1].splitlines()]
    assert run(["pareto", *SMALL, "--format", "json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert [f"{plan['step_seconds']:.3f}" for plan in result["plans"]] == listed
    memory = [plan["memory_gib"] for plan in result["plans"]]
    assert memory == sorted(memory, reverse=True) and result["evaluated"] > len(memory)
    assert run(["pareto", *SMALL, "--pin", "tp=3"]) == 1
    assert "no plan is valid" in capsys.readouterr().err
