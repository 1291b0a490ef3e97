"""The page of the pipeline: rows that say without colour which pass runs when."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from planner.document.inputs import EXAMPLE
from planner.document.planfile import Document
from planner.document.space import Bounds, Space
from planner.specs.plan import Plan
from tests.planner.jobs import every_schedule
from tests.tui.driving import Driver, drive
from tests.tui.pages.subjects import WIDTHS, subject, text
from tui.cli.main import run
from tui.pages import timeline
from tui.pages.subject import Subject

SHALLOW: dict[str, object] = {"global_batch": 16}


def of(plan: Plan, changes: dict[str, object] | None = None) -> Subject:
    made = subject(plan, changes)
    return replace(made, job=every_schedule(made.job))


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_of_1f1b(width: int, golden: Callable[[str, str], None]) -> None:
    """The whole in one picture where the width holds it, in close-ups where it does not."""
    golden(f"page-timeline-{width}.txt", text(timeline.draw(timeline.work(of(Plan(pp=4, dp=4), SHALLOW)), width), width))


@pytest.mark.parametrize(("name", "schedule", "v"), [("interleaved", 0, 2), ("zb-h1", 1, 1), ("zb-v", 3, 2), ("dualpipev", 4, 2)])
def test_pages_of_the_other_schedules(name: str, schedule: int, v: int, golden: Callable[[str, str], None]) -> None:
    """Virtual stages by letter, halves of a backward pass by shade."""
    result = timeline.work(of(Plan(pp=4, dp=2, tp=2, vpp=v, schedule=schedule, micro_batch=2, sequence_parallel=1), {"global_batch": 32}))
    golden(f"page-timeline-{name}.txt", text(timeline.draw(result, 110), 110))


def test_no_line_is_wider_than_requested_for() -> None:
    """Nor the heading, which names schedule, ranks, virtual stages and micro-batches."""
    plan = Plan(pp=4, dp=1, vpp=2, tp=4, sequence_parallel=1)
    lines = timeline.draw(timeline.work(of(plan, {"global_batch": 128})), 56)
    assert max(sum(len(part) for part, _ in line) for line in lines) <= 56


def test_without_a_pipeline_the_parts_of_the_step_are_shown() -> None:
    """A sentence says why there is nothing to draw."""
    lines = text(timeline.draw(timeline.work(subject(Plan(dp=16))), 80), 80)
    assert "no pipeline (pp is 1)" in lines and "the step by part" in lines


def test_every_micro_batch_is_on_every_row_once_forward_and_once_backward() -> None:
    """Wide enough for all of it, each row names each micro-batch twice."""
    lines = text(timeline.draw(timeline.work(of(Plan(pp=4, dp=4), SHALLOW)), 190), 190).splitlines()
    rows = [line[2:] for line in lines if re.match(r"\d [0-9░█·]+$", line)]
    assert len(rows) == 4
    for row in rows:
        assert sorted(re.findall(r"\d+", row)) == [str(j) for j in range(4) for _ in range(2)]
        assert sorted(re.findall(r"(\d+)█", row)) == [str(j) for j in range(4)]


def test_a_long_step_is_cut_and_states_so() -> None:
    """Beginning, middle and end are drawn, and between them a line says what was left out."""
    lines = text(timeline.draw(timeline.work(of(Plan(pp=8, dp=1, tp=2, vpp=4, sequence_parallel=1))), 80), 80).splitlines()
    assert [line[:7] for line in lines if "cut:" in line] == ["~~ cut:"] * 2
    assert sum(" to " in line and line.endswith(" s") and line[0].isdigit() for line in lines) == timeline.FIRST + timeline.LAST + 1
    assert len(lines) < 100


def test_the_command_draws_the_same_and_its_json_has_every_pass(capsys: pytest.CaptureFixture[str]) -> None:
    """The picture of the command is the page's; JSON has begin and end of each pass."""
    plan = ["--model", "llama-3.1-8b", "--gpus", "16", "--sequence", "4096", "--global-batch", "16", "--plan",
            "pp=4,dp=4,tp=1,vpp=1,cp=1,zero=0,micro_batch=1,recompute=none"]  # fmt: skip
    assert run(["timeline", *plan, "--width", "110"]) == 0
    assert capsys.readouterr().out == text(timeline.draw(timeline.work(of(Plan(pp=4, dp=4), SHALLOW)), 110), 110)
    assert run(["timeline", *plan, "--format", "json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["plan"]["pp"] == 4 and result["micro_batches"] == result["drawn"] == 4
    first = result["ranks"][0]
    assert first["kind"] == list("FFFFBBBB") and first["micro_batch"] == [0, 1, 2, 3] * 2 and first["in_flight"] == 4
    assert max(max(rank["end"]) for rank in result["ranks"]) == result["seconds"]
    assert run(["timeline", *plan, "--width", "20"]) == 2
    assert "56" in capsys.readouterr().err


def test_a_pipeline_too_long_to_draw_is_reported_in_the_page() -> None:
    """The page of such a plan says in a sentence what can be drawn, and how long it is."""

    async def play(it: Driver) -> None:
        await it.press("4", "t")
        output_of = " ".join(" ".join(it.detail.lines()).split())
        assert "pp 1,024 is too long to draw" in output_of and "pp of up to about" in output_of

    long = Document(
        EXAMPLE.with_all({"layers": 2000, "global_batch": 65536}),
        Space({"pp": Bounds((1024,)), "vpp": Bounds((1,)), "tp": Bounds((16,))}),
    )
    drive(play, long)
